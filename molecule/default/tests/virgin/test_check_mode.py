"""Check mode on a host that nothing has been done to: it says what would happen, and nothing has."""

from __future__ import annotations

import re

from testinfra.host import Host

from ansible_collections.fleetauth.twofactor.molecule.default.tests.fleet import HOSTS, converge

WOULD_CHANGE = [
    "fleetauth.twofactor.ntp : Set the time sources and wait for a right clock",
    "fleetauth.twofactor.twofactor : Bring tokens, policy and SSH to what is declared",
]


def test_configuration_is_as_before(host: Host) -> None:
    assert (
        host.check_output("list-configuration")
        == host.file("/root/configuration-before").content_string.strip()
    )


def test_nothing_is_installed_or_written(host: Host) -> None:
    assert not host.package("chrony").is_installed
    assert not host.package("libpam-oath").is_installed
    assert not host.file("/etc/twofactor").exists
    assert not host.file("/var/lib/twofactor").exists


def test_says_what_would_change() -> None:
    done = converge("--check")
    tasks = re.findall(r"^TASK \[(.*?)\].*\n((?:(?!TASK|PLAY).*\n)*)", done.stdout, re.MULTILINE)

    assert done.returncode == 0, done.stdout
    for name in HOSTS:
        assert [task for task, lines in tasks if f"changed: [{name}]" in lines] == WOULD_CHANGE
