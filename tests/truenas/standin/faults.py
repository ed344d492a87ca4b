# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults on demand: a JSON list in a file that is read before every call."""

from __future__ import annotations

import fnmatch
import json
from pathlib import Path
from typing import Any

Record = dict[str, Any]

KINDS = (
    *("slow", "restart", "answer", "rubbish", "login", "error", "job_fails", "job_hangs", "job_slow"),
    *("disk_full", "version", "clock"),
)

# Where a fault strikes unless it says: before the work is done, and at the first place that is written to.
USUAL = {"when": "before", "where": "database"}

LOGIN_FAILED = "Failed to login:  Invalid username or password\n"
RUBBISH = "<html><head><title>502 Bad Gateway</title></head></html>\n"


class Faults:
    """The faults that are asked for now."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def all(self) -> list[Record]:
        """Return the faults; a file that cannot be read is an error in the test."""
        if not self._path.exists():
            return []
        faults: list[Record] = json.loads(self._path.read_text(encoding="utf-8") or "[]")
        for fault in faults:
            if fault.get("fault") not in KINDS:
                raise ValueError(f"{self._path}: {fault} is none of {', '.join(KINDS)}")
        return faults

    def take(self, method: str, *kinds: str, **wanted: str) -> Record | None:
        """Return the first fault that is about a method, and count it where it has a number of times."""
        if method.startswith("stand_in."):  # how a test finds out and sets right
            return None
        faults = self.all()
        for fault in faults:
            if fault["fault"] in kinds and _is_about(fault, method, wanted):
                self._count(faults, fault)
                return fault
        return None

    def _count(self, faults: list[Record], fault: Record) -> None:
        if "times" not in fault:
            return
        fault["times"] -= 1
        self.write([other for other in faults if other.get("times", 1) > 0])

    def write(self, faults: list[Record]) -> None:
        """Ask for these faults and no others."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(".new")
        draft.write_text(json.dumps(faults, indent=1) + "\n", encoding="utf-8")
        draft.replace(self._path)


def _is_about(fault: Record, method: str, wanted: dict[str, str]) -> bool:
    patterns = fault.get("methods") or ["*"]
    if not any(fnmatch.fnmatchcase(method, pattern) for pattern in patterns):
        return False
    return all(fault.get(name, USUAL[name]) == value for name, value in wanted.items())
