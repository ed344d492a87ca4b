# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Debian host under the simulation: its files, its units, its interfaces and its network."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

# What the real middleware waits is 5 s; a test should not have to.
PROBE_SECONDS = 2.0


class Machine(Protocol):
    """What the simulation asks of the host; the unit tests have one that only remembers."""

    before_write: Callable[[], None]

    def read(self, path: str) -> str | None:
        """Return a file's text, or None."""

    def write(self, path: str, text: str, mode: int) -> None:
        """Replace a file in one step."""

    def remove(self, path: str) -> None:
        """Remove a file; that it is gone already is fine."""

    def make_home(self, path: str, uid: int, gid: int) -> None:
        """Have a home directory that belongs to its user."""

    def own(self, path: str, uid: int, gid: int) -> None:
        """Give a file and its folder to a user."""

    def is_enabled(self, unit: str) -> bool:
        """Tell whether a unit starts with the host."""

    def unit(self, verb: str, unit: str) -> bool:
        """Do something with a systemd unit; tell whether that worked."""

    def is_running(self, unit: str) -> bool:
        """Tell whether a unit runs."""

    def process(self, unit: str) -> int:
        """Return the number of a unit's main process, or 0."""

    def interfaces(self) -> list[str]:
        """Return the names of the network interfaces."""

    def addresses(self, interface: str) -> list[str]:
        """Return an interface's IPv4 addresses."""

    def hostname(self) -> str:
        """Return the host's name."""

    def answers_ntp(self, address: str) -> bool:
        """Tell whether a time server answers."""

    def converse(self, service: str, user: str, answers: list[str]) -> bool:
        """Hold a conversation with PAM; tell whether it let the user in."""

    def run(self, *command: str) -> str:
        """Return what a command prints, whatever its exit status is."""


class DebianMachine:
    """The host this runs on."""

    def __init__(self) -> None:
        self.before_write: Callable[[], None] = lambda: None

    def read(self, path: str) -> str | None:
        try:
            return Path(path).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def write(self, path: str, text: str, mode: int) -> None:
        self.before_write()
        draft = Path(f"{path}.new-by-middleware")
        draft.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        draft.chmod(mode)
        draft.replace(path)

    def remove(self, path: str) -> None:
        Path(path).unlink(missing_ok=True)

    def make_home(self, path: str, uid: int, gid: int) -> None:
        os.makedirs(path, exist_ok=True)
        os.chmod(path, 0o700)
        os.chown(path, uid, gid)

    def own(self, path: str, uid: int, gid: int) -> None:
        os.chown(path, uid, gid)
        os.chown(os.path.dirname(path), uid, gid)

    def is_enabled(self, unit: str) -> bool:
        return self._systemctl("is-enabled", "--quiet", unit).returncode == 0

    def unit(self, verb: str, unit: str) -> bool:
        return self._systemctl(verb, unit).returncode == 0

    def is_running(self, unit: str) -> bool:
        return self._systemctl("is-active", "--quiet", unit).returncode == 0

    def process(self, unit: str) -> int:
        return int(self._systemctl("show", "--property=MainPID", "--value", unit).stdout or 0)

    def _systemctl(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["systemctl", *words], capture_output=True, text=True, check=False, timeout=90)

    def interfaces(self) -> list[str]:
        return [name for _, name in socket.if_nameindex() if name != "lo"]

    def addresses(self, interface: str) -> list[str]:
        found: list[dict[str, Any]] = json.loads(self.run("ip", "-json", "-4", "address", "show", interface))
        return [entry["local"] for link in found for entry in link.get("addr_info", [])]

    def hostname(self) -> str:
        return socket.gethostname()

    def answers_ntp(self, address: str) -> bool:
        question = bytes([0x1B]) + bytes(47)  # version 3, client
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
            connection.settimeout(PROBE_SECONDS)
            connection.connect((address, 123))
            connection.send(question)
            return len(connection.recv(512)) >= len(question)
        return False

    def converse(self, service: str, user: str, answers: list[str]) -> bool:
        done = subprocess.run(
            ["pamtester", service, user, "authenticate"],
            input="".join(f"{answer}\n" for answer in answers),
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        return done.returncode == 0

    def run(self, *command: str) -> str:
        done = subprocess.run(list(command), capture_output=True, text=True, check=False, timeout=30)
        return done.stdout
