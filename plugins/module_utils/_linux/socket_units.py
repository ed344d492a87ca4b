# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sockets on which systemd waits in the place of services, and what it starts for a connection.

Reads the host. Private to this collection: may change at any time. See systemd.socket(5).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import daemon
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import (
    find_program,
    run,
)

_USUAL = ("ssh.service", "sshd.service", "ssh@x.service", "sshd@x.service", "sshd-unix-local@x.service")
"""Asked for along with the sockets, which mostly spares a second question."""
_PROPERTIES = (
    *(
        "Id",
        "Names",
        "Accept",
        "Listen",
        "Triggers",
        "ActiveState",
        "ExecStart",
        "Environment",
        "EnvironmentFiles",
    ),
    *("RootDirectory", "RootImage", "BindPaths", "BindReadOnlyPaths", "TemporaryFileSystem", "MountImages"),
)
_OTHER_FILES = _PROPERTIES[-6:]
_COMMAND = re.compile(r"\{ path=(?P<path>.*?) ; argv\[\]=(?P<words>.*?) ; ignore_errors=")
_VARIABLE = re.compile(r"\$(\{(\w+)\}|(\w+))")
_OWN = ("/run/systemd/", "/run/dbus/", "/run/udev/", "/dev/")
"""Where systemd's own sockets are that nobody logs in by."""

_Unit = dict[str, list[str]]


@dataclass(frozen=True)
class SocketUnit:
    """A socket unit that waits for connections, and a command that it has started for one.

    ``words`` begin with the program; a variable that is not known stays in them. ``other_files`` says that the service
    sees other files than the rest of the host.
    """

    name: str
    words: tuple[str, ...]
    other_files: bool = False


def read() -> list[SocketUnit]:
    """Return the active socket units with what they start, none where there is no systemd."""
    systemctl = find_program("systemctl")
    if systemctl is None:
        return []
    units = _show(systemctl, "*.socket", *_USUAL)
    services = {
        socket: _service_of(unit)
        for socket, unit in units.items()
        if socket.endswith(".socket") and _waits(unit)
    }
    further = sorted(set(services.values()) - set(units))
    if further:
        units.update(_show(systemctl, *further))
    return [
        SocketUnit(socket, words, any(units[service].get(name, [""])[0] for name in _OTHER_FILES))
        for socket, service in sorted(services.items())
        if service in units
        for words in _commands(units[service])
    ]


def _show(systemctl: str, *names: str) -> dict[str, _Unit]:
    """Return the properties of units, each a list since some stand there several times."""
    ran = run([systemctl, "show", "--property", ",".join(_PROPERTIES), "--", *names])
    return parse(ran.out)


def parse(text: str) -> dict[str, _Unit]:
    """Return what ``systemctl show`` printed, by each of the unit's names."""
    units = {}
    for block in text.split("\n\n"):
        unit: _Unit = {}
        for line in block.strip().split("\n"):
            name, dummy, value = line.partition("=")
            unit.setdefault(name, []).append(value)
        names = unit.get("Names", unit.get("Id", [""]))[0]
        units.update(dict.fromkeys(names.split(), unit))
    return units


def _waits(unit: _Unit) -> bool:
    listens = [
        value for value in unit.get("Listen", []) if value.endswith((" (Stream)", " (SequentialPacket)"))
    ]
    elsewhere = [value for value in listens if not value.startswith(_OWN)]
    return bool(elsewhere) and unit.get("ActiveState") == ["active"]


def _service_of(unit: _Unit) -> str:
    """Return the service that a socket starts; with Accept=yes an instance of its template for each connection."""
    if unit.get("Accept") == ["yes"]:
        prefix = unit["Id"][0][: -len(".socket")].partition("@")[0]
        return f"{prefix}@x.service"
    return unit.get("Triggers", [""])[0].partition(" ")[0]


def _commands(unit: _Unit) -> list[tuple[str, ...]]:
    found = []
    for match in _COMMAND.finditer("\n".join(unit.get("ExecStart", []))):
        words = [word for text in match["words"].split(" ")[1:] for word in _expanded(text, unit)]
        found.append((match["path"], *words))
    return found


def _expanded(word: str, unit: _Unit) -> list[str]:
    """Return what a word of a unit's command is at a start: variables come from its environment."""
    match = _VARIABLE.fullmatch(word)
    if not match:
        return [word]
    name = match[2] or match[3]
    files = [value.partition(" (")[0] for value in unit.get("EnvironmentFiles", [])]
    for path in reversed(files):
        text = daemon.environment_words(path, name)
        if text is not None:
            return text
    for value in unit.get("Environment", []):
        for pair in value.split(" "):
            if pair.startswith(f"{name}="):
                return [pair.partition("=")[2]]
    return []  # systemd leaves out what is not set
