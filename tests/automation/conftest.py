# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive that a user would install, and hosts of the lab. FLEETAUTH_KEEP=1 leaves the hosts running."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.login.fleet import ROOT, run_lab

LAB_NAME = os.environ.get("FLEETAUTH_LAB", "automation")
lab = partial(run_lab, LAB_NAME)
HOSTS = {"web1": "debian12", "web2": "debian13"}


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the collection from what git has of the checkout."""
    folder = tmp_path_factory.mktemp("archive")
    copy = subprocess.run(
        [ROOT / "tests/gates/copy", "automation"], capture_output=True, text=True, check=True
    )
    command = ["ansible-galaxy", "collection", "build", "--output-path", str(folder), copy.stdout.strip()]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = folder.glob("fleetauth-twofactor-*.tar.gz")
    return built


@pytest.fixture(scope="session")
def hosts() -> Iterator[None]:
    """Boot two hosts and a time server."""
    try:
        lab("down")  # what a killed run, or one with FLEETAUTH_KEEP, has left
        lab("up", "clock=timeserver", *(f"{name}={image}" for name, image in HOSTS.items()))
        yield
    finally:
        if not os.environ.get("FLEETAUTH_KEEP"):
            lab("down")
