# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A test that ruins its host makes no other test fail: a suite of such tests, with the fixtures of the login tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.login.fleet import ROOT, lab_name
from tests.support.ruins import RUINS

CONFTEST = """\
from tests.login.conftest import clock, host, machine, pool, pytest_runtest_makereport
"""

SUITE = """\
import pytest

from tests.login.fleet import PASSWORD, Host
from tests.support.ruins import RUINS


def is_whole(host: Host) -> None:
    assert host.shell("systemctl is-system-running").strip() == "running"
    host.shell("chronyc waitsync 1 >/dev/null; touch /root/new /srv/new /var/lib/new")
    assert host.ssh("alice", key=True)
    assert host.ssh("alice", password=PASSWORD)
    assert not host.ssh("alice", password="another")


@pytest.mark.parametrize("how", RUINS)
def test_vandal(host: Host, how: str) -> None:
    is_whole(host)
    host.shell(RUINS[how], check=False)


@pytest.mark.parametrize("how", ["chrony is stopped for good", "it is switched off"])
def test_vandal_at_the_time_server(host: Host, clock: Host, how: str) -> None:
    is_whole(host)
    clock.shell(RUINS[how], check=False)
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the lab takes root")


def test_a_test_that_ruins_its_host_harms_no_other_test(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_vandals.py").write_text(SUITE)
    # Not what this run is told by its own environment.
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-c", ROOT / "pyproject.toml", f"--rootdir={ROOT}", "-n", "2"),
            *("--confcutdir", tmp_path, tmp_path),
        ],
        cwd=ROOT,
        env={**env, "FLEETAUTH_LAB": f"{lab_name('labtest')}-pool"},
        capture_output=True,
        text=True,
        check=False,
    )
    images, at_the_time_server = 2, 2
    assert f" {images * (len(RUINS) + at_the_time_server)} passed" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0
