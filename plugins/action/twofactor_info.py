# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the module twofactor_info: a host's clock beside the controller's."""

from __future__ import annotations

import time
from typing import Any

from ansible.plugins.action import ActionBase

TOLERANCE = 10.0
"""Seconds. A clock that is off by more makes codes fail that are right."""


class ActionModule(ActionBase):
    """Runs the module, and compares the time that it tells with the one here."""

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        """Run the action."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        in_background = bool(self._task.async_val) and not self._connection.has_native_async
        before = time.time()
        result.update(self._execute_module(task_vars=task_vars, wrap_async=in_background))
        compare(result.get("twofactor"), before, time.time())
        if not in_background:
            self._remove_tmp_path(self._connection._shell.tmpdir)
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
        report["problems"].append(
            {
                "code": "clock_differs",
                "message": f"The clock is off by {offset:+.0f} s or more from that of the controller.",
                "remedy": "Find out which of the two is wrong, and run the role fleetauth.twofactor.ntp.",
            }
        )
