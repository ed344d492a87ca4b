from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    bypass,
    clock,
    cockpit,
    coverage,
    daemon,
    doors,
    journal,
    match_visitors,
    own_files,
    packages,
    paths,
    pending,
    report,
    sshd_check,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.bypass import Bypass, Bypasses
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.clock import Clock
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.coverage import Population
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.doors import Doors, OtherServer
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.journal import Journal
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.own_files import OpenFile
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.sshd_args import CommandLine
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.sshd_check import Visitor
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.sshd_match import Accounts
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import (
    SecretsChange,
    UserSecret,
)
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._result import accepted, documented
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._linux.fakes import (
    PASSWORD_ALLOWED,
    SEEDS,
    FakeHost,
    sshd_settings,
    sshds,
)

ON = {"state": "enabled"}
KEY = {"state": "enabled", "methods": ("key_and_code",)}
SYNCHRONISED = Clock(True, 0.001, "192.0.2.1", "chrony")


class Reported:
    """A host in a dictionary, and the report on it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.host = FakeHost()
        self.clock = SYNCHRONISED
        self.modules = True
        self.asked: list[Visitor] = []
        monkeypatch.setattr(report, "Host", lambda: self.host)
        self.population = Population(frozenset({"alice", "bob", "root"}))
        self.open_files: list[OpenFile] = []
        monkeypatch.setattr(daemon, "distributions_sshd", lambda: "/usr/sbin/sshd")
        monkeypatch.setattr(coverage, "read", lambda *_arguments: self.population)
        monkeypatch.setattr(own_files, "find", lambda: self.open_files)
        accounts = Accounts(("alice", "bob", "root"), {"staff": ("alice", "bob")})
        monkeypatch.setattr(match_visitors, "_accounts", lambda: accounts)
        monkeypatch.setattr(clock, "read_clock", lambda: self.clock)
        monkeypatch.setattr(doors, "roots_text", lambda _path: None)
        monkeypatch.setattr(packages, "missing", lambda *_wanted: [])
        monkeypatch.setattr(packages, "has_pam_module", lambda _name: self.modules)
        monkeypatch.setattr(sshd_check, "effective", self._effective)
        monkeypatch.setattr(sshd_check, "_members", lambda groups, _users: {"carol"} if groups else set())

    def _effective(self, _config: str, visitor: Visitor, _options: Sequence[str]) -> dict[str, str]:
        self.asked.append(visitor)
        return sshd_settings(self.host.texts, PASSWORD_ALLOWED, visitor.user)

    def on(self, policy: dict[str, Any] | None = None, ssh: dict[str, Any] | None = None) -> Reported:
        self.host.enrol("alice", "bob")
        self.host.converge(Change({**ON, **(policy or {})}, KEY if ssh is None else ssh))
        return self

    def read(self) -> dict[str, Any]:
        found = report.report()
        answer = {"twofactor": json.loads(json.dumps(found))}
        assert accepted(answer, documented("twofactor_info")) == answer, "the controller takes no other"
        assert not [seed for seed in SEEDS.values() if seed.hex() in json.dumps(found)]
        return found

    def codes(self) -> list[str]:
        return [problem["code"] for problem in self.read()["problems"]]


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Reported:
    return Reported(monkeypatch)


def test_virgin_host(host: Reported) -> None:
    found = host.read()

    assert (found["platform"], found["state"], found["users"]) == ("linux", "disabled", [])
    assert found["services"] == [{"name": "cockpit", "asks_code": False}]
    assert (found["ssh"]["state"], found["ssh"]["methods"], found["ssh"]["running"]) == ("disabled", [], True)
    assert found["problems"] == []


def test_host_that_asks(host: Reported) -> None:
    host.host.texts["/etc/os-release"] = 'ID=debian\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n'
    found = host.on({"services": ("sudo", "su")}, {**KEY, "root_login": "allowed"}).read()

    assert found["version"] == "Debian GNU/Linux 13 (trixie)"
    assert found["state"] == "enabled"
    assert found["ssh"]["methods"] == ["key_and_code"]
    assert found["ssh"]["root_login"] == "yes"
    assert [(one["name"], one["asks_code"]) for one in found["services"]] == [
        ("su", True),
        ("su-l", True),
        ("sudo", True),
        ("sudo-i", True),
    ]
    assert found["clock"]["offset"] == 0.001
    assert found["problems"] == []


def test_sudo_that_is_told_not_to_ask_does_not(host: Reported) -> None:
    host.on({"services": ("sudo", "su")}).host.texts["/etc/sudoers.d/easy"] = "Defaults !authenticate\n"
    found = host.read()
    assert [problem["code"] for problem in found["problems"]] == ["sudo_not_asking"]
    assert {one["name"]: one["asks_code"] for one in found["services"]} == {
        "su": True,
        "su-l": True,
        "sudo": False,
        "sudo-i": False,
    }


def test_ways_around_pam_are_a_problem_of_a_console_that_asks(
    host: Reported, monkeypatch: pytest.MonkeyPatch
) -> None:
    way = TwofactorError("cockpit_other_way", "Cockpit lets users in with a ticket.", "Close it.")
    monkeypatch.setattr(cockpit, "other_ways", lambda _host: [way])

    assert host.codes() == []
    assert host.on({"services": ("sudo",)}).codes() == []
    problems = host.on({"services": ("cockpit",)}).read()["problems"]
    assert problems == [{"code": way.code, "message": way.message, "remedy": way.remedy}]


def test_users(host: Reported) -> None:
    host.host.enrol("alice", "bob", state="\t0\t264320\t2026-11-24T06:18:01L")
    host.host.texts[paths.token_file("bob")] += (
        f"HOTP/T30/6\tbob\t-\t{'ab' * 20}\t0\t1\t2026-11-25T06:18:01L\n"
    )
    host.host.texts[paths.token_file("carol")] = "# no token\n"
    users = {user["name"]: user for user in host.read()["users"]}

    assert (
        users["alice"].items()
        >= {
            "enrolled": True,
            "backup": False,
            "digits": 6,
            "interval": 30,
            "last_used": "2026-11-24T06:18:01",
        }.items()
    )
    assert (users["bob"]["backup"], users["bob"]["last_used"]) == (True, "2026-11-25T06:18:01")
    assert (users["carol"]["enrolled"], users["carol"]["digits"], users["carol"]["last_used"]) == (
        False,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("path", "text", "code"),
    [
        ("/etc/pam.d/sshd", "@include common-auth\n", "ssh_not_asking"),
        (paths.SSHD_DROPIN, None, "ssh_not_asking"),
        (paths.PAM_POLICY, None, "policy_edited"),
        ("/etc/pam.d/cockpit", "@include common-auth\n", "service_not_covered"),
        ("/var/lib/twofactor/tokens/alice.oath", "rubbish\n", "token_file_broken"),
        (paths.POLICY, "{", "policy_file_broken"),
    ],
)
def test_what_somebody_has_changed_is_a_problem(
    host: Reported, path: str, text: str | None, code: str
) -> None:
    host.on()
    if text is None:
        del host.host.texts[path]
    else:
        host.host.texts[path] = text

    assert code in host.codes()


@pytest.mark.parametrize(
    ("path", "text", "codes"),
    [
        (paths.PAM_POLICY, "auth required pam_permit.so\n", ["policy_edited"]),
        (paths.PAM_POLICY, "auth sufficient pam_permit.so\nauth required pam_oath.so\n", ["policy_edited"]),
        (paths.EXEMPT_NETWORKS, "+:ALL:ALL\n", ["policy_edited"]),
        (paths.PAM_POLICY, None, ["policy_edited"]),
        (
            paths.service_file("sshd"),
            "auth sufficient pam_permit.so\n@include common-auth\nauth required pam_oath.so\n",
            ["pam_service_unsafe"],
        ),
        (paths.service_file("sshd"), "auth requisite pam_oath.so\n@include common-auth\n", ["policy_edited"]),
    ],
)
def test_policy_that_somebody_has_edited_is_a_problem(
    host: Reported, path: str, text: str | None, codes: list[str]
) -> None:
    host.on(policy={"exempt_networks": ("198.51.100.0/24",), "services": ()})
    assert host.codes() == []
    if text is None:
        del host.host.texts[path]
    else:
        host.host.texts[path] = text
    found = host.read()
    assert [problem["code"] for problem in found["problems"]] == codes
    of_ssh = path == paths.service_file("sshd")
    assert found["ssh"]["state"] == found["state"] == ("disabled" if of_ssh else "enabled")


@pytest.mark.parametrize("text", ["", "bob\n", None])
def test_list_of_the_enrolled_that_somebody_has_edited_is_a_problem(host: Reported, text: str | None) -> None:
    host.on(policy={"unenrolled": "allow", "services": ()})
    assert host.codes() == ["unenrolled_allowed"]
    del host.host.texts[paths.ENROLLED]
    if text is not None:
        host.host.texts[paths.ENROLLED] = text
    assert host.codes() == ["unenrolled_allowed", "policy_edited"]


def test_token_that_somebody_has_deleted_is_a_problem(host: Reported) -> None:
    users = tuple(UserSecret(name, SEEDS[name]) for name in ("alice", "bob"))
    host.host.converge(Change(ON, KEY, SecretsChange(users=users)))
    assert host.codes() == []
    del host.host.texts[paths.token_file("alice")]
    (problem,) = host.read()["problems"]
    assert problem["code"] == "token_missing"
    assert "'alice' have gone" in problem["message"]
    host.host.converge(Change(secrets=SecretsChange("absent", users[:1])))
    assert host.codes() == []


def test_service_that_has_gone_is_a_problem(host: Reported) -> None:
    host.on({"services": ("sudo",)})
    del host.host.texts["/etc/pam.d/sudo"]

    assert "service_missing" in host.codes()


@pytest.mark.parametrize(
    ("clock_now", "codes"),
    [
        (SYNCHRONISED, []),
        (Clock(True, -9.9, "", "chrony"), []),
        (Clock(True, -10.1, "", "chrony"), ["clock_off"]),
        (Clock(True, None, "", "kernel"), []),
        (Clock(False, None, "", "kernel"), ["clock_unsynchronised"]),
    ],
)
def test_clock(host: Reported, clock_now: Clock, codes: list[str]) -> None:
    host.clock = clock_now

    assert host.on().codes() == codes


def test_nobody_enrolled(host: Reported) -> None:
    host.host.converge(Change(ON))

    assert host.codes() == ["nobody_enrolled"]


def test_unenrolled_who_are_let_in(host: Reported) -> None:
    assert host.on({"unenrolled": "allow"}).codes() == ["unenrolled_allowed"]


def test_pam_module_that_has_gone(host: Reported) -> None:
    host.modules = False

    assert host.on().codes() == ["pam_module_missing"]


def test_leftovers_of_crashes(host: Reported) -> None:
    lock = f"{paths.TOKENS}/alice.oath.lock"
    host.on().host.stale = (lock,)
    host.host.texts.update({lock: "", f"{paths.JOURNAL}/originals.json": "{}"})

    assert host.codes() == ["change_interrupted", "token_lock_stale"]


def test_nothing_asks(host: Reported) -> None:
    assert host.on(ssh={}, policy={"services": ()}).codes() == ["nothing_asks"]
    assert host.read()["state"] == "disabled"


def test_users_file_that_is_damaged(host: Reported) -> None:
    host.on().host.texts[paths.USERS] = "{"
    assert host.codes() == ["users_file_broken"]


PENDING = {"files": {}, "deadline": 0.0, "boot_id": "", "connection": "c", "by": "ansible", "reason": "a try"}


def test_pending_change_is_said(host: Reported, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Journal(**PENDING)  # type: ignore[arg-type]
    monkeypatch.setattr(journal, "read", lambda path: entry if path == paths.PENDING else None)
    monkeypatch.setattr(pending, "seconds_left", lambda _entry: 41.6)
    found = host.on().read()

    assert found["pending"] == {"by": "ansible", "reason": "a try", "seconds_left": 42}
    (problem,) = found["problems"]
    assert (problem["code"], "for 42 s yet" in problem["message"]) == ("change_pending", True)


def test_nothing_pending_is_not_there(host: Reported) -> None:
    assert "pending" not in host.read()


def test_pending_change_that_cannot_be_read(host: Reported, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_path: str) -> None:
        raise TwofactorError("journal_broken", "damaged")

    monkeypatch.setattr(journal, "read", fail)
    assert host.on().codes() == ["journal_broken"]


@pytest.mark.parametrize(
    ("ago", "code"), [(-3600.0, "bypass"), (10.0, "bypass"), (report.BYPASS_GRACE + 1, "bypass_overdue")]
)
@pytest.mark.parametrize("who", ["host", "alice"])
def test_bypasses_are_problems(host: Reported, who: str, ago: float, code: str) -> None:
    one = Bypass(time.time() - ago, "phone lost", "root")
    there = Bypasses(one) if who == "host" else Bypasses(None, {who: one})
    host.on().host.texts[paths.BYPASS] = bypass.render(there) or ""
    found = host.read()

    # The policy was written without the bypass.
    (problem,) = [one for one in found["problems"] if one["code"] != "policy_edited"]
    assert problem["code"] == code
    assert ("the whole host" if who == "host" else "user 'alice'") in problem["message"]
    assert problem["message"].endswith("by 'root': phone lost.")
    assert (found["bypass"]["host"] or found["bypass"]["users"]["alice"])["reason"] == "phone lost"


@pytest.mark.parametrize(
    ("end", "used", "codes"),
    [
        (3600.0, False, ["renewal_unused"]),
        (3600.0, True, []),
        (-10.0, True, []),
        (-report.BYPASS_GRACE - 1, True, ["overlap_overdue"]),
    ],
)
def test_who_has_not_used_the_new_secret_is_told(
    host: Reported, end: float, used: bool, codes: list[str]
) -> None:
    path = paths.token_file("alice")
    texts = host.on().host.texts
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + end))
    old = f"# accepted beside the present secret until {until}\nHOTP/T30/6\talice\t-\t{'ab' * 20}\n"
    state = "\t0\t123456\t2026-11-24T06:18:01L" if used else ""
    texts[path] = f"HOTP/T30/6\talice\t-\t{'cd' * 20}{state}\n{old}"
    found = host.read()

    (alice,) = [user for user in found["users"] if user["name"] == "alice"]
    assert (alice["previous"], alice["previous_until"]) == (True, until)
    assert [problem["code"] for problem in found["problems"]] == codes
    assert all(
        "'alice'" in problem["message"] and until in problem["message"] for problem in found["problems"]
    )


def test_nobody_is_let_off(host: Reported) -> None:
    assert host.read()["bypass"] == {"host": None, "users": {}}


def test_bypasses_that_cannot_be_read(host: Reported) -> None:
    host.on().host.texts[paths.BYPASS] = "{"
    found = host.read()
    assert [problem["code"] for problem in found["problems"]] == ["bypass_file_broken"]
    assert found["bypass"] == {"host": None, "users": {}}


@pytest.mark.parametrize("line", [CommandLine((), "/etc/ssh/own"), None])
def test_sshd_that_reads_something_else_does_not_ask(host: Reported, line: CommandLine | None) -> None:
    host.on().host.open_doors = sshds(line)
    found = host.read()
    assert [problem["code"] for problem in found["problems"]] == ["ssh_not_asking"]
    assert (found["ssh"]["state"], found["ssh"]["running"]) == ("disabled", True)
    assert host.asked == []


def test_no_sshd_runs(host: Reported) -> None:
    host.on().host.open_doors = Doors()
    found = host.read()
    assert (found["ssh"]["state"], found["ssh"]["running"]) == ("enabled", False)


def test_other_login_servers_are_a_problem_of_a_host_that_asks(host: Reported) -> None:
    servers = (
        OtherServer("Dropbear", "/usr/sbin/dropbear", "on port 2222"),
        OtherServer("a VNC server", "/usr/bin/x11vnc", "on port 5900", "alice"),
    )
    host.host.open_doors = replace(host.host.open_doors, others=servers)
    assert host.codes() == []
    first, second = host.on().read()["problems"]
    assert first["code"] == "other_login_server"
    assert "Dropbear (/usr/sbin/dropbear) lets users log in on port 2222" in first["message"]
    assert second["code"] == "user_login_server"
    assert "'alice' runs a VNC server" in second["message"]


@pytest.mark.parametrize(
    ("second", "codes"),
    [
        ({}, []),
        ({"usepam": "no"}, ["ssh_not_asking"]),
        ({"pamservicename": "sshd"}, []),
        ({"pamservicename": "other"}, ["ssh_not_asking"]),
        ({"authenticationmethods": "any"}, ["ssh_not_asking"]),
    ],
)
def test_each_sshd_that_reads_the_usual_file_has_to_ask(
    host: Reported, monkeypatch: pytest.MonkeyPatch, second: dict[str, str], codes: list[str]
) -> None:
    usual = sshd_check.effective
    host.host.open_doors = sshds(CommandLine(), CommandLine(("-p2222",)))
    monkeypatch.setattr(
        sshd_check,
        "effective",
        lambda config, visitor, options: {**usual(config, visitor, options), **(second if options else {})},
    )
    assert host.on().codes() == codes


def test_sshd_beside_the_usual_one_is_a_problem_of_an_ssh_that_asks(host: Reported) -> None:
    host.host.open_doors = sshds(CommandLine(), CommandLine((), "/etc/ssh/own"))
    assert host.codes() == []
    found = host.on().read()
    assert found["ssh"]["state"] == "enabled"
    assert [problem["code"] for problem in found["problems"]] == ["other_sshd"]


@pytest.mark.parametrize(
    "exempt",
    [{"exempt_users": ("alice",)}, {"exempt_groups": ("robots",)}, {"exempt_networks": ("198.51.100.0/24",)}],
)
def test_ssh_is_judged_by_somebody_who_is_not_exempt(host: Reported, exempt: dict[str, Any]) -> None:
    host.host.enrol("carol")
    found = host.on(ssh={**KEY, **exempt}).read()

    assert found["ssh"]["state"] == "enabled"
    assert [visitor.user for visitor in host.asked] == ["bob" if "exempt_users" in exempt else "alice"]


@pytest.mark.parametrize("name", ["00-first.conf", "50-later.conf"])
def test_ssh_is_judged_by_everybody_where_something_is_read_before_our_dropin(
    host: Reported, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Such as a Match block that lets one user in with a key alone."""
    host.on().host.texts[f"/etc/ssh/sshd_config.d/{name}"] = (
        "Match User bob\n AuthenticationMethods publickey\n"
    )
    read_first = name.startswith("00")

    def effective(config: str, visitor: Visitor, options: list[str]) -> dict[str, str]:
        settings = host._effective(config, visitor, options)
        passed_over = read_first and visitor.user == "bob"
        return {**settings, **({"authenticationmethods": "publickey"} if passed_over else {})}

    monkeypatch.setattr(sshd_check, "effective", effective)
    found = host.read()
    assert [visitor.user for visitor in host.asked] == (["alice", "root", "bob"] if read_first else ["alice"])
    assert found["ssh"]["state"] == ("disabled" if read_first else "enabled")
    if read_first:
        (problem,) = found["problems"]
        assert problem["code"] == "ssh_not_asking"
        assert "logins of bob are not asked" in problem["message"]


def test_sshd_that_cannot_say(host: Reported, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: Any) -> None:
        raise TwofactorError("sshd_config_invalid", "line 1: rubbish")

    monkeypatch.setattr(sshd_check, "effective", fail)
    assert host.on().codes() == ["sshd_config_invalid", "ssh_not_asking"]


def test_host_without_sshd(host: Reported, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon, "distributions_sshd", lambda: None)

    assert host.read()["ssh"]["running"] is False
