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

LAB_NAME = lab_name("enrolment")
_lab = partial(run_lab, LAB_NAME)
IMAGES = {"web1": "debian12", "web2": "debian13"}
MORE = ("more1", "more2", "more3")
"""Hosts that only the rotation of many users needs."""


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
    """Boot the hosts and the time server."""
    try:
        _lab("up", "clock=timeserver", *(f"{name}={image}" for name, image in IMAGES.items()))
        yield
    finally:
        if not os.environ.get("FLEETAUTH_KEEP"):
            _lab("down")


def _hosts(names: tuple[str, ...], folder: Path) -> dict[str, Host]:
    """Return hosts with what the roles would install, and how Ansible reaches them."""
    data = yaml.safe_load(_lab("inventory"))["all"]
    facts = {name: variables_of(data, name) for name in names}
    inventory = folder / "lab.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": facts}}))
    hosts = {name: Host(name, LAB_NAME, inventory, facts[name]) for name in names}
    for host in hosts.values():
        host.shell("DEBIAN_FRONTEND=noninteractive apt-get install -qq libpam-oath chrony 2>&1")
        host.shell("usermod -p '*' ansible")
    return hosts


@pytest.fixture(scope="session")
def machines(lab: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Host]:
    """Return a host of each image with a web console, and people with passwords."""
    hosts = _hosts(tuple(IMAGES), tmp_path_factory.mktemp("inventory"))
    for host in hosts.values():
        console = "cockpit-ws cockpit-system cockpit-bridge"
        host.shell(f"DEBIAN_FRONTEND=noninteractive apt-get install -qq {console} 2>&1")
        host.shell("systemctl start cockpit.socket")
        host.users("alice", "bob", "carol")
    return hosts


@pytest.fixture(scope="session")
def five(lab: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Host]:
    """Return five hosts."""
    _lab("up", *(f"{name}=debian12" for name in MORE))
    return _hosts((*IMAGES, *MORE), tmp_path_factory.mktemp("inventory"))


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
