# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fleetauth.twofactor.status over real hosts: one protected, one whose PAM line somebody took out, one cut off."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pyotp
import pytest
import yaml

from tests.enrolment.controller import Controller, Ran
from tests.login.fleet import Host
from tests.status.conftest import LAB_NAME, lab

SECRET = pyotp.random_base32()


@pytest.fixture(scope="module")
def desk(hosts: None, tmp_path_factory: pytest.TempPathFactory) -> Controller:
    """An administrator's folder with the lab's hosts as its inventory; the second factor is on for two of them."""
    folder = tmp_path_factory.mktemp("admin") / "desk"
    folder.mkdir()
    inventory = yaml.safe_load(lab("inventory"))
    inventory["all"]["vars"] = {**inventory["all"].get("vars", {}), "twofactor_people": ["alice"]}
    desk = Controller(folder, inventory)
    machines = {name: _machine(desk, name) for name in ("good", "bad", "gone")}
    for name, machine in machines.items():
        machine.shell("usermod -p '*' ansible")
        machine.users("alice")
        if name != "gone":
            people = {"users": [{"name": "alice", "secret": SECRET}]}
            on = {"policy": {"state": "enabled", "exempt_users": ["ansible"]}, "ssh": {"state": "enabled"}}
            machine.apply(secrets=people, **on)
    ntp = desk.run(
        desk.command(
            "ansible", "good,bad", "-b", "-m", "fleetauth.twofactor.twofactor_ntp", "-a", "servers=timeserver"
        )
    )
    assert ntp.ok, ntp.out
    machines["bad"].shell("sed -i '/fleetauth.twofactor/d' /etc/pam.d/sshd")
    lab("cut", "gone")
    return desk


def _machine(desk: Controller, name: str) -> Host:
    ran = subprocess.run(
        desk.command("ansible-inventory", "--host", name),
        capture_output=True,
        text=True,
        env=desk.env,
        check=True,
    )
    return Host(name, LAB_NAME, desk.inventory, json.loads(ran.stdout))


def status(desk: Controller, **variables: Any) -> Ran:
    return desk.playbook(
        "fleetauth.twofactor.status", twofactor_hosts="good,bad,gone", ansible_timeout=5, **variables
    )


def told(desk: Controller, folder: str = "twofactor_report") -> dict[str, Any]:
    data: dict[str, Any] = json.loads((desk.folder / folder / "report.json").read_text())
    return data


def test_a_fleet_with_everything(desk: Controller) -> None:
    ran = status(desk)
    line = "1 of 3 hosts protected, 1 off, 1 unreachable; 3 errors, 1 warning"
    assert not ran.ok, "errors make it fail"
    assert f"{line}; see {desk.folder}/twofactor_report" in ran.out
    data = told(desk)
    assert data["summary"]["text"] == line
    assert {host["name"]: host["status"] for host in data["hosts"]} == {
        "good": "protected",
        "bad": "off",
        "gone": "unreachable",
    }
    assert {(one["code"], *one["hosts"]) for one in data["problems"]} == {
        ("ssh_not_asking", "bad"),
        ("nothing_asks", "bad"),
        ("unreachable", "gone"),
        ("never_verified", "bad", "good"),
    }
    assert [(user["name"], user["enrolled"]) for user in data["users"]] == [("alice", ["bad", "good"])]
    files = [path.read_text() for path in (desk.folder / "twofactor_report").iterdir()]
    assert len(files) == 4
    assert not [text for text in [*files, ran.out] if SECRET in text]


def test_what_fails_and_what_does_not(desk: Controller) -> None:
    assert status(desk, twofactor_status_fail_on="never").ok
    well: dict[str, Any] = {"twofactor_hosts": "good", "twofactor_report_folder": "elsewhere"}
    ran = desk.playbook("fleetauth.twofactor.status", **well)
    assert ran.ok, "a warning does not make it fail"
    assert "1 of 1 host protected; 1 warning" in ran.out
    assert not desk.playbook("fleetauth.twofactor.status", **well, twofactor_status_fail_on="warning").ok
    assert told(desk, "elsewhere")["summary"]["worst"] == "warning"


def test_a_host_that_cannot_be_read(desk: Controller) -> None:
    ran = desk.playbook(
        "fleetauth.twofactor.status",
        twofactor_hosts="good",
        twofactor_report_folder="unread",
        ansible_python_interpreter="/usr/bin/no-such-python",
    )
    assert not ran.ok
    assert "0 of 1 host protected, 1 not read; 1 error" in ran.out
    assert "no-such-python" in told(desk, "unread")["problems"][0]["message"]


def test_check_mode_writes_nothing(desk: Controller) -> None:
    options = ["-e", "twofactor_hosts=good", "-e", "twofactor_report_folder=checked", "--check"]
    ran = desk.run(desk.command("ansible-playbook", "fleetauth.twofactor.status", *options))
    assert ran.ok, ran.out
    assert not (desk.folder / "checked").exists()


def test_one_round_trip_to_each_host(desk: Controller) -> None:
    ran = desk.playbook("fleetauth.twofactor.status", twofactor_hosts="good")
    assert ran.out.count("ESTABLISH SSH CONNECTION") <= 2, "the module, and once the search for its Python"


def test_a_folder_that_cannot_be(desk: Controller) -> None:
    (desk.folder / "a_file").write_text("")
    ran = desk.playbook(
        "fleetauth.twofactor.status", twofactor_hosts="good", twofactor_report_folder="a_file"
    )
    assert not ran.ok
    assert "could not be written" in ran.out
    assert Path(desk.folder / "a_file").read_text() == ""
