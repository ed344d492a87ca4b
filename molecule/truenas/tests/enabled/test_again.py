"""A NAS that is as wanted: nothing is changed, no secret is made, and few calls find that out."""

from __future__ import annotations

import re

from testinfra.host import Host

from ansible_collections.fleetauth.twofactor.molecule.truenas.tests.fleet import (
    NASES,
    changing_calls,
    converge,
    people,
    sheet,
)

FEW = 7


def test_again(host: Host) -> None:
    before = {user: sheet(host, user) for user in people(host)}
    secrets = {user: host.check_output("stand-in secret %s", user) for user in people(host)}
    host.check_output("stand-in forget")
    done = converge("-v", "--diff")

    assert re.findall(r" changed=(\d+)", done.stdout) == ["0"] * len(NASES), done.stdout
    assert changing_calls(host) == []
    assert int(host.check_output("stand-in calls --count")) <= FEW
    assert {user: sheet(host, user) for user in people(host)} == before
    assert not [user for user, secret in secrets.items() if secret in done.stdout]
