# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking the second factor off."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.platform import TruenasPlatform
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._truenas.conftest import Nas
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._truenas.conversation import (
    DOWN,
    LOST,
    RUBBISH,
    VERSIONS,
    Line,
    call,
    config,
    hangs,
    refused,
    reloads,
    settings,
)

Talks = Callable[..., TruenasPlatform]
OFF = Change(policy={"state": "disabled", "reason": "phones lost"})


def _update(release: str = "25.10") -> Line:
    return call("auth.twofactor.update", {"enabled": False}, says=settings(release))


@pytest.mark.parametrize("release", VERSIONS)
def test_two_calls_and_a_line_in_the_log(release: str, nas: Nas, talks: Talks) -> None:
    outcome = talks(config(release, enabled=True, ssh=True), _update(release)).apply(OFF, False)
    assert outcome.changed
    assert (outcome.before, outcome.after) == ({"state": "enabled"}, {"state": "disabled"})
    assert nas.logged == [("disabled", {"why": "phones lost", "lasts": ""})]


@pytest.mark.parametrize("release", VERSIONS)
def test_it_is_off_already(release: str, nas: Nas, talks: Talks) -> None:
    assert not talks(config(release)).apply(OFF, False).changed
    assert nas.logged == []


def test_check_mode(nas: Nas, talks: Talks) -> None:
    assert talks(config("25.10", enabled=True)).apply(OFF, True).changed
    assert nas.logged == []


@pytest.mark.parametrize(
    "question",
    [
        call("auth.twofactor.config", prints=RUBBISH),
        call("auth.twofactor.config", prints=refused("[EFAULT] database is malformed")),
        hangs("auth.twofactor.config"),
    ],
)
def test_it_goes_on_when_it_cannot_find_out(question: Line, nas: Nas, talks: Talks) -> None:
    assert talks(question, _update()).apply(OFF, False).changed


def test_it_waits_for_a_restart_and_repeats_itself(nas: Nas, talks: Talks) -> None:
    platform = talks(
        call("auth.twofactor.config", prints=DOWN),
        config("25.10", enabled=True),
        call("auth.twofactor.update", {"enabled": False}, prints=LOST),
        call("auth.twofactor.update", {"enabled": False}, prints=DOWN),
        _update(),
    )
    assert platform.apply(OFF, False).changed


def test_a_broken_note_a_held_lock_and_an_unknown_release_are_no_matter(nas: Nas, talks: Talks) -> None:
    (nas.folder / "data").mkdir()
    (nas.folder / "data" / "fleetauth-twofactor.json").write_text("rubbish", encoding="ascii")
    (nas.folder / "lock").mkdir()
    assert talks(config("25.10", enabled=True), _update()).apply(OFF, False).changed


def test_what_stig_mode_says_is_passed_on(nas: Nas, talks: Talks) -> None:
    sentence = "Two factor authentication may not be disabled in General Purpose OS STIG mode."
    platform = talks(
        config("25.10", enabled=True),
        call(
            "auth.twofactor.update",
            {"enabled": False},
            prints=refused(f"[EINVAL] auth_twofactor_update.enable: {sentence}"),
        ),
    )
    with pytest.raises(TwofactorError) as caught:
        platform.apply(OFF, False)
    assert f"auth_twofactor_update.enable: {sentence}" in str(caught.value)
    assert nas.logged == [("disabled", {"why": "phones lost", "failed": "truenas_refused"})]


def test_an_answer_that_does_not_say_off_is_an_error(nas: Nas, talks: Talks) -> None:
    platform = talks(
        config("25.10", enabled=True),
        call("auth.twofactor.update", {"enabled": False}, says=settings("25.10", enabled=True)),
    )
    with pytest.raises(TwofactorError):
        platform.apply(OFF, False)


def test_a_middleware_that_is_down_is_told_in_bounded_time(nas: Nas, talks: Talks) -> None:
    platform = talks(*[call("auth.twofactor.config", prints=DOWN)] * 32)
    with pytest.raises(TwofactorError) as caught:
        platform.apply(OFF, False)
    assert caught.value.code == "middleware_down"


def test_ssh_that_still_asks_although_it_is_off_is_reloaded(nas: Nas, talks: Talks) -> None:
    nas.ssh_asks(True)
    assert talks(config("25.04"), call("service.reload", "ssh", says=True)).apply(OFF, False).changed
    nas.ssh_asks(False)
    assert not talks(config("25.04")).apply(OFF, False).changed


def test_and_by_the_job_where_there_is_nothing_else(nas: Nas, talks: Talks) -> None:
    nas.ssh_asks(True)
    platform = talks(
        config("26.0"),
        call("service.reload", "ssh", prints=refused("Method does not exist")),
        reloads("26.0")[:2],
    )
    assert platform.apply(OFF, False).changed
