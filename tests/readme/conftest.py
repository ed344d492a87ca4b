# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A reader with two hosts, and how far the reader has come: each test has a folder of its own and restored hosts."""

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
from tests.readme.reader import ENROLL, SITE, START, WEB, Reader, commands


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


@pytest.fixture(scope="session")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
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
        fleet.down()  # what a killed run has left
        fleet.boot(len(WEB))
        hosts = list(_named(fleet, folder, lab))
        fleet.snapshot("newcomer")
        yield Reader(folder, env, fleet, hosts)
    finally:
        fleet.down()


@pytest.fixture(scope="session")
def with_secrets(newcomer: Reader, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """The same somebody with the files of README's start, whose users have secrets."""
    reader = newcomer.in_copy(tmp_path_factory.mktemp("enrolled") / "folder")
    reader.fleet.restore("newcomer")
    reader.write_files(START)
    (reader.folder / "ansible.cfg").write_text("[defaults]\ninventory = inventory/hosts.yml\n")
    reader.type(commands(START)[0])
    reader.type(ENROLL)
    return reader


@pytest.fixture(scope="session")
def with_codes(with_secrets: Reader, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """The same somebody, whose hosts ask Alice and Bob for codes, of which snapshots are taken."""
    reader = with_secrets.in_copy(tmp_path_factory.mktemp("protected") / "folder")
    reader.fleet.restore("newcomer")
    reader.type(SITE)
    assert not any(host.ssh(user, key=True) for host in reader.hosts for user in ("alice", "bob"))
    reader.fleet.snapshot("protected")
    return reader


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that is not there yet, with a name that is short: ssh has its sockets below it."""
    return tmp_path_factory.mktemp("r") / "folder"


@pytest.fixture
def reader(newcomer: Reader, place: Path) -> Reader:
    """Somebody with an empty folder."""
    newcomer.fleet.restore("newcomer")
    return newcomer.in_copy(place)


@pytest.fixture
def enrolled(with_secrets: Reader, place: Path) -> Reader:
    """Somebody whose users have secrets and whose hosts know nothing yet."""
    with_secrets.fleet.restore("newcomer")
    return with_secrets.in_copy(place)


@pytest.fixture
def protected(with_codes: Reader, place: Path) -> Reader:
    """Somebody whose hosts ask Alice and Bob for codes."""
    with_codes.fleet.restore("protected")
    return with_codes.in_copy(place)


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
