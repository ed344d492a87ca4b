# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A reader with two hosts, anew for each page."""

from __future__ import annotations

import os
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.fleet.fleet import Fleet
from tests.login.fleet import Host
from tests.readme.reader import WEB, Reader


def _programs(folder: Path, python: Path) -> None:
    """Write ansible's commands for a Python of its own, as pip does."""
    for name, module in (
        ("ansible", "adhoc"),
        ("ansible-playbook", "playbook"),
        ("ansible-galaxy", "galaxy"),
    ):
        path = folder / name
        path.write_text(f"#!{python}\nfrom ansible.cli.{module} import main\n\nmain()\n")
        path.chmod(0o755)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """Two hosts under the names of the page, and somebody with an empty folder and an ansible-core."""
    folder = tmp_path_factory.mktemp("reader")
    venv.create(folder / "python", symlinks=True)
    site = next((folder / "python").glob("lib/python*/site-packages"))
    site.joinpath("others.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    (folder / "bin").mkdir()
    _programs(folder / "bin", folder / "python" / "bin" / "python")
    lab = os.environ.get("FLEETAUTH_LAB", "readme")
    fleet = Fleet(lab, folder)
    env = {
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "TERM": "dumb",
    }
    try:
        fleet.boot(len(WEB))
        yield Reader(folder, env, fleet, list(_named(fleet, folder, lab)))
    finally:
        fleet.down()


def _named(fleet: Fleet, folder: Path, lab: str) -> Iterator[Host]:
    """Have the names of the page lead to the lab's hosts, for Ansible and, the time servers', on the hosts."""
    inventory = yaml.safe_load(fleet.inventory.read_text())["all"]
    clock = inventory["vars"]["ntp_servers"][0]
    for real, name in zip(fleet.hosts, WEB, strict=True):
        address = next(
            group["hosts"][real]["ansible_host"]
            for group in inventory["children"].values()
            if real in group["hosts"]
        )
        facts = {key: value for key, value in inventory["vars"].items() if key.startswith("ansible_ssh")}
        facts["ansible_host"] = address
        path = folder / "inventory" / "host_vars" / f"{name}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(facts))
        fleet.shell(real, f"echo '{clock} ntp1.example.com ntp2.example.com' >> /etc/hosts")
        yield Host(real, lab, fleet.inventory, facts)
