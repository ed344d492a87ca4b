# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processes wait for connections from the network: by the sockets of our network namespace (proc(5)).

Reads the host, decides little. Private to this collection: may change at any time.
"""

from __future__ import annotations

import contextlib
import mmap
import os
from dataclasses import dataclass

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import login_servers, process

_LISTENS = "0A"
"""A socket's state in /proc/net/tcp (proc(5))."""
_ACCEPTS = 0x10000
"""A flag in /proc/net/unix: somebody listens."""
_LARGEST = 8 * 1024 * 1024
"""Bytes. A larger program is none of those that are known by what is in their files."""


@dataclass(frozen=True)
class Listener:
    """A process that listens. ``owner`` is one of process.ROOT, SYSTEM and USER, ``ports`` are numbers of TCP.

    ``words``, its arguments, are not read of a user's. ``user`` is the number of its account.
    """

    pid: int
    program: str
    owner: str
    ports: tuple[int, ...]
    words: tuple[str, ...] = ()
    user: int = 0


@dataclass(frozen=True)
class Listening:
    """All that listens: processes, and whether systemd does in the place of services."""

    processes: tuple[Listener, ...]
    by_systemd: bool


def read() -> Listening:
    """Return who listens."""
    ports = _tcp_ports()
    processes = []
    by_systemd = _has_unix_doors()
    for pid in process.process_ids():
        held = sorted({ports[inode] for inode in process.open_sockets(pid) if inode in ports})
        if not held or not (process.is_in_our("net", pid) and process.is_in_our("pid", pid)):
            continue
        program = process.program_of(pid)
        if pid == 1 and os.path.basename(program) == "systemd":
            by_systemd = True
            continue
        ids = process.user_ids(pid)
        owner = process.owner_of(ids)
        words = process.words_of(pid) if owner != process.USER else ()
        processes.append(Listener(pid, program, owner, tuple(held), words, max(ids, default=0)))
    return Listening(tuple(processes), by_systemd)


def _tcp_ports() -> dict[str, int]:
    """Return the ports on which somebody listens, by the inode of the socket."""
    found = {}
    for family in ("tcp", "tcp6"):
        with contextlib.suppress(OSError), open(f"{process.PROC}/net/{family}", encoding="ascii") as table:
            rows = [line.split() for line in table]
            found.update(
                {row[9]: int(row[1].rpartition(":")[2], 16) for row in rows[1:] if row[3] == _LISTENS}
            )
    return found


def _has_unix_doors() -> bool:
    """Tell whether logins may come by a local socket or from a hypervisor, as systemd-ssh-generator(8) arranges it."""
    if os.path.exists("/dev/vsock"):
        return True
    with (
        contextlib.suppress(OSError),
        open(f"{process.PROC}/net/unix", encoding="utf-8", errors="replace") as table,
    ):
        for row in (line.split() for line in table):
            if len(row) > 7 and row[3] != "Flags" and int(row[3], 16) & _ACCEPTS and "ssh" in row[7]:  # noqa: PLR2004
                return True
    return False


def product_inside(program: str) -> str | None:
    """Return what a program is by the content of its file, None where nothing there is known.

    A script is judged by the programs that it names. For files of root's and the system's processes alone.
    """
    with contextlib.suppress(OSError, ValueError), open(program, "rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        if not 0 < size <= _LARGEST:
            return None
        if stream.peek(2)[:2] == b"#!":
            return login_servers.in_script(stream.read().decode("utf-8", "replace"))
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            for mark, product in login_servers.MARKS.items():
                if content.find(mark) >= 0:
                    return product
    return None
