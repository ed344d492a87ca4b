# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of the login tests, in a lab of another name, and the line at the end with the numbers."""

from __future__ import annotations

import os

import pytest

os.environ.setdefault("FLEETAUTH_LAB", "soak")

from tests.login.conftest import fleet, host, machine, pytest_runtest_makereport

__all__ = ["fleet", "host", "machine", "pytest_runtest_makereport"]

NAMES = ("logins", "refused", "replayed", "replays accepted", "changes")


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Say how many logins there were, as the last line."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if hasattr(config, "workerinput") or reporter is None:
        return
    reports = [report for reports in reporter.stats.values() for report in reports]
    pairs = [pair for one in reports if getattr(one, "when", "") == "call" for pair in one.user_properties]
    totals = {name: sum(value for key, value in pairs if key == name) for name in NAMES}
    failed = sum(len(reporter.stats.get(name, [])) for name in ("failed", "error"))
    numbers = ", ".join(f"{value} {name}" for name, value in totals.items())
    reporter.write_line(f"soak: {numbers}; {failed} tests failed")
