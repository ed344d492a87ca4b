from __future__ import annotations

import contextlib
import os
import pwd
import re
import socket
import syslog
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import audit


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(audit, "_send", found.append)
    monkeypatch.setattr(audit, "account_behind", lambda: "alice")
    monkeypatch.setattr(audit, "client", lambda: "192.0.2.7")
    return found


def test_line(lines: list[str]) -> None:
    audit.log("changed", steps="tokens,policy", why="", failed=0, guard="off")

    assert lines == ['changed by="alice" from="192.0.2.7" steps="tokens,policy" guard="off"']


@pytest.mark.parametrize(
    ("reason", "quoted"),
    [
        ('he said "no"', r"he said \"no\""),
        ("back\\slash", r"back\\slash"),
        ('x" by="root', r"x\" by=\"root"),
        ("one\ndisabled by=root", r"one\ndisabled by=root"),
        ("a\r\x00\x1b[31m\u2028", r"a\r\x00\x1b[31m\u2028"),
        ("\udcff", r"\udcff"),
        ("Größe ✓", "Größe ✓"),
    ],
)
def test_reason_stays_inside_its_quotes(lines: list[str], reason: str, quoted: str) -> None:
    audit.log("disabled", why=reason)

    assert lines == [f'disabled by="alice" from="192.0.2.7" why="{quoted}"']


@given(st.text())
def test_line_is_one_printable_line_whatever_the_reason(reason: str) -> None:
    quoted = audit._quoted(reason)

    assert quoted.isprintable()
    assert quoted.encode() is not None
    assert not quoted.replace("\\\\", "").replace('\\"', "").count('"')


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(audit, "_LOG", str(tmp_path / "log"))
    monkeypatch.setattr(audit, "_LOG_PATIENCE", 0.1)
    return tmp_path / "log"


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_line_comes_as_syslog_has_it(log: Path, kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_UNIX, kind) as daemon:
        daemon.bind(str(log))
        if kind == socket.SOCK_STREAM:
            daemon.listen()
        audit.log("disabled", why="phones löst")
        with daemon.accept()[0] if kind == socket.SOCK_STREAM else daemon.dup() as one:
            line = one.recv(4096).decode().rstrip("\0")
    priority = syslog.LOG_AUTHPRIV | syslog.LOG_NOTICE
    match = re.fullmatch(rf"<{priority}>\w{{3}} [ \d]\d \d\d:\d\d:\d\d twofactor\[(\d+)\]: (.*)", line)
    assert match
    assert int(match[1]) == os.getpid()
    assert match[2].startswith('disabled by="')
    assert 'why="phones löst"' in match[2]


def test_log_that_is_not_there_stops_nothing(log: Path) -> None:
    audit.log("disabled", why="phones lost")
    log.touch()
    audit.log("disabled", why="phones lost")


def test_log_that_hangs_stops_nothing(log: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(str(log))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
            filler.connect(str(log))
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    filler.send(b"x")
        begin = time.monotonic()
        audit.log("disabled", why="phones lost")
        assert time.monotonic() - begin < 5


def test_account_behind_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "_login_uid", os.getuid)
    assert audit.account_behind() == pwd.getpwuid(os.getuid()).pw_name

    monkeypatch.setattr(audit, "_login_uid", lambda: None)
    monkeypatch.setenv("SUDO_USER", "alice")
    assert audit.account_behind() == "alice"

    monkeypatch.delenv("SUDO_USER")
    assert audit.account_behind() == pwd.getpwuid(os.getuid()).pw_name


def test_account_that_has_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_uid: int) -> None:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(audit, "_login_uid", lambda: 4242)
    monkeypatch.delenv("SUDO_USER", raising=False)

    assert audit.account_behind() == str(os.getuid())


def test_client_is_an_address_or_nothing() -> None:
    assert " " not in audit.client()
    assert audit._parent(os.getpid()) == os.getppid()
    assert audit._parent(-1) == 0
