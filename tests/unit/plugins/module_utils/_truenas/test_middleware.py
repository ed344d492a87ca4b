# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls in bounded time, whatever the middleware does."""

from __future__ import annotations

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas import middleware
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.middleware import Call, Middleware
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._truenas.conversation import (
    DOWN,
    LOST,
    NO_LOGIN,
    Conversation,
    Line,
    call,
    hangs,
    refused,
)

RENEW = Call("user.renew_2fa_secret", ("alice",), repeatable=False, answers=(dict,))
UPDATE = Call("auth.twofactor.update", ({"window": 1},), answers=(dict,))
START = Call("service.control", ("START", "ssh"), job=True, answers=(bool,))


def _fails(*lines: Line, change: Call | None = None) -> tuple[TwofactorError, Conversation]:
    conversation = Conversation(list(lines))
    nas = conversation.nas()
    with pytest.raises(TwofactorError) as caught:
        _ = nas.change(change) if change else nas.read("system.version")
    conversation.over()
    return caught.value, conversation


def test_a_middleware_that_is_down_for_good_is_given_up_after_a_while() -> None:
    error, conversation = _fails(*[call("system.version", prints=DOWN)] * 32)
    assert error.code == "middleware_down"
    assert conversation.clock <= 32


@pytest.mark.parametrize("trouble", [DOWN, LOST])
def test_a_reading_call_waits_for_a_restart(trouble: middleware.Ran) -> None:
    conversation = Conversation(
        [call("system.version", prints=trouble)] * 3 + [call("system.version", says="x")]
    )
    assert conversation.nas().read("system.version") == "x"
    assert conversation.clock == 3


def test_a_change_that_never_reached_it_is_made_again() -> None:
    lines = [
        call("user.renew_2fa_secret", "alice", prints=DOWN),
        call("user.renew_2fa_secret", "alice", says={}),
    ]
    assert Conversation(lines).nas().change(RENEW) == {}


def test_a_change_that_may_have_been_made_is_not_made_again() -> None:
    error, dummy = _fails(call("user.renew_2fa_secret", "alice", prints=LOST), change=RENEW)
    assert error.code == "middleware_lost"
    assert "may have been carried out or not" in error.message


def test_a_change_that_does_no_harm_twice_is_made_again() -> None:
    arguments = {"window": 1}
    lines = [
        call("auth.twofactor.update", arguments, prints=LOST),
        call("auth.twofactor.update", arguments, says={}),
    ]
    assert Conversation(lines).nas().change(UPDATE) == {}


def test_a_call_that_is_not_answered_ends() -> None:
    error, conversation = _fails(hangs("system.version"))
    assert error.code == "middleware_timeout"
    assert conversation.clock == middleware.READ_SECONDS


def test_midclts_own_patience_is_the_same_error() -> None:
    error, dummy = _fails(call("system.version", prints=middleware.Ran(1, "", "Call timeout\n")))
    assert error.code == "middleware_timeout"


def test_a_failed_login() -> None:
    error, dummy = _fails(call("system.version", prints=NO_LOGIN))
    assert error.code == "middleware_login"


def test_an_answer_of_the_wrong_kind() -> None:
    error, dummy = _fails(
        call("auth.twofactor.update", {"window": 1}, says="<html>secret</html>"), change=UPDATE
    )
    assert error.code == "middleware_rubbish"
    assert "secret</html>" not in str(error)


def _poll(**job: object) -> Line:
    return call("core.get_jobs", [["id", "=", 7]], says=[{"id": 7, **job}])


BEGUN = call("service.control", "START", "ssh", says=7)


def test_a_job_is_waited_for() -> None:
    conversation = Conversation(
        [BEGUN, _poll(state="WAITING"), _poll(state="RUNNING"), _poll(state="SUCCESS", result=True)]
    )
    assert conversation.nas().change(START) is True
    conversation.over()


def test_a_client_that_waits_for_the_job_itself() -> None:
    assert Conversation([call("service.control", "START", "ssh", says=True)]).nas().change(START) is True


@pytest.mark.parametrize("state", ["FAILED", "ABORTED"])
def test_a_job_that_fails(state: str) -> None:
    error, dummy = _fails(BEGUN, _poll(state=state, error="[EFAULT] disk full\nTraceback …"), change=START)
    assert error.code == "job_failed"
    assert "disk full" in error.message
    assert "Traceback" not in error.message


def test_a_job_that_never_ends() -> None:
    count = int(middleware.JOB_SECONDS) + 2
    error, conversation = _fails(BEGUN, *[_poll(state="RUNNING")] * count, change=START)
    assert error.code == "job_timeout"
    assert conversation.clock <= middleware.JOB_SECONDS + 2


def test_a_job_that_a_restart_has_swallowed() -> None:
    error, dummy = _fails(
        BEGUN,
        call("core.get_jobs", [["id", "=", 7]], prints=DOWN),
        call("core.get_jobs", [["id", "=", 7]], says=[]),
        change=START,
    )
    assert error.code == "job_lost"


def test_reading_side_by_side_keeps_the_order_and_the_refusals() -> None:
    answers = {
        "a": middleware.Ran(0, "1\n", ""),
        "b": refused("[EPERM] no"),
        "c": middleware.Ran(0, "3\n", ""),
    }
    nas = Middleware(lambda command, _seconds: answers[command[2]])
    one, two, three = nas.read_all([("a",), ("b",), ("c",)])
    assert (one, three) == (1, 3)
    assert "no" in str(two)
    with pytest.raises(TwofactorError):
        middleware.row(two, "b")


def test_reading_side_by_side_raises_other_trouble() -> None:
    nas = Middleware(lambda _command, _seconds: NO_LOGIN)
    with pytest.raises(TwofactorError) as caught:
        nas.read_all([("a",), ("b",)])
    assert caught.value.code == "middleware_login"


def test_without_midclt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "find_program", lambda _name: None)
    with pytest.raises(TwofactorError) as caught:
        middleware.run_midclt(["midclt", "call", "system.version"], 1)
    assert caught.value.code == "middleware_absent"


def test_without_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "find_program", lambda _name: "/usr/bin/midclt")
    monkeypatch.setattr(middleware.os, "geteuid", lambda: 1000)
    with pytest.raises(TwofactorError) as caught:
        middleware.run_midclt(["midclt", "call", "system.version"], 1)
    assert caught.value.code == "not_root"
