# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real hosts to log in to, and the people who do: OpenSSH's client, answering what it is asked."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyotp
from lablib.common import LabError
from lablib.lab import Lab

ROOT = Path(__file__).resolve().parents[2]
LAB = ROOT / "tests" / "lab" / "lab"
ANSIBLE = ROOT / ".venv" / "bin" / "ansible"
PASSWORD = "correct horse battery staple"


def lab_name(word: str) -> str:
    """Return the name of a suite's lab. Each worker has one of its own: tests mostly wait, so several run at once."""
    return os.environ.get("FLEETAUTH_LAB", word) + os.environ.get("PYTEST_XDIST_WORKER", "").replace(
        "gw", "-"
    )


def run_lab(name: str, *words: str) -> str:
    """Run a command of the lab ``name``, insist that it succeeds, and return what it printed."""
    env = {**os.environ, "FLEETAUTH_LAB": name}
    done = subprocess.run([LAB, *words], capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def variables_of(node: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the variables of a host from an inventory, those of its groups included; none of one that is not there."""
    return _variables(node, name) or {}


def _variables(node: dict[str, Any], name: str) -> dict[str, Any] | None:
    found = None
    for group in (node.get("children") or {}).values():
        below = _variables(group, name)
        found = {**(found or {}), **below} if below is not None else found
    if name in (node.get("hosts") or {}):
        found = {**(found or {}), **(node["hosts"][name] or {})}
    return None if found is None else {**(node.get("vars") or {}), **found}


@dataclass(frozen=True)
class Login:
    """What came of one attempt to log in. ``prompts`` are the questions that were asked, in order."""

    accepted: bool
    prompts: tuple[str, ...]
    output: str

    def __bool__(self) -> bool:
        return self.accepted

    @property
    def asked_code(self) -> bool:
        """Tell whether a one-time code was asked for."""
        return any("One-time" in prompt for prompt in self.prompts)

    @property
    def asked_password(self) -> bool:
        """Tell whether the account's password was asked for."""
        return any("One-time" not in prompt for prompt in self.prompts)


@dataclass(frozen=True)
class Token:
    """A user's device: a fresh secret, and the codes that it shows."""

    digits: int = 6
    interval: int = 30
    secret: str = field(default_factory=pyotp.random_base32)

    def code(self, steps: int = 0) -> str:
        """Return the code of the present step, or of one some steps away; never one about to go."""
        left = self.interval - time.time() % self.interval
        if left < 4:
            time.sleep(left + 0.1)
        now = time.time() + steps * self.interval
        return pyotp.TOTP(self.secret, digits=self.digits, interval=self.interval).at(int(now))


def wait_until(condition: Callable[[], bool], seconds: float, what: str = "what is waited for") -> None:
    """Wait until something is so, for so many seconds at most."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.1f} s"
        time.sleep(0.1)


class Host:
    """One host of the lab."""

    def __init__(self, name: str, lab: str, inventory: Path, facts: dict[str, Any]) -> None:
        self.name = name
        self.address: str = facts["ansible_host"]
        self.facts = facts
        self.key: str = facts["ansible_ssh_private_key_file"]
        self.lab = lab
        self._env = {**os.environ, "FLEETAUTH_LAB": lab}
        self._inventory = inventory

    def shell(self, command: str, check: bool = True, stdin: str = "") -> str:
        """Run a shell command as root inside the host, not by way of its sshd; return what it printed."""
        try:
            inside = Lab(self.lab).host(self.name).inside(["sh", "-c", command])
        except LabError as error:
            if check:
                raise AssertionError(f"{command!r} on {self.name}: {error}") from error
            return ""
        done = subprocess.run(inside, input=stdin, capture_output=True, text=True, check=False, timeout=180)
        if check and done.returncode != 0:
            raise AssertionError(f"{command!r} on {self.name}: {done.stdout}{done.stderr}")
        return done.stdout

    def restart(self) -> None:
        """Cut the power, and boot again on the same disk."""
        run_lab(self.lab, "restart", self.name)

    def restore(self) -> None:
        """Put back what the suite's snapshot has, and boot."""
        run_lab(self.lab, "restore", self.name)
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait until the host has booted to the end, and its clock is synchronized where it has a time server."""
        self.shell(
            "systemctl is-system-running --wait >/dev/null; "
            "test ! -e /etc/chrony/sources.d/lab.sources || chronyc waitsync 300 0 0 0.1 >/dev/null"
        )

    def module(self, module: str, *extra: str, user: str = "", **options: Any) -> dict[str, Any]:
        """Run a module of the collection ad hoc and return its result; ``extra`` are more arguments.

        The guard is off unless a test is about it: on these hosts there is always somebody who is shut out.
        """
        if module in ("twofactor", "twofactor_host", "twofactor_ssh"):
            options.setdefault("guard", False)
        command = [
            str(ANSIBLE),
            *("-i", str(self._inventory), self.name),
            *("-m", f"fleetauth.twofactor.{module}"),
            *(["-a", json.dumps(options)] if options else []),
            *extra,
        ]
        if user:
            command += ["-e", f"ansible_user={user}"]
        env = {
            **self._env,
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".venv" / "collections"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_SSH_ARGS": "-o ControlMaster=no",
        }
        done = subprocess.run(
            command, capture_output=True, text=True, env=env, cwd=ROOT, check=False, timeout=240
        )
        head, brace, body = done.stdout.partition("=> {")
        if not brace:
            raise AssertionError(f"no result: {done.stdout}{done.stderr}")
        result, dummy = json.JSONDecoder().raw_decode("{" + body)
        spoken = {"printed": done.stdout + done.stderr}
        return {**result, "failed": "FAILED" in head, "unreachable": "UNREACHABLE" in head, **spoken}

    def apply(self, *extra: str, **parts: Any) -> dict[str, Any]:
        """Run twofactor_host and insist that it succeeded."""
        result = self.module("twofactor_host", *extra, **parts)
        assert not result["failed"], result["printed"]
        assert not result["unreachable"], result["printed"]
        return result

    def ssh(
        self,
        user: str,
        code: str | None = None,
        password: str | None = None,
        key: bool = False,
        port: int = 22,
        options: tuple[str, ...] = (),
    ) -> Login:
        """Log in with OpenSSH's client, giving only what is named here; ``options`` are more of ssh_config(5)."""
        for dummy in range(5):
            with tempfile.TemporaryDirectory() as folder:
                login = _ssh(
                    self, user, code, password, self.key if key else None, port, Path(folder), options
                )
            # An sshd that reads its configuration again does not listen for some milliseconds.
            if "Connection refused" not in login.output:
                break
            time.sleep(0.2)
        return login

    def files(self, *folders: str) -> dict[str, str]:
        """Return mode, owner and checksum of every file below some folders."""
        script = f"find {' '.join(folders)} -type f -printf '%p %m %u:%g ' -exec sha256sum {{}} ';' | sort"
        return dict(line.split(" ", 1) for line in self.shell(script).splitlines())

    def users(self, *names: str) -> None:
        """Have accounts with the password and the lab's key."""
        script = """for u in "$@"; do
            id "$u" >/dev/null 2>&1 || useradd -m -s /bin/bash "$u"
            home=$(getent passwd "$u" | cut -d: -f6); mkdir -p "$home/.ssh"; chmod 700 "$home/.ssh"
            cat /home/ansible/.ssh/authorized_keys > "$home/.ssh/authorized_keys"
            chown -R "$u": "$home/.ssh"; echo "$u:$PASSWORD" | chpasswd; done"""
        line = f"PASSWORD='{PASSWORD}'; set -- {' '.join(names)}; {script}"
        self.shell(line)


def _ssh(
    host: Host,
    user: str,
    code: str | None,
    password: str | None,
    key: str | None,
    port: int,
    folder: Path,
    more: tuple[str, ...],
) -> Login:
    """Run the client with an askpass program that answers each prompt and notes it down."""
    asked = folder / "asked"
    asked.touch()
    askpass = folder / "askpass"
    askpass.write_text(
        '#!/bin/sh\nprintf "%s\\0" "$1" >> "$ASKED"\n'
        'case "$1" in *One-time*) printf "%s\\n" "$CODE";; *) printf "%s\\n" "$PASSWORD";; esac\n'
    )
    askpass.chmod(0o700)
    ways = [*(["publickey"] if key else []), "keyboard-interactive", "password"]
    options = {
        "Port": str(port),
        "ControlPath": "none",
        "StrictHostKeyChecking": "no",
        "UserKnownHostsFile": "/dev/null",
        "LogLevel": "ERROR",
        "IdentitiesOnly": "yes",
        "IdentityFile": key or "none",
        "NumberOfPasswordPrompts": "1",
        "PreferredAuthentications": ",".join(ways),
        "ConnectTimeout": "10",
    }
    command = ["ssh", "-F", "none"]
    for option in (*more, *(f"{name}={value}" for name, value in options.items())):
        command += ["-o", option]
    env = {
        **os.environ,
        "SSH_ASKPASS": str(askpass),
        "SSH_ASKPASS_REQUIRE": "force",
        "ASKED": str(asked),
        "CODE": code or "",
        "PASSWORD": password or "",
    }
    done = subprocess.run(
        [*command, f"{user}@{host.address}", "echo in as $(id -un)"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=env,
        check=False,
        timeout=60,
    )
    prompts = tuple(part for part in asked.read_text().split("\0") if part)
    return Login(f"in as {user}" in done.stdout, prompts, done.stdout + done.stderr)
