# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pages in docs/ have to be typed, by somebody who has followed README before."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import yaml

from tests.fleet.fleet import ROOT
from tests.readme.reader import SITE, Reader, blocks, commands


def sections(page: str) -> dict[str, str]:
    """Return the sections of a page by their heading; what comes before the first is under an empty one."""
    parts = re.split(r"^## (.*)\n", (ROOT / "docs" / page).read_text(), flags=re.MULTILINE)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def _let_in(reader: Reader, *users: str) -> bool:
    return all(host.ssh(user, key=True) for host in reader.hosts for user in users)


def _asked(reader: Reader, *users: str) -> bool:
    return not any(host.ssh(user, key=True) for host in reader.hosts for user in users)


def _run_tasks(reader: Reader, tasks: str, **variables: str) -> None:
    play = {"hosts": "all", "gather_facts": False, "become": True, "tasks": yaml.safe_load(tasks)}
    (reader.folder / "tasks.yml").write_text(yaml.safe_dump([play]))
    reader.type(f"ansible-playbook tasks.yml -e '{json.dumps(variables)}'")


def test_rolling_out(enrolled: Reader) -> None:
    stages = [text for heading, text in sections("rollout.md").items() if heading]
    announce, enrol, verify, enforce, afterwards = stages
    (command,) = commands(announce)
    assert "changed=0 " not in enrolled.type(command)
    assert _let_in(enrolled, "alice", "bob")

    stage = enrolled.folder / "inventory" / "group_vars" / "all" / "stage.yml"
    (wanted,) = blocks(enrol)
    stage.write_text(wanted.text)
    enrolled.type(SITE)
    assert _asked(enrolled, "alice", "bob"), "whoever has a token is asked"

    (task,) = blocks(verify)
    _run_tasks(enrolled, task.text, code=enrolled.code())

    wanted, batches = blocks(enforce)
    stage.write_text(wanted.text)
    enrolled.type(batches.text.strip())
    assert _asked(enrolled, "alice", "bob")
    assert all(host.ssh("alice", key=True, code=enrolled.code()) for host in enrolled.hosts)

    (task,) = blocks(afterwards)
    _run_tasks(enrolled, task.text)
    assert _let_in(enrolled, "alice")
    assert _asked(enrolled, "bob")


def test_break_glass(protected: Reader) -> None:
    page = sections("break-glass.md")
    reader, first = protected, True
    fleet = commands(page["The whole fleet, one command"])
    assert len(fleet) == 3
    for command in fleet:
        if not first:
            reader.type(SITE)
            assert _asked(reader, "alice", "bob")
        reader.type(command)
        assert _let_in(reader, "alice", "bob"), command
        first = False

    (again,) = commands(page["Afterwards"])
    reader.type(again)
    assert _asked(reader, "alice", "bob")
    (one,) = commands(page["One user"])
    reader.type(one)
    assert _let_in(reader, "alice")
    assert _asked(reader, "bob")


def test_at_the_console(protected: Reader) -> None:
    """With the command that is left on the host, and without it."""
    with_it, without_it = blocks(sections("break-glass.md")["At the console of a Linux host"])
    for block in (with_it, without_it):
        assert _asked(protected, "bob")
        for host in protected.hosts:
            host.shell(block.text)
        assert _let_in(protected, "alice", "bob"), block.text
        protected.type(SITE)


def test_the_report(protected: Reader) -> None:
    (command,) = commands(sections("status.md")[""])
    shown = protected.type(command)
    assert "2 of 2 hosts protected" in shown
    names = {path.name for path in (protected.folder / "inventory" / "twofactor_report").iterdir()}
    assert names == {"index.html", "report.json", "hosts.csv", "problems.csv"}


def test_another_version(protected: Reader) -> None:
    """The version is the same here; what is typed is not."""
    build, check, site = commands(sections("upgrading.md")["From one version to the next"])
    protected.type(f"cd {ROOT} && ansible-galaxy collection build --force --output-path {protected.folder}")
    for command in (build, check, site):
        shown = protected.type(command)
    assert shown.count("changed=0 ") == len(protected.hosts), shown
    assert _asked(protected, "alice", "bob")


def test_removing_it_altogether(protected: Reader) -> None:
    for command in commands(sections("upgrading.md")["Removing it altogether"]):
        protected.type(command)
    assert _let_in(protected, "alice", "bob")
    for host in protected.hosts:
        left = host.shell(
            "find / -xdev -name '*twofactor*' -not -path '/proc/*' -not -path '/home/*'"
        ).split()
        assert [
            path for path in left if not path.endswith(("twofactor.sources", "multi-user.target.d"))
        ] == []


def test_ansible_through_two_factors(protected: Reader) -> None:
    page = (ROOT / "docs" / "ansible-login.md").read_text()
    *first_time, emergency = commands(page)
    assert len(first_time) == 3
    policy = protected.folder / "inventory" / "group_vars" / "all" / "twofactor.yml"
    policy.write_text(policy.read_text().replace("[alice, bob]", "[alice, bob, ansible]"))
    enroll, prove, site = first_time
    protected.type(enroll)
    protected.write_files(page)
    protected.type(prove)
    policy.write_text(policy.read_text().replace("exempt_users: [ansible]", "exempt_users: []"))
    protected.type(site)
    assert _asked(protected, "ansible")
    protected.type(site)  # which logs in with a code

    # A phone has codes that the lookup has not sent yet; and no connection is open still.
    code = protected.code("ansible", ahead=1)
    elsewhere = {"ANSIBLE_SSH_CONTROL_PATH_DIR": str(protected.folder / "cp")}
    replace(protected, env={**protected.env, **elsewhere}).type(emergency.replace("123456", code))
    assert _let_in(protected, "alice", "bob", "ansible")
