from __future__ import annotations

import grp
import pwd
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import coverage
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.coverage import Population
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import Declared, Exempt, Policy
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._linux.fakes import FakeHost

HASH = "$y$j9T$abc"


@pytest.fixture
def accounts(monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    """Alice and Bob, root with a locked password and no key, accounts of the system."""
    rows = {
        "root": (0, "/bin/bash", "*"),
        "daemon": (1, "/usr/sbin/nologin", HASH),
        "postgres": (110, "/bin/bash", "!"),
        "backup": (111, "/bin/bash", HASH),
        "alice": (1000, "/bin/bash", "*"),
        "bob": (1001, "", HASH),
        "carol": (1002, "/bin/false", HASH),
    }
    users = [
        SimpleNamespace(pw_name=name, pw_uid=uid, pw_gid=uid, pw_shell=shell)
        for name, (uid, shell, _) in rows.items()
    ]
    monkeypatch.setattr(pwd, "getpwall", lambda: users)

    def getgrnam(name: str) -> Any:
        if name == "nobody-at-all":
            raise KeyError(name)
        return SimpleNamespace(gr_mem=["alice"], gr_gid=1001)

    monkeypatch.setattr(grp, "getgrnam", getgrnam)
    shadow = "".join(f"{name}:{word}:1:0:9:7:::\n" for name, (_, _, word) in rows.items())
    return FakeHost({"/etc/shadow": shadow})


def test_who_may_log_in(accounts: FakeHost) -> None:
    found = coverage.read(accounts, Exempt(), ["remote"])  # type: ignore[arg-type]
    assert found == Population(frozenset({"backup", "alice", "bob", "remote"}))


def test_root_counts_where_it_is_enrolled(accounts: FakeHost) -> None:
    assert "root" not in coverage.read(accounts, Exempt(), []).users  # type: ignore[arg-type]
    assert "root" in coverage.read(accounts, Exempt(), ["root"]).users  # type: ignore[arg-type]


def test_members_of_exempt_groups(accounts: FakeHost) -> None:
    exempt = Exempt(groups=("staff", "nobody-at-all"))
    assert coverage.read(accounts, exempt, []).in_exempt_groups == {"alice", "bob"}  # type: ignore[arg-type]


BOTH = Population(frozenset({"alice", "bob"}))


@pytest.mark.parametrize(
    ("exempt", "population", "unenrolled", "enrolled", "let_off", "code"),
    [
        (Exempt(), BOTH, "deny", ["alice"], [], ""),
        (Exempt(), BOTH, "deny", [], [], ""),
        (Exempt(users=("bob",)), BOTH, "deny", ["alice"], [], ""),
        (Exempt(users=("alice",)), BOTH, "deny", ["alice"], [], "everybody_exempt"),
        (Exempt(users=("alice", "bob")), BOTH, "deny", ["alice"], [], "everybody_exempt"),
        (
            Exempt(users=("alice",)),
            Population(BOTH.users, frozenset({"bob"})),
            "deny",
            [],
            [],
            "everybody_exempt",
        ),
        (Exempt(networks=("0.0.0.0/0",)), BOTH, "deny", ["alice"], [], "everybody_exempt"),
        (Exempt(networks=("::/0",)), BOTH, "deny", ["alice"], [], "everybody_exempt"),
        (Exempt(networks=("10.0.0.0/8",)), BOTH, "deny", ["alice"], [], ""),
        (Exempt(users=("bob",)), BOTH, "deny", ["alice"], ["alice"], "nobody_asked"),
        (Exempt(), BOTH, "allow", ["alice"], ["alice"], "nobody_asked"),
        (Exempt(), BOTH, "allow", [], [], ""),
        (Exempt(), Population(frozenset()), "deny", [], [], ""),
    ],
)
def test_whether_anybody_is_asked(
    exempt: Exempt,
    population: Population,
    unenrolled: str,
    enrolled: list[str],
    let_off: list[str],
    code: str,
) -> None:
    declared = Declared(Policy(state="enabled", unenrolled=unenrolled))
    found = coverage.judge(declared, exempt, population, enrolled, let_off)
    assert [one.code for one in found] == ([code] if code else [])
