# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Second factor off for a limited time: for the whole host, or for one user.

Private to this collection: may change at any time. What is bypassed stands in one file, with its end, its reason and
who did it, so that it is always visible; the command on the host ends it.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import paths
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import check_user_name


@dataclass(frozen=True)
class Bypass:
    """One bypass. ``until`` is in seconds since 1970 UTC."""

    until: float
    reason: str = ""
    by: str = ""


@dataclass(frozen=True)
class Bypasses:
    """All bypasses of a host: of the whole, and of single users."""

    host: Bypass | None = None
    users: dict[str, Bypass] = field(default_factory=dict)

    def running(self, now: float | None = None) -> Bypasses:
        """Return those that have not come to their end."""
        now = time.time() if now is None else now
        host = self.host if self.host and self.host.until > now else None
        return Bypasses(host, {name: one for name, one in self.users.items() if one.until > now})

    def ended_by(self, end: float, now: float) -> Bypasses:
        """Return the bypasses with those that end at ``end`` or before ended ``now``."""

        def brought(one: Bypass) -> Bypass:
            return replace(one, until=min(one.until, now)) if one.until <= end + _ROUNDED else one

        users = {name: brought(one) for name, one in self.users.items()}
        return Bypasses(self.host and brought(self.host), users)

    def next_end(self) -> float | None:
        """Return when the next one ends, None when there is none."""
        ends = [one.until for one in self.users.values()] + ([self.host.until] if self.host else [])
        return min(ends, default=None)


def parse(text: str | None) -> Bypasses:
    """Return the bypasses that a file holds.

    Raises TwofactorError when it is damaged: nobody could tell then who is let off.
    """
    try:
        data = json.loads(text or "{}")
        host = _bypass(data["host"]) if data.get("host") else None
        users = {name: _bypass(one) for name, one in data.get("users", {}).items()}
        for name in users:
            check_user_name(name)
        return Bypasses(host, users)
    except (ValueError, TypeError, AttributeError, RecursionError, TwofactorError):
        raise TwofactorError(
            "bypass_file_broken",
            f"{paths.BYPASS} is damaged, so it is not known who is let off and until when.",
            f"Remove {paths.BYPASS} and run again: then nobody is.",
        ) from None


def _bypass(data: dict[str, Any]) -> Bypass:
    """Return one bypass. Raises TypeError or ValueError for what nobody wrote there."""
    one = Bypass(**data)
    if type(one.until) not in (int, float) or not all(isinstance(word, str) for word in (one.reason, one.by)):
        raise TypeError
    if not 0 <= one.until < _FAR:
        raise ValueError
    return one


def render(bypasses: Bypasses) -> str | None:
    """Return the file's text, None when nobody is let off."""
    if bypasses.host is None and not bypasses.users:
        return None
    return json.dumps(asdict(bypasses), indent=1, sort_keys=True) + "\n"


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_ROUNDED = 1.0
"""Seconds by which an end that a timer was told may be less."""
_MOST_DIGITS = 9
_FAR = 1e11
"""Seconds since 1970. No bypass lasts that long, and the calendar still goes there."""
LONGEST = 7 * 86400.0
"""Seconds. What lasts longer is no bypass but a decision: state: disabled, or an exemption."""


def seconds_of(text: str) -> float:
    """Return the seconds of a duration such as 90s, 30m, 2h or 1d.

    Raises TwofactorError for anything else, and for what lasts longer than a week.
    """
    number, unit = text[:-1].strip(), text[-1:]
    if (
        not number.isdecimal()
        or len(number) > _MOST_DIGITS
        or unit not in _UNITS
        or not 0 < int(number) * _UNITS[unit] <= LONGEST
    ):
        raise TwofactorError(
            "bad_duration",
            f"'{text}' is not a time from one second to seven days.",
            "Write it as 90s, 30m, 2h or 1d.",
        )
    return float(int(number) * _UNITS[unit])
