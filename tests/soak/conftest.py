# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of the login tests, in a lab of another name, and the line at the end with the numbers."""

from __future__ import annotations

import os

import pytest

os.environ.setdefault("FLEETAUTH_LAB", "soak")

from tests.login.conftest import fleet, host, machine, pool, pytest_runtest_makereport

__all__ = ["fleet", "host", "machine", "pool", "pytest_runtest_makereport"]

HOSTS = 2


def logins_of(config: pytest.Config) -> int:
    """Return how many logins there are on each host. With fewer the suite as a whole fails."""
    return int(os.environ.get("SOAK_LOGINS", "40" if config.getoption("short") else "200"))


def _totals(reporter: pytest.TerminalReporter) -> dict[str, int]:
    reports = [report for reports in reporter.stats.values() for report in reports]
    totals: dict[str, int] = {}
    for report in reports:
        for name, value in report.user_properties if getattr(report, "when", "") == "call" else []:
            totals[name] = totals.get(name, 0) + value
    return totals


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a whole run with fewer logins than it should have."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if hasattr(session.config, "workerinput") or reporter is None or session.config.getoption("keyword"):
        return
    if session.exitstatus == pytest.ExitCode.OK and _totals(reporter).get("logins", 0) < HOSTS * logins_of(
        session.config
    ):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Say how many logins there were, as the last line."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if hasattr(config, "workerinput") or reporter is None:
        return
    totals = _totals(reporter)
    logins, failed, twice, at_once, both, changes = (
        totals.get(name, 0) for name in ("logins", "refused", "twice", "at once", "both", "changes")
    )
    broken = sum(len(reporter.stats.get(name, [])) for name in ("failed", "error"))
    if broken:
        reporter.write_line(f"soak: {broken} tests failed")
    reporter.write_line(
        f"soak: {logins} logins on {HOSTS} hosts, {failed} failed, {twice} codes used twice, {changes} changes in "
        f"between; pam_oath took {both} of {at_once} codes twice at the same instant"
    )
