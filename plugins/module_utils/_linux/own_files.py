# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modes and owners of this collection's own files: who may read and change them.

Private to this collection: may change at any time. A restored backup or a changed umask leaves files that others may
read, and a file is replaced with the mode that it has.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import paths

ROOT = 0


@dataclass(frozen=True)
class OpenFile:
    """A file or directory that others than root may read or change. ``mode`` and ``wanted`` are permission bits."""

    path: str
    mode: int
    wanted: int
    owner: int

    @property
    def repaired(self) -> int:
        """Return the permissions without those that are too many."""
        return self.mode & self.wanted

    @property
    def now(self) -> str:
        """Return mode and owner in words."""
        return f"mode {self.mode:04o}" + (f" of user {self.owner}" if self.owner != ROOT else "")


def find() -> list[OpenFile]:
    """Return what others than root may read or change and should not."""
    found = []
    for path, wanted in _own_paths():
        with contextlib.suppress(OSError):
            there = os.lstat(_target(path))
            mode = stat.S_IMODE(there.st_mode)
            is_link = stat.S_ISLNK(there.st_mode)
            if not is_link and (mode & ~wanted or there.st_uid != ROOT):
                found.append(OpenFile(path, mode, wanted, there.st_uid))
    return found


def repair(found: list[OpenFile]) -> None:
    """Give files back to root, without the permissions that are too many."""
    for one in found:
        # What others may write in may have been exchanged since for something that is not ours.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(_target(one.path), flags)
        except FileNotFoundError:
            continue
        try:
            os.fchown(descriptor, ROOT, ROOT)
            os.fchmod(descriptor, one.repaired)
        finally:
            os.close(descriptor)


def _target(path: str) -> str:
    """Return what stands for a path. A link of the administrator's in /etc is followed, none in our own directory."""
    return path if path.startswith(f"{paths.STATE_FOLDER}/") else os.path.realpath(path)


def _own_paths() -> Iterator[tuple[str, int]]:
    """Yield each path with the permissions that it may have at most."""
    for folder in (paths.STATE_FOLDER, paths.TOKENS, paths.FAILURES, paths.JOURNAL):
        yield folder, 0o700
    secret = (
        *(paths.POLICY, paths.USERS, paths.ENROLLED, paths.BYPASS, paths.SSHD_DROPIN),
        *(paths.ORIGINALS, paths.PENDING, paths.REVERTED, paths.DISABLING),
    )
    for path in secret:
        yield path, 0o600
    public = (
        paths.PAM_POLICY,
        paths.EXEMPT_NETWORKS,
        paths.SSHD_ROOT_DROPIN,
        paths.BOOT_UNIT,
        paths.BOOT_WANTED,
    )
    for path in public:
        yield path, 0o644
    yield os.path.dirname(paths.POLICY), 0o755
    yield paths.COMMAND, 0o755
    with contextlib.suppress(OSError):
        for name in sorted(os.listdir(paths.TOKENS)):
            yield f"{paths.TOKENS}/{name}", 0o600
