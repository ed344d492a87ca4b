# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks under ansible-runner, which is what AWX and Automation Platform run: answers come as they give them."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.automation.conftest import HOSTS, LAB_NAME, lab
from tests.enrolment.controller import opened
from tests.login.fleet import ROOT, Host

PASSWORD = "the vault's own password"


@dataclass(frozen=True)
class Job:
    """A run: its status, and everything that it has left in the folder of its artifacts."""

    status: str
    stdout: str
    artifacts: str
    hosts: dict[str, set[str]]


class Runner:
    """A private data directory (ansible-runner's word), with the collection installed from its archive."""

    def __init__(self, folder: Path, archive: Path, inventory: dict[str, Any]) -> None:
        self.folder = folder
        for name in ("env", "inventory", "project"):
            (folder / name).mkdir(parents=True)
        collections = str(folder / "project" / "collections")
        env = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": collections}
        # By force: the checkout, which is on Python's path here, would be taken for an installed one.
        command = [
            "ansible-galaxy",
            "collection",
            "install",
            "--force",
            "--offline",
            str(archive),
            "-p",
            collections,
        ]
        subprocess.run(command, check=True, capture_output=True, env=env)
        (folder / "inventory" / "hosts.yml").write_text(yaml.safe_dump(inventory))
        # The prompt is answered from here; no password is in a variable, a file of the project or a command line.
        passwords = {r"^Vault password:\s*?$": PASSWORD}
        (folder / "env" / "passwords").write_text(yaml.safe_dump(passwords))
        (folder / "env" / "cmdline").write_text("--ask-vault-pass")
        (folder / "env" / "envvars").write_text(yaml.safe_dump({"ANSIBLE_COLLECTIONS_PATH": collections}))

    def run(self, playbook: str, **survey: Any) -> Job:
        """Run a playbook; ``survey`` are the extra variables that a survey would give."""
        (self.folder / "env" / "extravars").write_text(json.dumps(survey))
        ident = f"job{len(list(self.folder.glob('artifacts/*')))}"
        command = ["ansible-runner", "run", str(self.folder), "-p", playbook, "--ident", ident]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", timeout=500)
        artifacts = self.folder / "artifacts" / ident
        events = [json.loads(path.read_text()) for path in (artifacts / "job_events").glob("*.json")]
        stats = next(event["event_data"] for event in events if event["event"] == "playbook_on_stats")
        return Job(
            (artifacts / "status").read_text(),
            done.stdout + done.stderr,
            "".join(
                path.read_text()
                for path in artifacts.rglob("*")
                if path.is_file() and "fact_cache" not in path.parts
            ),
            {kind: set(stats[kind]) for kind in ("ok", "changed", "failures", "dark")},
        )

    def secret(self) -> str:
        """Return the secret that a user was given."""
        return str(opened(self.folder / "twofactor_store.yml", PASSWORD)["users"]["alice"]["secret"])


@pytest.fixture(scope="module")
def runner(hosts: None, archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    inventory = yaml.safe_load(lab("inventory"))
    groups = inventory["all"]["children"]
    fleet = groups["timeserver"]["hosts"]
    inventory["all"]["children"] = {name: groups[name] for name in HOSTS.values()}  # not another test's host
    inventory["all"]["vars"] |= {
        "ntp_servers": [fleet["clock"]["ansible_host"]],
        "twofactor_people": ["alice"],
        "twofactor_users": "{{ query('fleetauth.twofactor.secret', *twofactor_people) }}",
        "twofactor_exempt_users": ["ansible"],
        "twofactor_ssh_root_login": "denied",
        # The inventory is a folder here, so the store would lie beside it anyway.
        "twofactor_store": "{{ inventory_dir }}/../twofactor_store.yml",
        "twofactor_report_folder": "{{ inventory_dir }}/../report",
    }
    return Runner(tmp_path_factory.mktemp("runner") / "data", archive, inventory)


@pytest.fixture(scope="module")
def machines(runner: Runner) -> dict[str, Host]:
    found = {}
    for group in yaml.safe_load(lab("inventory"))["all"]["children"].values():
        for name, facts in group["hosts"].items():
            if name in HOSTS:
                key = yaml.safe_load(lab("inventory"))["all"]["vars"]["ansible_ssh_private_key_file"]
                path = runner.folder / "inventory" / "hosts.yml"
                found[name] = Host(name, LAB_NAME, path, {**facts, "ansible_ssh_private_key_file": key})
    for host in found.values():
        host.shell("usermod -p '*' ansible")
        host.users("alice")
    return found


def test_from_nothing_to_a_report(runner: Runner, machines: dict[str, Host]) -> None:
    enrolled = runner.run("fleetauth.twofactor.enroll", users="alice")
    assert enrolled.status == "successful", enrolled.stdout
    secret = runner.secret()
    site = runner.run("fleetauth.twofactor.site")
    assert site.status == "successful", site.stdout
    assert site.hosts["changed"] == set(HOSTS)
    assert not site.hosts["failures"] | site.hosts["dark"]
    for host in machines.values():
        assert not host.ssh("alice", key=True), "key alone"
    again = runner.run("fleetauth.twofactor.site")
    assert (again.status, again.hosts["changed"]) == ("successful", set()), again.stdout
    report = runner.run("fleetauth.twofactor.status")
    assert report.status == "successful", report.stdout
    data = json.loads((runner.folder / "report" / "report.json").read_text())
    assert data["summary"]["protected"] == len(HOSTS)
    off = runner.run("fleetauth.twofactor.emergency_disable", reason="phones lost")
    assert off.status == "successful", off.stdout
    for host in machines.values():
        assert host.ssh("alice", key=True), "the second factor is off"
    watched = runner.run("fleetauth.twofactor.status")
    assert watched.status == "failed", "a job that a monitoring can look at"
    assert "0 of 2 hosts protected, 2 off; 2 errors" in watched.stdout
    for job in (enrolled, site, again, report, off, watched):
        assert secret not in job.artifacts + job.stdout
        assert PASSWORD not in job.artifacts + job.stdout


def test_one_slice_of_the_hosts(runner: Runner, machines: dict[str, Host]) -> None:
    """What AWX calls a job slice is the same playbook with a part of the inventory."""
    job = runner.run("fleetauth.twofactor.status", twofactor_hosts="web1", twofactor_status_fail_on="never")
    assert job.status == "successful", job.stdout
    assert job.hosts["ok"] <= {"web1", "localhost"}


def test_it_was_the_archive_that_ran(runner: Runner) -> None:
    job = runner.run(
        "fleetauth.twofactor.status", twofactor_hosts="localhost,", twofactor_report_formats=["nothing"]
    )
    assert job.status == "failed"
    assert (
        f"{runner.folder}/project/collections/ansible_collections/fleetauth/twofactor/playbooks"
        in job.artifacts
    )
    assert str(ROOT / "playbooks") not in job.artifacts
