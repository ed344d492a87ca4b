# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many hosts at once, and Ansible run over them as an administrator would."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyotp
import yaml

ROOT = Path(__file__).resolve().parents[2]
LAB = ROOT / "tests" / "lab" / "lab"
IMAGES = ("debian12", "debian13")


@dataclass(frozen=True)
class Ran:
    """What came of a command of Ansible's: its exit status, what it printed, and the seconds that it took."""

    status: int
    output: str
    seconds: float


@dataclass
class Fleet:
    """Hosts of one lab, named h001, h002 and so on, of Debian 12 and 13 in turn, and a time server."""

    lab: str
    folder: Path
    images: tuple[str, ...] = IMAGES
    users: tuple[str, ...] = ("alice", "bob")
    hosts: list[str] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)
    python: Path = ROOT / ".venv" / "bin" / "python"

    @property
    def inventory(self) -> Path:
        """The inventory with everything that ``site`` needs."""
        return self.folder / "inventory.yml"

    def boot(self, count: int) -> None:
        """Boot so many hosts in all, with their accounts; those that are up already stay."""
        self.hosts = [f"h{number:03}" for number in range(1, count + 1)]
        wanted = [
            f"{host}={self.images[number % len(self.images)]}" for number, host in enumerate(self.hosts)
        ]
        self.secrets = {user: self.secrets.get(user) or pyotp.random_base32() for user in self.users}
        self._lab("up", "clock=timeserver", *wanted)
        inventory = yaml.safe_load(self._lab("inventory"))
        groups = inventory["all"]["children"]
        clock = groups.pop("timeserver")["hosts"]["clock"]["ansible_host"]
        inventory["all"]["vars"] |= self.wanted() | {"ntp_servers": [clock]}
        self.inventory.write_text(yaml.safe_dump(inventory))
        accounts = "; ".join(
            f"id -u {user} >/dev/null 2>&1 || useradd -m -s /bin/bash {user}; install -d -m 700 -o {user} -g {user} "
            f"/home/{user}/.ssh; cp /home/ansible/.ssh/authorized_keys /home/{user}/.ssh/; "
            f"chown {user}: /home/{user}/.ssh/authorized_keys"
            for user in self.users
        )
        # The image lets root in with the lab's key, and the guard would rightly ask about root's token.
        self.each(f"{accounts}; rm -f /root/.ssh/authorized_keys")

    def wanted(self) -> dict[str, Any]:
        """Return the variables that protect the fleet."""
        return {
            "twofactor_users": [{"name": name, "secret": secret} for name, secret in self.secrets.items()],
            "twofactor_exempt_users": ["ansible"],
            "twofactor_ssh_methods": ["key_and_code"],
        }

    def snapshot(self, word: str) -> None:
        """Keep what the hosts have now under a name."""
        self._lab("snapshot", word, *self.hosts)

    def restore(self, word: str) -> None:
        """Put back what the hosts had under a name."""
        self._lab("restore", "--to", word, *self.hosts)
        self.each("systemctl is-system-running --wait >/dev/null || true")

    def down(self) -> None:
        """End all hosts."""
        self._lab("down")

    def shell(self, host: str, command: str, check: bool = True) -> str:
        """Run a shell command as root inside a host, not by way of its sshd; return what it printed."""
        return self._lab("shell", host, "--", "sh", "-c", command, check=check)

    def each(self, command: str) -> list[str]:
        """Run a shell command inside every host, a few at a time."""
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(lambda host: self.shell(host, command), self.hosts))

    def ansible(self, *words: str, limit: list[str] | None = None, **environment: str) -> Ran:
        """Run ``ansible`` over the fleet with connections of its own."""
        return self._run("adhoc", "all", *words, limit=limit, **environment)

    def playbook(
        self,
        *words: str,
        limit: list[str] | None = None,
        extra: dict[str, Any] | None = None,
        **environment: str,
    ) -> Ran:
        """Run ``ansible-playbook`` over the fleet with connections of its own."""
        more = ["-e", json.dumps(extra)] if extra else []
        return self._run("playbook", *words, *more, limit=limit, **environment)

    def _run(self, program: str, *words: str, limit: list[str] | None, **environment: str) -> Ran:
        # No connection is left from the run before: each costs what it costs somebody who types it.
        sockets = Path(tempfile.mkdtemp(prefix="cp", dir="/dev/shm"))
        env = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".venv" / "collections"),
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(sockets),
            "ANSIBLE_SSH_ARGS": "-o ControlMaster=auto -o ControlPersist=20s",
            "ANSIBLE_HOST_KEY_CHECKING": "0",
            "LC_ALL": "C.UTF-8",
            **environment,
        }
        command = [str(self.python), "-m", "ansible", program, "-i", str(self.inventory), "-f", "40", *words]
        command += ["--limit", ",".join(limit)] if limit else []
        start = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, env=env, check=False, cwd=self.folder)
        seconds = time.monotonic() - start
        shutil.rmtree(sockets, ignore_errors=True)
        return Ran(done.returncode, done.stdout + done.stderr, seconds)

    def _lab(self, *words: str, check: bool = True) -> str:
        env = {**os.environ, "FLEETAUTH_LAB": self.lab}
        done = subprocess.run([LAB, *words], capture_output=True, text=True, env=env, check=False)
        if check and done.returncode != 0:
            raise RuntimeError(f"lab {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout
