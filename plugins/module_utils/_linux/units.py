# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units of systemd: whether one runs, and starting one.

Private to this collection: may change at any time. See systemctl(1) and systemd.unit(5).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import (
    find_program,
    run,
)

_PROPERTIES = "LoadState,ActiveState,UnitFileState,ConditionResult,ConditionTimestampMonotonic"
_UNMET = re.compile(r"(Condition\w+=.*) was not met")
_PATIENCE = 60.0
"""Seconds for a unit to start."""


@dataclass(frozen=True)
class Unit:
    """A unit as it is now. ``name`` has its suffix, as in ``chrony.service``."""

    name: str
    loaded: bool = False
    active: bool = False
    enabled: bool = False
    unmet: str = ""
    """The condition for which systemd did not start it when it was last asked to, such as
    ``ConditionCapability=CAP_SYS_TIME``. systemctl exits with 0 all the same."""


def read_unit(names: tuple[str, ...]) -> Unit:
    """Return the first unit of ``names`` that exists, or the first name as one that is not loaded."""
    systemctl = str(find_program("systemctl"))
    for name in names:
        ran = run([systemctl, "show", "-p", _PROPERTIES, name])
        state = dict(line.partition("=")[::2] for line in ran.out.splitlines())
        if state.get("LoadState") == "loaded":
            return _unit(name, state)
    return Unit(names[0])


def _unit(name: str, state: dict[str, str]) -> Unit:
    active = state.get("ActiveState") in ("active", "reloading", "activating")
    enabled = state.get("UnitFileState") in ("enabled", "enabled-runtime", "static", "alias")
    was_tried = state.get("ConditionTimestampMonotonic", "0") != "0"
    refused = not active and was_tried and state.get("ConditionResult") == "no"
    return Unit(name, True, active, enabled, _unmet_condition(name) if refused else "")


def _unmet_condition(name: str) -> str:
    """Return which condition was not met; ``systemctl show`` cannot print it."""
    ran = run([str(find_program("systemctl")), "status", "--no-pager", "--lines=0", name])
    found = _UNMET.search(ran.out)
    return found.group(1) if found else "a condition of the unit"


class NotStarted(Exception):
    """A unit does not run although it was to be started. The text says why."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(why)
        self.remedy = f"Look at 'journalctl -u {name}' on the host."


def start(unit: Unit, verb: str = "start") -> Unit:
    """Enable a unit and start it (or restart it), and return it as it is afterwards.

    Raises NotStarted when systemd cannot, or when the unit does not run and no condition says why.
    """
    systemctl = str(find_program("systemctl"))
    for words in (["enable", unit.name], [verb, unit.name]):
        ran = run([systemctl, *words], timeout=_PATIENCE)
        if ran.status != 0:
            said = " ".join(ran.err.split())
            raise NotStarted(unit.name, f"'systemctl {' '.join(words)}' failed: {said}.")
    after = read_unit((unit.name,))
    if not after.active and not after.unmet:
        raise NotStarted(
            unit.name, f"'systemctl {verb} {unit.name}' succeeded, but {unit.name} does not run."
        )
    return after
