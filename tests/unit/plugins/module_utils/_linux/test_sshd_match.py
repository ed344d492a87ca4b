from __future__ import annotations

from collections.abc import Iterable

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import sshd_match
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.sshd_match import (
    Accounts,
    Block,
    Login,
)

FILES = {
    "own.conf": "PAMServiceName own\nMatch User bob\n  X11Forwarding no\n",
    "loop.conf": "Include loop.conf\n",
}
ACCOUNTS = Accounts(
    ("alice", "bob", "carol", "dave", "erin", "root"), {"staff": ("alice", "bob", "carol", "dave", "erin")}
)


def included(value: str) -> Iterable[str]:
    return [FILES[value]] if value in FILES else []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("UsePAM yes\n", []),
        ("Match all\n  UsePAM yes\n", [Block((("all", ""),), frozenset({"usepam"}))]),
        (
            'match User "alice,bob" Address=10.0.0.0/8 # here\n  PermitRootLogin=no\n\tAllowTcpForwarding no\n',
            [
                Block(
                    (("user", "alice,bob"), ("address", "10.0.0.0/8")),
                    frozenset({"permitrootlogin", "allowtcpforwarding"}),
                )
            ],
        ),
        (
            "Match Group staff\n  Include own.conf\n  MaxSessions 1\n",
            [
                Block((("group", "staff"),), frozenset({"pamservicename", "maxsessions"})),
                Block((("group", "staff"), ("user", "bob")), frozenset({"x11forwarding"})),
            ],
        ),
        (
            "Include own.conf\nMaxSessions 1\n",
            [Block((("user", "bob"),), frozenset({"x11forwarding"}))],
        ),
        ("Include loop.conf\nMatch User x\n", []),
        ("# Match User x\n#  UsePAM no\nMatch\n", []),
    ],
)
def test_blocks_of_a_configuration(text: str, found: list[Block]) -> None:
    assert sshd_match.blocks(text, included) == found


@pytest.mark.parametrize(
    ("criteria", "logins"),
    [
        ("User bob,!alice", [Login("bob")]),
        ("User b*", [Login("bob"), Login("bx")]),
        ("User *,!root", [Login("root"), Login("alice"), Login("bob"), Login("carol"), Login("x")]),
        ("Group staff", [Login("alice"), Login("bob"), Login("carol")]),
        ("Group missing", [Login()]),
        ("Address 10.0.0.0/8,192.0.2.*", [Login(address="10.0.0.0"), Login(address="192.0.2.1")]),
        ("Address 2001:db8::/32", [Login(address="2001:db8::")]),
        ("Host *.example.com", [Login(host="x.example.com")]),
        ("User bob Address 192.0.2.7", [Login("bob", "192.0.2.7")]),
        (
            "LocalPort 2222 LocalAddress 192.0.2.0/24 RDomain mgmt",
            [Login(more=(("laddr", "192.0.2.0"), ("lport", "2222"), ("rdomain", "mgmt")))],
        ),
    ],
)
def test_logins_to_which_a_block_applies(criteria: str, logins: list[Login]) -> None:
    block = Block(sshd_match.parse_criteria(criteria), frozenset())
    assert sshd_match.logins(block, ACCOUNTS, {"root"}) == logins
    assert block.can_be_tried


def test_members_of_a_group_that_blocks_name_are_asked_about_for_themselves() -> None:
    block = Block(sshd_match.parse_criteria("Group staff"), frozenset())
    found = sshd_match.logins(block, ACCOUNTS, {"erin", "root"})
    assert [login.user for login in found] == ["erin", "alice", "bob", "carol"]


@pytest.mark.parametrize(
    ("criteria", "can_be_tried", "is_for_all"),
    [
        ("all", True, True),
        ("User bob", True, False),
        ("invalid-user", False, False),
        ("Version OpenSSH_9*", False, False),
        ("User bob Version=x", False, False),
    ],
)
def test_what_can_be_tried(criteria: str, can_be_tried: bool, is_for_all: bool) -> None:
    block = Block(sshd_match.parse_criteria(criteria), frozenset())
    assert (block.can_be_tried, block.is_for_all) == (can_be_tried, is_for_all)


def test_users_that_blocks_name() -> None:
    found = sshd_match.blocks(
        "Match User bob,c*\n UsePAM yes\nMatch User alice,!dave\n UsePAM no\n", included
    )
    assert sshd_match.named_users(found) == {"bob", "alice"}
