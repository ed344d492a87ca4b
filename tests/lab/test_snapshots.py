# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host goes back to its snapshot, whatever has been done to it. As root."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Iterator

import pytest

from tests.login.fleet import lab_name
from tests.support.lab_commands import LabUnderTest
from tests.support.ruins import RUINS

LAB = LabUnderTest(f"{lab_name('labtest')}-snapshots")
HOSTS = {"snap12": "debian12", "snap13": "debian13"}
PREPARE = """
DEBIAN_FRONTEND=noninteractive apt-get -qq install chrony >/dev/null 2>&1
sed -i '/^pool/d' /etc/chrony/chrony.conf
echo 'server timeserver iburst' > /etc/chrony/sources.d/lab.sources
systemctl restart chrony
chronyc waitsync 100 0 0 0.1 >/dev/null
useradd -m alice; mkdir -p /srv/data/below; echo kept > /srv/data/below/file; chmod 750 /srv/data
mkdir -p /root/.ssh; ln -s file /srv/data/below/link
"""
DISK = (
    "find /etc /home /root /srv /usr/sbin /usr/lib/systemd -printf '%p %y %m %u:%g %l\\n' | sort; "
    "sha256sum /srv/data/below/file /etc/shadow"
)
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the lab takes root")


@pytest.fixture(scope="module", autouse=True)
def hosts() -> Iterator[None]:
    """A host of each release, and what its snapshot is taken of."""
    LAB.run("down")
    LAB.run("up", "clock=timeserver", *(f"{name}={image}" for name, image in HOSTS.items()))
    for name in HOSTS:
        LAB.shell(name, PREPARE)
    LAB.run("snapshot", "ready", *HOSTS)
    yield
    LAB.run("down")


@pytest.fixture(params=HOSTS)
def host(request: pytest.FixtureRequest) -> str:
    """Each host, restored."""
    LAB.run("restore", "--to", "ready", request.param)
    return str(request.param)


@pytest.mark.parametrize(
    ("host", "how"), [*zip(itertools.cycle(HOSTS), RUINS, strict=False)], indirect=["host"], ids=RUINS
)
def test_a_ruined_host_is_whole_after_its_restore(host: str, how: str) -> None:
    before = LAB.shell(host, DISK), LAB.addresses()[host]
    LAB.run("shell", host, "--", "sh", "-c", RUINS[how], check=False)
    LAB.run("restore", host)

    assert (LAB.shell(host, DISK), LAB.addresses()[host]) == before
    assert LAB.ssh(host, "ansible", "sudo whoami").strip() == "root"
    assert LAB.shell(host, "chronyc waitsync 1 >/dev/null; systemctl is-system-running --wait") == "running"


def test_a_full_disk_is_empty_after_a_restore(host: str) -> None:
    LAB.shell(host, "mount -t tmpfs -o size=1m tmpfs /srv; cat /dev/zero > /srv/full 2>/dev/null || true")
    LAB.shell(host, "head -c 50m /dev/zero > /root/large")
    LAB.run("restore", host)

    assert LAB.shell(host, "ls /srv /root") == "/root:\n\n/srv:\ndata\nrepo"


def test_the_clock_is_synchronized_at_once_and_stays_so(host: str) -> None:
    LAB.run("restore", host)
    LAB.shell(host, "chronyc waitsync 1 >/dev/null")
    measured = "chronyc ntpdata | grep -q 'Total valid RX *: [1-9]'"
    LAB.shell(host, f"until {measured}; do sleep 0.1; done; chronyc waitsync 1 >/dev/null")


def test_old_measurements_are_not_used_by_a_later_start_of_chronyd(host: str) -> None:
    LAB.shell(
        host, "rm /etc/chrony/sources.d/*; echo 'server 192.0.2.1' > /etc/chrony/sources.d/other.sources"
    )
    unknown = "systemctl restart chrony; chronyc waitsync 1 >/dev/null && echo synchronized || echo unknown"

    assert LAB.shell(host, unknown) == "unknown"
    LAB.shell(
        host, "rm /etc/chrony/sources.d/*; echo 'server timeserver' > /etc/chrony/sources.d/lab.sources"
    )
    assert LAB.shell(host, unknown) == "unknown", "it has yet to ask"


def test_a_shared_connection_ends_with_its_host(host: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    control = tmp_path_factory.mktemp("c") / "s"
    shared = ("-o", "ControlMaster=auto", "-o", f"ControlPath={control}", "-o", "ControlPersist=60")
    subprocess.run(
        [*LAB.ssh_command(host, "ansible", *shared), "true"], check=True, stderr=subprocess.DEVNULL
    )
    assert control.is_socket()
    LAB.run("restore", host)
    again = subprocess.run(
        [*LAB.ssh_command(host, "ansible", *shared), "whoami"],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=20,
    )

    assert again.stdout.strip() == "ansible"
    subprocess.run(["ssh", "-O", "exit", "-S", control, "host"], capture_output=True, check=True)


def test_snapshots_stand_on_each_other(host: str) -> None:
    LAB.shell(host, "echo second > /srv/data/below/file; rm /srv/data/below/link")
    LAB.run("snapshot", "second", host)
    LAB.shell(host, "echo third > /srv/data/below/file")
    LAB.run("restore", host)
    assert LAB.shell(host, "cat /srv/data/below/file; ls /srv/data/below") == "second\nfile"
    LAB.run("restore", "--to", "ready", host)
    assert LAB.shell(host, "cat /srv/data/below/file; ls /srv/data/below") == "kept\nfile\nlink"


def test_a_new_hosts_name_is_known_after_a_restore(host: str) -> None:
    LAB.run("up", "late=debian12")
    LAB.run("restore", host)
    assert "late" in LAB.shell(host, "cat /etc/hosts")
    LAB.run("down", "late")
    LAB.run("restore", host)
    assert "late" not in LAB.shell(host, "cat /etc/hosts")


def test_a_name_that_a_host_has_added_is_kept(host: str) -> None:
    LAB.shell(host, "echo '192.0.2.1 added' >> /etc/hosts")
    LAB.run("snapshot", "with-name", host)
    LAB.run("restore", host)
    assert "added" in LAB.shell(host, "cat /etc/hosts")


def test_what_cannot_be_is_refused() -> None:
    taken = LAB.run("snapshot", "ready", "snap12", check=False)
    assert "snap12 has a snapshot 'ready' already" in taken.stderr
    unknown = LAB.run("restore", "--to", "other", "snap12", check=False)
    assert "snap12 has no snapshot 'other'" in unknown.stderr
    none = LAB.run("restore", "clock", check=False)
    assert "clock has no snapshot" in none.stderr
    name = LAB.run("snapshot", "../x", "snap12", check=False)
    assert name.returncode == 1
