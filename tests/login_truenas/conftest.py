# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A NAS of each release for the login tests, restored from a snapshot before each; and how many releases pass.

Run with ``-n 8`` several files go at once, each with NASes of its own: the tests mostly wait. With --short there are
only those that are marked as essential, on all eight releases.
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

from tests.login.fleet import lab_name, run_lab, variables_of
from tests.login_truenas.nas import RELEASES, Nas
from tests.support.pool import note_failure

LAB_NAME = lab_name("login-truenas")
lab = partial(run_lab, LAB_NAME)

_outcomes: dict[str, set[str]] = {release: set() for release in RELEASES}


def facts_of(name: str, inventory: Path) -> dict[str, str]:
    """Write the lab's inventory as it is now, and return what it says of a host."""
    inventory.write_text(lab("inventory"))
    return variables_of(yaml.safe_load(inventory.read_text())["all"], name)


@pytest.fixture(scope="session")
def clock_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Boot the lab's time server, and take the whole lab down in the end."""
    try:
        lab("up", "clock=timeserver")
        yield facts_of("clock", tmp_path_factory.mktemp("clock") / "lab.yml")["ansible_host"]
    finally:
        if not os.environ.get("FLEETAUTH_KEEP"):
            lab("down")


@pytest.fixture(scope="session", params=RELEASES)
def machine(
    request: pytest.FixtureRequest, clock_address: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Nas]:
    """One NAS after the other, with the right time and two ordinary accounts."""
    release = str(request.param)
    name = f"nas{release.replace('.', '')}"
    inventory = tmp_path_factory.mktemp(name) / "lab.yml"
    lab("up", f"{name}=truenas-{release}")
    lab("reset", name)  # one that was kept from an earlier run
    nas = Nas(release, name, LAB_NAME, inventory, facts_of(name, inventory))
    try:
        _prepare(nas, clock_address)
        yield nas
    finally:
        nas.hang_up()
        if not os.environ.get("FLEETAUTH_KEEP"):
            lab("down", name)


def _prepare(nas: Nas, clock_address: str) -> None:
    nas.bring_code()
    result = nas.module("twofactor_ntp", servers=[clock_address])
    assert not result["failed"], result["printed"]
    nas.add_user("alice")
    nas.add_user("bob")
    # What the module has noted down, so that the NAS is one that knows nothing of it.
    nas.shell("rm -f /data/fleetauth-twofactor*")
    nas.hang_up()
    lab("snapshot", "ready", nas.name)


@pytest.fixture
def nas(machine: Nas, request: pytest.FixtureRequest) -> Iterator[Nas]:
    """A NAS without a second factor, as the snapshot has it."""
    machine.restore()
    machine.stand_in("forget")
    yield machine
    if getattr(request.node, "failed", False):
        print(machine.shell("journalctl --no-pager -n 60; stand-in calls", check=False))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
    """Note on the test whether it failed, so that its NAS's journal is shown."""
    report = yield
    note_failure(item, report)
    return report


def pytest_configure(config: pytest.Config) -> None:
    """Have the mark."""
    config.addinivalue_line("markers", "essential: run with --short too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --short leave out what is not essential, and logins to stand-ins that nothing has been done to."""
    if not config.getoption("short", False):
        return
    here = Path(__file__).parent
    kept = [
        item
        for item in items
        if (
            item.get_closest_marker("essential")
            if here in item.path.parents
            else item.path.name != "test_boot.py"
        )
    ]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
    items[:] = kept


def pytest_itemcollected(item: pytest.Item) -> None:
    """Tell the test's release to the reports."""
    item.user_properties.append(("release", _release_of(item.nodeid) or " ".join(RELEASES)))


def _release_of(nodeid: str) -> str:
    """Return the release that a test is about, empty for one of several."""
    words = nodeid.rpartition("[")[2].rstrip("]").split("-")
    return next((release for release in RELEASES if release in words), "")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the tests of one file and one release together: they share a NAS."""
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class ByRelease(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return f"{nodeid.partition('::')[0]} {_release_of(nodeid)}"

    return ByRelease(config, log)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep what came of each release; what fails and is about several is a failure of all."""
    told = str(dict(report.user_properties).get("release", "")).split()
    if report.failed:
        for release in told or [_release_of(report.nodeid)]:
            for one in [release] if release else RELEASES:
                _outcomes[one].add(report.outcome)
    elif report.when == "call" and report.passed and len(told) == 1:
        _outcomes[told[0]].add(report.outcome)


def _passing() -> list[str]:
    return [release for release, outcomes in _outcomes.items() if outcomes == {"passed"}]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail unless all releases pass, also when one was not tested at all."""
    options = session.config.option
    if hasattr(session.config, "workerinput") or options.keyword or options.collectonly:
        return
    if len(_passing()) < len(RELEASES) and session.exitstatus == 0:
        session.exitstatus = 1


def pytest_unconfigure(config: pytest.Config) -> None:
    """Say how many releases pass, as the last thing."""
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    failing = [release for release in RELEASES if release not in _passing()]
    rest = f"; not {', '.join(failing)}" if failing else ""
    print(f"truenas: {len(_passing())} of {len(RELEASES)} releases pass{rest}")
