# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One change of a host at a time.

Private to this collection: may change at any time.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import files, paths

_LOCK_PATIENCE = 20.0
"""Seconds."""


@contextlib.contextmanager
def one_at_a_time(patience: float = _LOCK_PATIENCE, *, insist: bool = True, path: str = "") -> Iterator[None]:
    """Keep a second change of the same host out while one runs.

    Waits ``patience`` seconds for the other one, and then goes on all the same unless it shall ``insist``; then it does
    without a lock as well that cannot be had, on a full disk for one.
    The lock is on the file ``path``, that of a Linux host unless given.
    """
    try:
        lock = _open(path or paths.LOCK)
    except OSError:
        if insist:
            raise
        yield
        return
    try:
        _take(lock, patience, insist)
        yield
    finally:
        os.close(lock)


def _open(path: str) -> int:
    """Return the lock file, which root alone may open: whoever can open one can also hold the lock on it."""
    files.make_folder(os.path.dirname(path), 0o755)
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    os.fchmod(lock, 0o600)
    return lock


def _take(lock: int, patience: float, insist: bool) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                break
        time.sleep(0.05)
    if insist:
        raise TwofactorError(
            "change_running",
            f"Another change of this host has been running for {patience:.0f} s.",
            "Wait for it to end and run again.",
        )
