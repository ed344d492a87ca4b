# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab on real hosts of its own: what it promises, done and looked at. As root."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.login.fleet import lab_name
from tests.support.lab_commands import LAB, STATE, LabUnderTest

NAME = f"{lab_name('labtest')}-hosts"
HOSTS = {"web12": "debian12", "web13": "debian13", "clock": "timeserver"}

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the lab takes root")


LAB_UNDER_TEST = LabUnderTest(NAME)
shell, ssh, addresses = LAB_UNDER_TEST.shell, LAB_UNDER_TEST.ssh, LAB_UNDER_TEST.addresses


def lab(*words: str, name: str = NAME, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command of the lab."""
    return LabUnderTest(name).run(*words, check=check)


def states() -> dict[str, str]:
    """Return the hosts' states by name."""
    lines = [line.split() for line in lab("list").stdout.splitlines()]
    return {line[0]: line[3] for line in lines}


def boots(host: str) -> int:
    """Return how often a host has been booted."""
    return len(shell(host, "journalctl --list-boots --no-pager --quiet").splitlines())


def leftovers(name: str) -> list[str]:
    """Return what there is of a lab on this machine, apart from its processes' own words."""
    found = [str(STATE / name)] if (STATE / name).exists() else []
    # Groups of other labs come and go while we look; os.walk passes over what is gone.
    for group, below, _ in os.walk("/sys/fs/cgroup"):
        found += [f"{group}/{word}" for word in below if "fleetauth" in group and name in word]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_text(errors="replace")
        except OSError:
            continue
        if f"{STATE / name}/" in command:
            found.append(f"process {process.name}")
    found += [line for line in Path("/proc/mounts").read_text().splitlines() if f"/{name}/" in line]
    return found


def links(index: int) -> list[str]:
    """Return a lab's interfaces on this machine."""
    names = [path.name for path in Path("/sys/class/net").iterdir()]
    return [name for name in names if name == f"flab{index}" or name.startswith(f"vb-fl{index}-")]


@pytest.fixture(scope="module", autouse=True)
def hosts() -> Iterator[None]:
    """One host of each image."""
    lab("down")
    lab("up", *(f"{name}={image}" for name, image in HOSTS.items()))
    lab("snapshot", "fresh", *HOSTS)
    yield
    lab("down")


@pytest.fixture(autouse=True)
def restored(hosts: None) -> None:
    """Restore all hosts, as a test may look at one from another."""
    lab("restore", "--to", "fresh", *HOSTS)


both = pytest.mark.parametrize("host", ["web12", "web13"])


def test_up_again_leaves_running_hosts_alone() -> None:
    before = shell("web12", "cat /proc/sys/kernel/random/boot_id; systemctl show -p MainPID ssh")
    pids = boots("web12")
    again = lab("up", "web12=debian12")

    assert "is up" in again.stdout
    assert before == shell("web12", "cat /proc/sys/kernel/random/boot_id; systemctl show -p MainPID ssh")
    assert boots("web12") == pids


def test_another_image_under_the_same_name_is_refused() -> None:
    refused = lab("up", "web12=debian13", check=False)

    assert refused.returncode == 1
    assert "web12 is a debian12 host" in refused.stderr


def test_list() -> None:
    assert states() == dict.fromkeys(HOSTS, "running")


def test_inventory() -> None:
    groups = yaml.safe_load(lab("inventory").stdout)["all"]

    assert groups["vars"]["ansible_user"] == "ansible"
    assert Path(groups["vars"]["ansible_ssh_private_key_file"]).exists()
    for name, image in HOSTS.items():
        assert groups["children"][image]["hosts"][name]["ansible_host"] == addresses()[name]


@both
def test_shell_hands_over_input_output_and_status(host: str) -> None:
    done = subprocess.run(
        [LAB, "shell", host, "--", "bash", "-c", "cat; pwd; echo $HOME; hostname; exit 7"],
        input="hello\n",
        capture_output=True,
        text=True,
        env={**os.environ, "FLEETAUTH_LAB": NAME},
        check=False,
    )

    assert done.returncode == 7
    assert done.stdout.split() == ["hello", "/root", "/root", host]


@both
def test_shell_works_while_sshd_does_not(host: str) -> None:
    shell(host, "systemctl stop ssh")
    assert shell(host, "systemctl is-active ssh || true") == "inactive"


@both
@pytest.mark.parametrize("user", ["ansible", "root"])
def test_login_with_the_labs_key(host: str, user: str) -> None:
    assert ssh(host, user, "whoami; sudo --non-interactive whoami").split() == [user, "root"]


@both
def test_login_makes_a_session_without_delay(host: str) -> None:
    start = time.monotonic()
    assert ssh(host, "ansible", "echo $XDG_SESSION_ID").strip()

    assert time.monotonic() - start < 3


@both
def test_sshd_has_debians_own_configuration(host: str) -> None:
    shell(host, "cmp /etc/ssh/sshd_config /usr/share/openssh/sshd_config")
    drop_ins = shell(host, "ls /etc/ssh/sshd_config.d")

    assert drop_ins == ("99-lab.conf" if host == "web13" else "")


@both
def test_nothing_has_failed(host: str) -> None:
    assert shell(host, "systemctl is-system-running --wait") == "running"


@both
def test_hosts_are_told_apart(host: str) -> None:
    identity = "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub"

    assert shell(host, identity) != shell("clock", identity)


@both
def test_hosts_reach_each_other_by_name_and_nothing_else(host: str) -> None:
    for other in (*HOSTS, "timeserver"):
        shell(host, f"ping -c 1 -W 2 {other}")

    assert shell(host, "ip route show default") == ""


@both
def test_clock_cannot_be_set(host: str) -> None:
    refused = lab("shell", host, "--", "date", "--set", "2020-01-01", check=False)

    assert "Operation not permitted" in refused.stderr


@both
def test_packages_install_without_a_network_and_time_is_synchronised(host: str) -> None:
    shell(
        host,
        """
        apt-get -qq update
        DEBIAN_FRONTEND=noninteractive apt-get -qq install chrony libpam-oath cockpit-ws
        sed -i '/^pool/d' /etc/chrony/chrony.conf
        echo 'server timeserver iburst' > /etc/chrony/sources.d/lab.sources
        systemctl restart chrony
        chronyc waitsync 40 0.1 0 0.5
        """,
    )

    reference, name = shell(host, "chronyc -c tracking").split(",")[:2]
    assert reference != "7F7F0101"
    assert name in ("clock", "timeserver", addresses()["clock"])


@both
def test_reboot_inside_comes_back_on_the_same_disk(host: str) -> None:
    before = boots(host)
    shell(host, "touch /root/kept; systemctl reboot")
    lab("up", host)

    assert boots(host) == before + 1
    shell(host, "test -e /root/kept")


@both
def test_a_host_that_was_switched_off_is_booted_by_up(host: str) -> None:
    shell(host, "touch /root/kept; systemctl poweroff")
    assert "booted" in lab("up", host).stdout

    shell(host, "test -e /root/kept")


def test_power_cut_keeps_the_disk() -> None:
    before = boots("web13")
    shell("web13", "touch /root/kept; mkdir -p /run/gone")
    lab("restart", "web13")

    assert boots("web13") == before + 1
    shell("web13", "test -e /root/kept && ! test -e /run/gone")


def test_cut_and_mend() -> None:
    lab("cut", "web12")
    assert states()["web12"] == "cut"
    assert shell("web12", "ping -c 1 -W 1 clock >/dev/null || echo unreachable") == "unreachable"
    assert "is cut off" in lab("up", "web12").stdout
    lab("mend", "web12")

    assert states()["web12"] == "running"
    assert ssh("web12", "ansible", "whoami").strip() == "ansible"


def test_reset_gives_a_fresh_disk_at_the_same_address() -> None:
    lab("up", "extra=debian13")
    before = addresses()["extra"]
    shell("extra", "touch /root/gone")
    lab("reset", "extra")

    assert addresses()["extra"] == before
    assert shell("extra", "ls /root") == ""
    assert ssh("extra", "root", "whoami").strip() == "root"
    lab("down", "extra")


def test_commands_wait_for_each_other() -> None:
    environment = {**os.environ, "FLEETAUTH_LAB": NAME}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": environment}
    both_of_them = [
        subprocess.Popen([LAB, "restart", "web12"], text=True, **pipes)  # type: ignore[call-overload]
        for _ in range(2)
    ]
    words = [process.communicate(timeout=120)[1] for process in both_of_them]

    assert [process.returncode for process in both_of_them] == [0, 0]
    assert any(f"the lab '{NAME}' is in use by another lab command" in word for word in words)


def test_one_host_can_be_removed() -> None:
    lab("up", "extra=debian12")
    lab("down", "extra")

    assert "extra" not in states()
    assert "extra" not in shell("web12", "cat /etc/hosts")
    assert not (STATE / NAME / "hosts" / "extra").exists()


@pytest.mark.parametrize("moment", [0.15, 0.3, 0.6])
def test_down_cleans_up_after_a_killed_up(moment: float) -> None:
    name = f"{NAME}-killed"
    process = subprocess.Popen(
        [LAB, "up", *(f"h{number}=debian13" for number in range(6))],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "FLEETAUTH_LAB": name},
    )
    time.sleep(moment)
    process.send_signal(signal.SIGKILL)
    process.wait()
    record = STATE / name / "lab.json"
    index = yaml.safe_load(record.read_text())["index"] if record.exists() else None
    lab("down", name=name)

    assert leftovers(name) == []
    assert index is None or links(index) == []


def test_down_leaves_nothing() -> None:
    name = f"{NAME}-down"
    lab("up", "a=debian12", "b=timeserver", name=name)
    index = yaml.safe_load((STATE / name / "lab.json").read_text())["index"]
    assert len(links(index)) == 3
    assert leftovers(name)
    lab("down", name=name)

    assert leftovers(name) == []
    assert links(index) == []
    assert lab("list", name=name).stdout == ""
    lab("down", name=name)
