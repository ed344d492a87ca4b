# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Debian 12 and a Debian 13 host, brought to a start before each test; and how many starting points came out well.

A test marked as a starting point has to pass on both; with --short on one of them.
FLEETAUTH_KEEP=1 leaves the hosts running.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import yaml

from tests.login.fleet import Host, lab_name, run_lab, variables_of

LAB_NAME = lab_name("lockout")
_lab = partial(run_lab, LAB_NAME)
IMAGES = {"debian12": "Debian 12", "debian13": "Debian 13"}
AT_LEAST = 25
"""Starting points. With fewer the suite as a whole fails."""
_SAVED = "/etc/pam.d /etc/ssh /etc/chrony /etc/default /etc/passwd /etc/group /etc/shadow /etc/gshadow"
_outcomes: dict[str, dict[str, bool]] = defaultdict(dict)
"""Starting point to image to whether it came out well."""


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", "starting_point: a state of a host that is set against a change")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --short keep each test once, with its first parameters, on one host and the next on the other."""
    if not config.getoption("short"):
        return
    once: dict[str, list[pytest.Item]] = {}
    for item in items:
        once.setdefault(item.nodeid.partition("[")[0], []).append(item)
    chosen = []
    for number, same in enumerate(once.values()):
        image = list(IMAGES)[number % len(IMAGES)]
        chosen.append(next((item for item in same if f"[{image}" in item.name), same[0]))
    items[:] = chosen


def _images(config: pytest.Config) -> int:
    """Return on how many hosts a starting point is tried."""
    return 1 if config.getoption("short") else len(IMAGES)


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
        yield hosts
    finally:
        if not os.environ.get("FLEETAUTH_KEEP"):
            _lab("down")


@pytest.fixture(scope="session", params=list(IMAGES))
def machine(request: pytest.FixtureRequest, fleet: dict[str, Host]) -> Host:
    """One host after the other: Ansible's account with a key, Alice with key and password, root with neither."""
    host = fleet[request.param]
    if host.shell("test -d /root/baseline || echo new"):
        host.shell("DEBIAN_FRONTEND=noninteractive apt-get install -qq libpam-oath chrony oathtool 2>&1")
        host.users("alice")
        # A locked account, as the image has it, is refused by an sshd that does not use PAM.
        host.shell("usermod -p '*' ansible; rm -rf /root/.ssh; groupadd robots; usermod -aG robots ansible")
        synchronise(host)
        host.shell(f"mkdir -m 700 /root/baseline; tar -C / -cpf /root/baseline/etc.tar {_SAVED}")
    return host


def synchronise(host: Host) -> None:
    """Give a host the lab's time server, and wait until its clock is right."""
    result = host.module("twofactor_ntp", servers=["clock"])
    assert not result["failed"], result["printed"]


@pytest.fixture
def host(machine: Host, request: pytest.FixtureRequest) -> Iterator[Host]:
    """A host without a second factor, whatever the test before has left."""
    clean(machine)
    since = machine.shell("date '+%F %T'").strip()
    yield machine
    if getattr(request.node, "failed", False):
        print(machine.shell(f"journalctl --no-pager -n 60 --since '{since}'"))


def clean(host: Host) -> None:
    """Bring a host back to the start, by other means than those under test.

    Here and in the tests sshd is restarted: a reload returns before the new configuration is read.
    """
    host.shell(
        "rm -rf /etc/twofactor /var/lib/twofactor /usr/local/sbin/* /etc/pam.d /etc/ssh /etc/chrony; "
        "rm -f /etc/systemd/system/twofactor-boot.service /etc/systemd/system/multi-user.target.d/twofactor.conf; "
        "rmdir /etc/systemd/system/multi-user.target.d 2>/dev/null; "
        "systemctl stop 'run-*.timer' 2>/dev/null; "
        "tar -C / -xpf /root/baseline/etc.tar; "
        "for home in /home/*; do case $home in */ansible | */alice) ;; *) rm -rf $home ;; esac; done; "
        "rm -rf /root/.ssh; cp -p /home/ansible/.ssh/authorized_keys /home/alice/.ssh/authorized_keys; "
        "chown alice: /home/alice/.ssh/authorized_keys; systemctl reset-failed; systemctl restart ssh"
    )


@pytest.fixture
def clock(host: Host, fleet: dict[str, Host]) -> Iterator[Host]:
    """The time server, which a test may set wrong; afterwards it and the host's clock are right again."""
    server = fleet["clock"]
    yield server
    server.shell(
        "rm -f /etc/systemd/system/chrony.service.d/skew.conf; systemctl daemon-reload; systemctl restart chrony"
    )
    clean(host)
    host.shell("systemctl restart chrony")
    synchronise(host)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
    """Note on the test whether it failed, and on the report which starting point it is about."""
    report: pytest.TestReport = yield
    item.failed = report.failed or getattr(item, "failed", False)  # type: ignore[attr-defined]
    image = next((image for image in IMAGES if f"[{image}" in item.name), None)
    if image is not None and item.get_closest_marker("starting_point"):
        point = item.nodeid.replace(image, "", 1)
        report.user_properties.append(("starting_point", (point, image)))
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count; with several workers this runs in the process that gathers their reports."""
    for name, value in report.user_properties:
        if name == "starting_point":
            point, image = (str(word) for word in value)  # type: ignore[attr-defined]
            _outcomes[point][image] = _outcomes[point].get(image, True) and report.passed


def _came_out_well(config: pytest.Config) -> int:
    return sum(all(images.values()) and len(images) == _images(config) for images in _outcomes.values())


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a whole run that has fewer starting points than it should."""
    chosen = session.config.option.keyword or session.config.option.markexpr or _names_tests(session.config)
    is_worker = hasattr(session.config, "workerinput")
    if (
        not (chosen or is_worker or session.config.option.collectonly)
        and _came_out_well(session.config) < AT_LEAST
    ):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _names_tests(config: pytest.Config) -> bool:
    return any("::" in word or word.endswith(".py") for word in config.args)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Print the last line."""
    if _outcomes and not hasattr(config, "workerinput"):
        where = " or ".join(IMAGES.values()) if config.getoption("short") else " and ".join(IMAGES.values())
        print(
            f"lockout: {_came_out_well(config)} of {len(_outcomes)} starting points refused or handled, on {where}"
        )
