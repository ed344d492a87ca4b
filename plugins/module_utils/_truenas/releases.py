# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each TrueNAS release can do: the one table of it, and which row a version belongs to.

Pure code. Private to this collection: may change at any time. All other code of this platform asks the table
and never a version number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError

_VERSION = re.compile(
    r"(?:^|-)(?P<numbers>\d+\.\d+(?:\.\d+){0,3})(?:-(?P<stage>[A-Z]+)(?:\.(?P<count>\d+))?)?", re.IGNORECASE
)
_STAGES = {"BETA": 1, "RC": 2}
_NIGHTLY, _FINAL = 0, 3

_Point = tuple[tuple[int, ...], int, int]
"""A place in the order of versions: four numbers, the stage, and the number of that stage."""


def _point(numbers: str, stage: str = "", count: int = 0) -> _Point:
    parts = [int(word) for word in numbers.split(".")] + [0, 0]
    rank = _STAGES.get(stage, _NIGHTLY) if stage else _FINAL
    return tuple(parts[:4]), rank, count


@dataclass(frozen=True)
class Release:
    """One row of the table: how the second factor works from ``since`` on."""

    since: _Point
    secrets: str = "root"
    """``root``: one for the whole system, root's; ``user``: one for each user."""
    settings: str = "system"
    """Where digits and interval are kept: ``system`` or ``user``."""
    wipes: bool = False
    """Whether changing them for the system takes every user's secret away."""
    uri: str = "system"
    """Who tells a new secret: ``system`` or ``user`` when asked afterwards, or ``renewal`` in its own answer."""
    removal: str = "never"
    """When a secret can be taken away: ``never``, while the second factor is ``off``, or ``always``."""
    user_config: str = "absent"
    """Whether the method that reads a user's digits and interval is ``absent``, ``public`` or ``private``."""
    directory: str = "none"
    """Users of Active Directory: ``none`` can have a secret, ``user.query`` has them when ``asked``, or ``always``."""
    root_login: str = "rootlogin"
    """``rootlogin``: a setting of the SSH service; ``user``: a flag of the account."""
    service: str = "start"
    """How services are started: ``start``, or as a ``control`` job."""
    oath_file: str = "ssh"
    """When users.oath lists users: while ``ssh`` asks, or as soon as the second factor is ``enabled``."""


_22_02 = Release(_point("22.02", "NIGHTLY"))
_22_12 = replace(_22_02, since=_point("22.12", "NIGHTLY"))
_23_10 = replace(
    _22_12,
    since=_point("23.10", "NIGHTLY"),
    secrets="user",
    wipes=True,
    uri="user",
    removal="off",
    directory="asked",
    root_login="user",
)
_24_04 = replace(_23_10, since=_point("24.04", "NIGHTLY"), settings="user", wipes=False, user_config="public")
_24_10 = replace(_24_04, since=_point("24.10", "NIGHTLY"), directory="always")
_25_04_0 = replace(_24_10, since=_point("25.04", "NIGHTLY"), uri="renewal", user_config="private")
_25_04_1 = replace(_25_04_0, since=_point("25.04.1", "NIGHTLY"), oath_file="enabled")
_25_10_BETA = replace(_25_04_1, since=_point("25.10", "NIGHTLY"), service="control")
_25_10 = replace(_25_10_BETA, since=_point("25.10", "RC", 1), removal="always")
_26_0 = replace(_25_10, since=_point("26.0", "NIGHTLY"))
_27_0 = replace(_26_0, since=_point("27.0", "NIGHTLY"))

TABLE = (
    _22_02,
    _22_12,
    _23_10,
    _24_04,
    _24_10,
    _25_04_0,
    _25_04_1,
    _25_10_BETA,
    _25_10,
    _26_0,
    _27_0,
)
"""Oldest first; a version belongs to the last row that is not after it."""

SERIES = ("22.02", "22.12", "23.10", "24.04", "24.10", "25.04", "25.10", "26.0", "27.0")
"""The releases that this table knows."""


@dataclass(frozen=True)
class Found:
    """The row for a version, and a warning when the version is newer than the table."""

    release: Release
    warning: str = ""


def find(version: str) -> Found:
    """Return the row for what ``system.version`` says, such as ``TrueNAS-SCALE-23.10.2``.

    Raises TwofactorError for a system that is older than the table, or that does not say what it is.
    """
    matched = _VERSION.search(version)
    if matched is None:
        raise TwofactorError(
            "version_unknown",
            "What this TrueNAS calls its version tells no release.",
            "Look at 'midclt call system.version' on the host.",
        )
    here = _point(matched["numbers"], (matched["stage"] or "").upper(), int(matched["count"] or 0))
    rows = [row for row in TABLE if row.since <= here]
    if not rows:
        raise TwofactorError(
            "release_too_old",
            f"{version} is older than TrueNAS SCALE {SERIES[0]}, the first release that this collection manages.",
            "Upgrade it, or leave it out of the inventory.",
        )
    newest = tuple(int(word) for word in SERIES[-1].split("."))
    if here[0][: len(newest)] > newest:
        return Found(
            rows[-1],
            f"{version} is newer than TrueNAS {SERIES[-1]}, the newest release that this collection knows; it is "
            "treated as that one.",
        )
    return Found(rows[-1])
