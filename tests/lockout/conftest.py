# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Debian 12 and a Debian 13 host for each test, restored from a snapshot; and how many starting points came out well.

A test marked as a starting point has to pass on both; with --short on one of them.
FLEETAUTH_KEEP=1 leaves the hosts running.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import partial

import pytest

from tests.login.fleet import Host, lab_name, run_lab
from tests.support.pool import SYNCHRONIZE, Pool, Recipe, accounts, lend, note_failure

LAB_NAME = lab_name("lockout")
_lab = partial(run_lab, LAB_NAME)
IMAGES = {"debian12": "Debian 12", "debian13": "Debian 13"}
AT_LEAST = 25
"""Starting points. With fewer the suite as a whole fails."""
# Ansible's account has a key, Alice a key and a password, root neither.
RECIPE = Recipe(
    f"""
    {accounts("alice")}
    rm -rf /root/.ssh
    groupadd robots
    usermod -aG robots ansible
    {SYNCHRONIZE}
    # What the packages have brought, for tests that put it back.
    mkdir -m 700 /root/baseline
    tar -C / -cpf /root/baseline/etc.tar /etc/pam.d /etc/ssh 2>/dev/null
    """
)
_outcomes: dict[str, dict[str, bool]] = defaultdict(dict)
"""Starting point to image to whether it came out well."""


def pytest_configure(config: pytest.Config) -> None:
    """Make the markers known."""
    config.addinivalue_line("markers", "starting_point: a state of a host that is set against a change")
    config.addinivalue_line("markers", "packages(word): which of the images with packages the hosts have")


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
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """Have a lab whose hosts have the packages that the roles install."""
    with Pool(LAB_NAME, RECIPE, tmp_path_factory.mktemp("inventory")) as pool:
        yield pool


@pytest.fixture(params=list(IMAGES))
def machine(request: pytest.FixtureRequest, pool: Pool) -> Iterator[Host]:
    """A host of each image, as the snapshot has it."""
    mark = request.node.get_closest_marker("packages")
    packages = mark.args[0] if mark else "twofactor"
    yield from lend(pool, f"{request.param}-{packages}", request)


@pytest.fixture
def host(machine: Host) -> Host:
    """A host without a second factor."""
    return machine


@pytest.fixture
def clock(pool: Pool) -> Iterator[Host]:
    """The time server, which a test may set wrong."""
    yield pool.clock
    pool.restore_clock()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
    """Note on the test whether it failed, and on the report which starting point it is about."""
    report: pytest.TestReport = yield
    note_failure(item, report)
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
