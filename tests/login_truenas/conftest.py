# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A NAS of each release for the login tests, as it was before each of them; and which releases pass."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.login.conftest import _facts
from tests.login.fleet import LAB
from tests.login_truenas.nas import RELEASES, Nas

LAB_NAME = os.environ.get("FLEETAUTH_LAB", "login-truenas")
WANTED = tuple(os.environ.get("FLEETAUTH_RELEASES", " ".join(RELEASES)).split())
_outcomes: dict[str, set[str]] = {release: set() for release in RELEASES}


def lab(*words: str) -> str:
    """Run the lab's command."""
    env = {**os.environ, "FLEETAUTH_LAB": LAB_NAME}
    done = subprocess.run([LAB, *words], capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def host_name(release: str) -> str:
    """Return what a release's NAS is called in this lab."""
    return f"nas{release.replace('.', '')}"


@pytest.fixture(scope="session")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Boot a NAS of each release and a time server."""
    try:
        lab("up", "clock=timeserver", *(f"{host_name(release)}=truenas-{release}" for release in WANTED))
        found: Path = tmp_path_factory.mktemp("inventory") / "lab.yml"
        found.write_text(lab("inventory"))
        yield found
    finally:
        if not os.environ.get("FLEETAUTH_KEEP"):
            lab("down")


@pytest.fixture(scope="session")
def clock_address(inventory: Path) -> str:
    """The address of the lab's time server."""
    facts = _facts(yaml.safe_load(inventory.read_text())["all"], "clock") or {}
    return str(facts["ansible_host"])


@pytest.fixture(scope="session", params=WANTED)
def machine(request: pytest.FixtureRequest, inventory: Path, clock_address: str) -> Nas:
    """One NAS after the other, with the right time and two ordinary accounts."""
    release = str(request.param)
    name = host_name(release)
    facts = _facts(yaml.safe_load(inventory.read_text())["all"], name) or {}
    nas = Nas(release, name, LAB_NAME, inventory, facts)
    lab("reset", name)
    result = nas.module("twofactor_ntp", servers=[clock_address])
    assert not result["failed"], result["printed"]
    nas.bring_code()
    nas.add_user("alice")
    nas.add_user("bob")
    nas.remember()
    return nas


@pytest.fixture
def nas(machine: Nas, request: pytest.FixtureRequest) -> Iterator[Nas]:
    """A NAS without a second factor, whatever the test before has left."""
    machine.clean()
    since = machine.shell("date '+%F %T'").strip()
    yield machine
    machine.stand_in("clear")
    if getattr(request.node, "failed", False):
        print(machine.shell(f"journalctl --no-pager -n 60 --since '{since}'; stand-in calls"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
    """Note on the test whether it failed, and for which release."""
    report = yield
    item.failed = report.failed or getattr(item, "failed", False)  # type: ignore[attr-defined]
    release = getattr(item, "callspec", None) and item.callspec.params.get("machine")  # type: ignore[attr-defined]
    for name in [release] if release else RELEASES:
        # A test of a mixed fleet is one of all releases.
        if report.failed or (report.when == "call" and report.passed and release):
            _outcomes[str(name)].add(report.outcome)
    return report


def _passing() -> list[str]:
    return [release for release, outcomes in _outcomes.items() if outcomes == {"passed"}]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Say which releases pass, as the last thing."""
    if not config.option.collectonly:
        print(f"releases that pass: {' '.join(_passing()) or 'none'}")
