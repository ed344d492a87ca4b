# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes into the upper part of an overlay that is not mounted.

A folder in the upper part hides the mode and owner that it has below, so each folder on the way to
a file is made as it is below: a file for root's home must not open that to everybody.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path


class Upper:
    """The upper part of an overlay over ``layers``, the uppermost first; or a plain root."""

    def __init__(self, root: Path, layers: list[Path]) -> None:
        self.root = root
        self.layers = layers
        root.mkdir(parents=True, exist_ok=True)
        self._adopt(Path())

    def write(self, path: str, text: str, mode: int = 0o644) -> Path:
        """Write a file that belongs to the owner of its folder."""
        target = self._place(path)
        target.write_text(text, encoding="utf-8")
        return self._finish(target, mode)

    def copy(self, source: Path, path: str, mode: int | None = None) -> None:
        """Copy a file, or all files of a folder; of their modes only "executable" is taken over.

        What else a mode says depends on the umask under which the checkout was made.
        """
        if source.is_dir():
            for file in files_below(source):
                self.copy(file, f"{path.rstrip('/')}/{file.relative_to(source)}")
            return
        target = self._place(path)
        shutil.copyfile(source, target)
        self._finish(target, mode or (0o755 if is_executable(source) else 0o644))

    def _place(self, path: str) -> Path:
        relative = Path(path.lstrip("/"))
        for parent in reversed(relative.parents):
            self._adopt(parent)
        return self.root / relative

    def _adopt(self, folder: Path) -> None:
        target = self.root / folder
        target.mkdir(exist_ok=True)
        model = next((layer / folder for layer in self.layers if (layer / folder).is_dir()), None)
        if model is not None:
            status = model.stat()
            os.chown(target, status.st_uid, status.st_gid)
            target.chmod(stat.S_IMODE(status.st_mode))

    def _finish(self, target: Path, mode: int) -> Path:
        owner = target.parent.stat()
        os.chown(target, owner.st_uid, owner.st_gid)
        target.chmod(mode)
        return target


def read(layers: list[Path], path: str) -> str:
    """Return the text of a file of an overlay of these layers, or nothing where there is no such file."""
    for layer in layers:
        file = layer / path
        if file.is_file():
            return file.read_text(encoding="utf-8")
        if os.path.lexists(file):  # the mark of a file that has been removed
            return ""
    return ""


def files_below(folder: Path) -> list[Path]:
    """Return the files of a folder that belong to the checkout, in a fixed order."""
    files = (path for path in folder.rglob("*") if "__pycache__" not in path.parts)
    return sorted(path for path in files if path.is_file())


def is_executable(file: Path) -> bool:
    """Say whether a file's owner may run it."""
    return bool(file.stat().st_mode & stat.S_IXUSR)
