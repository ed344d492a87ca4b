# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A middleware that knows its lines: each call that is expected, and what midclt prints for it.

A test reads as a conversation. A call that is not the expected one, or one that does not come, fails the test.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import Ran
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.middleware import Middleware

DOWN = Ran(1, "", "Failed to run middleware call. Daemon not running?\n")
LOST = Ran(1, "", "[ECONNABORTED] Unexpected closure of remote connection\n")
RUBBISH = Ran(0, "<html><head><title>502 Bad Gateway</title></head></html>\n", "")
NO_LOGIN = Ran(0, "Failed to login:  Invalid username or password\n", "")
SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def printed(value: object) -> Ran:
    """Return what midclt prints for a value: a string or a number as it is, a truth value as Python does."""
    return Ran(0, f"{value}\n" if isinstance(value, (bool, int, str)) else f"{json.dumps(value)}\n", "")


def refused(*lines: str) -> Ran:
    """Return what midclt prints for an error, with the trace that some releases add."""
    return Ran(
        1, "", "\n".join(lines) + "\nTraceback (most recent call last):\n  File x\nCallError: [EFAULT] y\n"
    )


@dataclass
class Line:
    """One call and its answer; ``hangs`` answers never."""

    method: str
    arguments: tuple[Any, ...]
    answer: Ran
    hangs: bool = False


def call(method: str, *arguments: Any, says: object = None, prints: Ran | None = None) -> Line:
    """Return a line: the call, and the value or the print that answers it."""
    return Line(method, arguments, prints or printed(says))


def hangs(method: str, *arguments: Any) -> Line:
    """Return a line that is not answered."""
    return Line(method, arguments, Ran(0, "", ""), hangs=True)


@dataclass
class Conversation:
    """Plays its lines in order. Time passes only while somebody sleeps or waits."""

    lines: list[Line]
    said: list[str] = field(default_factory=list)
    clock: float = 0.0

    def nas(self) -> Middleware:
        """Return a middleware that has this conversation."""
        return Middleware(self._run, self._sleep, lambda: self.clock, at_once=1)

    def _sleep(self, seconds: float) -> None:
        self.clock += seconds

    def _run(self, command: list[str], seconds: float) -> Ran:
        assert command[:2] == ["midclt", "call"]
        method, arguments = command[2], tuple(json.loads(word) for word in command[3:])
        self.said.append(method)
        assert self.lines, f"nobody expected {method} {arguments}"
        line = self.lines.pop(0)
        expected = json.loads(json.dumps(line.arguments))
        assert (method, list(arguments)) == (line.method, expected)
        if line.hangs:
            self.clock += seconds
            raise TwofactorError("command_timeout", "'midclt call' did not end.")
        return line.answer

    def over(self) -> None:
        """Insist that every line was said."""
        assert not self.lines, f"nobody said {[line.method for line in self.lines]}"


VERSIONS = {
    "22.02": "TrueNAS-SCALE-22.02.4",
    "22.12": "TrueNAS-SCALE-22.12.4.2",
    "23.10": "TrueNAS-SCALE-23.10.2",
    "24.04": "TrueNAS-SCALE-24.04.2.5",
    "24.10": "TrueNAS-SCALE-24.10.2.4",
    "25.04": "TrueNAS-25.04.2.6",
    "25.10": "TrueNAS-25.10.6",
    "26.0": "TrueNAS-26.0.0",
    "27.0": "TrueNAS-27.0.0-MASTER-20261120-093012",
}
ONE_SECRET = ("22.02", "22.12")
PER_USER = tuple(name for name in VERSIONS if name not in ONE_SECRET)
CONTROL = ("25.10", "26.0", "27.0")
"""Releases that have a job to control services."""


def version(name: str) -> Line:
    """Return the question for the version."""
    return call("system.version", says=VERSIONS.get(name, name))


def settings(name: str, *, enabled: bool = False, ssh: bool = False, **more: Any) -> dict[str, Any]:
    """Return the entry of auth.twofactor.config as a release has it."""
    entry: dict[str, Any] = {"id": 1, "enabled": enabled, "window": 0, "services": {"ssh": ssh}}
    if name in (*ONE_SECRET, "23.10"):
        entry.update(otp_digits=6, interval=30)
    if name in ONE_SECRET:
        entry.update(secret=None)
    return {**entry, **more}


def config(name: str, *, enabled: bool = False, ssh: bool = False, **more: Any) -> Line:
    """Return the question for the settings."""
    return call("auth.twofactor.config", says=settings(name, enabled=enabled, ssh=ssh, **more))


def user(number: int, name: str, *, enrolled: bool = False, ssh: bool = False, **more: Any) -> dict[str, Any]:
    """Return a user's entry as user.query has it."""
    return {
        "id": number,
        "uid": 3000 + number,
        "username": name,
        "unixhash": "$6$not$to-be-seen",
        "shell": "/usr/bin/bash",
        "password_disabled": False,
        "locked": False,
        "ssh_password_enabled": ssh,
        "twofactor_auth_configured": enrolled,
        "group": {"id": 900 + number},
        "groups": [],
        "roles": [],
        **more,
    }


def people(*entries: dict[str, Any]) -> Line:
    """Return the question for all local users."""
    return call("user.query", [["local", "=", True]], says=list(entries))


def in_directory(release: str, *filters: list[object], says: object) -> Line:
    """Return the question for users of a directory, whom older releases look for only when told to."""
    options = [{"extra": {"search_dscache": True}}] if release in ("23.10", "24.04") else []
    return call("user.query", list(filters), *options, says=says)


def nobody_in_directory(release: str) -> list[Line]:
    """Return the question for users of a directory who have a secret, when there are none."""
    if release in ONE_SECRET:
        return []
    enrolled = [["local", "=", False], ["twofactor_auth_configured", "=", True]]
    return [in_directory(release, *enrolled, says=[])]


def directory_user(number: int, name: str, *, once_enrolled: bool = False, **more: Any) -> dict[str, Any]:
    """Return a user of a directory as user.query has it."""
    entry = user(number, name, enrolled=once_enrolled, local=False, unixhash=None, group={}, **more)
    del entry["ssh_password_enabled"]
    return entry


def has_secret(release: str, name: str, has: bool) -> Line:
    """Return the question whether a user of a directory has a secret, as a release answers it."""
    if release == "23.10":
        no = refused(f"[EFAULT] {name!r} user does not have two factor authentication configured")
        return call("user.provisioning_uri", name, prints=printed(uri("x")) if has else no)
    says = {
        "secret_configured": has,
        "otp_digits": 6,
        "interval": 30,
        "provisioning_uri": uri("x") if has else None,
    }
    return call("user.twofactor_config", name, says=says)


def ssh_config(**more: Any) -> Line:
    """Return the question for the settings of SSH, whose answer has private keys in it."""
    entry = {
        "passwordauth": False,
        "password_login_groups": [],
        "privatekey": "-----BEGIN not-to-be-seen",
        **more,
    }
    return call("ssh.config", says=entry)


def uri(name: str, secret: str = SEED) -> str:
    """Return a provisioning URI as TrueNAS makes it."""
    return f"otpauth://totp/iXsystems:{name}-nas.example%40TrueNAS?secret={secret}&issuer=iXsystems"


def renewal(release: str, number: int, name: str, **options: Any) -> Line:
    """Return the call that gives a user a new secret, as a release takes and answers it."""
    answer = user(number, name, enrolled=True)
    if release in ("25.04", *CONTROL):
        answer["twofactor_config"] = {"provisioning_uri": uri(name), "secret_configured": True}
    arguments = (name,) if release == "23.10" else (name, options)
    return call("user.renew_2fa_secret", *arguments, says=answer)


def reloads(release: str) -> list[Line]:
    """Return the calls that have TrueNAS write its files anew after a change that broke off."""
    if release in CONTROL:
        done = call("core.get_jobs", [["id", "=", 7]], says=[{"id": 7, "state": "SUCCESS", "result": True}])
        begun = [call("service.control", "RELOAD", name, says=7) for name in ("ssh", "user")]
        return [begun[0], done, begun[1], done]
    names = ("ssh", "user") if release == "25.04" else ("ssh",)
    return [call("service.reload", name, says=True) for name in names]


def uri_after(release: str, name: str) -> list[Line]:
    """Return the question for a new secret, where the renewal itself does not tell it."""
    if release not in ("23.10", "24.04", "24.10"):
        return []
    return [call("user.provisioning_uri", name, says=uri(name))]
