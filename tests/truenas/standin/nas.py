# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The NAS as a whole: its database, its host, what of the one is written to the other."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .calllog import CallLog
from .defaults import ADMINISTRATORS, initial, no_home, upgrade
from .errors import ESERVICESTARTFAILURE, CallError
from .faults import Faults
from .jobs import Jobs
from .machine import Machine
from .releases import Release
from .render.accounts import domain_passwd, group, passwd, shadow
from .render.chrony import chrony_conf
from .render.oath import USERS_OATH, Token, pam_sshd, pam_web, users_oath
from .render.sshd import SshFacts, sshd_config
from .session import Session
from .store import Store

Record = dict[str, Any]

# The Debian unit behind a service, and the files that starting or reloading it writes.
UNITS = {"ssh": "ssh.service", "ntpd": "chrony.service"}
FILES = {"ssh": "ssh", "user": "user", "ntpd": "ntpd"}

log = logging.getLogger("middlewared")


class Nas:
    """One NAS of one release, with its files below ``home``."""

    def __init__(self, release: Release, machine: Machine, home: Path, calls: Path) -> None:
        self.release = release
        self.machine = machine
        self.faults = Faults(home / "faults.json")
        self.store = Store(home / "state.json", lambda: initial(release, machine))
        upgrade(self.store.data, release)
        self.store.commit()
        self.jobs = Jobs()
        self.calls = CallLog(calls)
        # One call at a time touches the database and the host.
        self.lock = threading.RLock()
        self.current = ""
        self.store.before_write = self._database_may_be_full
        machine.before_write = self._etc_may_be_full

    @property
    def data(self) -> Record:
        """Return the database."""
        return self.store.data

    def _database_may_be_full(self) -> None:
        if self.faults.take(self.current, "disk_full", where="database"):
            raise sqlite3.OperationalError("database or disk is full")

    def _etc_may_be_full(self) -> None:
        if self.faults.take(self.current, "disk_full", where="etc"):
            raise OSError(28, "No space left on device")

    # Users

    def user_named(self, username: object) -> Record | None:
        """Return a user's record."""
        return next((user for user in self.data["users"] if user["username"] == username), None)

    def account_named(self, username: object) -> Record | None:
        """Return a user's record, one of the directory's too where the release can have a secret for it."""
        found = self.user_named(username)
        if found is None and self.release.directory != "none":
            found = next((user for user in self.data["directory"] if user["username"] == username), None)
        return found

    def is_admin(self, user: Record) -> bool:
        """Tell whether a user is a full administrator."""
        groups = {entry["id"] for entry in self.data["groups"] if entry["gid"] == ADMINISTRATORS}
        return user["uid"] == 0 or bool(groups & set(user["groups"]))

    def has_home(self, user: Record) -> bool:
        """Tell whether a user's home is more than the word for none."""
        return bool(user["home"] not in (no_home(self.release), "/nonexistent", "/var/empty"))

    # Codes

    def ssh_asks_code(self) -> bool:
        """Tell whether SSH logins need a code."""
        settings = self.data["twofactor"]
        return bool(settings["enabled"] and settings["services"].get("ssh"))

    def secret_of(self, user: Record) -> str | None:
        """Return a user's seed; before there were several, only root had one."""
        if self.release.per_user:
            secret = (user["twofactor"] or {}).get("secret")
        else:
            secret = self.data["twofactor"]["secret"] if user["uid"] == 0 else None
        return secret if isinstance(secret, str) else None

    def settings_of(self, user: Record) -> tuple[int, int]:
        """Return the digits and the interval of a user's codes."""
        own = user["twofactor"] or {"otp_digits": 6, "interval": 30}
        source = own if self.release.settings_per_user else self.data["twofactor"]
        return source["otp_digits"], source["interval"]

    def _tokens(self) -> list[Token] | None:
        """Return what belongs into users.oath; None stands for no file."""
        enabled_only = self.release.oath_content == "enabled"
        if not (self.data["twofactor"]["enabled"] if enabled_only else self.ssh_asks_code()):
            return None
        found = []
        for user in [*self.data["users"], *self.data["directory"]]:
            secret = self.secret_of(user)
            if secret:
                digits, interval = self.settings_of(user)
                found.append(Token(user["username"], secret, digits, interval))
        return found

    # Files

    def generate(self, what: str) -> None:
        """Write one group of files."""
        writers: dict[str, Callable[[], None]] = {
            "ssh": self._write_ssh,
            "user": self._write_accounts,
            "ntpd": self._write_time,
            "pam": self._write_pam,
        }
        writers[what]()
        if what == self.release.oath_group:
            self._write_oath()

    def _write_oath(self) -> None:
        tokens = self._tokens()
        if tokens is None:
            self.machine.remove(USERS_OATH)
        else:
            self.machine.write(USERS_OATH, users_oath(tokens), 0o600)

    def _write_ssh(self) -> None:
        window = self.data["twofactor"]["window"]
        self.machine.write("/etc/pam.d/sshd", pam_sshd(self.ssh_asks_code(), window), 0o644)
        self.machine.write("/etc/ssh/sshd_config", sshd_config(self.release, self._ssh_facts()), 0o644)

    def _ssh_facts(self) -> SshFacts:
        settings = self.data["ssh"]
        root = self.user_named("root") or {}
        key = "ssh_password_enabled"
        named = [user["username"] for user in self.data["users"] if user[key] and user["username"] != "root"]
        return SshFacts(
            settings=settings,
            code=self.ssh_asks_code(),
            addresses=[address for name in settings["bindiface"] for address in self.machine.addresses(name)],
            root_password=settings["rootlogin"] if self.release.root_option else bool(root.get(key)),
            password_users=[*(["root"] if root.get(key) else []), *named],
        )

    def _write_accounts(self) -> None:
        users, groups = self.data["users"], self.data["groups"]
        # The lab has no winbind: what a NAS asks the domain for is written down here.
        domain = self.data["directory"]
        self.machine.write("/etc/passwd", passwd(users, groups) + domain_passwd(domain), 0o644)
        self.machine.write("/etc/shadow", shadow([*users, *domain]), 0o640)
        self.machine.write("/etc/group", group(users, groups), 0o644)
        for user in domain:
            self.machine.make_home(user["home"], user["uid"], user["uid"])
        gids = {entry["id"]: entry["gid"] for entry in groups}
        for user in users:
            if user["home"].startswith(("/home/", "/mnt/")):
                self.machine.make_home(user["home"], user["uid"], gids[user["group"]])

    def _write_time(self) -> None:
        self.machine.write("/etc/chrony/chrony.conf", chrony_conf(self.data["ntp"]), 0o644)

    def _write_pam(self) -> None:
        if self.release.web_codes == "pam":
            settings = self.data["twofactor"]
            text = pam_web(settings["enabled"], settings["window"])
            self.machine.write("/etc/pam.d/truenas", text, 0o644)

    # Services

    def service(self, verb: str, name: str) -> bool:
        """Start, stop, restart or reload a service; tell whether it runs afterwards."""
        if verb != "stop" and name in FILES:
            self.generate(FILES[name])
        unit = UNITS.get(name)
        if unit is None:
            return verb != "stop"
        if verb == "reload" and not self.machine.is_running(unit):
            return False
        self.machine.unit(verb, unit)
        return self.machine.is_running(unit)

    def reload_running(self, name: str) -> None:
        """Reload a service after a change of its settings; what ran before must run afterwards."""
        before = self.machine.is_running(UNITS[name])
        if not self.service("reload", name) and before:
            raise CallError(f"The {name} service failed to start", ESERVICESTARTFAILURE)

    def boot(self) -> None:
        """Write everything, as a NAS does on its way up."""
        for what in ("user", "pam", "ssh", "ntpd"):
            self.generate(what)
        enabled = {entry["service"]: entry["enable"] for entry in self.data["services"]}
        if self.machine.is_enabled(UNITS["ssh"]) != enabled["ssh"]:
            self.machine.unit("enable" if enabled["ssh"] else "disable", UNITS["ssh"])


@dataclass
class Call:
    """One call: on which NAS, by whom."""

    nas: Nas
    session: Session

    @property
    def release(self) -> Release:
        """Return the release of the NAS."""
        return self.nas.release

    @property
    def data(self) -> Record:
        """Return the database."""
        return self.nas.data

    def commit(self) -> None:
        """Keep what this call has changed in the database."""
        self.nas.store.commit()
