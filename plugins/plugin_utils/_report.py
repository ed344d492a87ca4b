# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet as a whole: what its hosts answered, what is wrong, who is enrolled.

Pure code. Private to this collection: may change at any time. What a host answers is not trusted: _answer.py reads it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._answer import Answer, Info, User

CLOCK_TOLERANCE = 10.0
"""Seconds by which a host's clock may be off before the guard refuses to enforce codes."""
CLOCK_DRIFT = 2.0
"""Seconds from which on it is worth a look."""
RECOVERY_LOW = 2
"""Recovery codes left at which a user should be given new ones."""
_NAMED = 5
_LONG_NAME = 255

WARNINGS = frozenset(
    {
        "api_keys_bypass",
        "bypass",
        "change_pending",
        "clock_drift",
        "clock_unsynchronised",
        "never_verified",
        "nobody_asked",
        "not_enrolled",
        "not_readable",
        "private_methods",
        "recovery_low",
        "release_unknown",
        "ssh_open",
        "stig",
        "unenrolled_allowed",
        "user_login_server",
    }
)
"""Codes that want attention soon. Every other one is an error, one that nobody here knows as well."""

_SAY_IT_OF_THE_CLOCK = frozenset({"clock_differs", "clock_off", "clock_unsynchronised"})
_SAY_IT_IS_OFF = frozenset({"nothing_asks", "service_not_covered", "ssh_not_asking"})
_SAY_IT_IS_IN_PART = frozenset(
    {
        "cockpit_other_way",
        "everybody_exempt",
        "nobody_asked",
        "other_login_server",
        "other_sshd",
        "own_files_open",
        "pam_service_unsafe",
        "password_empty",
        "policy_edited",
        "service_not_covered",
        "sshd_not_judged",
        "sudo_not_asking",
        "unenrolled_allowed",
        "user_login_server",
        "users_oath_stale",
    }
)
_CANNOT_BE_RELIED_ON = frozenset({"pam_service_unsafe", "policy_edited"})
"""What asks for codes is there, and something in it or before it may let users in without one."""
STATUSES = ("protected", "partly", "off", "unreachable", "not_read")


@dataclass(frozen=True)
class Problem:
    """What is wrong, on which hosts: a code for programs, a sentence and a remedy for people."""

    code: str
    hosts: tuple[str, ...]
    message: str
    remedy: str = ""
    user: str = ""

    @property
    def severity(self) -> str:
        """Return error or warning."""
        return "warning" if self.code in WARNINGS else "error"

    @property
    def where(self) -> str:
        """Return the hosts in a few words."""
        return some(self.hosts)


@dataclass(frozen=True)
class HostState:
    """One host: its answer, and what follows from it. ``status`` is one of STATUSES."""

    answer: Answer
    status: str
    problems: tuple[Problem, ...]

    @property
    def name(self) -> str:
        """Return the name in the inventory."""
        return self.answer.name

    @property
    def info(self) -> Info | None:
        """Return what was read, None for a host of which nothing is known."""
        return self.answer.info

    def count(self, severity: str) -> int:
        """Return how many problems of a severity this host has."""
        return sum(problem.severity == severity for problem in self.problems)


@dataclass(frozen=True)
class UserState:
    """One user of the fleet. ``hosts`` are those that know of it and answered, in the inventory or by themselves.

    ``untold`` says that a platform with a token does not tell whether it was ever used.
    """

    name: str
    hosts: tuple[str, ...]
    enrolled: tuple[str, ...] = ()
    verified: tuple[str, ...] = ()
    untold: bool = False
    backup: bool = False
    last_used: str = ""
    recovery: dict[str, int] = field(default_factory=dict)

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the hosts on which this user has no token."""
        enrolled = set(self.enrolled)
        return tuple(host for host in self.hosts if host not in enrolled)

    @property
    def is_unseen(self) -> bool:
        """Tell whether this user has a token and has never shown a code of it, as far as hosts tell."""
        return bool(self.enrolled) and not self.verified and not self.untold

    @property
    def recovery_least(self) -> int | None:
        """Return the fewest recovery codes that are left on any host."""
        return min(self.recovery.values(), default=None)

    @property
    def is_running_out(self) -> bool:
        """Tell whether this user should be given new recovery codes."""
        return self.recovery_least is not None and self.recovery_least <= RECOVERY_LOW

    @property
    def has_needs(self) -> bool:
        """Tell whether something is to be done for this user."""
        return bool(self.missing) or self.is_unseen or self.is_running_out


@dataclass(frozen=True)
class Passing:
    """What is so for a while only. ``kind`` is bypass or pending, ``until`` in seconds since 1970."""

    kind: str
    host: str
    user: str
    until: float
    by: str
    reason: str


@dataclass(frozen=True)
class Report:
    """All of it. ``made`` is when, in seconds since 1970."""

    title: str
    made: float
    hosts: tuple[HostState, ...]
    users: tuple[UserState, ...]
    passing: tuple[Passing, ...]
    problems: tuple[Problem, ...]

    def count(self, severity: str) -> int:
        """Return how many problems of a severity there are."""
        return sum(problem.severity == severity for problem in self.problems)

    @property
    def statuses(self) -> dict[str, int]:
        """Return how many hosts there are of each status, none left out."""
        found = Counter(host.status for host in self.hosts)
        return {status: found[status] for status in STATUSES}

    @property
    def worst(self) -> str:
        """Return error, warning or, when nothing is wrong, ok."""
        return next((one for one in ("error", "warning") if self.count(one)), "ok")

    @property
    def releases(self) -> list[tuple[str, str, int]]:
        """Return platform, version and number of hosts, the most frequent first."""
        found = Counter((host.info.platform, host.info.version) for host in self.hosts if host.info)
        return [(*what, n) for what, n in sorted(found.items(), key=lambda item: (-item[1], item[0]))]

    @property
    def summary(self) -> str:
        """Return all of it in one line."""
        statuses = self.statuses
        words = [f"{statuses['protected']} of {number(len(self.hosts), 'host')} protected"]
        for status, word in (
            ("partly", "in part"),
            ("off", "off"),
            ("unreachable", "unreachable"),
            ("not_read", "not read"),
        ):
            words += [f"{statuses[status]} {word}"] if statuses[status] else []
        found = [number(self.count(one), one) for one in ("error", "warning") if self.count(one)]
        return f"{', '.join(words)}; {', '.join(found) or 'nothing wrong'}"


def some(names: Sequence[str], most: int = _NAMED) -> str:
    """Return names in a few words: "a, b and 7 more"."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def number(count: int, word: str) -> str:
    """Return a number with its word: "1 host", "2 hosts"."""
    return f"{count} {word}{'' if count == 1 else 's'}"


def _by_number(name: str) -> list[tuple[int, str]]:
    """Return what sorts host9 before host10."""
    return [
        (int(part) if part.isdecimal() else -1, part) for part in re.split(r"([0-9]+)", name[:_LONG_NAME])
    ]


def report(answers: Iterable[Answer], made: float, title: str) -> Report:
    """Return the report of what hosts answered."""
    answers = sorted(answers, key=lambda answer: _by_number(answer.name))
    hosts = tuple(_host(answer) for answer in answers)
    users = tuple(_users(answers))
    problems = [problem for host in hosts for problem in host.problems]
    problems += [problem for user in users for problem in _user_problems(user)]
    return Report(
        title=title,
        made=made,
        hosts=hosts,
        users=users,
        passing=tuple(sorted(_passing(answers, made), key=lambda one: (one.until, one.host, one.user))),
        problems=tuple(sorted(problems, key=lambda one: (one.severity, one.code))),
    )


def _host(answer: Answer) -> HostState:
    info = answer.info
    if info is None:
        status = "unreachable" if answer.unreachable else "not_read"
        return HostState(answer, status, (_silence(answer),))
    found = [Problem(one.code, (answer.name,), one.message, one.remedy) for one in info.problems]
    codes = {one.code for one in found}
    status = _status(info, codes)
    if status == "off" and info.bypass is None and not codes & _SAY_IT_IS_OFF:
        found.append(
            Problem(
                "off",
                (answer.name,),
                "The second factor is off.",
                "Run fleetauth.twofactor.site, or leave this host out of the report.",
            )
        )
    if info.ssh_running and not info.ssh_asks and status == "partly" and "ssh_not_asking" not in codes:
        found.append(
            Problem(
                "ssh_open",
                (answer.name,),
                "The second factor is on, but not for SSH, which asks for no code.",
                "Set twofactor_ssh_state: enabled and run fleetauth.twofactor.site.",
            )
        )
    offset = info.clock.offset
    if offset is not None and abs(offset) > CLOCK_DRIFT and not codes & _SAY_IT_OF_THE_CLOCK:
        found.append(
            Problem(
                "clock_off" if abs(offset) > CLOCK_TOLERANCE else "clock_drift",
                (answer.name,),
                f"The clock is off by {offset:+.1f} s; codes are refused, or will be before long.",
                "See why chrony does not correct it: chronyc tracking, chronyc sources.",
            )
        )
    return HostState(answer, status, tuple(found))


def _status(info: Info, codes: set[str]) -> str:
    """Return protected only where everything that lets people in asks for a code, or no login is possible there."""
    if not info.enabled:
        return "partly" if codes & _CANNOT_BE_RELIED_ON else "off"
    open_ssh = info.ssh_running and not info.ssh_asks
    if open_ssh or not all(service.asks_code for service in info.services):
        return "partly"
    return "partly" if codes & _SAY_IT_IS_IN_PART else "protected"


def _silence(answer: Answer) -> Problem:
    if answer.unreachable:
        return Problem(
            "unreachable",
            (answer.name,),
            f"Nothing is known of this host, since it could not be reached: {answer.reason}",
            "Check that it is up, and that Ansible's account can still log in.",
        )
    return Problem(
        "not_read",
        (answer.name,),
        f"Nothing is known of this host, since it could not be read: {answer.reason}",
        "Run fleetauth.twofactor.twofactor_info on it alone, with -vvv.",
    )


def _users(answers: Sequence[Answer]) -> Iterator[UserState]:
    """Return every user whom a host or the inventory names, with the hosts that answered."""
    found: dict[str, dict[str, User]] = {}
    for answer in answers:
        if answer.info is None:
            continue
        for user in answer.info.users:
            found.setdefault(user.name, {})[answer.name] = user
        for name in answer.people:
            found.setdefault(name, {}).setdefault(answer.name, User(name))
    for name, places in sorted(found.items()):
        enrolled = {host: user for host, user in places.items() if user.enrolled}
        yield UserState(
            name=name,
            hosts=tuple(places),
            enrolled=tuple(enrolled),
            verified=tuple(host for host, user in enrolled.items() if user.verified or user.last_used),
            untold=any(user.verified is None and not user.last_used for user in enrolled.values()),
            backup=any(user.backup for user in enrolled.values()),
            last_used=max((user.last_used for user in enrolled.values()), default=""),
            recovery={
                host: user.recovery_left for host, user in enrolled.items() if user.recovery_left is not None
            },
        )


def _user_problems(user: UserState) -> Iterator[Problem]:
    if user.missing:
        yield Problem(
            "not_enrolled",
            user.missing,
            f"User '{user.name}' has no token here.",
            "Run fleetauth.twofactor.enroll for the user, then fleetauth.twofactor.site.",
            user.name,
        )
    if user.is_unseen:
        yield Problem(
            "never_verified",
            user.enrolled,
            f"User '{user.name}' has never shown a right code.",
            "Let the user prove one with fleetauth.twofactor.verify, or log in.",
            user.name,
        )
    least = user.recovery_least
    if user.is_running_out and least is not None:
        yield Problem(
            "recovery_low",
            tuple(host for host, left in user.recovery.items() if left <= RECOVERY_LOW),
            f"User '{user.name}' has {number(least, 'recovery code') if least else 'no recovery code'} left here.",
            "Give new ones: fleetauth.twofactor.enroll -e refill=true, then fleetauth.twofactor.site.",
            user.name,
        )


def _passing(answers: Sequence[Answer], made: float) -> Iterator[Passing]:
    for answer in answers:
        info = answer.info
        if info is None:
            continue
        if info.bypass:
            yield Passing("bypass", answer.name, "", info.bypass.until, info.bypass.by, info.bypass.reason)
        for name, one in info.user_bypasses.items():
            yield Passing("bypass", answer.name, name, one.until, one.by, one.reason)
        if info.pending:
            until = made + info.pending.seconds_left
            yield Passing("pending", answer.name, "", until, info.pending.by, info.pending.reason)
