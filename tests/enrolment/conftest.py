# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A browser, an administrator's folder, and hosts of the lab with a web console.

FLEETAUTH_KEEP=1 leaves the hosts running for a look around.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import Browser, sync_playwright

from tests.enrolment.browser import ARTIFACTS
from tests.enrolment.controller import ISSUER, Controller
from tests.login.fleet import LAB, Host

LAB_NAME = os.environ.get("FLEETAUTH_LAB", "enrolment")
IMAGES = {"web1": "debian12", "web2": "debian13"}
MORE = ("more1", "more2", "more3")
"""Hosts that only the rotation of many users needs."""


@pytest.fixture(scope="session", autouse=True)
def artifacts() -> None:
    """Have the folder for pictures."""
    ARTIFACTS.mkdir(exist_ok=True)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start Debian's Chromium once."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def desk(tmp_path: Path) -> Controller:
    """Return an administrator's folder whose hosts nobody can reach."""
    folder = tmp_path / "desk"
    folder.mkdir()
    hosts: dict[str, Any] = {"web1.example.com": {}, "web2.example.com": {}}
    variables = {"twofactor_people": ["alice", "bob"], "twofactor_issuer": ISSUER}
    return Controller(folder, {"all": {"hosts": hosts, "vars": variables}})


def _lab(*words: str) -> str:
    env = {**os.environ, "FLEETAUTH_LAB": LAB_NAME}
    done = subprocess.run([LAB, *words], capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def lab() -> Iterator[None]:
    """Boot the hosts and the time server."""
    try:
        more = [f"{name}=debian12" for name in MORE]
        _lab("up", "clock=timeserver", *(f"{name}={image}" for name, image in IMAGES.items()), *more)
        yield
    finally:
        if not os.environ.get("FLEETAUTH_KEEP"):
            _lab("down")


def _facts(node: dict[str, Any], name: str) -> dict[str, Any] | None:
    """Return the variables of a host from an inventory, those of its groups included."""
    found = None
    for group in (node.get("children") or {}).values():
        below = _facts(group, name)
        found = {**(found or {}), **below} if below is not None else found
    if name in (node.get("hosts") or {}):
        found = {**(found or {}), **(node["hosts"][name] or {})}
    return None if found is None else {**(node.get("vars") or {}), **found}


@pytest.fixture(scope="session")
def facts(lab: None) -> dict[str, dict[str, Any]]:
    """Return how Ansible reaches the hosts."""
    data = yaml.safe_load(_lab("inventory"))["all"]
    return {name: _facts(data, name) or {} for name in (*IMAGES, *MORE)}


@pytest.fixture(scope="session")
def machines(facts: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Host]:
    """Return the hosts with a web console, people with passwords, and what the roles would install."""
    inventory = tmp_path_factory.mktemp("inventory") / "lab.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": facts}}))
    hosts = {name: Host(name, LAB_NAME, inventory, facts[name]) for name in (*IMAGES, *MORE)}
    for name, host in hosts.items():
        console = "cockpit-ws cockpit-system cockpit-bridge" if name in IMAGES else ""
        host.shell(f"DEBIAN_FRONTEND=noninteractive apt-get install -qq libpam-oath chrony {console} 2>&1")
        host.shell("usermod -p '*' ansible")
        host.users("alice", "bob", "carol")
    for name in IMAGES:
        hosts[name].shell("systemctl start cockpit.socket")
    return hosts
