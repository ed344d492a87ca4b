# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge of the doors suite: who may get in with what, and what counts as said."""

from __future__ import annotations

import pytest

from tests.doors import oracle
from tests.doors.doors import take_turns
from tests.doors.drifts import DRIFTS, NOTHING
from tests.doors.model import Attempt, Drift, Outcome, Report, State
from tests.doors.tables import DOORS, FACTORS, KINDS, STATES

KEY = State("key", ("key_and_code",))
PASSWORD = State("password", ("password_and_code",))
GRACE = State("key, allow", ("key_and_code",), unenrolled="allow")
KEY_ALONE = State("password, or a key alone", ("password_and_code", "key"))
CLEAN = Report((), {})


def _tries(door: str, kind: str, factors: str, *, again: bool = False) -> Attempt:
    return Attempt(door, kind, factors, "someone", again)


@pytest.mark.parametrize("state", [KEY, PASSWORD])
@pytest.mark.parametrize("door", [door.name for door in DOORS])
@pytest.mark.parametrize(
    "factors", ["nothing", "key", "password", "password twice", "code", "code twice", "wrong password, code"]
)
def test_enrolled_user_never_gets_in_with_one_factor(state: State, door: str, factors: str) -> None:
    assert not oracle.may_enter(state, _tries(door, "enrolled", factors))


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS])
@pytest.mark.parametrize("state", STATES)
def test_nothing_is_never_enough(state: State, kind: str) -> None:
    assert not any(oracle.may_enter(state, _tries(door.name, kind, "nothing")) for door in DOORS)


@pytest.mark.parametrize(
    ("state", "kind", "door", "factors"),
    [
        (KEY, "enrolled", "ssh", "key, code"),
        (PASSWORD, "enrolled", "ssh", "password, code"),
        (KEY, "enrolled", "sudo", "password, code"),
        (KEY, "exempt", "ssh", "key"),
        (PASSWORD, "exempt", "ssh", "key"),
        (KEY, "exempt", "su", "password"),
        (KEY, "bypassed", "ssh", "key"),
        (PASSWORD, "bypassed", "login", "password"),
        (GRACE, "unenrolled", "ssh", "key"),
        (KEY_ALONE, "enrolled", "ssh", "key"),
    ],
)
def test_declared_users_have_to_get_in(state: State, kind: str, door: str, factors: str) -> None:
    assert oracle.must_enter(state, _tries(door, kind, factors))


@pytest.mark.parametrize(
    ("state", "kind", "door", "factors"),
    [
        (KEY, "exempt", "ssh", "password"),
        (PASSWORD, "bypassed", "ssh", "key"),
        (KEY, "bypassed", "ssh", "password"),
        (KEY, "unenrolled", "ssh", "key"),
        (GRACE, "unenrolled", "ssh", "password"),
        (KEY, "enrolled", "ssh", "key, password twice"),
        (KEY_ALONE, "enrolled", "ssh", "password"),
    ],
)
def test_other_factors_than_declared_are_not_enough(state: State, kind: str, door: str, factors: str) -> None:
    assert not oracle.may_enter(state, _tries(door, kind, factors))


def test_code_is_good_once() -> None:
    assert not oracle.may_enter(KEY, _tries("ssh", "enrolled", "key, code", again=True))


def test_two_factors_that_are_not_declared_together_are_no_hole() -> None:
    came_in = Outcome(_tries("ssh", "enrolled", "password, code"), True)

    assert not oracle.verdicts(KEY, NOTHING, [came_in], CLEAN, CLEAN)


def test_hole_is_seen() -> None:
    came_in = Outcome(_tries("sudo", "enrolled", "nothing"), True)

    found = oracle.verdicts(KEY, NOTHING, [came_in], CLEAN, CLEAN)

    assert [one.sentence for one in found] == ["got in unseen: enrolled user at sudo with nothing"]
    assert oracle.opened(found) == {"sudo"}


def test_hole_that_a_problem_names_is_not_unseen() -> None:
    came_in = Outcome(_tries("sudo", "enrolled", "password"), True)
    report = Report(({"code": "x", "message": "The PAM service 'sudo' does not ask for a code."},), {})

    assert not oracle.verdicts(KEY, NOTHING, [came_in], report, CLEAN)


@pytest.mark.parametrize("message", ["The PAM service 'su' does not ask.", "The clock is off by 40.0 s."])
def test_problem_of_another_door_does_not_count(message: str) -> None:
    came_in = Outcome(_tries("sudo", "enrolled", "password"), True)

    assert oracle.verdicts(KEY, NOTHING, [came_in], Report(({"code": "x", "message": message},), {}), CLEAN)


def test_problem_from_before_does_not_count() -> None:
    came_in = Outcome(_tries("ssh", "enrolled", "password"), True)
    report = Report(({"code": "x", "message": "SSH logins are not asked."},), {})

    assert oracle.verdicts(KEY, NOTHING, [came_in], report, report)


def test_user_with_both_factors_who_is_kept_out_is_seen() -> None:
    refused = Outcome(_tries("ssh", "enrolled", "key, code"), False)

    assert oracle.verdicts(KEY, NOTHING, [refused], CLEAN, CLEAN)


def test_user_who_is_kept_out_because_tokens_have_gone_is_told() -> None:
    refused = Outcome(_tries("login", "enrolled", "password, code"), False)
    report = Report(({"code": "x", "message": "The token files of 'e1' have gone."},), {})

    assert not oracle.verdicts(KEY, NOTHING, [refused], report, CLEAN)


def test_drift_that_has_to_be_said_whoever_gets_in() -> None:
    drift = Drift("x", "x", "true", insist="token")

    assert [one.sentence for one in oracle.verdicts(KEY, drift, [], CLEAN, CLEAN)] == [
        "no problem says 'token'"
    ]


def test_attempt_with_a_valid_code_has_an_account_of_its_own() -> None:
    shows_code = {factors.name for factors in FACTORS if factors.shows_code}
    users = [attempt.user for attempt in oracle.attempts() if attempt.factors in shows_code]

    assert users
    assert len(users) == len(set(users))


def test_every_door_is_tried_by_every_kind_with_nothing_and_with_a_password() -> None:
    tried = {(attempt.door, attempt.kind, attempt.factors) for attempt in oracle.attempts()}

    assert {(d.name, k.name, f) for d in DOORS for k in KINDS for f in ("nothing", "password")} <= tried


def test_drifts_have_names_of_their_own_and_are_many() -> None:
    assert len({drift.name for drift in DRIFTS}) == len(DRIFTS) >= 30


@pytest.mark.parametrize("is_short", [False, True])
def test_every_drift_has_its_turn(is_short: bool) -> None:
    turns = take_turns(list(DRIFTS), list(STATES), ["debian12", "debian13"], is_short=is_short)

    for drift in DRIFTS:
        there = [(image, state) for (image, state), chosen in turns.items() if drift in chosen]
        assert len(there) == (1 if is_short else len(STATES))
        images = {image for image, dummy in there}
        assert images <= set(drift.images) if drift.images else is_short or len(images) == 2
