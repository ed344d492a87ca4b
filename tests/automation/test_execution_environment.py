# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The execution environment, built as far as it goes without a container engine: its context, and what goes into it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.login.fleet import ROOT

FILES = ("execution-environment.yml", "requirements.txt", "bindep.txt")


@pytest.fixture(scope="module")
def context(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Have ansible-builder make the context, in a folder that has the archive beside the definition."""
    folder = tmp_path_factory.mktemp("environment")
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    shutil.copy(archive, folder / "fleetauth-twofactor.tar.gz")
    command = ["ansible-builder", "create", "--context", "context", "--output-filename", "Containerfile"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "context"


@pytest.fixture(scope="module")
def installed(context: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the step that installs the collections, in the folder that the image has as /build."""
    steps = (context / "Containerfile").read_text()
    step = re.search(r"ansible-galaxy collection install .* -r requirements.yml", steps)
    assert step
    folder = tmp_path_factory.mktemp("collections")
    words = step[0].replace("$ANSIBLE_GALAXY_CLI_COLLECTION_OPTS ", "").split()
    env = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(folder), "ANSIBLE_GALAXY_DISABLE_GPG_VERIFY": "1"}
    # By force: the checkout, which is on Python's path here, would be taken for an installed one.
    command = [*words, "--force", "--offline", "--collections-path", str(folder)]
    done = subprocess.run(
        command, cwd=context / "_build", capture_output=True, text=True, env=env, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_base_image_is_an_argument(context: Path) -> None:
    steps = (context / "Containerfile").read_text()
    assert steps.startswith('ARG EE_BASE_IMAGE="localhost/')
    assert "FROM $EE_BASE_IMAGE AS base" in steps
    images = re.findall(r"^FROM (\S+)", steps, re.MULTILINE)
    assert set(images) == {"$EE_BASE_IMAGE", "base"}


def test_the_collection_is_in_it(installed: Path) -> None:
    env = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(installed)}
    assert (installed / "ansible_collections" / "fleetauth" / "twofactor" / "MANIFEST.json").exists()
    command = ["ansible-playbook", "--syntax-check", "-i", "localhost,", "fleetauth.twofactor.status"]
    subprocess.run(command, capture_output=True, env=env, check=True, cwd="/")


def test_what_the_collection_needs_is_found_by_the_builder(
    context: Path, installed: Path, tmp_path: Path
) -> None:
    """Its own script reads that from the collection, as it does inside the image."""
    pip, system = tmp_path / "pip.txt", tmp_path / "bindep.txt"
    script = context / "_build" / "scripts" / "introspect.py"
    command = [
        sys.executable,
        str(script),
        "introspect",
        str(installed),
        f"--write-pip={pip}",
        f"--write-bindep={system}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "qrcode" in pip.read_text()
    assert "openssh-client" in system.read_text()


def test_the_collections_own_words_are_those_of_the_environment() -> None:
    data = yaml.safe_load((ROOT / "execution-environment.yml").read_text())["dependencies"]
    own = yaml.safe_load((ROOT / "meta" / "execution-environment.yml").read_text())["dependencies"]
    assert (own["python"], own["system"]) == (data["python"], data["system"])
    oldest = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["requires_ansible"]
    assert data["ansible_core"]["package_pip"].removeprefix("ansible-core") in oldest
