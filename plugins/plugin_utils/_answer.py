# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one host answered to twofactor_info, as typed data.

Pure code. Private to this collection: may change at any time. A host that somebody else has taken over may answer
anything: what is not as the module has it makes that host unreadable, and never the report of the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from ansible_collections.fleetauth.twofactor.plugins.plugin_utils import _printable

_T = TypeVar("_T")
_FAR = 1e11
"""Seconds since 1970. No number of a host is as large, and the calendar still goes to twice that."""
_LONGEST = 1000
"""Characters of a sentence."""
_MOST = 10_000
"""Entries of a list: more users than any host has."""


@dataclass(frozen=True)
class Said:
    """A problem as the host words it."""

    code: str
    message: str
    remedy: str = ""


@dataclass(frozen=True)
class User:
    """A user on one host. ``verified`` and ``recovery_left`` are None where the platform does not tell."""

    name: str
    enrolled: bool = False
    backup: bool = False
    verified: bool | None = None
    recovery_left: int | None = None
    last_used: str = ""


@dataclass(frozen=True)
class Service:
    """A way in besides SSH."""

    name: str
    asks_code: bool


@dataclass(frozen=True)
class Clock:
    """The clock. ``offset`` in seconds, positive when ahead; None when it is not known."""

    synchronised: bool
    offset: float | None = None
    source: str = ""


@dataclass(frozen=True)
class Bypass:
    """Somebody is let off until then, in seconds since 1970."""

    until: float
    by: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Pending:
    """A change that waits to be confirmed."""

    seconds_left: float
    by: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Info:
    """The second factor of one host."""

    platform: str
    version: str
    enabled: bool
    ssh_asks: bool
    ssh_running: bool
    ssh_methods: tuple[str, ...]
    services: tuple[Service, ...]
    users: tuple[User, ...]
    clock: Clock
    problems: tuple[Said, ...]
    bypass: Bypass | None = None
    user_bypasses: Mapping[str, Bypass] = field(default_factory=dict)
    pending: Pending | None = None


@dataclass(frozen=True)
class Answer:
    """What came of asking a host. ``people`` are the users whom the inventory has for it.

    Without ``info`` nothing is known of the host, and ``reason`` says why.
    """

    name: str
    info: Info | None = None
    reason: str = ""
    unreachable: bool = False
    people: tuple[str, ...] = ()


class _Unexpected(Exception):
    """What stands there is not what twofactor_info returns. Its text is the place."""


def text(value: str) -> str:
    """Return what can be shown: one line, nothing that hides or turns around, not without end."""
    value = _printable.one_line(" ".join(value[: 4 * _LONGEST].split()))
    return value if len(value) <= _LONGEST else value[: _LONGEST - 1] + "…"


def answer(name: str, result: object, people: object = ()) -> Answer:
    """Return what a host answered from the registered result of its task."""
    name = text(name)
    named = tuple(text(str(one)) for one in people) if isinstance(people, (list, tuple)) else ()
    if not isinstance(result, dict):
        return Answer(name, reason="It was not asked.", people=named)
    reason = text(str(result.get("msg") or result.get("exception") or "The task gave no reason."))
    if result.get("unreachable"):
        return Answer(name, reason=reason, unreachable=True, people=named)
    if result.get("failed") or "twofactor" not in result:
        return Answer(name, reason=reason, people=named)
    try:
        return Answer(name, info=_info(_dict(result["twofactor"], "twofactor")), people=named)
    except _Unexpected as place:
        why = f"Its answer is not what twofactor_info returns, at '{place}'."
        return Answer(name, reason=why, people=named)


def _info(data: dict[str, Any]) -> Info:
    ssh, clock = _dict(data.get("ssh"), "ssh"), _dict(data.get("clock"), "clock")
    bypass = _dict(data.get("bypass") or {}, "bypass")
    lists = {
        name: [_dict(one, name) for one in _list(data.get(name), name)]
        for name in ("services", "users", "problems")
    }
    return Info(
        platform=_text(data, "platform"),
        version=_text(data, "version"),
        enabled=_is(data, "state", "enabled"),
        ssh_asks=_is(ssh, "state", "enabled"),
        ssh_running=_get(ssh, "running", bool),
        ssh_methods=tuple(text(str(one)) for one in _list(ssh.get("methods"), "methods")),
        services=tuple(
            Service(_text(one, "name"), _get(one, "asks_code", bool)) for one in lists["services"]
        ),
        users=tuple(_user(one) for one in lists["users"]),
        clock=_clock(clock),
        problems=tuple(
            Said(_text(one, "code"), _text(one, "message"), _text(one, "remedy")) for one in lists["problems"]
        ),
        bypass=_bypass(bypass["host"]) if bypass.get("host") else None,
        user_bypasses={
            text(str(name)): _bypass(one) for name, one in _dict(bypass.get("users") or {}, "bypass").items()
        },
        pending=_pending(_dict(data["pending"], "pending")) if data.get("pending") else None,
    )


def _clock(data: dict[str, Any]) -> Clock:
    """Return the clock, off by the larger of what the host and the controller find."""
    offset, differs = _number(data, "offset"), _number(data, "controller_offset")
    if differs and (offset is None or abs(differs) > abs(offset)):
        offset = differs
    return Clock(_get(data, "synchronised", bool), offset, _text(data, "source"))


def _user(data: dict[str, Any]) -> User:
    return User(
        name=_text(data, "name"),
        enrolled=_get(data, "enrolled", bool),
        backup=_get(data, "backup", bool),
        verified=_optional(data, "verified", bool),
        recovery_left=_optional(data, "recovery_left", int),
        last_used=text(_optional(data, "last_used", str) or ""),
    )


def _bypass(value: object) -> Bypass:
    data = _dict(value, "bypass")
    until = _number(data, "until")
    if until is None or until < 0:
        raise _Unexpected("until")
    return Bypass(until, _text(data, "by"), _text(data, "reason"))


def _pending(data: dict[str, Any]) -> Pending:
    left = _number(data, "seconds_left")
    if left is None:
        raise _Unexpected("seconds_left")
    return Pending(left, _text(data, "by"), _text(data, "reason"))


def _dict(value: object, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _Unexpected(place)
    return value


def _list(value: object, place: str) -> list[Any]:
    if not isinstance(value, list) or len(value) > _MOST:
        raise _Unexpected(place)
    return value


def _get(data: dict[str, Any], name: str, kind: type[_T]) -> _T:
    # Not isinstance: true would pass for a number.
    if data.get(name).__class__ is not kind:
        raise _Unexpected(name)
    return cast("_T", data[name])


def _optional(data: dict[str, Any], name: str, kind: type[_T]) -> _T | None:
    return None if data.get(name) is None else _get(data, name, kind)


def _text(data: dict[str, Any], name: str) -> str:
    return text(_get(data, name, str))


def _is(data: dict[str, Any], name: str, word: str) -> bool:
    return _get(data, name, str) == word


def _number(data: dict[str, Any], name: str) -> float | None:
    value = data.get(name)
    if value is None:
        return None
    if type(value) not in (int, float) or not -_FAR < value < _FAR:  # nor what is no number at all
        raise _Unexpected(name)
    return float(value)
