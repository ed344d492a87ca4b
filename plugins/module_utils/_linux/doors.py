# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every program by which users may log in to this host from elsewhere, and what is to be said of it.

Private to this collection: may change at any time. It starts from what listens and not from what is called sshd.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    daemon,
    files,
    listening,
    login_servers,
    process,
    socket_units,
    sshd_args,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.listening import Listener
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.login_servers import SSHD
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.socket_units import SocketUnit
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.sshd_args import CommandLine

_INETD = ("inetd", "openbsd-inetd", "inetutils-inetd", "xinetd")
_INETD_FILES = ("/etc/inetd.conf", "/etc/xinetd.conf")
_INETD_FOLDERS = ("/etc/inetd.d", "/etc/xinetd.d")
_SYSTEMS = ("/usr/", "/opt/", "/bin/", "/sbin/")
"""Where programs are that no user has put there."""


@dataclass(frozen=True)
class Sshd:
    """An sshd of root's that lets users in. ``line`` is None when what it was started with cannot be told.

    ``is_hosts`` says that it is the distribution's program and sees the host's files.
    """

    program: str
    where: str
    line: CommandLine | None
    is_hosts: bool = True


@dataclass(frozen=True)
class OtherServer:
    """Another login server. ``user`` is whose it is when it is neither root's nor the system's."""

    product: str
    program: str
    where: str
    user: str = ""


@dataclass(frozen=True)
class Doors:
    """All that lets users in."""

    sshds: tuple[Sshd, ...] = ()
    others: tuple[OtherServer, ...] = ()


def read() -> Doors:
    """Return the doors of this host."""
    found = listening.read()
    doors: list[Sshd | OtherServer] = []
    inside: dict[str, str | None] = {}
    for listener in found.processes:
        doors += _behind(listener, inside)
    seen = {listener.pid for listener in found.processes}
    doors += [_sshd_process(one.pid, one.program, "") for one in daemon.listeners() if one.pid not in seen]
    if found.by_systemd:
        for unit in socket_units.read():
            doors += _behind_unit(unit)
    return Doors(
        tuple(dict.fromkeys(door for door in doors if isinstance(door, Sshd))),
        tuple(dict.fromkeys(door for door in doors if isinstance(door, OtherServer))),
    )


def _behind(listener: Listener, inside: dict[str, str | None]) -> list[Sshd | OtherServer]:
    """Return the doors that a process opens, mostly none; ``inside`` keeps what is known of programs' files."""
    where = f"on port {', '.join(map(str, listener.ports))}"
    if listener.owner == process.USER:
        return _users(listener, where)
    if os.path.basename(listener.program) in _INETD:
        return [_started(product, listener.program, where) for product in _inetd_servers()]
    server = login_servers.recognize(listener.program, listener.words)
    product = server.product if server else _product_inside(listener, inside)
    if product is None:
        return []
    if product != SSHD or (server and not server.words):
        return [_started(product, listener.program, where)]
    line = sshd_args.of_process(listener.words)
    if line is not None and line.checks:
        return []
    if _serves_a_session(listener):
        return []
    return [_sshd_process(listener.pid, listener.program, where)]


def _started(product: str, program: str, where: str) -> Sshd | OtherServer:
    """Return what a program is that starts a login server for each connection, or is another one than sshd itself."""
    return Sshd(program, where, None) if product == SSHD else OtherServer(product, program, where)


def _serves_a_session(listener: Listener) -> bool:
    """Tell whether a process has been started by an sshd of root's: it listens on ports that a client forwards."""
    parent = process.parent_of(listener.pid)
    name = os.path.basename(process.program_of(parent))
    return name in ("sshd", "sshd-session") and process.is_roots(parent)


def _product_inside(listener: Listener, inside: dict[str, str | None]) -> str | None:
    """Return what the file of a process's program is, also when it has been removed since."""
    if listener.program not in inside:
        inside[listener.program] = listening.product_inside(f"{process.PROC}/{listener.pid}/exe")
    return inside[listener.program]


def _users(listener: Listener, where: str) -> list[Sshd | OtherServer]:
    """Return a user's own login server: a program of the system's, since only then its name says anything."""
    product = login_servers.known_as(listener.program)
    if product is None or not listener.program.startswith(_SYSTEMS) or _serves_a_session(listener):
        return []
    name = str(listener.user)
    with contextlib.suppress(KeyError):
        name = pwd.getpwuid(listener.user).pw_name
    return [OtherServer("an sshd" if product == SSHD else product, listener.program, where, name)]


def _sshd_process(pid: int, program: str, where: str) -> Sshd:
    line = sshd_args.of_process(process.words_of(pid))
    is_hosts = daemon.is_distributions(program) and process.is_roots(pid)
    sees_ours = line is not None and process.sees_our(line.config, pid)
    return Sshd(program, f"{where} (process {pid})".strip(), line, is_hosts and sees_ours)


def _behind_unit(unit: SocketUnit) -> list[Sshd | OtherServer]:
    program, where = unit.words[0], f"by {unit.name}"
    server = login_servers.recognize(program, unit.words)
    if server is None and daemon.is_distributions(program):
        server = login_servers.Server(SSHD, unit.words)
    product = server.product if server else listening.product_inside(program)
    if product is None:
        return []
    if product != SSHD:
        return [OtherServer(product, program, where)]
    line = sshd_args.parse(unit.words[1:]) if server and server.words else None
    return [Sshd(program, where, line, daemon.is_distributions(program) and not unit.other_files)]


def _inetd_servers() -> Iterator[str]:
    """Yield the login servers that inetd or xinetd starts."""
    names = list(_INETD_FILES)
    for folder in _INETD_FOLDERS:
        with contextlib.suppress(OSError):
            names += [f"{folder}/{name}" for name in sorted(os.listdir(folder))]
    for name in names:
        yield from login_servers.in_inetd_conf(roots_text(name) or "")


def roots_text(path: str) -> str | None:
    """Return the text of a configuration file of root's, None for anything that another account may write."""
    try:
        found = files.read_bytes(path)
    except (OSError, TwofactorError):
        return None
    if found is None:
        return None
    data, there = found
    is_roots = there.st_uid == process.SUPERUSER and not there.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return data.decode("utf-8", "surrogateescape") if is_roots else None


def problems_of(others: Iterable[OtherServer]) -> list[TwofactorError]:
    """Return what is to be said of other login servers of root's and the system's."""
    return [
        TwofactorError(
            "other_login_server",
            f"{_capital(one.product)} ({one.program}) lets users log in {one.where}, and asks for no code.",
            "Stop it and have it start no more, or remove its package.",
        )
        for one in others
        if not one.user
    ]


def problems_of_users(others: Iterable[OtherServer]) -> list[TwofactorError]:
    """Return what is to be said of login servers that users run, which let others in as themselves."""
    return [
        TwofactorError(
            "user_login_server",
            f"User '{one.user}' runs {one.product} ({one.program}) {one.where}, which lets in as '{one.user}' "
            "without a code.",
            f"Have '{one.user}' stop it, or remove its package.",
        )
        for one in others
        if one.user
    ]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
