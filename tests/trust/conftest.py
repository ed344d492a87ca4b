# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet of two groups, one of which an attacker owns. FLEETAUTH_KEEP=1 leaves the hosts running."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.enrolment.controller import ROOT, Controller
from tests.login.fleet import Host, lab_name, run_lab, variables_of

LAB = lab_name("trust")
HOSTS = {"dev1": "debian12", "dev2": "debian13", "prod1": "debian13"}
PEOPLE = {"dev": ["dora"], "prod": ["paul"]}
"""README's inventory with two groups: what a host of one group has no business to know is of the other."""
_ACCOUNTS = (
    "rm -f /root/.ssh/authorized_keys; for user in {users}; do useradd -m -s /bin/bash $user; "
    "install -d -m 700 -o $user -g $user /home/$user/.ssh; "
    "install -m 600 -o $user -g $user /home/ansible/.ssh/authorized_keys /home/$user/.ssh/; done; "
    "DEBIAN_FRONTEND=noninteractive apt-get install -qq chrony libpam-oath 2>&1 >/dev/null"
)
_CORES = [
    pytest.param(".venv", id="oldest"),
    pytest.param(
        ".venv-newest",
        id="newest",
        marks=pytest.mark.skipif(
            not (ROOT / ".venv-newest" / "stamp").exists(), reason="no Python for the newest ansible-core"
        ),
    ),
]


def _hosts_of(group: str) -> list[str]:
    return [name for name in HOSTS if name.startswith(group)]


class Desk(Controller):
    """An administrator's folder, and Ansible of one version run there."""

    def __init__(self, folder: Path, inventory: dict[str, Any], core: str) -> None:
        super().__init__(folder, inventory)
        self._bin = ROOT / core / "bin"
        self._collections = ROOT / core / "collections"

    def command(self, program: str, *arguments: str, vault: bool = True) -> list[str]:
        """Return a command of this version's."""
        command = super().command(program, *arguments, vault=vault)
        return [str(self._bin / program), *command[1:]]

    @property
    def env(self) -> dict[str, str]:
        """Return the environment that commands run in."""
        return {
            **super().env,
            "ANSIBLE_COLLECTIONS_PATH": str(self._collections),
            "ANSIBLE_SHOW_CUSTOM_STATS": "1",
        }

    def files(self) -> set[str]:
        """Return the paths of all files beside the inventory, and below."""
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="session")
def lab_inventory() -> Iterator[dict[str, Any]]:
    """Boot the hosts, with accounts and packages, and return the lab's inventory."""
    try:
        run_lab(LAB, "down")  # what a killed run, or one with FLEETAUTH_KEEP, has left
        run_lab(LAB, "up", "clock=timeserver", *(f"{name}={image}" for name, image in HOSTS.items()))
        for group, people in PEOPLE.items():
            for name in _hosts_of(group):
                run_lab(LAB, "shell", name, "--", "sh", "-c", _ACCOUNTS.format(users=" ".join(people)))
        run_lab(LAB, "snapshot", "untouched", *HOSTS)
        yield yaml.safe_load(run_lab(LAB, "inventory"))
    finally:
        if not os.environ.get("FLEETAUTH_KEEP"):
            run_lab(LAB, "down")


@pytest.fixture(params=_CORES)
def desk(request: pytest.FixtureRequest, lab_inventory: dict[str, Any], tmp_path: Path) -> Desk:
    """Return the administrator's folder, with secrets for everybody in the store."""
    run_lab(LAB, "restore", "--to", "untouched", *HOSTS)
    groups = {
        group: {
            "hosts": {name: variables_of(lab_inventory["all"], name) for name in _hosts_of(group)},
            "vars": {"twofactor_people": people},
        }
        for group, people in PEOPLE.items()
    }
    declared = {
        "ntp_servers": ["timeserver"],
        "twofactor_users": "{{ query('fleetauth.twofactor.secret', *twofactor_people) }}",
        "twofactor_ssh_methods": ["key_and_code"],
        "twofactor_exempt_users": ["ansible"],
        "twofactor_issuer": "Example Fleet",
    }
    folder = tmp_path / "desk"
    folder.mkdir()
    desk = Desk(folder, {"all": {"children": groups, "vars": declared}}, request.param)
    everybody = [name for people in PEOPLE.values() for name in people]
    assert desk.keep(users=everybody).ok
    return desk


@pytest.fixture
def hosts(desk: Desk) -> dict[str, Host]:
    """Return the hosts by name, as honest as they were made."""
    inventory = yaml.safe_load(desk.inventory.read_text())
    return {name: Host(name, LAB, desk.inventory, variables_of(inventory["all"], name)) for name in HOSTS}
