# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A NAS without a host, for tests that take no time: its files are a dict, its units a set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.truenas.standin.dispatch import Dispatcher
from tests.truenas.standin.nas import Nas
from tests.truenas.standin.releases import release_named

PASSWD = """\
root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
"""
GROUP = "root:x:0:\ndaemon:x:1:\n"


class FakeMachine:
    """Remembers what is done to it."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {"/etc/passwd": PASSWD, "/etc/group": GROUP}
        self.modes: dict[str, int] = {}
        self.homes: dict[str, tuple[int, int]] = {}
        self.units: list[str] = []
        self.running = {"ssh.service", "chrony.service"}
        self.enabled = {"ssh.service"}
        self.broken: set[str] = set()
        self.time_servers: set[str] = set()
        self.probed: list[str] = []
        self.codes: list[str] = []
        self.before_write: Callable[[], None] = lambda: None

    def read(self, path: str) -> str | None:
        return self.files.get(path)

    def write(self, path: str, text: str, mode: int) -> None:
        self.before_write()
        self.files[path] = text
        self.modes[path] = mode

    def remove(self, path: str) -> None:
        self.files.pop(path, None)

    def make_home(self, path: str, uid: int, gid: int) -> None:
        self.homes[path] = (uid, gid)

    def own(self, path: str, uid: int, gid: int) -> None:
        self.homes[path] = (uid, gid)

    def is_enabled(self, unit: str) -> bool:
        return unit in self.enabled

    def unit(self, verb: str, unit: str) -> bool:
        self.units.append(f"{verb} {unit}")
        if verb in ("enable", "disable"):
            (self.enabled.add if verb == "enable" else self.enabled.discard)(unit)
        elif verb == "stop" or unit in self.broken:
            self.running.discard(unit)
        else:
            self.running.add(unit)
        return unit not in self.broken

    def is_running(self, unit: str) -> bool:
        return unit in self.running

    def process(self, unit: str) -> int:
        return 42

    def interfaces(self) -> list[str]:
        return ["host0"]

    def addresses(self, interface: str) -> list[str]:
        return ["192.0.2.7"] if interface == "host0" else []

    def hostname(self) -> str:
        return "nas1"

    def answers_ntp(self, address: str) -> bool:
        self.probed.append(address)
        return address in self.time_servers

    def converse(self, service: str, user: str, answers: list[str]) -> bool:
        # Like pam_oath, it takes a code once.
        right = answers[1] in self.codes
        self.codes = [code for code in self.codes if code != answers[1]]
        return right

    def run(self, *command: str) -> str:
        return ""


class Refused(Exception):
    """A call that was answered with an error."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["reason"])
        self.reason: str = error["reason"]
        self.trace: str | None = error["trace"]
        self.kind: str = error["kind"]
        self.extra: list[list[Any]] | None = error["extra"]


class FakeNas:
    """A NAS and a session of root's."""

    def __init__(self, version: str, folder: Path) -> None:
        self.folder = folder
        self.calls = folder / "calls.jsonl"
        self.machine = FakeMachine()
        self.ended: list[float] = []
        self.start(version)
        self.nas.boot()

    def start(self, version: str) -> None:
        """Start the middleware of a release over the database as it is."""
        self.nas = Nas(release_named(version), self.machine, self.folder, self.calls)
        self.dispatcher = Dispatcher(self.nas, self.ended.append)
        self.session = self.dispatcher.session(0)

    def answer(self, method: str, *arguments: Any) -> dict[str, Any]:
        """Return the answer to a call."""
        return self.dispatcher.call(self.session, method, list(arguments))

    def call(self, method: str, *arguments: Any) -> Any:
        """Return the result of a call, or raise Refused."""
        answer = self.answer(method, *arguments)
        if "error" in answer:
            raise Refused(answer["error"])
        return answer["result"]

    def job(self, method: str, *arguments: Any) -> dict[str, Any]:
        """Run a job to its end and return its record."""
        job = self.nas.jobs.get(self.call(method, *arguments))
        assert job.ended.wait(10)
        return job.record()

    def enroll(self, name: str, **options: Any) -> Any:
        """Give a user a secret, in the words of the release."""
        release = self.nas.release
        return self.call("user.renew_2fa_secret", name, *([options] if release.settings_per_user else []))

    def create(self, name: str, **extra: Any) -> dict[str, Any]:
        """Have one more user."""
        plain = {"username": name, "full_name": name, "password": "secret words", "group_create": True}
        self.call("user.create", {**plain, **extra})
        return self.user(name)

    def user(self, name: str) -> dict[str, Any]:
        """Return a user as the release shows one."""
        found: dict[str, Any] = self.call("user.query", [["username", "=", name]], {"get": True})
        return found

    @property
    def oath(self) -> str | None:
        """Return users.oath."""
        return self.machine.files.get("/etc/users.oath")
