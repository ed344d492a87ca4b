# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A browser for the page, and hosts of the lab for the playbook. FLEETAUTH_KEEP=1 leaves the hosts running."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.login.fleet import run_lab

LAB_NAME = os.environ.get("FLEETAUTH_LAB", "status")
lab = partial(run_lab, LAB_NAME)
ARTIFACTS = Path(__file__).resolve().parents[2] / "artifacts"
"""Pictures of what was seen; git ignores the folder."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start Debian's Chromium once."""
    ARTIFACTS.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def hosts() -> Iterator[None]:
    """Boot three hosts and a time server. The tests only read hosts, so they share them."""
    try:
        lab("down")  # what a killed run, or one with FLEETAUTH_KEEP, has left
        lab(
            "up",
            *("clock=timeserver", "good=debian13-twofactor"),
            *("bad=debian12-twofactor", "gone=debian13-twofactor"),
        )
        yield
    finally:
        if not os.environ.get("FLEETAUTH_KEEP"):
            lab("down")
