from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import listening, process
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.listening import Listener, Listening

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
UNIX_HEAD = "Num       RefCount Protocol Flags    Type St Inode Path\n"


class Kernel:
    """A /proc with sockets and the processes that hold them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        monkeypatch.setattr(process, "PROC", str(folder))
        monkeypatch.setattr(os.path, "exists", lambda _path: False)
        (folder / "net").mkdir()
        self._namespaces("self")
        self.tcp = {"tcp": HEAD, "tcp6": HEAD}
        self.unix()

    def _namespaces(self, pid: int | str, net: str = "1") -> None:
        (self.folder / str(pid) / "ns").mkdir(parents=True)
        os.symlink(f"net:[{net}]", self.folder / str(pid) / "ns" / "net")
        os.symlink("pid:[1]", self.folder / str(pid) / "ns" / "pid")

    def socket(self, inode: int, port: int, state: str = "0A", family: str = "tcp") -> None:
        self.tcp[family] += f"   0: 00000000:{port:04X} 00000000:0000 {state} 0:0 0:0 0 0 0 {inode} 1 x\n"
        (self.folder / "net" / family).write_text(self.tcp[family])

    def unix(self, *paths: str, flags: str = "00010000") -> None:
        rows = [f"0: 00000002 00000000 {flags} 0001 01 {n} {path}\n" for n, path in enumerate(paths)]
        (self.folder / "net" / "unix").write_text(UNIX_HEAD + "".join(rows))

    def process(
        self, pid: int, *inodes: int, program: str = "/usr/bin/x", uid: int = 0, net: str = "1"
    ) -> None:
        there = self.folder / str(pid)
        self._namespaces(pid, net)
        (there / "fd").mkdir()
        for number, inode in enumerate(inodes):
            os.symlink(f"socket:[{inode}]", there / "fd" / str(number))
        os.symlink("/dev/null", there / "fd" / "99")
        os.symlink(program, there / "exe")
        (there / "status").write_text(f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}\n")
        (there / "cmdline").write_text("x\0-D\0")


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(tmp_path, monkeypatch)


def test_who_listens(kernel: Kernel) -> None:
    kernel.socket(11, 22)
    kernel.socket(12, 22, family="tcp6")
    kernel.socket(13, 8080)
    kernel.socket(14, 443, state="01")
    kernel.process(7, 11, 12, 13)
    kernel.process(8, 14, 99)
    kernel.process(9, 13, uid=1000)

    assert listening.read() == Listening(
        (
            Listener(7, "/usr/bin/x", process.ROOT, (22, 8080), ("x", "-D"), 0),
            Listener(9, "/usr/bin/x", process.USER, (8080,), (), 1000),
        ),
        by_systemd=False,
    )


def test_another_network_is_none_of_this_host(kernel: Kernel) -> None:
    kernel.socket(11, 22)
    kernel.process(7, 11, net="2")

    assert listening.read() == Listening((), by_systemd=False)


@pytest.mark.parametrize(
    ("program", "by_systemd"), [("/usr/lib/systemd/systemd", True), ("/usr/sbin/sshd", False)]
)
def test_first_process(kernel: Kernel, program: str, by_systemd: bool) -> None:
    kernel.socket(11, 22)
    kernel.process(1, 11, program=program)

    found = listening.read()
    assert found.by_systemd is by_systemd
    assert [one.pid for one in found.processes] == [] if by_systemd else [1]


@pytest.mark.parametrize(
    ("path", "flags", "by_systemd"),
    [
        ("/run/ssh-unix-local/socket", "00010000", True),
        ("/run/ssh-unix-local/socket", "00000000", False),
        ("/run/dbus/system_bus_socket", "00010000", False),
        ("", "00010000", False),
    ],
)
def test_local_sockets(kernel: Kernel, path: str, flags: str, by_systemd: bool) -> None:
    kernel.unix(path, flags=flags)
    assert listening.read().by_systemd is by_systemd


def test_logins_from_a_hypervisor(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "exists", lambda path: path == "/dev/vsock")
    assert listening.read().by_systemd


@pytest.mark.parametrize(
    ("content", "product"),
    [
        (b"\x7fELF" + b"x" * 5000 + b"authenticationmethods\0", "sshd"),
        (b"\x7fELF SSH-2.0-dropbear_2022.83\r\n", "Dropbear"),
        (b"\x7fELF", None),
        (b"#!/bin/sh\nexec /usr/sbin/telnetd\n", "a telnet server"),
        (b"#!/bin/sh\nauthenticationmethods\0", None),
        (b"", None),
    ],
)
def test_what_is_in_a_program(tmp_path: Path, content: bytes, product: str | None) -> None:
    path = tmp_path / "program"
    path.write_bytes(content)
    assert listening.product_inside(str(path)) == product


def test_program_that_is_too_large_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "program"
    path.write_bytes(b"SSH-2.0-dropbear")
    monkeypatch.setattr(listening, "_LARGEST", 10)
    assert listening.product_inside(str(path)) is None
    assert listening.product_inside(str(tmp_path / "none")) is None
