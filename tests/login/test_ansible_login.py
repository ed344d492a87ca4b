# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's own account logs in with key and code, by the lines of docs/ansible-login.md, with both cores."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from tests.enrolment.controller import Controller, Ran
from tests.login.fleet import ROOT, Host, Token

CORES = {"oldest": ROOT / ".venv", "newest": ROOT / ".venv-newest"}
PLAYS = """
- name: One
  hosts: all
  gather_facts: false
  tasks:
    - name: Say something, which needs no connection
      ansible.builtin.debug: {msg: hello}
    - name: Log in
      ansible.builtin.command: id -un
    - name: Use the same connection
      ansible.builtin.command: id -un
- name: Two
  hosts: all
  gather_facts: false
  become: true
  tasks:
    - name: Use it still
      ansible.builtin.command: id -un
    - name: End it
      ansible.builtin.meta: reset_connection
    - name: Log in anew, with another code
      ansible.builtin.command: id -un
"""


class Desk(Controller):
    """An administrator's folder whose inventory has the lines of the documentation, and one of the two cores."""

    def __init__(self, folder: Path, host: Host) -> None:
        known = folder.parent / "known_hosts"
        facts = {
            "ansible_host": host.address,
            "ansible_ssh_private_key_file": host.key,
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={known} -o StrictHostKeyChecking=accept-new",
            "ansible_python_interpreter": "/usr/bin/python3",
            "twofactor_spent": str(folder.parent / "spent"),
            "twofactor_people": ["ansible"],
        }
        super().__init__(folder, {"all": {"hosts": {host.name: facts}}})
        (folder / "group_vars").mkdir()
        (folder / "group_vars" / "all.yml").write_text(documented_lines())
        (folder / "plays.yml").write_text(PLAYS)
        # The name of a socket has to be short, which a test's own folder is not.
        self.connections = Path(tempfile.mkdtemp(prefix="cp"))
        self.core = CORES["oldest"]

    def command(self, program: str, *arguments: str, vault: bool = True) -> list[str]:
        """Return a command of the core that is to be used."""
        dummy, *rest = super().command(program, *arguments, vault=vault)
        return [str(self.core / "bin" / program), *rest]

    @property
    def env(self) -> dict[str, str]:
        """Return an environment in which connections are kept in a folder of this desk."""
        return {**super().env, "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.connections)}

    def plays(self, **env: str) -> Ran:
        """Run both plays."""
        command = self.command("ansible-playbook", "plays.yml")
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env={**self.env, **env},
            cwd=self.folder,
            check=False,
            timeout=300,
        )
        return Ran(done.returncode == 0, done.stdout + done.stderr)

    def close(self) -> None:
        """End connections that are open still."""
        for path in filter(Path.is_socket, self.connections.rglob("*")):
            subprocess.run(["ssh", "-O", "exit", "-S", path, "nobody"], capture_output=True, check=False)


def documented_lines() -> str:
    """Return the lines for the inventory, from the documentation itself."""
    text = (ROOT / "docs" / "ansible-login.md").read_text()
    found = re.search(r"```yaml\n(# inventory/group_vars/all/ansible.yml\n.*?)```", text, re.DOTALL)
    assert found
    return found[1]


@pytest.fixture
def desk(host: Host, tmp_path: Path) -> Iterator[Desk]:
    """An administrator who has given Ansible's own account a secret."""
    folder = tmp_path / "desk"
    folder.mkdir()
    desk = Desk(folder, host)
    assert desk.keep(users=["ansible"], recovery_count=0).ok
    yield desk
    desk.close()
    shutil.rmtree(desk.connections, ignore_errors=True)


@pytest.fixture(params=CORES)
def core(request: pytest.FixtureRequest, desk: Desk) -> Path:
    """Each core."""
    desk.core = CORES[request.param]
    if not (desk.core / "bin" / "ansible-playbook").exists():
        pytest.skip("this machine has no Python for the newest core")
    return desk.core


def protect(host: Host, desk: Desk) -> None:
    """Have the host ask everybody for key and code, Ansible's account included."""
    token = {"name": "ansible", "secret": desk.read()["users"]["ansible"]["secret"]}
    host.apply(secrets={"users": [token]}, policy={"state": "enabled"}, ssh={"state": "enabled"})
    assert not host.ssh("ansible", key=True), "nobody is exempt"


def logins(host: Host, since: str) -> tuple[int, int]:
    """Return how many logins with a code were accepted, and how many codes were refused."""
    journal = host.shell(f"journalctl --no-pager -u ssh --since '{since}'")
    accepted = journal.count("Accepted keyboard-interactive/pam for ansible")
    return accepted, journal.count("authentication failure") + journal.count("PAM: Authentication failure")


def now(host: Host) -> str:
    return host.shell("sleep 1; date '+%F %T'").strip()  # the journal is asked by whole seconds


def test_two_plays_twice_in_a_row(host: Host, desk: Desk, core: Path) -> None:
    protect(host, desk)
    since = now(host)
    first = desk.plays()
    assert first.ok, first.out
    assert logins(host, since) == (2, 0), "one for the run, one after its connection was ended"
    again = desk.plays()
    assert again.ok, again.out
    assert logins(host, since) == (3, 0), "the connection of the run before is used first"
    secret = desk.read()["users"]["ansible"]["secret"]
    assert secret not in first.out + again.out
    remembered = [path.read_text() for path in (desk.folder.parent / "spent").iterdir()]
    assert len(remembered) == 1
    assert all(re.fullmatch(r"30 \d{8} \d+ [01] [0-9a-f]{32}\n", text) for text in remembered), (
        "the number of a step, and no code"
    )


def _logins_in_the_end(host: Host, since: str, count: int) -> tuple[int, int]:
    """Return the logins when there are so many, or after ten seconds: the journal comes a little later."""
    deadline = time.monotonic() + 10
    while logins(host, since)[0] < count and time.monotonic() < deadline:
        time.sleep(0.3)
    return logins(host, since)


def test_runs_side_by_side_never_send_the_same_code(host: Host, desk: Desk, core: Path) -> None:
    protect(host, desk)
    since = now(host)
    folders = [f"{desk.connections}/{n}" for n in range(2)]
    with ThreadPoolExecutor() as pool:
        runs = list(pool.map(lambda folder: desk.plays(ANSIBLE_SSH_CONTROL_PATH_DIR=folder), folders))
    assert [run.ok for run in runs] == [True, True], runs[0].out + runs[1].out
    assert _logins_in_the_end(host, since, 4) == (4, 0)


def test_before_the_host_asks_the_key_is_enough(host: Host, desk: Desk, core: Path) -> None:
    assert desk.plays().ok
    assert desk.keep(users=["ansible"], state="absent").ok
    desk.close()
    ran = desk.plays()
    assert ran.ok, ran.out


def test_a_wrong_secret_is_refused_and_said(host: Host, desk: Desk, core: Path) -> None:
    host.apply(
        secrets={"users": [{"name": "ansible", "secret": Token().secret}]},
        policy={"state": "enabled"},
        ssh={"state": "enabled"},
    )
    ran = desk.plays()
    assert not ran.ok
    assert "UNREACHABLE" in ran.out


def test_the_emergency_command_with_a_code_typed_in(host: Host, desk: Desk, core: Path) -> None:
    """Without the vault password, as somebody would who has the account's code on a phone."""
    protect(host, desk)
    module = ["-m", "fleetauth.twofactor.twofactor", "-a", "state=disabled reason=test"]
    ran = desk.run(desk.command("ansible", "all", "-b", *module, vault=False))
    assert not ran.ok
    assert "no vault password" in ran.out
    token = Token(secret=desk.read()["users"]["ansible"]["secret"])
    typed = json.dumps({"ansible_password": token.code()})
    ran = desk.run(desk.command("ansible", "all", "-b", "-e", typed, *module, vault=False))
    assert ran.ok, ran.out
    assert host.ssh("ansible", key=True), "the second factor is off"


def test_a_play_can_prove_a_code(host: Host, desk: Desk, core: Path) -> None:
    """The play that the documentation has for the first time."""
    text = (ROOT / "docs" / "ansible-login.md").read_text()
    found = re.search(r"```yaml\n(# prove.yml\n.*?)```", text, re.DOTALL)
    assert found
    assert yaml.safe_load(found[1])
    (desk.folder / "prove.yml").write_text(found[1])
    ran = desk.run(desk.command("ansible-playbook", "prove.yml"))
    assert ran.ok, ran.out
    users = host.module("twofactor_info")["twofactor"]["users"]
    assert [(user["name"], user["verified"]) for user in users] == [("ansible", True)]
