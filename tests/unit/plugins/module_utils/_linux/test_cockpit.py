"""What Cockpit does was tried on Debian 12 and 13: the same settings, and whether a ticket opened the door."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import cockpit
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._linux.fakes import FakeHost

TICKETS = "/etc/krb5.keytab"


def said(conf: str, keytab: str | None = None) -> list[str]:
    found = cockpit.judge(cockpit.parse(conf), keytab)
    for way in found:
        assert way.code == "cockpit_other_way"
        assert way.remedy.endswith("leave 'cockpit' out of 'services'.")
    return [way.message for way in found]


@pytest.mark.parametrize(
    ("conf", "is_open"),
    [
        ("", True),
        ("[negotiate]\naction = none\n", False),
        ("  [Negotiate]  \n# not here\n\n Action=none", False),
        ("[negotiate]\naction = none \n", True),
        ("[negotiate]\naction = None\n", True),
        ("[gssapi]\naction = none\n", True),
        ("[basic]\naction = none\n", True),
        ("[negotiate]\naction = none\naction = spawn\n", True),
        ("[negotiate]\naction = none\n[Negotiate]\nAction = none\n", False),
        ("action = none\n[negotiate]\naction = none\n", True),
        ("[negotiate]\naction = none\nrubbish\n", True),
    ],
)
def test_kerberos(conf: str, is_open: bool) -> None:
    found = said(conf, TICKETS)
    assert bool(found) is is_open
    assert all(TICKETS in message for message in found)
    assert said(conf, None) == []


@pytest.mark.parametrize(
    ("conf", "is_open"),
    [
        ("[WebService]\nClientCertAuthentication = yes\n", True),
        ("[webservice]\nclientcertauthentication=TRUE\n", True),
        ("[WebService]\nClientCertAuthentication = 1\n", True),
        ("[WebService]\nClientCertAuthentication = no\n", False),
        ("[WebService]\nClientCertAuthentication = on\n", False),
        ("[WebService]\nClientCertAuthentication = yes\n[tls-cert]\naction = none\n", False),
        ("[Other]\nClientCertAuthentication = yes\n", False),
    ],
)
def test_certificates(conf: str, is_open: bool) -> None:
    found = said(conf)
    assert bool(found) is is_open
    assert all("certificate" in message for message in found)


@pytest.mark.parametrize(
    ("conf", "programs"),
    [
        ("[bearer]\ncommand = /usr/local/bin/token\n", ["/usr/local/bin/token"]),
        ("[basic]\nCommand = /opt/login\n[Bearer]\nUnixPath = /run/own\n", ["/opt/login", "/run/own"]),
        ("[bearer]\ncommand = /opt/login\naction = none\n", []),
        ("[basic]\ncommand = /usr/lib/cockpit/cockpit-session\n", []),
        ("[negotiate]\nunixpath = /run/cockpit/session\n", []),
        ("[Ssh-Login]\ncommand = /usr/lib/cockpit/cockpit-ssh\n", []),
    ],
)
def test_programs(conf: str, programs: list[str]) -> None:
    found = said(conf)
    assert len(found) == len(programs)
    for message, program in zip(found, programs):
        assert program in message


def test_kerberos_by_way_of_a_program_is_said_once() -> None:
    (message,) = said("[negotiate]\ncommand = /opt/tickets\n", TICKETS)
    assert "/opt/tickets" in message


class Library:
    """libkrb5, as far as it is asked."""

    def __init__(self, default: str, fails: str = "") -> None:
        self.default, self.fails, self.freed = default, fails, 0

    def krb5_init_context(self, _context: Any) -> int:
        return int(self.fails == "init")

    def krb5_kt_default_name(self, _context: Any, name: Any, size: Any) -> int:
        assert size.value == len(name)
        name.value = self.default.encode()
        return int(self.fails == "name")

    def krb5_free_context(self, _context: Any) -> None:
        self.freed += 1


Keytab = Callable[..., Library]


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Keytab:
    """Has libkrb5 give a name; Cockpit's own keytab is in the test's folder, and not there yet."""
    monkeypatch.setattr(cockpit, "KEYTAB", str(tmp_path / "cockpit.keytab"))

    def make(default: str, fails: str = "") -> Library:
        made = Library(default, fails)
        monkeypatch.setattr(ctypes, "CDLL", lambda _name: made)
        return made

    return make


@pytest.mark.parametrize("kind", ["FILE:", "WRFILE:", ""])
def test_keytab_is_the_one_that_libkrb5_names(library: Keytab, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "other.keytab"
    made = library(f"{kind}{path}")
    assert cockpit.other_ways(FakeHost()) == []  # type: ignore[arg-type]
    path.write_bytes(b"\x05\x02")
    assert cockpit.other_ways(FakeHost()) == []  # type: ignore[arg-type]
    path.write_bytes(b"\x05\x02" + bytes(40))
    (way,) = cockpit.other_ways(FakeHost())  # type: ignore[arg-type]
    assert str(path) in way.message
    assert made.freed == 3
    closed = FakeHost({cockpit.CONF: "[negotiate]\naction = none\n"})
    assert cockpit.other_ways(closed) == []  # type: ignore[arg-type]


def test_cockpit_s_own_keytab_is_the_only_one_where_it_is(library: Keytab, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(bytes(40))
    library(f"FILE:{tmp_path}/other")
    (tmp_path / "cockpit.keytab").write_bytes(b"")
    assert cockpit.other_ways(FakeHost()) == []  # type: ignore[arg-type]
    (tmp_path / "cockpit.keytab").write_bytes(bytes(40))
    (way,) = cockpit.other_ways(FakeHost())  # type: ignore[arg-type]
    assert "cockpit.keytab" in way.message


@pytest.mark.parametrize(("default", "fails"), [("MEMORY:x", ""), ("FILE:/x", "init"), ("FILE:/x", "name")])
def test_no_file_is_no_keytab(library: Keytab, default: str, fails: str) -> None:
    made = library(default, fails)
    assert cockpit.other_ways(FakeHost()) == []  # type: ignore[arg-type]
    assert made.freed == (fails != "init")


def test_without_libkrb5_there_are_no_tickets(library: Keytab, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_name: str) -> None:
        raise OSError

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert cockpit.other_ways(FakeHost()) == []  # type: ignore[arg-type]
