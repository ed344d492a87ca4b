from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    daemon,
    doors,
    listening,
    process,
    socket_units,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.doors import Doors, OtherServer, Sshd
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.listening import Listener, Listening
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.socket_units import SocketUnit
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.sshd_args import CommandLine

TITLE = "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups"


class Host:
    """What listens on a host, process by process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.listeners: list[Listener] = []
        self.elsewhere: list[daemon.Listener] = []
        self.units: list[SocketUnit] = []
        self.by_systemd = True
        self.inside: dict[str, str] = {}
        self.looked_into: list[str] = []
        self.parents: dict[int, str] = {}
        self.sees_ours = True
        monkeypatch.setattr(listening, "read", lambda: Listening(tuple(self.listeners), self.by_systemd))
        monkeypatch.setattr(listening, "product_inside", self.product_inside)
        monkeypatch.setattr(daemon, "listeners", lambda: self.elsewhere)
        monkeypatch.setattr(daemon, "is_distributions", lambda program: program == "/usr/sbin/sshd")
        monkeypatch.setattr(socket_units, "read", lambda: self.units)
        monkeypatch.setattr(process, "words_of", self.words_of)
        monkeypatch.setattr(process, "is_roots", lambda _pid: True)
        monkeypatch.setattr(process, "parent_of", lambda pid: pid + 1000)
        monkeypatch.setattr(process, "program_of", lambda pid: self.parents.get(pid - 1000, ""))
        monkeypatch.setattr(process, "sees_our", lambda _path, _pid: self.sees_ours)

    def product_inside(self, path: str) -> str | None:
        self.looked_into.append(path)
        return self.inside.get(path)

    def words_of(self, pid: int) -> tuple[str, ...]:
        return next((one.words for one in self.listeners if one.pid == pid), (TITLE,))

    def add(self, program: str, *words: str, pid: int = 7, owner: str = process.ROOT, user: int = 0) -> None:
        self.listeners.append(Listener(pid, program, owner, (22, 2222), words, user))


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(monkeypatch)


USUAL = Sshd("/usr/sbin/sshd", "on port 22, 2222 (process 7)", CommandLine())


def test_usual_sshd(host: Host) -> None:
    host.add("/usr/sbin/sshd", TITLE)
    assert doors.read() == Doors((USUAL,))


def test_sshd_in_another_network(host: Host) -> None:
    host.elsewhere = [daemon.Listener(9, "/usr/sbin/sshd", CommandLine())]
    assert doors.read() == Doors((Sshd("/usr/sbin/sshd", "(process 9)", CommandLine()),))


def test_one_sshd_is_found_once(host: Host) -> None:
    host.add("/usr/sbin/sshd", TITLE)
    host.elsewhere = [daemon.Listener(7, "/usr/sbin/sshd", CommandLine())]
    assert doors.read() == Doors((USUAL,))


def test_sshd_that_sees_other_files(host: Host) -> None:
    host.add("/usr/sbin/sshd", TITLE)
    host.sees_ours = False
    assert [one.is_hosts for one in doors.read().sshds] == [False]


def test_sshd_of_another_build_under_another_name(host: Host) -> None:
    for pid in (7, 8):
        host.add("/opt/strange", "/opt/strange", "-f", "/etc/own", pid=pid)
    host.inside[f"{process.PROC}/7/exe"] = "sshd"
    found = doors.read().sshds
    assert [(one.line, one.is_hosts) for one in found] == [(CommandLine((), "/etc/own"), False)] * 2
    assert host.looked_into == [f"{process.PROC}/7/exe"], "each program once"


@pytest.mark.parametrize("owner", [process.ROOT, process.USER])
@pytest.mark.parametrize("parent", ["/usr/sbin/sshd", "/usr/lib/openssh/sshd-session"])
def test_port_that_a_client_forwards(host: Host, owner: str, parent: str) -> None:
    host.add("/usr/sbin/sshd", TITLE, owner=owner, user=1000)
    host.parents[7] = parent
    assert doors.read() == Doors()


def test_session_whose_listener_has_gone(host: Host) -> None:
    host.add("/usr/sbin/sshd", "sshd: root@pts/0")
    assert doors.read() == Doors()


def test_something_that_starts_an_sshd(host: Host) -> None:
    host.add("/usr/bin/socat", "socat", "TCP-LISTEN:2222,fork", "EXEC:/usr/sbin/sshd -i")
    assert doors.read() == Doors((Sshd("/usr/bin/socat", "on port 22, 2222", None),))


def test_other_servers(host: Host) -> None:
    host.add("/usr/sbin/dropbear", "dropbear")
    host.add("/usr/bin/shellinaboxd", "shellinaboxd", pid=8, owner=process.SYSTEM, user=102)
    host.add("/usr/bin/shellinaboxd", "shellinaboxd", pid=9, owner=process.SYSTEM, user=102)
    host.add("/usr/sbin/nginx", "nginx", pid=10)
    assert doors.read() == Doors(
        others=(
            OtherServer("Dropbear", "/usr/sbin/dropbear", "on port 22, 2222"),
            OtherServer("Shell In A Box", "/usr/bin/shellinaboxd", "on port 22, 2222"),
        )
    )


@pytest.mark.parametrize(
    ("program", "product"),
    [
        ("/usr/sbin/dropbear", "Dropbear"),
        ("/usr/sbin/sshd", "an sshd"),
        ("/home/alice/x/sshd", None),
        ("/usr/bin/python3.11", None),
    ],
)
def test_server_of_a_user(host: Host, program: str, product: str | None) -> None:
    host.add(program, owner=process.USER, user=4_000_000)
    expected = [OtherServer(product, program, "on port 22, 2222", "4000000")] if product else []
    assert list(doors.read().others) == expected
    assert host.looked_into == [], "nothing of a user's is opened"


def test_inetd(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf = tmp_path / "inetd.conf"
    conf.write_text(
        "telnet stream tcp nowait root /usr/sbin/telnetd x\nssh stream tcp nowait root /usr/sbin/sshd -i\n"
    )
    (tmp_path / "inetd.d").mkdir()
    (tmp_path / "inetd.d" / "x").write_text("# nothing\n")
    monkeypatch.setattr(doors, "_INETD_FILES", (str(conf), str(tmp_path / "none")))
    monkeypatch.setattr(doors, "_INETD_FOLDERS", (str(tmp_path / "inetd.d"), str(tmp_path / "none")))
    monkeypatch.setattr(process, "SUPERUSER", os.getuid())
    host.add("/usr/sbin/inetd", "inetd")
    where = "on port 22, 2222"
    assert doors.read() == Doors(
        (Sshd("/usr/sbin/inetd", where, None),), (OtherServer("a telnet server", "/usr/sbin/inetd", where),)
    )


@pytest.mark.parametrize(
    ("words", "sshd"),
    [
        (("/usr/sbin/sshd", "-i"), Sshd("/usr/sbin/sshd", "by x.socket", CommandLine(serves_one=True))),
        (("/usr/sbin/sshd", "-i", "$NOT"), Sshd("/usr/sbin/sshd", "by x.socket", None)),
        (("/opt/sshd", "-i"), Sshd("/opt/sshd", "by x.socket", CommandLine(serves_one=True), False)),
        (("/bin/sh", "-c", "exec /usr/sbin/sshd -i"), Sshd("/bin/sh", "by x.socket", None, False)),
        (("/opt/strange", "-i"), Sshd("/opt/strange", "by x.socket", None, False)),
    ],
)
def test_sshd_that_systemd_starts(host: Host, words: tuple[str, ...], sshd: Sshd) -> None:
    host.inside["/opt/strange"] = "sshd"
    host.units = [SocketUnit("x.socket", words)]
    assert doors.read() == Doors((sshd,))
    host.by_systemd = False
    assert doors.read() == Doors()


def test_sshd_that_systemd_starts_with_other_files(host: Host) -> None:
    host.units = [SocketUnit("x.socket", ("/usr/sbin/sshd", "-i"), other_files=True)]
    assert [one.is_hosts for one in doors.read().sshds] == [False]


def test_other_servers_that_systemd_starts(host: Host) -> None:
    host.units = [
        SocketUnit("tinysshd.socket", ("/usr/sbin/tinysshd", "--", "/etc/keys")),
        SocketUnit("cockpit.socket", ("/usr/lib/cockpit/cockpit-tls",)),
    ]
    assert doors.read() == Doors(others=(OtherServer("TinySSH", "/usr/sbin/tinysshd", "by tinysshd.socket"),))


def test_configuration_file_of_roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "SUPERUSER", os.getuid())
    path = tmp_path / "own"
    path.write_bytes(b"UsePAM yes \xff\n")
    path.chmod(0o644)
    assert doors.roots_text(str(path)) == "UsePAM yes \udcff\n"
    path.chmod(0o666)
    assert doors.roots_text(str(path)) is None
    assert doors.roots_text(str(tmp_path)) is None
    assert doors.roots_text(str(tmp_path / "none")) is None
    os.mkfifo(tmp_path / "pipe")
    assert doors.roots_text(str(tmp_path / "pipe")) is None


def test_configuration_file_of_a_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "SUPERUSER", os.getuid() + 1)
    (tmp_path / "own").write_text("UsePAM yes\n")
    assert doors.roots_text(str(tmp_path / "own")) is None
