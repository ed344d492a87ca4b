# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The running sshd, and any other beside it: which processes listen, and how they read their configuration again.

Private to this collection: may change at any time. A SIGHUP keeps every session; the listening process closes its
sockets and starts over with the same process id. Which one has written the pid file last says nothing: an sshd that
somebody has started on another port, as a way back, writes the same one.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import time

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.files import read_text

ENVIRONMENT_FILES = (("/etc/default/ssh", "SSHD_OPTS"), ("/etc/sysconfig/sshd", "OPTIONS"))
PROC = "/proc"
SUPERUSER = 0
_PATIENCE = 10.0
_LISTENS = "0A"
"""A socket's state in /proc/net/tcp (proc(5))."""


def listeners() -> list[int]:
    """Return the process ids of the sshds that listen, none when systemd does that in their place."""
    return [
        pid for pid in sorted(int(name) for name in os.listdir(PROC) if name.isdigit()) if _is_listener(pid)
    ]


def _is_listener(pid: int) -> bool:
    """Tell whether a process is an sshd of this host that listens.

    One that serves a session is none, nor one in a container, which has another parent, nor one that a user runs.
    """
    try:
        with open(f"{PROC}/{pid}/comm", encoding="utf-8") as stream:
            if stream.read().strip() != "sshd":
                return False
        is_hosts = _parent(pid) in (0, 1) and os.stat(f"{PROC}/{pid}").st_uid == SUPERUSER
        return is_hosts and _has_title_of_listener(pid)
    except OSError:
        return False


def _has_title_of_listener(pid: int) -> bool:
    """Tell it from a session that init has started (socket activation) or inherited, which SIGHUP would end."""
    with open(f"{PROC}/{pid}/cmdline", encoding="utf-8", errors="replace") as stream:
        title = stream.read()
    if title.startswith("sshd: "):
        return "[listener]" in title
    return "-i" not in title.split("\0")


def _parent(pid: int) -> int:
    with open(f"{PROC}/{pid}/stat", encoding="utf-8") as stream:
        return int(stream.read().rsplit(")", 1)[1].split()[1])


def started_with() -> list[list[str]]:
    """Return the options of each sshd that listens, the same ones once.

    When there is none they are those with which systemd would start one, now for each login or later for all.
    """
    found: list[list[str]] = []
    for pid in listeners():
        options = arguments(pid)
        if options not in found:
            found.append(options)
    return found or [_options(_configured())]


def _configured() -> list[str]:
    """Return the words that the distribution's units add to sshd's command line (systemd.exec(5), EnvironmentFile)."""
    words: list[str] = []
    for path, name in ENVIRONMENT_FILES:
        for line in (read_text(path) or "").split("\n"):
            if line.strip().startswith(f"{name}="):
                with contextlib.suppress(ValueError):
                    words = " ".join(shlex.split(line.partition("=")[2], comments=True)).split()
    return words


def arguments(pid: int) -> list[str]:
    """Return the options that a running sshd was started with; they outrank every file."""
    try:
        with open(f"{PROC}/{pid}/cmdline", encoding="utf-8", errors="replace") as stream:
            words = stream.read().split("\0")
    except OSError:
        return []
    # sshd rewrites its title to one word: "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups".
    title = words[0].removeprefix("sshd: ").split(" [listener]", 1)[0]
    parts = title.split() if title != words[0] else [word for word in words if word]
    return _options(parts[1:])


def _options(parts: list[str]) -> list[str]:
    """Return only the options that change the configuration: -o, -f and -p with their values."""
    kept: list[str] = []
    index = 0
    while index < len(parts):
        word = parts[index]
        if word[:2] in ("-o", "-f", "-p"):
            kept.append(word)
            if len(word) == 2 and index + 1 < len(parts):  # noqa: PLR2004 - the value is the next word
                index += 1
                kept.append(parts[index])
        index += 1
    return kept


def reload_sshd(*, wait: bool = True, patience: float = _PATIENCE) -> None:
    """Let every sshd read its configuration; with ``wait``, until each listens again.

    Raises TwofactorError when one does not come back.
    """
    deadline = time.monotonic() + patience
    doors = {pid: _doors(pid) if wait else set() for pid in listeners()}
    for pid in doors:
        while not _hears(pid) and time.monotonic() < deadline:
            time.sleep(0.005)
        # One that never catches it would die of it, and nobody could log in: rather an error, or the old configuration.
        if _hears(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGHUP)
    while waiting := [pid for pid, before in doors.items() if before and not _has_come_back(pid, before)]:
        if time.monotonic() >= deadline:
            raise TwofactorError(
                "sshd_reload",
                f"sshd (process {waiting[0]}) did not read its configuration within {patience:.0f} seconds.",
                "Look at 'journalctl -u ssh -u sshd' on the host.",
            )
        time.sleep(0.005)


def _has_come_back(pid: int, before: set[str]) -> bool:
    """Tell whether an sshd listens on other sockets than ``before``, or leaves that to systemd from now on."""
    now = _doors(pid)
    if now:
        return not now & before and _hears(pid)
    return not _is_there(pid) and _socket_listens()


def _hears(pid: int) -> bool:
    """Tell whether a process catches SIGHUP (proc(5), SigCgt): an sshd that has just begun to listen dies of it."""
    with (
        contextlib.suppress(OSError),
        open(f"{PROC}/{pid}/status", encoding="utf-8", errors="replace") as stream,
    ):
        for line in stream:
            if line.startswith("SigCgt:"):
                return bool(int(line.split()[1], 16) & 1 << (signal.SIGHUP - 1))
    return False


def _doors(pid: int) -> set[str]:
    """Return the sockets on which a process listens, by their inodes."""
    open_ones = set()
    with contextlib.suppress(OSError):
        for name in os.listdir(f"{PROC}/{pid}/fd"):
            with contextlib.suppress(OSError):
                open_ones.add(os.readlink(f"{PROC}/{pid}/fd/{name}"))
    listening = set()
    for family in ("tcp", "tcp6"):
        with contextlib.suppress(OSError), open(f"{PROC}/{pid}/net/{family}", encoding="ascii") as table:
            rows = [line.split() for line in table]
            listening |= {f"socket:[{row[9]}]" for row in rows[1:] if row[3] == _LISTENS}
    return open_ones & listening


def _is_there(pid: int) -> bool:
    try:
        with open(f"{PROC}/{pid}/comm", encoding="utf-8"):
            return True
    except OSError:
        return False


def _socket_listens() -> bool:
    """Tell whether systemd listens in sshd's place: such an sshd ends at a SIGHUP and is started by the next login."""
    from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import (
        find_program,
        run,
    )

    systemctl = find_program("systemctl")
    return systemctl is not None and any(
        run([systemctl, "is-active", "--quiet", f"{name}.socket"]).status == 0 for name in ("ssh", "sshd")
    )
