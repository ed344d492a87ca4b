# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stack of PAM modules comes to when no password is right: it has to refuse.

Pure code. Private to this collection: may change at any time. See pam.conf(5) for the actions. A stack is walked with
every result that its modules may have, all at once: what counts is where PAM can be, not how it got there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

SUCCESS, FAILURE, NEITHER = "success", "auth_err", "ignore"
_WORDS = {
    "required": "success=ok new_authtok_reqd=ok ignore=ignore default=bad",
    "requisite": "success=ok new_authtok_reqd=ok ignore=ignore default=die",
    "sufficient": "success=done new_authtok_reqd=done default=ignore",
    "optional": "success=ok new_authtok_reqd=ok default=ignore",
}
_ASK_FOR_NOTHING = frozenset(
    f"pam_{name}.so"
    for name in (
        *("access", "debug", "echo", "env", "exec", "faildelay", "faillock", "ftp", "group", "issue"),
        *("keyinit", "lastlog", "limits", "listfile", "localuser", "mail", "motd", "nologin", "permit"),
        *("securetty", "sepermit", "shells", "succeed_if", "systemd", "tally", "tally2", "time"),
        *("umask", "usertype", "warn", "wheel"),
    )
)
"""Modules that succeed for a user who has shown nothing. Any other is taken for one that checks something."""


@dataclass(frozen=True)
class Step:
    """One line of a stack, with its included lines in place; ``stack`` are the lines of a substack, which is one."""

    control: str
    module: str = ""
    stack: tuple[Step, ...] | None = None


def lets_everybody_pass(steps: Sequence[Step]) -> bool:
    """Tell whether a stack can end without a refusal although no module that checks something has succeeded."""
    return any(is_good is not False for is_good in _ends(steps))


def _ends(steps: Sequence[Step]) -> set[bool | None]:
    """Return how a stack may end: with a success, a refusal, or with neither (None)."""
    ends: set[bool | None] = set()
    seen: set[tuple[int, bool | None]] = set()
    places: list[tuple[int, bool | None]] = [(0, None)]
    while places:
        place = places.pop()
        if place in seen:
            continue
        seen.add(place)
        number, is_good = place
        if number >= len(steps):
            ends.add(is_good)
            continue
        for result in _results(steps[number]):
            goes_on_at, after = _act(_action(steps[number].control, result), result, place)
            places.append((goes_on_at if goes_on_at is not None else len(steps), after))
    return ends


def _results(step: Step) -> set[str]:
    """Return the results that a step may have for a user who shows nothing."""
    if step.stack is not None:
        return {SUCCESS if is_good else FAILURE for is_good in _ends(step.stack)}
    if step.module == "pam_permit.so":
        return {SUCCESS}
    if step.module in _ASK_FOR_NOTHING:
        return {SUCCESS, FAILURE, NEITHER}
    return {FAILURE}


def _action(control: str, result: str) -> str:
    actions = dict(re.findall(r"(\w+)\s*=\s*(\w+)", _WORDS.get(control, control)))
    return str(actions.get(result, actions.get("default", "ignore" if result == NEITHER else "bad")))


def _act(action: str, result: str, place: tuple[int, bool | None]) -> tuple[int | None, bool | None]:
    """Return where PAM goes on after an action (None for nowhere), and what it has come to by then."""
    number, is_good = place
    if action.isdecimal():
        return number + 1 + int(action), is_good
    if action in ("bad", "die"):
        return (None if action == "die" else number + 1), False
    if action in ("ok", "done"):
        if is_good is not False:
            is_good = result == SUCCESS
        return (None if action == "done" else number + 1), is_good
    return number + 1, None if action == "reset" else is_good
