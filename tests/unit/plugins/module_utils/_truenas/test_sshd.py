# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SSH service."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import SshdChange
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.platform import TruenasPlatform
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._truenas.conftest import Nas
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._truenas.conversation import (
    CONTROL,
    ONE_SECRET,
    PER_USER,
    VERSIONS,
    Line,
    call,
    config,
    ssh_config,
    user,
    version,
)

Talks = Callable[..., TruenasPlatform]


def _service(*, enable: bool = True, state: str = "RUNNING") -> Line:
    rows = [{"id": 9, "service": "ssh", "enable": enable, "state": state, "pids": []}]
    return call("service.query", [["service", "=", "ssh"]], says=rows)


def _root(*, ssh: bool = False, **more: object) -> Line:
    return call("user.query", [["username", "=", "root"]], says=[user(1, "root", ssh=ssh, **more)])


def _start(release: str, *, works: bool = True) -> list[Line]:
    if release in CONTROL:
        job = {"id": 7, "state": "SUCCESS", "result": works}
        return [
            call("service.control", "START", "ssh", says=7),
            call("core.get_jobs", [["id", "=", 7]], says=[job]),
        ]
    return [call("service.start", "ssh", says=works)]


@pytest.mark.parametrize("release", VERSIONS)
def test_it_is_enabled_and_started(release: str, nas: Nas, talks: Talks) -> None:
    platform = talks(
        version(release),
        _service(enable=False, state="STOPPED"),
        call("service.update", "ssh", {"enable": True}, says=9),
        _start(release),
    )
    assert platform.set_sshd(SshdChange(), False).changed
    assert nas.logged[0][0] == "sshd"


@pytest.mark.parametrize("release", VERSIONS)
def test_again_nothing_changes(release: str, nas: Nas, talks: Talks) -> None:
    assert not talks(version(release), _service()).set_sshd(SshdChange(), False).changed


@pytest.mark.parametrize("release", VERSIONS)
def test_check_mode(release: str, nas: Nas, talks: Talks) -> None:
    outcome = talks(version(release), _service(state="STOPPED")).set_sshd(SshdChange(), True)
    assert outcome.changed
    assert len(outcome.after["calls"]) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize("release", ["25.04", "25.10"])
def test_a_service_that_does_not_start(release: str, nas: Nas, talks: Talks) -> None:
    platform = talks(version(release), _service(state="STOPPED"), _start(release, works=False))
    with pytest.raises(TwofactorError) as caught:
        platform.set_sshd(SshdChange(), False)
    assert caught.value.code == "sshd_start"


@pytest.mark.parametrize("release", PER_USER)
def test_roots_password_is_a_flag_of_the_account(release: str, nas: Nas, talks: Talks) -> None:
    read = (version(release), ssh_config())
    allowed = talks(
        *read,
        _root(),
        config(release),
        call("user.update", 1, {"ssh_password_enabled": True}, says=1),
        call("ssh.update", {"passwordauth": True}, says={}),
    )
    assert allowed.set_sshd(SshdChange(running=False, root_login="allowed"), False).changed
    denied = talks(
        *read,
        _root(ssh=True),
        config(release),
        call("user.update", 1, {"ssh_password_enabled": False}, says=1),
    )
    outcome = denied.set_sshd(SshdChange(running=False, root_login="denied"), False)
    assert "key of root's still lets in" in outcome.warnings[0]


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize(("word", "open_now"), [("allowed", False), ("denied", True)])
@pytest.mark.parametrize("release", PER_USER)
def test_the_account_of_a_root_without_a_secret_is_closed_to_changes(
    release: str, word: str, open_now: bool, check_mode: bool, nas: Nas, talks: Talks
) -> None:
    platform = talks(version(release), ssh_config(), _root(ssh=open_now), config(release, enabled=True))
    with pytest.raises(TwofactorError) as caught:
        platform.set_sshd(SshdChange(running=False, root_login=word), check_mode)
    assert caught.value.code == "root_not_enrolled"


@pytest.mark.parametrize("release", PER_USER)
def test_a_root_without_a_password_is_a_warning(release: str, nas: Nas, talks: Talks) -> None:
    root = _root(ssh=True, password_disabled=True)
    outcome = talks(version(release), ssh_config(passwordauth=True), root).set_sshd(
        SshdChange(running=False, root_login="allowed"), False
    )
    assert not outcome.changed
    assert "root has no password to log in with" in outcome.warnings[0]


@pytest.mark.parametrize("release", ONE_SECRET)
@pytest.mark.parametrize(("word", "value"), [("allowed", True), ("denied", False)])
def test_roots_password_is_a_setting_of_the_service(
    release: str, word: str, value: bool, nas: Nas, talks: Talks
) -> None:
    platform = talks(
        version(release),
        ssh_config(rootlogin=not value),
        _root(),
        call("ssh.update", {"rootlogin": value}, says={}),
    )
    assert platform.set_sshd(SshdChange(running=False, root_login=word), False).changed


def test_unmanaged_asks_nothing_about_root(nas: Nas, talks: Talks) -> None:
    assert not talks(version("25.10"), _service()).set_sshd(SshdChange(root_login="unmanaged"), False).changed
