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

    Waits ``patience`` seconds for the other one, and then goes on all the same unless it shall ``insist``.
    The lock is on the file ``path``, that of a Linux host unless given.
    """
    path = path or paths.LOCK
    files.make_folder(os.path.dirname(path), 0o755)
    with open(path, "w", encoding="utf-8") as lock:
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline and not insist:
                    break
                if time.monotonic() > deadline:
                    raise TwofactorError(
                        "change_running",
                        f"Another change of this host has been running for {patience:.0f} s.",
                        "Wait for it to end and run again.",
                    ) from None
                time.sleep(0.05)
        yield
