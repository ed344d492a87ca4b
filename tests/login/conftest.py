# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Debian 12 and a Debian 13 host for the login tests, as they were before each of them.

FLEETAUTH_KEEP=1 leaves the hosts running for a look around; `tests/lab/lab down` ends them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import yaml

from tests.login.fleet import Host, lab_name, run_lab, variables_of

LAB_NAME = lab_name("login")
_lab = partial(run_lab, LAB_NAME)
IMAGES = ("debian12", "debian13")


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Host]]:
    """Boot one host of each image and a time server, with the packages that the roles would install."""
    try:
        _lab("up", "clock=timeserver", *(f"{image}={image}" for image in IMAGES))
        inventory: Path = tmp_path_factory.mktemp("inventory") / "lab.yml"
        text = _lab("inventory")
        inventory.write_text(text)
        data = yaml.safe_load(text)["all"]
        names = ("clock", *IMAGES)
        hosts = {name: Host(name, LAB_NAME, inventory, variables_of(data, name)) for name in names}
        for name in IMAGES:
            hosts[name].shell(
                "DEBIAN_FRONTEND=noninteractive apt-get install -qq libpam-oath chrony oathtool 2>&1"
            )
        yield hosts
    finally:
        if not os.environ.get("FLEETAUTH_KEEP"):
            _lab("down")


@pytest.fixture(scope="session", params=IMAGES)
def machine(request: pytest.FixtureRequest, fleet: dict[str, Host]) -> Host:
    """One host after the other."""
    host = fleet[request.param]
    host.users("alice", "bob", "carol", "dave", "robot")
    # A locked account, as the image has it, is refused by an sshd that does not use PAM.
    host.shell("usermod -p '*' ansible")
    host.shell("echo 'root:correct horse battery staple' | chpasswd; groupadd -f exempted")
    # Only once: hosts kept from an earlier run are no longer as they were.
    host.shell(
        "test -d /root/baseline || { mkdir -m 700 /root/baseline; cp -a /etc/pam.d /etc/ssh /root/baseline/; }"
    )
    return host


@pytest.fixture
def host(machine: Host, request: pytest.FixtureRequest) -> Iterator[Host]:
    """A host without a second factor, whatever the test before has left."""
    _clean(machine)
    since = machine.shell("date '+%F %T'").strip()
    yield machine
    if getattr(request.node, "failed", False):
        print(machine.shell(f"journalctl --no-pager -n 80 --since '{since}'"))


def _clean(host: Host) -> None:
    """Bring a host back to the start, by other means than those under test."""
    host.shell(
        "rm -rf /etc/twofactor /var/lib/twofactor /etc/pam.d /etc/ssh; "
        "cp -a /root/baseline/pam.d /root/baseline/ssh /etc/; "
        "gpasswd -M '' exempted >/dev/null; systemctl reload-or-restart ssh"
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
    """Note on the test whether it failed, so that its host's journal is shown."""
    report = yield
    item.failed = report.failed or getattr(item, "failed", False)  # type: ignore[attr-defined]
    return report
