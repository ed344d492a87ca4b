# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-pull on a host, by the units and the playbook that docs/automation.md has."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.automation.conftest import LAB_NAME, lab
from tests.login.fleet import LAB, ROOT, Host, Token


def documented(name: str) -> str:
    """Return the block of the documentation that begins with a file's name."""
    text = (ROOT / "docs" / "automation.md").read_text()
    found = re.search(rf"```\w+\n(# \S*{re.escape(name)}[^\n]*\n.*?)```", text, re.DOTALL)
    assert found, name
    return found[1]


def put(host: str, path: str, content: bytes) -> None:
    command = [str(LAB), "shell", host, "--", "sh", "-c", f"mkdir -p $(dirname {path}) && cat > {path}"]
    subprocess.run(
        command, input=content, check=True, env={**__import__("os").environ, "FLEETAUTH_LAB": LAB_NAME}
    )


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fetch what pip is to find on the host, where there is no index."""
    folder = tmp_path_factory.mktemp("wheels")
    core = next(
        one for one in (ROOT / "tests/requirements/newest.txt").read_text().split() if "ansible-core" in one
    )
    options = ["--python-version", "3.13", "--only-binary=:all:", "--quiet", "--disable-pip-version-check"]
    pins = ["-c", str(ROOT / "tests/requirements/constraints.txt")]
    subprocess.run(
        [sys.executable, "-m", "pip", "download", *options, *pins, "--dest", str(folder), core], check=True
    )
    return folder


@pytest.fixture(scope="module")
def puller(hosts: None, archive: Path, wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """A host with Ansible in /opt/ansible, a repository to pull, and the units."""
    lab("up", "pull=controller")
    inventory = tmp_path_factory.mktemp("pull") / "hosts.yml"
    inventory.write_text(lab("inventory"))
    data = yaml.safe_load(inventory.read_text())["all"]
    facts = {**data["vars"], **data["children"]["controller"]["hosts"]["pull"]}
    clock = data["children"]["timeserver"]["hosts"]["clock"]["ansible_host"]
    host = Host("pull", LAB_NAME, inventory, facts)
    host.shell("usermod -p '*' ansible")
    host.users("alice")
    for wheel in wheels.iterdir():
        put("pull", f"/srv/wheels/{wheel.name}", wheel.read_bytes())
    put("pull", f"/root/{archive.name}", archive.read_bytes())
    playbook = documented("local.yml").replace("ntp1.example.com", clock)
    playbook = playbook.replace(
        "twofactor_confirm_within: 0", "twofactor_confirm_within: 0\n    twofactor_ssh_root_login: denied"
    )
    put("pull", "/srv/fleet/local.yml", playbook.encode())
    for unit in ("twofactor-pull.service", "twofactor-pull.timer"):
        put("pull", f"/etc/systemd/system/{unit}", documented(unit).encode())
    put("pull", "/etc/twofactor-pull.conf", b"REPOSITORY=/srv/fleet\n")
    author = "-c user.name=admin -c user.email=admin@example.com"
    host.shell(f"cd /srv/fleet && git init -q -b main && git add . && git {author} commit -q -m first")
    host.shell("python3 -m venv /opt/ansible && /opt/ansible/bin/pip install -q ansible-core")
    install = "/opt/ansible/bin/ansible-galaxy collection install --offline --collections-path"
    host.shell(f"{install} /opt/ansible/collections /root/{archive.name}")
    host.shell("DEBIAN_FRONTEND=noninteractive apt-get install -qq libpam-oath chrony 2>&1")
    host.shell("systemctl daemon-reload && systemctl enable --now twofactor-pull.timer")
    return host


def run(host: Host) -> str:
    """Start the service once, wait for its end, and return what it said."""
    host.shell("systemctl start twofactor-pull.service || journalctl -u twofactor-pull --no-pager; true")
    said = host.shell("journalctl -u twofactor-pull --no-pager -n 60")
    assert "success" in host.shell("systemctl show -p Result twofactor-pull.service"), said
    return said


def test_the_timer_keeps_it_as_declared(puller: Host) -> None:
    assert "twofactor-pull.timer" in puller.shell("systemctl list-timers --no-pager twofactor-pull.timer")
    token = Token()
    enrolled = puller.module("twofactor_secret", "-b", users=[{"name": "alice", "secret": token.secret}])
    assert not enrolled["failed"], enrolled["printed"]
    run(puller)
    assert not puller.ssh("alice", key=True), "key alone"
    assert puller.ssh("alice", key=True, code=token.code()), "the token from the controller is kept"
    puller.shell("rm /etc/ssh/sshd_config.d/00-twofactor.conf && systemctl reload ssh")
    assert puller.ssh("alice", key=True), "somebody has opened it"
    run(puller)
    assert not puller.ssh("alice", key=True), "and it is as declared again"
    assert "changed=0" in run(puller)
    assert token.secret not in puller.shell("journalctl --no-pager; cat /srv/fleet/local.yml")
