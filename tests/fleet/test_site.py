# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``site`` over many hosts, some of which are not as they should be."""

from __future__ import annotations

import time

import pytest

from tests.fleet.fleet import Fleet

SITE = "fleetauth.twofactor.site"
IS_ON = (
    "test -e /etc/pam.d/twofactor && test -e /etc/ssh/sshd_config.d/00-twofactor.conf && echo on || echo off"
)
TRACES = "cd /; ls etc/pam.d/twofactor etc/ssh/sshd_config.d/00-twofactor.conf etc/twofactor var/lib/twofactor 2>&-"


@pytest.fixture
def faulty(fleet: Fleet) -> tuple[Fleet, dict[str, str]]:
    """Three hosts at different places in the fleet, each wrong in its own way, and what the run says of each."""
    first, second, third = fleet.hosts[0], fleet.hosts[len(fleet.hosts) // 2], fleet.hosts[-1]
    fleet.shell(first, "printf 'account required pam_unix.so\\n' > /etc/pam.d/sshd")
    fleet.shell(second, "mount -o bind /etc/pam.d /etc/pam.d && mount -o remount,bind,ro /etc/pam.d")
    fleet.shell(third, "systemctl stop ssh.socket ssh.service")
    return fleet, {first: "/etc/pam.d/sshd", second: "cannot be written", third: "UNREACHABLE"}


def test_three_of_many_are_faulty(faulty: tuple[Fleet, dict[str, str]]) -> None:
    fleet, reasons = faulty
    ran = fleet.playbook(SITE)
    assert ran.status != 0
    states = dict(zip(fleet.hosts, (text.strip() for text in fleet.each(IS_ON)), strict=True))
    assert {host for host, state in states.items() if state == "on"} == set(fleet.hosts) - set(reasons)
    said = {host: [line for line in ran.output.splitlines() if host in line] for host in reasons}
    for host, reason in reasons.items():
        assert any(reason in line for line in said[host]), f"{host}: {said[host]}"
        assert "00-twofactor" not in fleet.shell(host, TRACES, check=False)
        assert "pam.d/twofactor" not in fleet.shell(host, TRACES, check=False)


def test_a_mistake_ends_with_the_first_batch(fleet: Fleet) -> None:
    fleet.shell(fleet.hosts[0], "printf 'account required pam_unix.so\\n' > /etc/pam.d/sshd")
    ran = fleet.playbook(SITE, extra={"twofactor_batches": [1, "100%"], "twofactor_max_failed_percent": 0})
    assert ran.status != 0
    assert [fleet.hosts[0]] == [host for host in fleet.hosts if f"{host} " in ran.output]
    assert not "".join(fleet.each(f"{TRACES} || true")).strip()


def test_the_batch_that_is_ended_takes_its_changes_back(fleet: Fleet) -> None:
    fleet.shell(fleet.hosts[0], "printf 'account required pam_unix.so\\n' > /etc/pam.d/sshd")
    extra = {"twofactor_max_failed_percent": 0, "twofactor_confirm_within": 15}
    ran = fleet.playbook(SITE, extra=extra)
    assert ran.status != 0
    assert "Let the change stand" not in ran.output
    deadline = time.monotonic() + 15 + 10
    while {text.strip() for text in fleet.each(IS_ON)} != {"off"}:
        assert time.monotonic() < deadline, "a change that nobody confirmed is still there"
        time.sleep(0.5)
    logs = [fleet.shell(host, "journalctl -q -t twofactor -o cat") for host in fleet.hosts[1:]]
    assert all("nobody confirmed it in time" in log.splitlines()[-1] for log in logs)


def test_batches_reach_everybody(fleet: Fleet) -> None:
    ran = fleet.playbook(SITE, extra={"twofactor_batches": [1, "100%"], "twofactor_max_failed_percent": 0})
    assert ran.status == 0, ran.output
    assert {text.strip() for text in fleet.each(IS_ON)} == {"on"}
    again = fleet.playbook(SITE)
    recap = [line for line in again.output.splitlines() if "changed=" in line]
    assert len(recap) == len(fleet.hosts)
    assert all("changed=0 " in line for line in recap)
    off = fleet.playbook("fleetauth.twofactor.emergency_disable")
    assert off.status == 0, off.output
    assert {text.strip() for text in fleet.each(IS_ON)} == {"off"}
