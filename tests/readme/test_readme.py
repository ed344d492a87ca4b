# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""README, followed to the letter by somebody with an empty folder."""

from __future__ import annotations

import re

from tests.fleet.fleet import ROOT
from tests.readme.reader import Reader, commands

README = (ROOT / "README.md").read_text()
START, REST = README.index("## Start\n"), README.index("## What is in it\n")


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
