from __future__ import annotations

import grp
import pwd
from types import SimpleNamespace

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import match_visitors, paths
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.match_visitors import Visits
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.sshd_check import SOMEWHERE, Visitor
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import Exempt
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._linux.fakes import FakeHost

BLOCK = "Match User bob\n  AuthenticationMethods publickey\n"
MAIN = "Include /etc/ssh/sshd_config.d/*.conf\n"
NOBODY = Exempt()
OWN_SERVICE = "Match User bob\n  PAMServiceName own\n"


@pytest.fixture(autouse=True)
def accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    users = [
        SimpleNamespace(pw_name=name, pw_gid=100 + n) for n, name in enumerate(("alice", "bob", "carol"))
    ]
    groups = [
        SimpleNamespace(gr_name="robots", gr_gid=102, gr_mem=[]),
        SimpleNamespace(gr_name="staff", gr_gid=1, gr_mem=["bob"]),
    ]
    monkeypatch.setattr(pwd, "getpwall", lambda: users)
    monkeypatch.setattr(grp, "getgrall", lambda: groups)


def find(*drop_ins: str, exempt: Exempt = NOBODY, counts: bool = False) -> Visits:
    host = FakeHost()
    host.texts[paths.SSHD_DROPIN] = (
        "Match User alice\n  AuthenticationMethods publickey\nMatch all\n UsePAM yes\n"
    )
    for number, text in enumerate(drop_ins):
        host.texts[f"/etc/ssh/sshd_config.d/{number + 50}-own.conf"] = text
    return match_visitors.find(host, MAIN, exempt, "alice", dropin_counts=counts)  # type: ignore[arg-type]


BOB, ALICE = Visitor("bob", SOMEWHERE, False), Visitor("alice", SOMEWHERE, False)


@pytest.mark.parametrize(
    ("text", "counts", "visitors"),
    [
        ("X11Forwarding no\n", True, []),
        (BLOCK, True, []),
        (OWN_SERVICE, True, [BOB]),
        (BLOCK, False, [ALICE, BOB]),
        ("Match User bob\n  X11Forwarding no\n", False, [ALICE]),
        ("Match all\n  AuthenticationMethods any\n", False, [ALICE]),
        ("Match Group staff\n  AuthenticationMethods any\n", False, [ALICE, BOB]),
    ],
)
def test_blocks_that_matter(text: str, counts: bool, visitors: list[Visitor]) -> None:
    assert find(text, counts=counts) == Visits(tuple(visitors))


def test_address_host_and_port_of_an_ordinary_user() -> None:
    block = "Match Address 10.0.0.0/8 Host *.example.com LocalPort 2222\n  PAMServiceName own\n"
    more = (("host", "x.example.com"), ("lport", "2222"))
    assert find(block, counts=True).visitors == (Visitor("alice", "10.0.0.0", False, more),)


@pytest.mark.parametrize(
    ("block", "exempt", "is_exempt"),
    [
        ("Match User carol", Exempt(), False),
        ("Match User carol", Exempt(users=("carol",)), True),
        ("Match User carol", Exempt(groups=("robots",)), True),
        ("Match Group robots", Exempt(groups=("robots",)), True),
        ("Match Address 10.1.0.0/16", Exempt(networks=("10.0.0.0/8",)), True),
        ("Match Address 10.0.0.0/8", Exempt(networks=("10.1.0.0/16",)), False),
        ("Match Address somewhere", Exempt(networks=("10.0.0.0/8",)), False),
    ],
)
def test_who_is_exempt(block: str, exempt: Exempt, is_exempt: bool) -> None:
    (visitor,) = find(f"{block}\n  PAMServiceName own\n", exempt=exempt, counts=True).visitors
    assert visitor.is_exempt is is_exempt


def test_blocks_that_cannot_be_tried() -> None:
    block = "Match User bob Version OpenSSH_9*\n  PAMServiceName own\n"
    assert find(block, block, counts=True) == Visits((), ("Match user bob version OpenSSH_9*",))


def test_too_many_to_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(match_visitors, "_MOST", 2)
    found = find("Match User a,b,c,d\n  PAMServiceName own\n", counts=True)
    assert [visitor.user for visitor in found.visitors] == ["a", "b"]
    assert found.untried == ("(and 2 more logins than are tried)",)
