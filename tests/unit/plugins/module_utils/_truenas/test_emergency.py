# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking the second factor off."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import Ran
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas import later
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.platform import TruenasPlatform
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._truenas.conftest import Nas
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._truenas.conversation import (
    CONTROL,
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
ON = [["auth.twofactor.update", {"enabled": True}]]


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


def _no_control(release: str) -> list[Line]:
    """Return the question for the job, which releases before 25.10 do not have."""
    if release in CONTROL:
        return []
    says = refused("[ENOMETHOD] Method 'control' not found in 'service'")
    return [call("service.control", "RELOAD", "ssh", prints=says)]


@pytest.mark.parametrize("release", VERSIONS)
def test_ssh_that_still_asks_although_it_is_off_is_reloaded(release: str, nas: Nas, talks: Talks) -> None:
    nas.ssh_asks(True)
    reload = reloads(release)[: 2 if release in CONTROL else 1]
    assert talks(config(release), _no_control(release), reload).apply(OFF, False).changed
    nas.ssh_asks(False)
    assert not talks(config(release)).apply(OFF, False).changed


@pytest.mark.parametrize(
    "answer",
    [
        refused("ServiceService.reload() missing 1 required positional argument: 'options'"),
        refused("[EFAULT] The ssh service failed to reload"),
        LOST,
        RUBBISH,
    ],
)
def test_a_repair_that_fails_is_a_warning_and_no_error(answer: Ran, nas: Nas, talks: Talks) -> None:
    nas.ssh_asks(True)
    lines = [call("service.control", "RELOAD", "ssh", prints=answer)] * (32 if answer is LOST else 1)
    outcome = talks(config("26.0"), lines).apply(OFF, False)
    assert outcome.changed
    assert "SSH still asks for a code" in outcome.warnings[0]
    assert nas.logged == [("disabled", {"why": "phones lost", "lasts": ""})]


def test_a_job_that_fails_is_a_warning_and_no_error(nas: Nas, talks: Talks) -> None:
    nas.ssh_asks(True)
    failed = {"id": 7, "state": "FAILED", "error": "[EFAULT] no"}
    outcome = talks(
        config("26.0"),
        call("service.control", "RELOAD", "ssh", says=7),
        call("core.get_jobs", [["id", "=", 7]], says=[failed]),
    ).apply(OFF, False)
    assert "SSH still asks for a code" in outcome.warnings[0]


# For a time


def _off_for(lasts: str) -> Change:
    return Change(policy={"state": "disabled", "reason": "phones lost"}, lasts=lasts)


def _bypass() -> later.Later:
    found = later.read(later.BYPASS)
    assert found
    return found


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize("release", VERSIONS)
def test_what_was_off_is_not_switched_on_by_a_time_limit(
    release: str, check_mode: bool, nas: Nas, talks: Talks
) -> None:
    outcome = talks(config(release)).apply(_off_for("2h"), check_mode)
    assert not outcome.changed
    assert "was disabled on this NAS already" in outcome.warnings[0]
    assert later.read(later.BYPASS) is None
    assert nas.ran == []


@pytest.mark.parametrize("release", VERSIONS)
def test_what_was_on_comes_back_on(release: str, nas: Nas, talks: Talks) -> None:
    outcome = talks(config(release, enabled=True), _update(release)).apply(_off_for("2h"), False)
    assert outcome.changed
    assert outcome.warnings == []
    assert outcome.after["ends"] == "in 2h"
    assert _bypass().calls == [["auth.twofactor.update", {"enabled": True}]]
    assert 7100 < _bypass().until - time.time() <= 7200


def test_a_middleware_that_does_not_say_is_not_switched_on(nas: Nas, talks: Talks) -> None:
    question = call("auth.twofactor.config", prints=RUBBISH)
    outcome = talks(question, _update()).apply(_off_for("2h"), False)
    assert outcome.changed
    assert "did not say" in outcome.warnings[0]
    assert later.read(later.BYPASS) is None


def test_a_repair_alone_arms_nothing(nas: Nas, talks: Talks) -> None:
    nas.ssh_asks(True)
    assert talks(config("26.0"), reloads("26.0")[:2]).apply(_off_for("2h"), False).changed
    assert later.read(later.BYPASS) is None


@pytest.mark.parametrize(("lasts", "seconds"), [("3h", 10800), ("30m", 1800)])
def test_another_time_limit_replaces_the_one_that_runs(
    lasts: str, seconds: int, nas: Nas, talks: Talks
) -> None:
    talks(config("25.10", enabled=True), _update()).apply(_off_for("2h"), False)
    assert talks(config("25.10")).apply(_off_for(lasts), True).changed
    assert _bypass().seconds == 7200
    outcome = talks(config("25.10")).apply(_off_for(lasts), False)
    assert outcome.changed
    assert outcome.after["ends"] == f"in {lasts}"
    assert abs(_bypass().until - time.time() - seconds) < 60


def test_the_same_time_limit_again_is_no_change(nas: Nas, talks: Talks) -> None:
    talks(config("25.10", enabled=True), _update()).apply(_off_for("2h"), False)
    before = _bypass()
    assert not talks(config("25.10")).apply(_off_for("2h"), False).changed
    assert _bypass() == before


def test_the_same_time_limit_an_hour_later_counts_from_then(nas: Nas, talks: Talks) -> None:
    later.arm(later.BYPASS, later.Later(time.time() + 3600, ON, seconds=7200))
    assert talks(config("25.10")).apply(_off_for("2h"), False).changed
    assert 7100 < _bypass().until - time.time() <= 7200


@pytest.mark.parametrize("enabled", [False, True])
def test_without_a_time_limit_it_stays_off(enabled: bool, nas: Nas, talks: Talks) -> None:
    later.arm(later.BYPASS, later.Later(time.time() + 3600, ON, seconds=7200))
    lines = [_update()] if enabled else []
    outcome = talks(config("25.10", enabled=enabled), lines).apply(OFF, False)
    assert outcome.changed
    assert outcome.after["ends"] == ""
    assert later.read(later.BYPASS) is None


@pytest.mark.parametrize("lasts", ["", "2h"])
def test_a_bypass_that_is_ending_just_now_is_stopped(lasts: str, nas: Nas, talks: Talks) -> None:
    """Its script has begun and waits for the middleware, which it would have switch the second factor on."""
    later.arm(later.BYPASS, later.Later(time.time() - 1, ON, seconds=7200))
    os.rename(later.path(later.BYPASS), later.path(later.BYPASS, "begun"))
    assert talks(config("25.10")).apply(_off_for(lasts), False).changed
    assert "systemctl disable -q --now fleetauth-twofactor-bypass.service" in nas.ran
    assert not os.path.exists(later.path(later.BYPASS, "begun"))
    assert (later.read(later.BYPASS) is not None) == bool(lasts)
