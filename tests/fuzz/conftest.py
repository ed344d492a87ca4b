# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many examples are tried, and the line at the end that says so.

FUZZ_EXAMPLES is how many examples all tests together try at least: 100,000, or 2,000 with --short. Up to a few
thousand they are the same ones in each run; more are different ones each time, and what fails is printed in a form
that can be tried again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import agent
from tests.fuzz.shapes import Counter

_SAME_EACH_TIME = 10_000
_CHANCE_TO_REPEAT = 1.03
"""An example may turn up twice and is tried once then."""


def _wanted(config: pytest.Config) -> int:
    return int(os.environ.get("FUZZ_EXAMPLES", "2000" if config.getoption("short") else "100000"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Share the examples out among the tests, before they are run."""
    examples = _wanted(config)
    shares = sum(_weight(item) for item in items)
    for item in items:
        share = int(examples * _CHANCE_TO_REPEAT * _weight(item) / max(1, shares)) + 1
        function = item.function  # type: ignore[attr-defined]
        chosen = settings(
            max_examples=share,
            deadline=None,
            database=None,
            derandomize=examples < _SAME_EACH_TIME,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        )
        function._hypothesis_internal_use_settings = chosen


def _weight(item: pytest.Item) -> float:
    mark = item.get_closest_marker("weight")
    return float(mark.args[0]) if mark else 1.0


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line(
        "markers", "weight(number): how many examples this test gets, against 1 for the others"
    )


@pytest.fixture(scope="session", autouse=True)
def short_command() -> Iterator[None]:
    """Spare each example the building of the command that is left on hosts."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(agent, "build", lambda: "the command\n")
        yield


@pytest.fixture
def counter(request: pytest.FixtureRequest) -> Iterator[Counter]:
    """Count the examples that a test has carried through to its end."""
    count = Counter()
    yield count
    request.node.user_properties.append(("examples", count.tried))


def _tried(reporter: pytest.TerminalReporter) -> int:
    reports = [report for reports in reporter.stats.values() for report in reports]
    return sum(
        value
        for report in reports
        if getattr(report, "when", "") == "teardown"
        for name, value in report.user_properties
        if name == "examples"
    )


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run that tried too few."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if hasattr(session.config, "workerinput") or reporter is None or session.config.getoption("keyword"):
        return
    if session.exitstatus == pytest.ExitCode.OK and _tried(reporter) < _wanted(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_unconfigure(config: pytest.Config) -> None:
    """Say how many were tried, as the last line."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if hasattr(config, "workerinput") or reporter is None:
        return
    failed = sum(len(reporter.stats.get(name, [])) for name in ("failed", "error"))
    reporter.write_line(f"fuzz: {_tried(reporter)} examples, {failed} of the tests failed")
