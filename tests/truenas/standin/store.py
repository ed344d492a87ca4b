# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The NAS's database: one JSON file. What is not committed is gone with the call that failed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

Record = dict[str, Any]


class Store:
    """Records by table in ``data``; ``revision`` grows with every commit that changed something."""

    def __init__(self, path: Path, initial: Callable[[], Record]) -> None:
        self._path = path
        self._saved = ""
        self.revision = 0
        self.before_write: Callable[[], None] = lambda: None
        self.data: Record = {}
        if path.exists():
            self._saved = path.read_text(encoding="utf-8")
            self.reload()
        else:
            self.data = initial()
            self.commit()

    def reload(self) -> None:
        """Forget what was not committed."""
        self.data = json.loads(self._saved)

    def commit(self) -> None:
        """Write the data down, so that a reader sees the old or the new, never half of one."""
        text = json.dumps(self.data, indent=1) + "\n"
        if text == self._saved:
            return
        self.before_write()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(".new")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        draft.replace(self._path)
        self._saved = text
        self.revision += 1

    def next_id(self, table: str) -> int:
        """Return an id that no record of a table has."""
        return max((int(record["id"]) for record in self.data[table]), default=0) + 1
