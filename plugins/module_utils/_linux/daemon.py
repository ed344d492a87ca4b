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
from dataclasses import dataclass

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import process, sshd_args
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.files import read_text
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.sshd_args import CommandLine

ENVIRONMENT_FILES = (("/etc/default/ssh", "SSHD_OPTS"), ("/etc/sysconfig/sshd", "OPTIONS"))
SSHD = "/usr/sbin/sshd"
"""Where every distribution has it, as a file or by a link."""
_PATIENCE = 10.0
_LISTENS = "0A"
"""A socket's state in /proc/net/tcp (proc(5))."""


@dataclass(frozen=True)
class Listener:
    """An sshd of root's that listens. ``line`` is None when its arguments cannot be read."""

    pid: int
    program: str
    line: CommandLine | None


def listeners() -> list[Listener]:
    """Return the sshds that listen, none when systemd does that in their place.

    An sshd is known by its program and its owner, neither of which a user can choose. One in a container is none of
    this host's, and one that serves a session does not listen.
    """
    verdicts: dict[str, bool] = {}
    found = []
    for pid in process.process_ids():
        program = process.program_of(pid)
        if program and program not in verdicts:
            if not (process.may_be_roots(pid) and process.is_roots(pid)):
                continue  # a file of a user's is left alone
            verdicts[program] = is_sshd(program)
        if verdicts.get(program) and process.is_roots(pid) and process.is_in_our("pid", pid):
            found.append(Listener(pid, program, sshd_args.of_process(process.words_of(pid))))
    listening = [one for one in found if one.line is None or one.line.listens]
    pids = {one.pid for one in listening}
    # A listener's child has its title until it becomes a session.
    return [one for one in listening if process.parent_of(one.pid) not in pids]


def is_sshd(program: str) -> bool:
    """Tell whether a program of root's is an sshd: by its name, or as a link to or a copy of the distribution's."""
    return os.path.basename(program) == "sshd" or is_distributions(program)


def is_distributions(program: str) -> bool:
    """Tell whether a program is the distribution's sshd, under whatever name."""
    known = distributions_sshd()
    if known is None:
        return False
    if program == os.path.realpath(known):
        return True
    try:
        there, ours = os.stat(program), os.stat(known)
    except OSError:
        return False
    if (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino):
        return True
    return there.st_size == ours.st_size and _content(program) == _content(known)


def _content(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()


def distributions_sshd() -> str | None:
    """Return the path of the distribution's sshd, None where none is installed.

    One that somebody has put into /usr/local is not it, though a search would find it first.
    """
    from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import find_program

    return SSHD if os.path.exists(SSHD) else find_program("sshd")


def configured_options() -> list[str]:
    """Return the words that the distribution's units add to sshd's command line (systemd.exec(5), EnvironmentFile)."""
    words: list[str] = []
    for path, name in ENVIRONMENT_FILES:
        words = environment_words(path, name) or words
    return words


def environment_words(path: str, name: str) -> list[str] | None:
    """Return the words that a variable of an environment file stands for, None where it is not set there."""
    words = None
    for line in (read_text(path) or "").split("\n"):
        if line.strip().startswith(f"{name}="):
            with contextlib.suppress(ValueError):
                words = " ".join(shlex.split(line.partition("=")[2], comments=True)).split()
    return words


def reload_sshd(*, wait: bool = True, patience: float = _PATIENCE) -> None:
    """Let every sshd read its configuration; with ``wait``, until each listens again.

    Raises TwofactorError when one does not come back.
    """
    deadline = time.monotonic() + patience
    doors = {one.pid: _doors(one.pid) if wait else set() for one in listeners()}
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
        open(f"{process.PROC}/{pid}/status", encoding="utf-8", errors="replace") as stream,
    ):
        for line in stream:
            if line.startswith("SigCgt:"):
                return bool(int(line.split()[1], 16) & 1 << (signal.SIGHUP - 1))
    return False


def _doors(pid: int) -> set[str]:
    """Return the sockets on which a process listens, by their inodes."""
    open_ones = set()
    with contextlib.suppress(OSError):
        for name in os.listdir(f"{process.PROC}/{pid}/fd"):
            with contextlib.suppress(OSError):
                open_ones.add(os.readlink(f"{process.PROC}/{pid}/fd/{name}"))
    listening = set()
    for family in ("tcp", "tcp6"):
        with (
            contextlib.suppress(OSError),
            open(f"{process.PROC}/{pid}/net/{family}", encoding="ascii") as table,
        ):
            rows = [line.split() for line in table]
            listening |= {f"socket:[{row[9]}]" for row in rows[1:] if row[3] == _LISTENS}
    return open_ones & listening


def _is_there(pid: int) -> bool:
    try:
        with open(f"{process.PROC}/{pid}/comm", encoding="utf-8"):
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
