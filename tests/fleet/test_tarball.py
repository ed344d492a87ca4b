# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is built and published, installed where nothing else is and run from outside the checkout."""

from __future__ import annotations

import os
import subprocess
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.fleet.fleet import ROOT, Fleet


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has what the tests' own one has, but for the checkout."""
    folder = tmp_path_factory.mktemp("python")
    venv.create(folder, symlinks=True)
    site = next(folder.glob("lib/python*/site-packages"))
    # A path in here does not bring the paths in its own .pth files, one of which is the checkout's.
    (site / "others.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def installed(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of collections with this one in it, from a tarball."""
    folder = tmp_path_factory.mktemp("installed")
    env = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(folder / "collections")}

    def galaxy(*words: str) -> None:
        # In another folder than the checkout, whose ansible.cfg says where its own collections are.
        command = [str(python), "-m", "ansible", "galaxy", "collection", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=env)
        assert done.returncode == 0, done.stdout + done.stderr

    galaxy("build", str(ROOT), "--output-path", str(folder))
    galaxy("install", "--offline", "-p", str(folder / "collections"), *map(str, folder.glob("*.tar.gz")))
    return folder / "collections"


def test_site_and_emergency_by_name(
    fleet: Fleet, python: Path, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "python", python)
    two = fleet.hosts[:2]
    done = fleet.playbook("fleetauth.twofactor.site", limit=two, ANSIBLE_COLLECTIONS_PATH=str(installed))
    assert done.status == 0, done.output
    for host in two:
        assert "pam.d/twofactor" in fleet.shell(host, "ls /etc/pam.d/twofactor")
    emergency = "fleetauth.twofactor.emergency_disable"
    off = fleet.playbook(emergency, limit=two, ANSIBLE_COLLECTIONS_PATH=str(installed))
    assert off.status == 0, off.output
    for host in two:
        assert not fleet.shell(host, "ls /etc/pam.d/twofactor 2>&-", check=False)


def test_nothing_of_the_tests_is_in_it(installed: Path) -> None:
    root = installed / "ansible_collections" / "fleetauth" / "twofactor"
    assert (root / "playbooks" / "site.yml").is_file()
    assert not {"tests", "molecule", ".ci", ".venv", "Makefile"} & {path.name for path in root.iterdir()}
