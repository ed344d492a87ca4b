"""Check mode on a NAS that nothing has been done to: it says what would happen, and nothing has."""

from __future__ import annotations

import re

from testinfra.host import Host

from ansible_collections.fleetauth.twofactor.molecule.truenas.tests.fleet import (
    NASES,
    call,
    changing_calls,
    converge,
)

WOULD_CHANGE = [
    "fleetauth.twofactor.ntp : Set the time sources and wait for a right clock",
    "fleetauth.twofactor.twofactor : Bring tokens, policy and SSH to what is declared",
]


def test_no_call_was_made_that_changes_anything(host: Host) -> None:
    assert host.check_output("stand-in calls --count") != "0"
    assert changing_calls(host) == []


def test_nobody_is_asked_for_a_code(host: Host) -> None:
    assert call(host, "auth.twofactor.config")["enabled"] is False
    assert not host.file("/etc/users.oath").exists
    assert not host.file("/etc/pam.d/sshd").contains("pam_oath")


def test_nothing_is_remembered(host: Host) -> None:
    assert host.run("ls /data/fleetauth-twofactor* /etc/systemd/system/fleetauth-twofactor*").stdout == ""


def test_says_what_would_change() -> None:
    done = converge("--check")
    tasks = re.findall(r"^TASK \[(.*?)\].*\n((?:(?!TASK|PLAY).*\n)*)", done.stdout, re.MULTILINE)

    assert done.returncode == 0, done.stdout
    for name in NASES:
        assert [task for task, lines in tasks if f"changed: [{name}]" in lines] == WOULD_CHANGE
