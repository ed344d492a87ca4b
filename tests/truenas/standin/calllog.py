# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The log of calls, from which tests count them: one JSON object a line, secrets blacked out."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from .registry import Method

HIDDEN = "********"
_SECRET_WORDS = ("password", "secret", "token", "key", "rfc_str")


def redacted(value: Any) -> Any:
    """Return a value without what is under a key that names a secret."""
    if isinstance(value, list):
        return [redacted(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    return {key: HIDDEN if _is_secret(key, entry) else redacted(entry) for key, entry in value.items()}


def _is_secret(key: str, value: Any) -> bool:
    # "ssh_password_enabled": true tells nobody anything.
    return isinstance(value, str) and any(word in key for word in _SECRET_WORDS)


class CallLog:
    """Appends to the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def note(self, name: str, entry: Method | None, arguments: list[Any], **facts: Any) -> None:
        """Write one call down."""
        shown = [redacted(argument) for argument in arguments]
        for position in entry.secret_arguments if entry else ():
            if position < len(shown):
                shown[position] = HIDDEN
        line = {
            "time": round(time.time(), 3),
            "method": name,
            "arguments": shown,
            "changing": bool(entry and entry.changes),
            "private": False,
            **facts,
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
