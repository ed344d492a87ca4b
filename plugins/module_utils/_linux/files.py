# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading files, and writing them so that at every instant the old or the new one is there, whole.

Private to this collection: may change at any time.
"""

from __future__ import annotations

import contextlib
import os

NEW = ".twofactor-new"
"""Ends the name of a file that is about to replace another; neither sshd nor PAM reads such a name."""


def read_text(path: str) -> str | None:
    """Return the text of a file as it is now, None when there is none or a folder in its place."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as stream:
            return stream.read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def make_folder(path: str, mode: int) -> None:
    """Create a folder (and its parents) unless it is there."""
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path)
    if parent != path:
        make_folder(parent, 0o755)
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, mode)
        os.chmod(path, mode)


def write_beside(path: str, text: str, mode: int, *, sync: bool = True) -> str:
    """Write ``text`` into a new file beside ``path`` and return its name.

    A file that exists lends its mode and owner; ``mode`` is for a path that does not exist yet. The mode
    is right before the first byte is written.
    """
    new = path + NEW
    with contextlib.suppress(FileNotFoundError):
        os.unlink(new)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        _lend_mode_and_owner(path, descriptor, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as out:
            out.write(text)
            out.flush()
            if sync:
                os.fsync(out.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise
    return new


def _lend_mode_and_owner(path: str, descriptor: int, mode: int) -> None:
    try:
        there = os.stat(path)
    except FileNotFoundError:
        os.fchmod(descriptor, mode)
        return
    os.fchmod(descriptor, there.st_mode & 0o7777)
    os.fchown(descriptor, there.st_uid, there.st_gid)


def replace(path: str, text: str, mode: int) -> None:
    """Write a file atomically: a new one beside it, then a rename."""
    target = os.path.realpath(path)
    make_folder(os.path.dirname(target), 0o755)
    new = write_beside(target, text, mode)
    try:
        os.rename(new, target)
    except BaseException:
        remove(new)
        raise


def remove(path: str) -> None:
    """Remove a file if it is there."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def sync_folder(folder: str) -> None:
    """Make renames and removals in ``folder`` last through a power cut."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
