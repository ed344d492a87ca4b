# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""README, followed to the letter by somebody with an empty folder."""

from __future__ import annotations

import re

from tests.fleet.fleet import ROOT
from tests.readme.reader import README, SITE, START, Reader, commands


def test_from_an_empty_folder_to_codes_and_back(reader: Reader) -> None:
    reader.write_files(START)
    typed = commands(START)
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


def test_emergency_commands(protected: Reader) -> None:
    before_start = README.partition("## Start\n")[0]
    typed = [command for command in commands(before_start) if not command.startswith("make ")]
    assert [command.split()[0] for command in typed] == ["ansible", "ansible-playbook"]
    for command in typed:
        protected.type(SITE)
        assert not any(host.ssh("bob", key=True) for host in protected.hosts)
        protected.type(command)
        assert all(host.ssh("bob", key=True) for host in protected.hosts)


def test_make_has_the_targets_that_are_named() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"\bmake ([a-z-]+)", README))
    assert {"demo", "test"} <= named
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in named)
