"""What follows from the answers: who counts as protected, what is an error, who needs something."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import guard
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils import _report
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._answer import answer
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._report import (
    WARNINGS,
    Report,
    report,
    some,
)
from tests.status import sample

ROOT = Path(_report.__file__).resolve().parents[2]
NO_SSH = {"state": "disabled", "methods": [], "root_login": "no", "running": True}
STOPPED = {**NO_SSH, "running": False}


def made(answers: dict[str, Any], people: dict[str, Any] | None = None) -> Report:
    read = [answer(name, result, (people or {}).get(name)) for name, result in answers.items()]
    return report(read, sample.MADE, "Fleet")


def of(**changes: Any) -> tuple[str, list[str]]:
    """Return status and codes of a host that answered so."""
    found = made({"web1": sample.host(**changes)})
    return found.hosts[0].status, [problem.code for problem in found.hosts[0].problems]


def test_all_is_well() -> None:
    found = made({"web1": sample.host(), "nas1": sample.nas()}, {"web1": sample.PEOPLE})
    assert found.problems == ()
    assert found.worst == "ok"
    assert found.summary == "2 of 2 hosts protected; nothing wrong"


@pytest.mark.parametrize(
    ("changes", "status", "codes"),
    [
        ({"state": "disabled", "ssh": NO_SSH}, "off", ["off"]),
        (
            {"state": "disabled", "ssh": NO_SSH, "problems": [sample.problem("nothing_asks")]},
            "off",
            ["nothing_asks"],
        ),
        ({"ssh": NO_SSH}, "partly", ["ssh_open"]),
        ({"ssh": NO_SSH, "problems": [sample.problem("ssh_not_asking")]}, "partly", ["ssh_not_asking"]),
        ({"ssh": STOPPED}, "protected", []),
        ({"services": [{"name": "sudo", "asks_code": False}]}, "partly", []),
        ({"problems": [sample.problem("unenrolled_allowed")]}, "partly", ["unenrolled_allowed"]),
        ({"problems": [sample.problem("policy_edited")]}, "partly", ["policy_edited"]),
        ({"clock": sample.clock(2.1)}, "protected", ["clock_drift"]),
        ({"clock": sample.clock(-2.1)}, "protected", ["clock_drift"]),
        ({"clock": sample.clock(1.9)}, "protected", []),
        ({"clock": sample.clock(11)}, "protected", ["clock_off"]),
        ({"clock": sample.clock(50), "problems": [sample.problem("clock_off")]}, "protected", ["clock_off"]),
        (
            {
                "state": "disabled",
                "ssh": NO_SSH,
                "bypass": {"host": {"until": 5, "by": "a", "reason": "b"}, "users": {}},
            },
            "off",
            [],
        ),
    ],
)
def test_status_of_a_host(changes: dict[str, Any], status: str, codes: list[str]) -> None:
    assert of(**changes) == (status, codes)


@pytest.mark.parametrize(
    ("result", "status"),
    [(sample.UNREACHABLE, "unreachable"), (sample.FAILED, "not_read"), (None, "not_read"), ({}, "not_read")],
)
def test_no_answer_is_an_error_and_not_protected(result: Any, status: str) -> None:
    found = made({"web1": sample.host(), "web2": result})
    assert [host.status for host in found.hosts] == ["protected", status]
    assert found.worst == "error"
    assert found.summary.startswith("1 of 2 hosts protected, 1 ")
    assert [(one.code, one.hosts, one.severity) for one in found.problems] == [(status, ("web2",), "error")]


def test_a_code_that_nobody_knows_is_an_error() -> None:
    found = made({"web1": sample.host(problems=[sample.problem("from_a_later_version")])})
    assert found.problems[0].severity == "error"


def test_users_are_those_of_inventory_and_hosts() -> None:
    answers = {
        "web1": sample.host(users=[sample.user("alice"), sample.user("bob", verified=False, last_used=None)]),
        "web2": sample.host(users=[sample.user("alice", recovery_left=1, backup=True)]),
        "web3": sample.UNREACHABLE,
        "nas1": sample.nas(users=[{"name": "erin", "enrolled": True, "backup": False}]),
    }
    found = made(answers, {"web1": ["alice"], "web2": ["alice", "bob", "carol"], "web3": ["alice", "dave"]})
    users = {user.name: user for user in found.users}
    assert list(users) == ["alice", "bob", "carol", "erin"], "nothing is known of web3, and so of dave"
    assert (users["alice"].enrolled, users["alice"].missing) == (("web1", "web2"), ())
    assert (users["alice"].recovery_least, users["alice"].backup) == (1, True)
    assert (users["bob"].enrolled, users["bob"].missing) == (("web1",), ("web2",))
    assert users["bob"].is_unseen
    assert not users["erin"].is_unseen, "the platform does not tell"
    assert {(one.code, one.user, one.hosts) for one in found.problems} == {
        ("unreachable", "", ("web3",)),
        ("not_enrolled", "bob", ("web2",)),
        ("not_enrolled", "carol", ("web2",)),
        ("never_verified", "bob", ("web1",)),
        ("recovery_low", "alice", ("web2",)),
    }


def test_verified_anywhere_is_enough() -> None:
    answers = {
        "web1": sample.host(users=[sample.user("bob", verified=False, last_used=None)]),
        "web2": sample.host(users=[sample.user("bob")]),
    }
    assert made(answers).problems == ()
    assert made(answers).users[0].verified == ("web2",)


def test_what_is_for_a_time_only_comes_with_its_end() -> None:
    found = made(sample.every_kind())
    assert [(one.kind, one.host, one.user, one.until - sample.MADE) for one in found.passing] == [
        ("pending", "shell2.example.com", "", 84),
        ("bypass", "shell1.example.com", "bob", 900),
        ("bypass", "build2.example.com", "", 7500),
    ]


def test_every_kind_is_counted() -> None:
    answers = sample.every_kind()
    found = made(answers, sample.people(answers))
    assert found.statuses == {"protected": 14, "partly": 3, "off": 2, "unreachable": 2, "not_read": 1}
    assert found.summary == (
        "14 of 22 hosts protected, 3 in part, 2 off, 2 unreachable, 1 not read; 6 errors, 14 warnings"
    )
    assert [one.severity for one in found.problems] == ["error"] * 6 + ["warning"] * 14
    assert found.releases[0] == ("linux", "Debian GNU/Linux 13 (trixie)", 14)


def test_hosts_are_in_the_order_in_which_people_count() -> None:
    found = made({name: sample.host() for name in ("web10", "web9", "10.0.0.2", "10.0.0.10", "db1")})
    assert [host.name for host in found.hosts] == ["10.0.0.2", "10.0.0.10", "db1", "web9", "web10"]


def test_names_in_a_few_words() -> None:
    assert some(list("abcdefg")) == "a, b, c, d, e and 2 more"
    assert some(["a", "b"]) == "a, b"


def test_the_tolerance_is_the_guards() -> None:
    assert _report.CLOCK_TOLERANCE == guard.CLOCK_TOLERANCE


def test_the_page_names_every_warning() -> None:
    text = (ROOT / "docs" / "status.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `([a-z_]+)` \|", text[text.index("## Warnings") :], re.MULTILINE))
    assert named == WARNINGS


def test_every_warning_is_a_code_that_somebody_uses() -> None:
    utils = ROOT / "plugins"
    sources = "".join(
        path.read_text(encoding="utf-8") for path in utils.rglob("*.py") if path.name != "_report.py"
    )
    own = Path(_report.__file__).read_text(encoding="utf-8").split("def report(")[1]
    assert [code for code in sorted(WARNINGS) if f'"{code}"' not in sources + own] == []
