# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the module twofactor_info: a host's clock beside the controller's."""

from __future__ import annotations

import time
from typing import Any

from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._host_action import HostAction
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._result import documented

TOLERANCE = 10.0
"""Seconds. A clock that is off by more makes codes fail that are right."""


class ActionModule(HostAction):
    """Runs the module on the host, and compares the time that it tells with the one here."""

    RETURN = documented("twofactor_info", "twofactor.clock.controller_offset")

    def _act(self, arguments: dict[str, Any], task_vars: Any) -> dict[str, Any]:
        before = time.time()
        result = super()._act(arguments, task_vars)
        compare(result.get("twofactor"), before, time.time())
        return result


def compare(report: Any, before: float, after: float) -> None:
    """Put into ``report`` how far the host's clock is off by this one at least: it was read in between.

    Linux tells no time, since chrony there knows better.
    """
    clock = report.get("clock") if isinstance(report, dict) else None
    if not isinstance(clock, dict):
        return
    now = clock.get("now")
    if not isinstance(now, (int, float)):
        return
    ahead, behind = max(0.0, now - after), max(0.0, before - now)
    offset = round(ahead - behind, 3)
    clock["controller_offset"] = offset
    if abs(offset) > TOLERANCE:
        report["problems"] = [
            *(report.get("problems") or []),
            {
                "code": "clock_differs",
                "message": f"The clock is off by {offset:+.0f} s or more from that of the controller.",
                "remedy": "Find out which of the two is wrong, and run the role fleetauth.twofactor.ntp.",
            },
        ]
