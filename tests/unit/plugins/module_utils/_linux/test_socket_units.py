from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import socket_units
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import Ran
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.socket_units import SocketUnit

END = " ; ignore_errors=yes ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }"


class Systemd:
    """Units as ``systemctl show`` prints them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.units: dict[str, str] = {}
        self.asked: list[list[str]] = []
        monkeypatch.setattr(socket_units, "find_program", lambda name: f"/usr/bin/{name}")
        monkeypatch.setattr(socket_units, "run", self.run)

    def run(self, command: list[str]) -> Ran:
        names = command[command.index("--") + 1 :]
        self.asked.append(names)
        sockets = [name for name in self.units if name.endswith(".socket")] if "*.socket" in names else []
        found = [name for name in [*sockets, *names] if name in self.units]
        return Ran(0, "\n".join(f"Id={name}\n{self.units[name]}" for name in found), "")

    def socket(
        self, name: str, listen: str, accept: str = "yes", triggers: str = "", state: str = "active"
    ) -> None:
        self.units[name] = f"Accept={accept}\nListen={listen}\nTriggers={triggers}\nActiveState={state}\n"

    def service(self, name: str, path: str, words: str, more: str = "") -> None:
        self.units[name] = f"ExecStart={{ path={path} ; argv[]={words}{END}\n{more}"


@pytest.fixture
def systemd(monkeypatch: pytest.MonkeyPatch) -> Systemd:
    return Systemd(monkeypatch)


def test_units_that_wait(systemd: Systemd) -> None:
    systemd.socket("sshd-unix-local.socket", "/run/ssh-unix-local/socket (Stream)")
    systemd.service("sshd-unix-local@x.service", "/usr/sbin/sshd", "sshd -i")
    systemd.socket("cockpit.socket", "[::]:9090 (Stream)", "no", "cockpit.service")
    systemd.service("cockpit.service", "/usr/lib/cockpit/cockpit-tls", "/usr/lib/cockpit/cockpit-tls")
    systemd.socket("off.socket", "[::]:23 (Stream)", state="inactive")
    systemd.service("off@x.service", "/usr/sbin/telnetd", "telnetd")
    systemd.socket("dbus.socket", "/run/dbus/system_bus_socket (Stream)", "no", "dbus.service")
    systemd.socket("udp.socket", "[::]:69 (Datagram)", "no", "tftp.service")

    assert socket_units.read() == [
        SocketUnit("cockpit.socket", ("/usr/lib/cockpit/cockpit-tls",)),
        SocketUnit("sshd-unix-local.socket", ("/usr/sbin/sshd", "-i")),
    ]
    assert systemd.asked[1:] == [["cockpit.service"]]


def test_template_by_another_name(systemd: Systemd) -> None:
    """systemd-ssh-generator's is a link to the distribution's."""
    systemd.socket("sshd-unix-local.socket", "/run/ssh-unix-local/socket (Stream)")
    systemd.service(
        "sshd@x.service", "/usr/sbin/sshd", "sshd -i", "Names=sshd@x.service sshd-unix-local@x.service\n"
    )

    assert socket_units.read() == [SocketUnit("sshd-unix-local.socket", ("/usr/sbin/sshd", "-i"))]
    assert len(systemd.asked) == 1


def test_nothing_more_is_asked_where_only_ssh_waits(systemd: Systemd) -> None:
    systemd.socket("ssh.socket", "[::]:22 (Stream)", "no", "ssh.service")
    systemd.service("ssh.service", "/usr/sbin/sshd", "/usr/sbin/sshd -D")

    assert socket_units.read() == [SocketUnit("ssh.socket", ("/usr/sbin/sshd", "-D"))]
    assert len(systemd.asked) == 1


def test_instance_of_a_template(systemd: Systemd) -> None:
    systemd.socket("door@23.socket", "[::]:23 (Stream)")
    systemd.service("door@x.service", "/usr/sbin/telnetd", "telnetd")

    assert socket_units.read() == [SocketUnit("door@23.socket", ("/usr/sbin/telnetd",))]


@pytest.mark.parametrize(
    ("word", "more", "words"),
    [
        ("$SSHD_OPTS", "EnvironmentFiles={file} (ignore_errors=yes)\n", ("-oUsePAM=no", "-4")),
        ("${{SSHD_OPTS}}", "EnvironmentFiles={file} (ignore_errors=yes)\n", ("-oUsePAM=no", "-4")),
        ("$OTHER", "EnvironmentFiles={file} (ignore_errors=yes)\n", ()),
        ("$OTHER", "Environment=A=b OTHER=-4\n", ("-4",)),
    ],
)
def test_variables_of_a_command(
    systemd: Systemd, tmp_path: Path, word: str, more: str, words: tuple[str, ...]
) -> None:
    file = tmp_path / "ssh"
    file.write_text('SSHD_OPTS="-oUsePAM=no -4"\n')
    systemd.socket("ssh.socket", "[::]:22 (Stream)")
    command = "/usr/sbin/sshd -i " + word.format()
    systemd.service("ssh@x.service", "/usr/sbin/sshd", command, more.format(file=file))

    assert socket_units.read() == [SocketUnit("ssh.socket", ("/usr/sbin/sshd", "-i", *words))]


def test_service_that_sees_other_files(systemd: Systemd) -> None:
    systemd.socket("ssh.socket", "[::]:22 (Stream)")
    systemd.service(
        "ssh@x.service", "/usr/sbin/sshd", "sshd -i", "RootDirectory=\nBindPaths=/etc/own:/etc/ssh:\n"
    )

    assert socket_units.read() == [SocketUnit("ssh.socket", ("/usr/sbin/sshd", "-i"), other_files=True)]


def test_host_without_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_units, "find_program", lambda _name: None)
    assert socket_units.read() == []
