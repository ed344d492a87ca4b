# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock that pam_oath takes around a token file, and what a crash leaves of it.

Private to this collection: may change at any time. liboath creates ``FILE.lock`` exclusively and does not
wait: while it is there, every login of that user is refused. So it is held for as short as possible, and
one left behind by a crash is removed. A change that is killed leaves it too; its locks are known by their mode, so that
a process that outlives the change removes them at once, and the next change (there is one at a time) otherwise.
"""

from __future__ import annotations

import contextlib
import glob
import os
import stat
import time
from collections.abc import Iterator

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import paths as where

STALE_AFTER = 30.0
"""Seconds. A login holds the lock for milliseconds."""
_PATIENCE = 3.0
_WRITTEN = 4096
"""Bytes."""
_OUR_MODE = 0o400
"""liboath's own locks can be written to. The mode is there from the same instant as the file."""


def is_ours(lock: str) -> bool:
    """Tell whether a lock is a change's and not a login's."""
    try:
        return stat.S_IMODE(os.lstat(lock).st_mode) == _OUR_MODE
    except OSError:
        return False


@contextlib.contextmanager
def cleared_if_killed(paths: list[str]) -> Iterator[None]:
    """Have the locks of these token files removed even if this process is killed while it holds one."""
    if not paths:
        yield
        return
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        _clear_when_closed(ours, theirs, paths)
    os.close(ours)
    try:
        yield
    finally:
        os.close(theirs)
        os.waitpid(child, 0)


def _clear_when_closed(ours: int, theirs: int, paths: list[str]) -> None:
    """Wait for the other end of a pipe to go, as it does with its process, then remove the locks; never returns."""
    try:
        os.setsid()
        os.close(theirs)
        os.read(ours, 1)
        for path in paths:
            if is_ours(path + ".lock"):
                os.unlink(path + ".lock")
    finally:
        os._exit(0)


def is_stale(path: str) -> bool:
    """Tell whether a lock (or half-written file) has been there longer than any login takes."""
    try:
        return time.time() - os.stat(path).st_mtime > STALE_AFTER
    except FileNotFoundError:
        return False


def clear_after_boot() -> None:
    """Remove all locks and half-written files: right after a boot no login can hold one, whatever the clock says."""
    for ending in ("lock", "new"):
        for path in glob.glob(f"{glob.escape(where.TOKENS)}/*.oath.{ending}"):
            with contextlib.suppress(OSError):
                os.unlink(path)


def unwritable() -> list[TwofactorError]:
    """Return why PAM cannot write where a login leaves its traces: then it refuses valid codes as well.

    Nothing is left there, not even by a process that is killed.
    """
    for folder in (where.TOKENS, where.FAILURES):
        try:
            if os.path.isdir(folder):
                _try_to_write(folder)
        except OSError as error:
            return [
                TwofactorError(
                    "tokens_unwritable",
                    f"Nothing can be written in {folder} ({error.strerror}), so every code is refused, valid ones too.",
                    "Make room, or mount its file system writable; until then use state: disabled to let users in.",
                )
            ]
    return []


def _try_to_write(folder: str) -> None:
    """Write a file of the size of a token file. Raises OSError when that is not possible."""
    path = f"{folder}/.twofactor-{os.getpid()}"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        os.unlink(path)
        os.write(descriptor, b"#" * _WRITTEN)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def token_lock(path: str) -> Iterator[None]:
    """Hold pam_oath's lock of the token file ``path``."""
    lock = path + ".lock"
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            os.close(os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OUR_MODE))
            break
        except FileExistsError:
            if is_stale(lock) or is_ours(lock):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(lock)
            elif time.monotonic() > deadline:
                raise TwofactorError(
                    "token_file_busy",
                    f"The token file {path} has been locked for {_PATIENCE:.0f} seconds.",
                    f"Run again; if it stays, no login is running and {lock} can be removed.",
                ) from None
            else:
                time.sleep(0.01)
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(lock)
