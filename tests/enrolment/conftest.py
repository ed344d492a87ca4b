# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A browser, an administrator's folder, and hosts of the lab with a web console.

FLEETAUTH_KEEP=1 leaves the hosts running for a look around.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import Browser, sync_playwright

from tests.enrolment.browser import ARTIFACTS
from tests.enrolment.controller import ISSUER, Controller
from tests.login.fleet import Host, lab_name, run_lab, variables_of
from tests.support.pool import accounts

LAB_NAME = lab_name("enrolment")
_lab = partial(run_lab, LAB_NAME)
IMAGES = {"web1": "debian12", "web2": "debian13"}
FIVE = {"five1": "debian12", "five2": "debian13", **dict.fromkeys(("five3", "five4", "five5"), "debian12")}
"""Hosts that only the rotation of many users needs."""

READY = "ready"
"""The snapshot of hosts with which nothing has been done yet."""


@pytest.fixture(scope="session", autouse=True)
def artifacts() -> None:
    """Have the folder for pictures."""
    ARTIFACTS.mkdir(exist_ok=True)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start Debian's Chromium once."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def desk(tmp_path: Path) -> Controller:
    """Return an administrator's folder whose hosts nobody can reach."""
    folder = tmp_path / "desk"
    folder.mkdir()
    hosts: dict[str, Any] = {"web1.example.com": {}, "web2.example.com": {}}
    variables = {"twofactor_people": ["alice", "bob"], "twofactor_issuer": ISSUER}
    return Controller(folder, {"all": {"hosts": hosts, "vars": variables}})


@pytest.fixture(scope="session")
def lab() -> Iterator[None]:
    """Boot the time server, and take the lab down in the end."""
    try:
        _lab("down")  # what a killed run, or one with FLEETAUTH_KEEP, has left
        _lab("up", "clock=timeserver")
        yield
    finally:
        if not os.environ.get("FLEETAUTH_KEEP"):
            _lab("down")


def _hosts(images: dict[str, str], script: str, folder: Path) -> dict[str, Host]:
    """Return hosts that have snapshots of what a script makes of them, and how Ansible reaches them."""
    _lab("up", *(f"{name}={image}" for name, image in images.items()))
    data = yaml.safe_load(_lab("inventory"))["all"]
    facts = {name: variables_of(data, name) for name in images}
    inventory = folder / "lab.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": facts}}))
    hosts = {name: Host(name, LAB_NAME, inventory, facts[name]) for name in images}
    for host in hosts.values():
        host.shell(f"set -eu\n{script}")
    _lab("snapshot", READY, *hosts)
    return hosts


@pytest.fixture(scope="session")
def consoles(lab: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Host]:
    """Have a host of each image with a web console, and users with passwords."""
    images = {name: f"{image}-console" for name, image in IMAGES.items()}
    script = accounts("alice", "bob", "carol") + "systemctl enable cockpit.socket 2>&1"
    return _hosts(images, script, tmp_path_factory.mktemp("inventory"))


@pytest.fixture
def machines(consoles: dict[str, Host]) -> dict[str, Host]:
    """Return the hosts with web consoles, as their first snapshot has them."""
    restore(consoles, READY)
    return consoles


@pytest.fixture
def five(lab: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Host]]:
    """Return five hosts, for the one test that needs so many."""
    images = {name: f"{image}-twofactor" for name, image in FIVE.items()}
    hosts = _hosts(images, accounts(), tmp_path_factory.mktemp("inventory"))
    yield hosts
    _lab("down", *hosts)


def snapshot(hosts: dict[str, Host], word: str) -> None:
    """Keep what hosts have now under a name."""
    _lab("snapshot", word, *hosts)


def restore(hosts: dict[str, Host], word: str) -> None:
    """Put back what hosts had under a name."""
    _lab("restore", "--to", word, *hosts)
    for host in hosts.values():
        host.wait_until_ready()


_LONG = ("rotation", "thousand", "killed", "web1")
"""What the names of the tests that take minutes have in them; web1 is one of two hosts for the same tests."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --short leave out what takes minutes: fifty users on five hosts, a thousand sheets, kills."""
    if config.getoption("short"):
        items[:] = [item for item in items if not any(word in item.nodeid for word in _LONG)]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run in which something was skipped."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and reporter.stats.get("skipped") and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_unconfigure(config: pytest.Config) -> None:
    """Say what was measured, and how many went well, as the last line."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or hasattr(config, "workerinput") or config.option.collectonly:
        return
    bad = {report.nodeid for name in ("failed", "error") for report in reporter.stats.get(name, [])}
    good = {report.nodeid for report in reporter.stats.get("passed", [])} - bad
    for report in reporter.stats.get("passed", []):
        for name, value in report.user_properties:
            if name == "to_say":
                reporter.write_line(str(value))
    reporter.write_line(f"enrolment: {len(good)} of {max(_collected.count, len(good | bad))}")


class _Collected:
    """How many tests there are; with several workers each of them has found all."""

    count = 0


_collected = _Collected()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Count the tests that are to run."""
    _collected.count = max(_collected.count, len(session.items))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(ids: list[str]) -> None:
    """Count the tests that the workers are to run."""
    _collected.count = max(_collected.count, len(ids))
