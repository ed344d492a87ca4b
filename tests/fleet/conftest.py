# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet for the tests of runs over many hosts. FLEET_HOSTS says how many; FLEETAUTH_KEEP=1 leaves them running."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.fleet.fleet import Fleet

HOSTS = int(os.environ.get("FLEET_HOSTS", "100"))


@pytest.fixture(scope="session")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Boot the fleet once."""
    fleet = Fleet(
        os.environ.get("FLEETAUTH_LAB", "fleet"),
        tmp_path_factory.mktemp("fleet"),
        images=("debian12-twofactor", "debian13-twofactor"),
    )
    try:
        fleet.down()  # what a killed run, or one with FLEETAUTH_KEEP, has left
        fleet.boot(HOSTS)
        fleet.snapshot("booted")
        yield fleet
    finally:
        if not os.environ.get("FLEETAUTH_KEEP"):
            fleet.down()


@pytest.fixture
def fleet(booted: Fleet) -> Fleet:
    """The fleet as it was before any test."""
    booted.restore("booted")
    return booted
