# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes as the kernel knows them: program, owner, namespaces.

Private to this collection: may change at any time. A process chooses its name, its arguments and its effective user
itself. ``/proc/PID/exe`` and the four user ids of ``/proc/PID/status`` are the kernel's (proc(5)). Arguments are read
of root's and the system's processes alone: those of a user's process may be in memory that never answers.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

PROC = "/proc"
SUPERUSER = 0
ROOT, SYSTEM, USER = "root", "system", "user"
"""Who owns a process: root alone, root or accounts of the system, or anybody else."""
_DELETED = " (deleted)"
_NOBODY = 65534
_DYNAMIC = range(61184, 65520)
"""The user ids of systemd's DynamicUser= (systemd.exec(5))."""
_FIRST_USER = 1000
"""The first user id of people in every distribution's /etc/login.defs (UID_MIN)."""


def process_ids() -> list[int]:
    """Return the ids of all processes that this one sees."""
    return sorted(int(name) for name in os.listdir(PROC) if name.isdigit())


def program_of(pid: int) -> str:
    """Return the path of the program that a process runs, nothing for one of the kernel or one that has gone.

    The path stays the same when a package replaces the file.
    """
    try:
        path = os.readlink(f"{PROC}/{pid}/exe")
    except OSError:
        return ""
    return path[: -len(_DELETED)] if path.endswith(_DELETED) else path


def user_ids(pid: int) -> tuple[int, ...]:
    """Return the real, effective, saved and file system user ids of a process, none for one that has gone."""
    with contextlib.suppress(OSError), open(f"{PROC}/{pid}/status", "rb") as stream:
        for line in stream:
            if line.startswith(b"Uid:"):
                return tuple(int(word) for word in line.split()[1:])
    return ()


def is_roots(pid: int) -> bool:
    """Tell whether a process is root's by all of its user ids."""
    return set(user_ids(pid)) == {SUPERUSER}


def may_be_roots(pid: int) -> bool:
    """Tell whether a process looks like root's, as also some of others do: a first sieve that costs little."""
    try:
        return os.stat(f"{PROC}/{pid}").st_uid == SUPERUSER
    except OSError:
        return False


def owner_of(ids: tuple[int, ...]) -> str:
    """Return ROOT, SYSTEM or USER for the user ids of a process; one that has gone counts as a user's."""
    if set(ids) == {SUPERUSER}:
        return ROOT
    of_system = all(number < _FIRST_USER or number == _NOBODY or number in _DYNAMIC for number in ids)
    return SYSTEM if ids and of_system else USER


def words_of(pid: int) -> tuple[str, ...]:
    """Return the argument vector of a process of root or the system, with what it has made of it."""
    try:
        with open(f"{PROC}/{pid}/cmdline", "rb") as stream:
            data = stream.read()
    except OSError:
        return ()
    return tuple(word.decode("utf-8", "surrogateescape") for word in data.rstrip(b"\0").split(b"\0"))


def parent_of(pid: int) -> int:
    """Return the id of the parent process, 0 for none."""
    with contextlib.suppress(OSError), open(f"{PROC}/{pid}/stat", "rb") as stream:
        return int(stream.read().rsplit(b")", 1)[1].split()[1])
    return 0


def is_in_our(namespace: str, pid: int) -> bool:
    """Tell whether a process shares a namespace with this one (namespaces(7)); ``namespace`` is net or pid."""
    try:
        return os.readlink(f"{PROC}/{pid}/ns/{namespace}") == os.readlink(f"{PROC}/self/ns/{namespace}")
    except OSError:
        return False


def sees_our(path: str, pid: int) -> bool:
    """Tell whether a path is the same file for a process of root as for this one, or missing for both."""
    return _identity(f"{PROC}/{pid}/root{path}") == _identity(path)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def open_sockets(pid: int) -> Iterator[str]:
    """Yield the inodes of the sockets that a process has open."""
    folder = f"{PROC}/{pid}/fd"
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            with contextlib.suppress(OSError):
                target = os.readlink(f"{folder}/{name}")
                if target.startswith("socket:["):
                    yield target[len("socket:[") : -1]
