# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who tries what, who may get in with it, and whether the report says so. Pure code."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .model import RIGHT, Attempt, Door, Drift, Factors, Kind, Outcome, Report, State, Verdict
from .tables import ABOUT_TOKENS, BYPASSED, DOORS, ENROLLED, EXEMPT, FACTORS, KINDS, UNENROLLED, WAIVED

_DOORS = {door.name: door for door in DOORS}
_FACTORS = {factors.name: factors for factors in FACTORS}
_KINDS = {kind.name: kind for kind in KINDS}


def attempts() -> list[Attempt]:
    """Return every attempt that is made after a drift, whatever is declared."""
    return [
        Attempt(door.name, kind.name, factors.name, account(kind, door, factors))
        for door in DOORS
        for kind in KINDS
        for factors in FACTORS
        if _is_tried(kind, door, factors)
    ]


def _is_tried(kind: Kind, door: Door, factors: Factors) -> bool:
    if factors.key and not door.takes_key:
        return False
    if door.tries and factors.name not in door.tries:
        return False
    if kind is ENROLLED:
        return True
    # Without a code at the prompt for one, PAM hears the same twice.
    is_tried_by_ssh_alone = factors.name == "password twice"
    return factors.name in WAIVED and (door.takes_key or not is_tried_by_ssh_alone)


def account(kind: Kind, door: Door, factors: Factors) -> str:
    """Return the account that makes an attempt: one of its own where a valid code is shown, since each is good once."""
    place = DOORS.index(door)
    return f"{kind.mark}{place}-{FACTORS.index(factors)}" if factors.shows_code else f"{kind.mark}{place}"


def accounts() -> dict[str, Kind]:
    """Return every account that makes an attempt, and its kind."""
    return {attempt.user: _KINDS[attempt.kind] for attempt in attempts()}


def may_enter(state: State, attempt: Attempt) -> bool:
    """Tell whether what an attempt shows is enough by what is declared: two factors, or one that is waived."""
    kind, door, factors = _parts(attempt)
    if "key" in state.methods and factors.key:
        return True
    if not factors.first & first_factors(state, kind, door):
        return False
    if _is_let_off(state, kind):
        return True
    return factors.code == RIGHT and not attempt.again


def must_enter(state: State, attempt: Attempt) -> bool:
    """Tell whether an attempt has to succeed on a host that nothing has happened to."""
    return may_enter(state, attempt) and _DOORS[attempt.door].required


def first_factors(state: State, kind: Kind, door: Door) -> frozenset[str]:
    """Return the first factors that are declared for a kind of user at a door.

    Exempt users need their key where sshd asks, and PAM by itself knows passwords alone.
    """
    if not (door.is_ssh and door.takes_key):
        return frozenset({"password"})
    return frozenset({"key"}) if kind is EXEMPT else state.first_factors


def _is_let_off(state: State, kind: Kind) -> bool:
    return kind in (EXEMPT, BYPASSED) or (kind is UNENROLLED and state.unenrolled == "allow")


def _parts(attempt: Attempt) -> tuple[Kind, Door, Factors]:
    return _KINDS[attempt.kind], _DOORS[attempt.door], _FACTORS[attempt.factors]


def new_problems(report: Report, usual: Report) -> list[dict[str, str]]:
    """Return the problems that the host did not have before something happened to it."""
    return [problem for problem in report.problems if problem not in usual.problems]


def is_named(door: Door, problems: Iterable[dict[str, str]], or_else: str = "") -> bool:
    """Tell whether one of these problems is about a door, or contains the regular expression ``or_else``."""
    wanted = f"{door.named_by}|{or_else}" if or_else else door.named_by
    return any(re.search(wanted, problem["message"]) for problem in problems)


def verdicts(
    state: State, drift: Drift, outcomes: Iterable[Outcome], report: Report, usual: Report
) -> list[Verdict]:
    """Return a verdict on each attempt that came out otherwise than declared and that no problem names."""
    problems = new_problems(report, usual)
    found = [verdict for outcome in outcomes if (verdict := _judge(state, outcome, problems))]
    if drift.insist and not any(re.search(drift.insist, problem["message"]) for problem in problems):
        found.append(Verdict(f"no problem says '{drift.insist}'"))
    return found


def holes(state: State, outcomes: Iterable[Outcome]) -> int:
    """Return how many attempts succeeded with less than is declared, whether a problem names them or not."""
    return sum(outcome.entered and not _is_enough(state, outcome.attempt) for outcome in outcomes)


def _is_enough(state: State, attempt: Attempt) -> bool:
    return may_enter(state, attempt) or shows_two(attempt)


def _judge(state: State, outcome: Outcome, problems: list[dict[str, str]]) -> Verdict | None:
    attempt = outcome.attempt
    door = _DOORS[attempt.door]
    what = f"{attempt.kind} user at {attempt.door} with {attempt.factors}{' again' * attempt.again}"
    if outcome.entered and not _is_enough(state, attempt) and not is_named(door, problems):
        return Verdict(f"got in unseen: {what}", attempt)
    is_kept_out = not outcome.entered and must_enter(state, attempt)
    if is_kept_out and not is_named(door, problems, or_else=ABOUT_TOKENS):
        return Verdict(f"kept out unseen: {what}, after '{' '.join(outcome.said.split())[-80:]}'", attempt)
    return None


def shows_two(attempt: Attempt) -> bool:
    """Tell whether an attempt shows a first factor and a valid code, declared together or not."""
    factors = _FACTORS[attempt.factors]
    return bool(factors.first) and factors.code == RIGHT and not attempt.again


def opened(found: Iterable[Verdict]) -> set[str]:
    """Return the doors at which somebody who shows nothing was seen to come in."""
    return {one.attempt.door for one in found if one.attempt and one.attempt.factors == "nothing"}
