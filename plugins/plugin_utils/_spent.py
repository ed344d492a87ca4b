# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which steps' codes have been handed out for whom, so that none is sent to a host twice: it would refuse the second.

Private to this collection: may change at any time. A file for each user of each host holds the number of a step, who
asked for it and whether it was used; nothing else. Forks, and runs side by side, see each other's.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

MARGIN = 3.0
"""Seconds that a step must still last: a code takes a while to get to the host, which may accept no other step."""
_POLL = 0.05
_LINE = re.compile(r"([0-9]+) ([0-9]+) ([0-9]+) ([01]) ([0-9a-f]{32})\n")


@dataclass(frozen=True)
class _Step:
    """The last step of which a code was handed out: to which process, whether it is used, and for which connection."""

    interval: int
    number: int
    pid: int
    used: bool
    socket: str

    @property
    def end(self) -> float:
        return (self.number + 1.0) * self.interval


class Spent:
    """The steps of one user of one host. ``socket`` is where a connection is kept that is made with a code."""

    def __init__(self, folder: str, who: str, socket: str = "") -> None:
        self._folder = folder
        self._socket = _checksum(socket)
        self._path = os.path.join(folder, _checksum(who))

    def take(self, interval: int) -> int:
        """Return a step of which no code has been handed out, once it is there; it never will be again."""
        while True:
            with self._open() as file:
                last, now = file.read(), time.time()
                if not _is_spent(last, now, interval) and _lasts(now, interval):
                    return file.write(interval, now, True, self._socket)
            time.sleep(min(_left(now, interval), 1.0))

    def offer(self, interval: int, is_connected: Callable[[], bool]) -> int | None:
        """Return a step for a login that this process is about to make; None when a connection has come meanwhile.

        Who was offered a step and made no connection has not used it, as a task that needs none: then the step is
        offered again. As long as that process may still be at it, this one waits for what comes of it. Connections kept
        elsewhere are not seen here, and a step that was offered for one counts as used.
        """
        while not is_connected():
            with self._open() as file:
                last, now = file.read(), time.time()
                if _lasts(now, interval) and (not _is_spent(last, now, interval) or self._may_have(last)):
                    return file.write(interval, now, False, self._socket)
            time.sleep(_POLL)
        return None

    def note_use(self) -> None:
        """Note that a connection is there, so that the step that was offered is used."""
        if os.path.exists(self._path):
            with self._open() as file:
                last = file.read()
                if last and not last.used:
                    file.write(last.interval, last.number * last.interval, True, last.socket)

    def _may_have(self, last: _Step | None) -> bool:
        """Tell whether this process may have a step again: it, or a process that has ended, has not used it.

        Ansible's main process hands out, when it looks at variables, and makes no connection.
        """
        if last is None or last.used or last.socket != self._socket:
            return False
        return last.pid in (os.getpid(), os.getppid()) or not _is_alive(last.pid)

    @contextlib.contextmanager
    def _open(self) -> Iterator[_File]:
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield _File(descriptor)
        finally:
            os.close(descriptor)


class _File:
    """The file of a user of a host, locked."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self) -> _Step | None:
        """Return what it holds; None for a new one, and for what a killed run left."""
        match = _LINE.fullmatch(os.pread(self._descriptor, 200, 0).decode("ascii", errors="replace"))
        if match is None:
            return None
        interval, number, pid, used = (int(word) for word in match.groups()[:4])
        return _Step(interval, number, pid, bool(used), match[5])

    def write(self, interval: int, when: float, used: bool, socket: str) -> int:
        """Note the step of ``when``, and return it."""
        step = int(when // interval)
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{interval} {step} {os.getpid()} {int(used)} {socket}\n".encode(), 0)
        return step


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _left(now: float, interval: int) -> float:
    return interval - now % interval


def _lasts(now: float, interval: int) -> bool:
    return _left(now, interval) >= MARGIN


def _is_spent(last: _Step | None, now: float, interval: int) -> bool:
    """Tell whether the present step has been handed out. An end far away was written when the clock was wrong."""
    return last is not None and now < last.end <= now + 2 * interval


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
