# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One inventory and one playbook for NASes of three releases and Debian hosts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.login.fleet import PASSWORD, ROOT, Host, Token, variables_of
from tests.login_truenas.conftest import LAB_NAME, lab
from tests.login_truenas.nas import Nas

NASES = {"mixed2212": "22.12", "mixed2410": "24.10", "mixed260": "26.0"}
DEBIANS = {"deb12": "debian12", "deb13": "debian13"}
GROUPS = {
    "debian": {"hosts": dict.fromkeys(DEBIANS)},
    "truenas": {"hosts": dict.fromkeys(NASES)},
    "fleet": {"children": {"debian": None, "truenas": None}},
}


@dataclass(frozen=True)
class Fleet:
    """Five hosts, the folder of their inventory, and alice's secret on the Debian ones."""

    folder: Path
    nases: dict[str, Nas]
    debians: dict[str, Host]
    token: Token

    def ansible(self, program: str, *words: str) -> str:
        """Run one of Ansible's programs over the inventory."""
        env = {
            **os.environ,
            "FLEETAUTH_LAB": LAB_NAME,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".venv" / "collections"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",
        }
        command = [str(ROOT / ".venv" / "bin" / program), "-i", str(self.folder), *words]
        done = subprocess.run(
            command, capture_output=True, text=True, env=env, cwd=ROOT, check=False, timeout=900
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @property
    def sheets(self) -> Path:
        """The folder of the sheets."""
        return self.folder.with_name(f"{self.folder.name}-sheets")

    def sheet(self, nas: Nas) -> str:
        """Return the secret that root's sheet has for a NAS."""
        page = (self.sheets / f"root~{nas.name}.html").read_text()
        found = re.search(r'<dd class="typed">([A-Z2-7 ]+)</dd>', page)
        assert found
        return found[1].replace(" ", "")

    def snapshot(self, word: str) -> None:
        """Keep what the hosts have, and the sheets, under a name."""
        for nas in self.nases.values():
            nas.hang_up()
        lab("snapshot", word, *self.nases, *self.debians)
        if self.sheets.exists():
            shutil.copytree(self.sheets, self._kept_sheets(word))

    def restore(self, word: str) -> None:
        """Put back what was kept under a name."""
        for nas in self.nases.values():
            nas.hang_up()
        lab("restore", "--to", word, *self.nases, *self.debians)
        for host in (*self.nases.values(), *self.debians.values()):
            host.wait_until_ready()
        shutil.rmtree(self.sheets, ignore_errors=True)
        if self._kept_sheets(word).exists():
            shutil.copytree(self._kept_sheets(word), self.sheets)

    def _kept_sheets(self, word: str) -> Path:
        return self.folder.with_name(f"{self.folder.name}-sheets-{word}")

    def site(self) -> dict[str, int]:
        """Run the site playbook; return how many changes each host had."""
        printed = self.ansible("ansible-playbook", "fleetauth.twofactor.site", "-e", "twofactor_hosts=fleet")
        found = re.findall(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)", printed, re.MULTILINE)
        return {name: int(changed) for name, changed in found}


@pytest.fixture(scope="module")
def five(clock_address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Boot the five, and write the inventory that an administrator would."""
    folder = tmp_path_factory.mktemp("mixed")
    found: Fleet | None = None
    wanted = {**{name: f"truenas-{release}" for name, release in NASES.items()}, **DEBIANS}
    try:
        lab("up", *(f"{name}={image}" for name, image in wanted.items()))
        lab("reset", *wanted)
        text = lab("inventory")
        (folder / "lab.yml").write_text(text)
        (folder / "fleet.yml").write_text(yaml.safe_dump(GROUPS))
        facts = {name: variables_of(yaml.safe_load(text)["all"], name) for name in wanted}
        inventory = folder / "lab.yml"
        found = Fleet(
            folder,
            {name: Nas(release, name, LAB_NAME, inventory, facts[name]) for name, release in NASES.items()},
            {name: Host(name, LAB_NAME, inventory, facts[name]) for name in DEBIANS},
            Token(),
        )
        _write_variables(found, clock_address)
        for nas in found.nases.values():
            nas.bring_code()
        for host in found.debians.values():
            host.shell("usermod -p '*' ansible")
            host.users("alice")
        found.snapshot("ready")
        yield found
    finally:
        for nas in found.nases.values() if found else ():
            nas.hang_up()
        if not os.environ.get("FLEETAUTH_KEEP"):
            lab("down", *wanted)


@pytest.fixture
def fleet(five: Fleet) -> Fleet:
    """The five with nothing done to them, and no sheets."""
    five.restore("ready")
    return five


@pytest.fixture(scope="module")
def site_has_run(five: Fleet) -> Fleet:
    """The five with a snapshot after the site playbook."""
    five.restore("ready")
    five.site()
    five.snapshot("protected")
    return five


@pytest.fixture
def protected(site_has_run: Fleet) -> Fleet:
    """The five after the site playbook, and the sheets that it has written."""
    site_has_run.restore("protected")
    return site_has_run


def _write_variables(fleet: Fleet, clock: str) -> None:
    variables = {
        "all": {"ntp_servers": [clock], "twofactor_window": 1},
        "debian": {
            "twofactor_users": [{"name": "alice", "secret": fleet.token.secret}],
            "twofactor_exempt_users": ["ansible", "root"],  # the lab has a key for both
        },
        "truenas": {
            "twofactor_scope": "truenas",
            "twofactor_users": [{"name": "root"}],
            "twofactor_ssh_root_login": "allowed",
            "twofactor_sheets": str(fleet.sheets),
        },
    }
    (fleet.folder / "group_vars").mkdir()
    for group, values in variables.items():
        (fleet.folder / "group_vars" / f"{group}.yml").write_text(yaml.safe_dump(values))


@pytest.mark.essential
def test_each_nas_makes_its_secrets_and_the_sheets_have_them(fleet: Fleet) -> None:
    words = ("fleetauth.twofactor.enroll", "-e", "twofactor_hosts=truenas")
    printed = fleet.ansible("ansible-playbook", *words)
    assert "written by fleetauth.twofactor.site" in printed, (
        "22.12 makes root's secret when it is switched on"
    )
    for nas in fleet.nases.values():
        assert not nas.settings()["enabled"]
        if nas.per_user:
            assert fleet.sheet(nas) == nas.secret("root") not in printed
        nas.stand_in("forget")
    again = fleet.ansible("ansible-playbook", *words)
    assert re.findall(r"changed=(\d+)", again) == ["0"] * len(NASES), again
    assert not any(nas.changes() for nas in fleet.nases.values())


@pytest.mark.essential
def test_a_mixed_fleet(fleet: Fleet) -> None:
    first = fleet.site()
    assert sorted(first) == sorted([*NASES, *DEBIANS])
    assert all(first.values()), first
    for nas in fleet.nases.values():
        assert fleet.sheet(nas) == nas.secret("root")
        assert nas.ssh("root", code=nas.token().code(), password=PASSWORD)
        assert not nas.ssh("root", password=PASSWORD)
    for host in fleet.debians.values():
        assert host.ssh("alice", code=fleet.token.code(), key=True)
        assert not host.ssh("alice", key=True)
    for nas in fleet.nases.values():
        nas.stand_in("forget")
    second = fleet.site()
    assert not any(second.values()), second
    counts = {name: len(nas.calls()) for name, nas in fleet.nases.items()}
    print(f"middleware calls of a converged NAS: {counts}")
    assert all(count <= 7 for count in counts.values()), counts


def test_a_renewal_is_on_new_sheets(protected: Fleet) -> None:
    fleet = protected
    words = ("fleetauth.twofactor.rotate", "-e", "twofactor_hosts=truenas", "-e", "renewal=2026-Q4")
    before = {name: nas.token() for name, nas in fleet.nases.items()}
    fleet.ansible("ansible-playbook", *words)
    for name, nas in fleet.nases.items():
        assert fleet.sheet(nas) == nas.secret("root") != before[name].secret
        assert not nas.ssh("root", code=before[name].code(), password=PASSWORD)
        assert nas.ssh("root", code=nas.token().code(), password=PASSWORD)
    again = fleet.ansible("ansible-playbook", *words)
    assert re.findall(r"changed=(\d+)", again)[: len(NASES)] == ["0"] * len(NASES), again


@pytest.mark.essential
def test_the_emergency_command_takes_it_off_all_of_them(protected: Fleet) -> None:
    fleet = protected
    arguments = ("-m", "fleetauth.twofactor.twofactor", "-a", "state=disabled reason='phones lost'")
    printed = fleet.ansible("ansible", "fleet", *arguments)
    assert printed.count("CHANGED") == len(NASES) + len(DEBIANS)
    for nas in fleet.nases.values():
        assert not nas.settings()["enabled"]
        assert "pam_oath" not in nas.shell("cat /etc/pam.d/sshd")
    for host in fleet.debians.values():
        assert host.ssh("alice", key=True)
    assert fleet.ansible("ansible", "fleet", *arguments).count("SUCCESS") == len(NASES) + len(DEBIANS)
