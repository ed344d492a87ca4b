# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts for tests, each as a snapshot has it: no test inherits a host from another one.

A suite says once, with a ``Recipe``, what its hosts have. A test takes a host and gives it back. The host is then
restored in the background while the next test uses another one.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.login.fleet import LAB, PASSWORD, Host, run_lab, variables_of

CLOCK = "clock"
"""The name of the lab's time server."""

RESTORE_TIMEOUT = 180.0
"""Seconds."""

SYNCHRONIZE = f"""
echo 'server {CLOCK} iburst' > /etc/chrony/sources.d/lab.sources
systemctl restart chrony
chronyc waitsync 300 0 0 0.1 >/dev/null
"""


def accounts(*names: str) -> str:
    """Return shell commands that make accounts with the password and the lab's key."""
    return f"""
for user in {" ".join(names)}; do
    useradd -m -s /bin/bash "$user"
    install -d -m 700 -o "$user" -g "$user" "/home/$user/.ssh"
    install -m 600 -o "$user" -g "$user" /home/ansible/.ssh/authorized_keys "/home/$user/.ssh/"
    echo "$user:{PASSWORD}" | chpasswd
done
# A locked account, as the image has it, is refused by an sshd that does not use PAM.
usermod -p '*' ansible
"""


@dataclass(frozen=True)
class Recipe:
    """What the hosts of a suite have beyond their image.

    ``script`` is for a shell, and is run by root on each host once. There are ``count`` hosts of an image: with two,
    one is restored while a test uses the other.
    """

    script: str
    count: int = 2

    @property
    def word(self) -> str:
        """Return the name of the snapshot, which tells hosts that were made by another script from these."""
        return f"ready-{hashlib.sha256(self.script.encode()).hexdigest()[:12]}"


class Pool:
    """A lab whose hosts are restored before each use, and its time server."""

    def __init__(self, lab: str, recipe: Recipe, folder: Path) -> None:
        self.lab = lab
        self.recipe = recipe
        self.inventory = folder / "lab.yml"
        self._idle: dict[str, deque[Host]] = {}
        self._restores: dict[str, _Restore] = {}
        self._images: dict[str, str] = {}

    def __enter__(self) -> Pool:
        """Boot the time server; hosts of an earlier run are used again if that has kept them."""
        if not _keep():
            run_lab(self.lab, "down")
        run_lab(self.lab, "up", f"{CLOCK}=timeserver")
        self._prepare([CLOCK], Recipe(""))
        self.clock = self._host(CLOCK)
        return self

    def __exit__(self, *dummy: object) -> None:
        """Remove the lab, unless it is to be kept."""
        for restore in self._restores.values():
            restore.wait()
        if not _keep():
            run_lab(self.lab, "down")

    def take(self, image: str) -> Host:
        """Return a host of an image as its snapshot has it; the first one makes the hosts of that image."""
        if image not in self._idle:
            self._make(image)
        host = self._idle[image].popleft()
        restore = self._restores.pop(host.name, None)
        if restore is not None:
            restore.wait()
        host.wait_until_ready()
        return host

    def give_back(self, host: Host) -> None:
        """Begin to restore a host, and keep it for a later test."""
        self._restores[host.name] = _Restore(self.lab, host.name)
        self._idle[self._images[host.name]].append(host)

    def restore_clock(self) -> None:
        """Restore the time server, and all hosts that nobody has taken, which may have asked it for the time."""
        run_lab(self.lab, "restore", CLOCK)
        for host in [host for hosts in self._idle.values() for host in hosts]:
            if host.name in self._restores:
                self._restores[host.name].wait()
            self._restores[host.name] = _Restore(self.lab, host.name)

    def _make(self, image: str) -> None:
        names = [f"{image}-{number}" for number in range(1, self.recipe.count + 1)]
        run_lab(self.lab, "up", *(f"{name}={image}" for name in names))
        self._prepare(names, self.recipe)
        self._images.update(dict.fromkeys(names, image))
        self._idle[image] = deque(self._host(name) for name in names)

    def _prepare(self, names: list[str], recipe: Recipe) -> None:
        if _keep() and self._is_restored(names, recipe.word):
            return
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda host: host.shell(f"set -eu\n{recipe.script}"), map(self._host, names)))
        run_lab(self.lab, "snapshot", recipe.word, *names)

    def _is_restored(self, names: list[str], word: str) -> bool:
        env = {**os.environ, "FLEETAUTH_LAB": self.lab}
        command = [str(LAB), "restore", "--to", word, *names]
        return subprocess.run(command, env=env, capture_output=True, check=False).returncode == 0

    def _host(self, name: str) -> Host:
        text = run_lab(self.lab, "inventory")
        self.inventory.write_text(text)
        return Host(name, self.lab, self.inventory, variables_of(yaml.safe_load(text)["all"], name))


class _Restore:
    """A restore that is under way."""

    def __init__(self, lab: str, name: str) -> None:
        self._process = subprocess.Popen(
            [LAB, "restore", name],
            # A few lines, which a pipe holds until somebody reads them.
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "FLEETAUTH_LAB": lab},
        )

    def wait(self) -> None:
        """Wait for the end, and insist that it went well."""
        output, dummy = self._process.communicate(timeout=RESTORE_TIMEOUT)
        assert self._process.returncode == 0, output


def _keep() -> bool:
    return bool(os.environ.get("FLEETAUTH_KEEP"))


def lend(pool: Pool, image: str, request: pytest.FixtureRequest) -> Iterator[Host]:
    """Have a host for as long as a fixture lasts; show what it has logged if the test fails."""
    host = pool.take(image)
    yield host
    if getattr(request.node, "failed", False):
        print(host.shell("journalctl --no-pager -n 80", check=False))
    pool.give_back(host)


def note_failure(item: pytest.Item, report: pytest.TestReport) -> None:
    """Note on a test that it has failed, for ``lend``; for the hook pytest_runtest_makereport."""
    item.failed = report.failed or getattr(item, "failed", False)  # type: ignore[attr-defined]
