# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab as its tests use it: by its command line, and by ssh."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

LAB = Path(__file__).resolve().parents[1] / "lab" / "lab"
STATE = Path("/var/lib/fleetauth-lab")


@dataclass(frozen=True)
class LabUnderTest:
    """The lab with a name."""

    name: str

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command of the lab; unless told otherwise insist that it succeeds."""
        done = subprocess.run(
            [LAB, *words],
            capture_output=True,
            text=True,
            env={**os.environ, "FLEETAUTH_LAB": self.name},
            timeout=300,
            check=False,
        )
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done

    def shell(self, host: str, script: str) -> str:
        """Run a script inside a host."""
        return self.run("shell", host, "--", "bash", "-ec", script).stdout.strip()

    def ssh_command(self, host: str, user: str, *options: str) -> list[str]:
        """Return the command that logs in to a host with the lab's key."""
        return [
            *("ssh", "-i", str(STATE / self.name / "key"), "-o", "BatchMode=yes", *options),
            *("-o", f"UserKnownHostsFile={STATE / self.name / 'known_hosts'}", "-o", "IdentitiesOnly=yes"),
            *("-o", "StrictHostKeyChecking=yes", f"{user}@{self.addresses()[host]}"),
        ]

    def ssh(self, host: str, user: str, *command: str) -> str:
        """Log in to a host with the lab's key and run a command."""
        words = [*self.ssh_command(host, user), *command]
        return subprocess.run(words, capture_output=True, text=True, timeout=30, check=True).stdout

    def addresses(self) -> dict[str, str]:
        """Return the hosts' addresses by name."""
        lines = [line.split() for line in self.run("list").stdout.splitlines()]
        return {line[0]: line[2] for line in lines}
