# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A middleware that is down, slow, full or talks rubbish: one clear error in bounded time, and the next run repairs."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.login.fleet import PASSWORD
from tests.login_truenas.nas import Nas

CONTROL = ("25.10", "26.0")


def _fails(nas: Nas, code: str, within: float = 60.0, **parts: Any) -> dict[str, Any]:
    start = time.monotonic()
    result = nas.direct(**(parts or _wanted(nas)))
    assert time.monotonic() - start < within
    assert result["failed"], result["printed"]
    assert [reason["code"] for reason in result["reasons"]] == [code], result["printed"]
    assert "Traceback" not in result["printed"]
    return result


def _wanted(nas: Nas) -> dict[str, Any]:
    return {
        "secrets": {"users": [{"name": name} for name in nas.people], "return_secrets": True},
        "policy": {"state": "enabled", "window": 1},
        "ssh": {"state": "enabled", "root_login": "allowed"},
    }


def _repaired(nas: Nas) -> None:
    """Insist that the next run, without the fault, hands everything over and that one can log in; then no change."""
    nas.stand_in("clear")
    result = nas.direct(**_wanted(nas))
    assert result["changed"], result["printed"]
    told = {entry["name"]: entry["secret"] for entry in result.get("secrets", [])}
    assert told.get("root") == nas.secret("root"), "nobody knows root's secret"
    assert nas.ssh("root", code=nas.token().code(), password=PASSWORD)
    again = nas.direct(**_wanted(nas))
    assert not again["failed"], again["printed"]
    assert not again["changed"]


def test_down(nas: Nas) -> None:
    nas.stand_in("down")
    _fails(nas, "middleware_down", within=45)
    nas.stand_in("up")
    assert nas.changes() == []
    _repaired(nas)


@pytest.mark.essential
def test_down_for_a_moment(nas: Nas) -> None:
    nas.stand_in("down")
    nas.shell("systemd-run -q --on-active=4 --timer-property=AccuracySec=100ms systemctl start middlewared")
    assert nas.protect()["changed"]


@pytest.mark.parametrize("method", ["auth.twofactor.config", "auth.twofactor.update"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_restart_in_the_middle_of_a_call_that_may_be_repeated(nas: Nas, method: str, when: str) -> None:
    nas.stand_in("fault", "restart", f"methods={method}", f"when={when}", "times=1", "seconds=2")
    first = nas.direct(**_wanted(nas))
    assert first["changed"], first["printed"]
    assert nas.ssh("root", code=nas.token().code(), password=PASSWORD)
    assert not nas.direct(**_wanted(nas))["changed"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_restart_in_the_middle_of_a_renewal(nas: Nas, when: str) -> None:
    method = "user.renew_2fa_secret" if nas.per_user else "auth.twofactor.renew_secret"
    if not nas.per_user:
        nas.direct(**_wanted(nas))
        nas.stand_in("fault", "restart", f"methods={method}", f"when={when}", "times=1", "seconds=2")
        renewed = {**_wanted(nas)["secrets"], "state": "renewed", "renewal": "w"}
        _fails(nas, "middleware_lost", secrets=renewed)
        assert nas.direct(secrets=renewed)["secrets"][0]["secret"] == nas.secret("root")
        return
    nas.stand_in("fault", "restart", f"methods={method}", f"when={when}", "times=1", "seconds=2")
    _fails(nas, "middleware_lost")
    _repaired(nas)


def test_slow(nas: Nas) -> None:
    nas.stand_in("fault", "slow", "methods=system.version", "seconds=60")
    _fails(nas, "middleware_timeout", within=40)
    assert nas.changes() == []
    _repaired(nas)


def test_a_slow_change(nas: Nas) -> None:
    nas.stand_in("fault", "slow", "methods=auth.twofactor.update", "seconds=60", "when=before")
    _fails(nas, "middleware_timeout", within=60)
    nas.stand_in("clear")
    time.sleep(12)  # it comes about after all
    _repaired(nas)


@pytest.mark.essential
@pytest.mark.parametrize(
    "method", ["system.version", "auth.twofactor.config", "user.query", "auth.twofactor.update"]
)
def test_rubbish(nas: Nas, method: str) -> None:
    nas.stand_in("fault", "rubbish", f"methods={method}")
    code = "version_unknown" if method == "system.version" else "middleware_rubbish"
    result = _fails(nas, code)
    assert "Bad Gateway" not in result["printed"]
    _repaired(nas)


@pytest.mark.essential
def test_a_failed_login_that_exits_with_0(nas: Nas) -> None:
    nas.stand_in("fault", "login")
    _fails(nas, "middleware_login")
    assert nas.changes() == []
    _repaired(nas)


def test_an_error_of_any_kind(nas: Nas) -> None:
    nas.stand_in("fault", "error", "methods=auth.twofactor.update", "reason=The moon is in the wrong house")
    result = _fails(nas, "truenas_refused")
    assert "The moon is in the wrong house" in result["msg"]
    _repaired(nas)


@pytest.mark.essential
@pytest.mark.parametrize("confirm_within", [0, 600])
def test_a_change_that_is_refused_in_the_middle_is_taken_back(nas: Nas, confirm_within: int) -> None:
    """The last call is refused; the settings are as before, and nobody is asked for a code that nobody has."""
    before = nas.settings()
    nas.stand_in("fault", "error", "methods=ssh.update", "reason=not today", "times=1")
    result = nas.direct(**_wanted(nas), confirm_within=confirm_within)
    assert result["failed"], result["printed"]
    assert "not today" in result["msg"]
    assert "This has been taken back" in result["msg"]
    after = nas.settings()
    assert {**after, "secret": None} == {**before, "secret": None}
    assert "pam_oath" not in nas.shell("cat /etc/pam.d/sshd")
    assert nas.ssh("root", key=True)
    assert "pending" not in nas.module("twofactor_info")["twofactor"]
    _repaired(nas)


def test_a_validation_error(nas: Nas) -> None:
    # The one that TrueNAS alone can know: whether a time server answers.
    result = nas.module("twofactor_ntp", servers=["192.0.2.123"])
    assert [reason["code"] for reason in result["reasons"]] == ["ntp_refused"]
    assert "force: true" in result["msg"]
    assert nas.module("twofactor_ntp", servers=["192.0.2.123"], force=True)["changed"]
    nas.stand_in("forget")
    assert not nas.module("twofactor_ntp", servers=["192.0.2.123"], force=True)["changed"]
    assert len(nas.calls()) == 1
    servers = nas.midclt("system.ntpserver.query")
    assert servers.count("192.0.2.123") == 1
    assert nas.module("twofactor_ntp", servers=[])["changed"]
    assert "192.0.2.123" not in nas.midclt("system.ntpserver.query")


@pytest.mark.parametrize("where", ["database", "etc"])
@pytest.mark.parametrize(
    "method", ["auth.twofactor.update", "user.renew_2fa_secret", "user.update", "ssh.update"]
)
def test_a_full_disk_under_the_middleware(nas: Nas, where: str, method: str) -> None:
    if method.startswith("user.") and not nas.per_user:
        pytest.skip("no such call on this release")
    nas.stand_in("fault", "disk_full", f"methods={method}", f"where={where}")
    result = nas.direct(**_wanted(nas))
    if not result["failed"]:
        pytest.skip(f"{method} writes nothing there")
    assert [reason["code"] for reason in result["reasons"]] == ["truenas_refused"]
    _repaired(nas)


def test_a_full_disk_under_our_own_note(nas: Nas) -> None:
    nas.shell(
        "mkdir -p /data; mount -t tmpfs -o size=64k tmpfs /data; cat /dev/zero > /data/filler 2>/dev/null; true"
    )
    try:
        _fails(nas, "notes_unwritable")
        assert nas.changes() == []
        # What must always work does.
        nas.midclt("auth.twofactor.update", {"enabled": True})
        assert nas.module("twofactor", state="disabled", reason="phones lost")["changed"]
    finally:
        nas.shell("umount /data")


@pytest.fixture
def stopped(nas: Nas) -> Any:
    """A NAS whose SSH service is stopped."""
    if nas.release not in CONTROL:
        pytest.skip("services are not started by jobs before 25.10")
    nas.shell("systemctl stop ssh")
    yield nas
    nas.shell("systemctl start ssh")


def test_a_job_that_fails(stopped: Nas) -> None:
    stopped.stand_in("fault", "job_fails", "methods=service.control")
    result = stopped.module("twofactor_sshd")
    assert [reason["code"] for reason in result["reasons"]] == ["job_failed"]
    stopped.stand_in("clear")
    assert stopped.module("twofactor_sshd")["changed"]
    assert not stopped.module("twofactor_sshd")["changed"]


def test_a_job_that_never_ends(stopped: Nas) -> None:
    stopped.stand_in("fault", "job_hangs", "methods=service.control")
    start = time.monotonic()
    result = stopped.module("twofactor_sshd")
    assert [reason["code"] for reason in result["reasons"]] == ["job_timeout"]
    assert 110 < time.monotonic() - start < 150
    stopped.stand_in("clear")
    assert stopped.module("twofactor_sshd")["changed"]


@pytest.mark.parametrize(
    "hindrance",
    [
        "true",
        "systemctl stop chrony",
        "echo rubbish > /data/fleetauth-twofactor.json",
        "stand-in fault rubbish methods=auth.twofactor.config",
        "stand-in fault error methods=auth.twofactor.config,system.version,user.query",
        "stand-in fault version",
        "stand-in fault restart methods=auth.twofactor.update times=1 seconds=2",
    ],
)
def test_nothing_stops_the_emergency(nas: Nas, hindrance: str) -> None:
    nas.direct(**_wanted(nas))
    nas.shell(hindrance)
    try:
        result = nas.direct(policy={"state": "disabled", "reason": "phones lost"})
        assert result["changed"], result["printed"]
        assert "pam_oath" not in nas.shell("cat /etc/pam.d/sshd")
        assert "phones lost" in nas.shell("journalctl -q --no-pager -t twofactor -n 1 -o cat")
    finally:
        nas.shell("systemctl start chrony")


def test_an_emergency_that_cannot_repair_is_no_error(nas: Nas) -> None:
    nas.direct(**_wanted(nas))
    nas.stand_in("fault", "disk_full", "methods=auth.twofactor.update", "where=etc")
    assert nas.module("twofactor", state="disabled")["failed"]
    nas.stand_in("clear")
    nas.stand_in("fault", "error", "methods=service.*", "reason=not today")
    result = nas.module("twofactor", state="disabled")
    assert not result["failed"], result["printed"]
    assert "SSH still asks for a code" in result["printed"]
    assert nas.ssh("root", key=True)
    nas.stand_in("clear")
    assert nas.module("twofactor", state="disabled")["changed"]
    assert "pam_oath" not in nas.shell("cat /etc/pam.d/sshd")


@pytest.mark.essential
def test_an_emergency_that_was_cut_short_is_finished_by_the_next(nas: Nas) -> None:
    nas.direct(**_wanted(nas))
    nas.stand_in("fault", "disk_full", "methods=auth.twofactor.update", "where=etc")
    assert nas.module("twofactor", state="disabled")["failed"]
    nas.stand_in("clear")
    assert "pam_oath" in nas.shell("cat /etc/pam.d/sshd")
    problems = [entry["code"] for entry in nas.module("twofactor_info")["twofactor"]["problems"]]
    assert "ssh_still_asking" in problems
    assert nas.module("twofactor", state="disabled")["changed"]
    assert "pam_oath" not in nas.shell("cat /etc/pam.d/sshd")
    assert not nas.module("twofactor", state="disabled")["changed"]
