# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""--short, for the suites that are long."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the option."""
    parser.addoption(
        "--short",
        action="store_true",
        help="lockout: each test once, on one host or the other; soak: 40 logins; fuzz: 2,000 examples; "
        "enrolment: without what takes minutes",
    )
