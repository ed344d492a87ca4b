# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""README, followed to the letter by somebody who has nothing but ansible-core: its files written, its commands typed.

The only help: the example names lead to hosts of the lab (host_vars), and prompts are answered.
"""

from __future__ import annotations

import os
import re
import sysconfig
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pexpect  # type: ignore[import-untyped]
import pyotp
import pytest
import yaml

from tests.fleet.fleet import ROOT, Fleet
from tests.login.fleet import Host

VAULT_PASSWORD = "a password of somebody's vault"
WEB = ("web1.example.com", "web2.example.com")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language and its lines."""

    language: str
    text: str


def blocks(page: str) -> list[Block]:
    """Return the fenced blocks of a page in order."""
    return [Block(*found) for found in re.findall(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)]


README = (ROOT / "README.md").read_text()
START, REST = README.index("## Start\n"), README.index("## What is in it\n")


def commands(page: str) -> list[str]:
    """Return the shell commands of a page, without comments."""
    lines = "\n".join(block.text for block in blocks(page) if block.language == "shell").splitlines()
    return [re.sub(r"\s+# .*", "", line) for line in lines if line.strip()]


@dataclass
class Reader:
    """Somebody who follows the page in a folder of their own."""

    folder: Path
    env: dict[str, str]
    fleet: Fleet
    hosts: list[Host]

    def write_files(self, page: str) -> None:
        """Write each block that begins with the name of a file."""
        for block in blocks(page):
            name = re.match(r"# ([\w./-]+\.yml)\n", block.text)
            if block.language == "yaml" and name:
                path = self.folder / name[1]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text)

    def type(self, command: str) -> str:
        """Type a command at a terminal, answer what it asks, and insist that it succeeds; return what it showed."""
        where = ROOT if "OLDPWD" in command else self.folder
        shell = pexpect.spawn(
            "/bin/bash", ["-c", command], cwd=str(where), env=self.env, timeout=300, encoding="utf-8"
        )
        shown = []
        while True:
            asked = shell.expect(
                [r"[Vv]ault password.*: ", r"User: ", r"Code that the app shows now: ", pexpect.EOF]
            )
            shown.append(str(shell.before) + str(shell.after if asked < 3 else ""))
            if asked == 3:
                break
            shell.sendline([VAULT_PASSWORD, "alice", self.code() if asked == 2 else ""][asked])
        shell.close()
        assert shell.exitstatus == 0, f"{command}\n{''.join(shown)}"
        return "".join(shown)

    def code(self) -> str:
        """Return alice's code, from what her sheet says."""
        sheet = next((self.folder / "inventory" / "twofactor_sheets").glob("alice*.html")).read_text()
        secret = re.search(r"\b(?:[A-Z2-7]{4} ){3,}[A-Z2-7]{1,4}\b", sheet)
        assert secret is not None
        return pyotp.TOTP(secret[0].replace(" ", "")).now()


def _programs(folder: Path, python: Path) -> None:
    """Write ansible's commands for a Python of its own."""
    for name, verb in (("ansible", "adhoc"), ("ansible-playbook", "playbook"), ("ansible-galaxy", "galaxy")):
        path = folder / name
        path.write_text(f'#!/bin/sh\nexec {python} -m ansible {verb} "$@"\n')
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


def test_from_an_empty_folder_to_codes_and_back(reader: Reader) -> None:
    page = README[START:REST]
    reader.write_files(page)
    typed = commands(page)
    assert len(typed) >= 8, "the page has lost its commands"
    for command in typed:
        before = [bool(host.ssh("alice", key=True)) for host in reader.hosts]
        shown = reader.type(command)
        if "--check" in command:
            assert "changed=0 " not in shown
            assert [bool(host.ssh("alice", key=True)) for host in reader.hosts] == before == [True, True]
        if "unenrolled=deny" in command:
            assert not any(host.ssh("alice", key=True) for host in reader.hosts)
            assert all(host.ssh("alice", key=True, code=reader.code()) for host in reader.hosts)
    assert all(host.ssh("alice", key=True) for host in reader.hosts), "let off by the last of them"


def test_emergency_commands(reader: Reader) -> None:
    typed = [command for command in commands(README[:START]) if not command.startswith("make ")]
    assert [command.split()[0] for command in typed] == ["ansible", "ansible-playbook"]
    site = "ansible-playbook -i inventory/hosts.yml --ask-vault-pass fleetauth.twofactor.site"
    for command in typed:
        reader.type(site)
        assert not any(host.ssh("bob", key=True) for host in reader.hosts)
        reader.type(command)
        assert all(host.ssh("bob", key=True) for host in reader.hosts)


def test_make_has_the_targets_that_are_named() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"\bmake ([a-z-]+)", README))
    assert {"demo", "test"} <= named
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in named)
