from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    audit,
    clock,
    cockpit,
    paths,
    people,
    sshd_check,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.clock import Clock
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.doors import Doors, OtherServer
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.guard import (
    Account,
    Facts,
    OwnLogin,
    SshFacts,
)
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._linux.fakes import (
    SEEDS,
    FakeHost,
)

SETTINGS = {
    "usepam": "yes",
    "kbdinteractiveauthentication": "no",
    "passwordauthentication": "yes",
    "permitrootlogin": "without-password",
    "authorizedkeysfile": ".ssh/authorized_keys .ssh/authorized_keys2",
}
KEY = "ssh-ed25519 AAAA somebody\n"


class People:
    """The accounts of a host, with homes below a folder of their own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.users: list[Any] = []
        self.groups: list[Any] = []
        self.shadow = ""
        self.settings = dict(SETTINGS)
        self.clock = Clock(True, 0.25, "192.0.2.1", "chrony")
        self.address = "192.0.2.7"
        self.host = FakeHost()
        self._read = people.read_text
        monkeypatch.setattr(pwd, "getpwall", lambda: self.users)
        monkeypatch.setattr(grp, "getgrgid", self.getgrgid)
        monkeypatch.setattr(os, "getgrouplist", self.getgrouplist)
        monkeypatch.setattr(people, "read_text", self.read_text)
        monkeypatch.setattr(sshd_check, "without_our_dropin", self.without_our_dropin)
        monkeypatch.setattr(clock, "read_clock", lambda: self.clock)
        monkeypatch.setattr(audit, "client", lambda: self.address)
        monkeypatch.setattr(audit, "account_behind", lambda: "ansible")

    def read_text(self, path: str) -> str | None:
        return self.shadow if path == "/etc/shadow" else self._read(path)

    def without_our_dropin(self, _host: Any) -> dict[str, str]:
        if not self.settings:
            raise TwofactorError("sshd_config_invalid", "line 1: rubbish")
        return self.settings

    def add(self, name: str, password: str = "*", shell: str = "/bin/bash", gid: int = 100) -> Path:
        home = self.folder / name
        home.mkdir()
        fields = {"pw_shell": shell, "pw_dir": str(home), "pw_gid": gid, "pw_uid": os.geteuid()}
        self.users.append(SimpleNamespace(pw_name=name, **fields))
        self.shadow += f"{name}:{password}:20000:0:99999:7:::\n"
        return home

    def getgrgid(self, number: int) -> Any:
        found = [group for group in self.groups if group.gr_gid == number]
        if not found:
            raise KeyError(number)
        return found[0]

    def getgrouplist(self, name: str, gid: int) -> list[int]:
        return [gid, *(group.gr_gid for group in self.groups if name in group.gr_mem)]

    def group(self, name: str, gid: int, *members: str) -> None:
        self.groups.append(SimpleNamespace(gr_name=name, gr_gid=gid, gr_mem=list(members)))

    def facts(self, services: tuple[str, ...] = (), users: tuple[str, ...] = ()) -> Facts:
        return people.read_facts(self.host, services, list(users))  # type: ignore[arg-type]

    def account(self, name: str) -> Account:
        return next(account for account in self.facts().accounts if account.name == name)

    def has_key(self, name: str) -> bool | None:
        return None if name in self.facts().unknown_keys else self.account(name).has_key


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> People:
    return People(tmp_path, monkeypatch)


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("shell", "is_account"),
    [
        ("/bin/bash", True),
        ("/usr/bin/zsh", True),
        ("", True),
        ("/usr/sbin/nologin", False),
        ("/bin/false", False),
        ("/bin/sync", False),
        ("/usr/bin/git-shell", False),
    ],
)
def test_only_who_has_a_shell_could_log_in(there: People, shell: str, is_account: bool) -> None:
    there.add("alice", shell=shell)
    assert [account.name for account in there.facts().accounts] == ["alice"] * is_account


@pytest.mark.parametrize(
    ("password", "has_password"),
    [
        ("$y$j9T$salt$hash", True),
        ("$6$salt$hash", True),
        ("!", False),
        ("*", False),
        ("!$y$j9T$salt$hash", False),
        ("!*", False),
        ("", False),
        ("x", False),
    ],
)
def test_passwords(there: People, password: str, has_password: bool) -> None:
    there.add("alice", password)
    assert there.account("alice").has_password is has_password


def test_account_that_shadow_does_not_know_has_no_password(there: People) -> None:
    there.add("alice", "$6$salt$hash")
    there.shadow = "\nrubbish\n"
    assert there.account("alice").has_password is False


@pytest.mark.parametrize(
    ("files", "key_files", "has_key"),
    [
        pytest.param({}, "", False, id="no file"),
        pytest.param({"alice/.ssh/authorized_keys": KEY}, "", True, id="the usual one"),
        pytest.param({"alice/.ssh/authorized_keys2": f"# old\n{KEY}"}, "", True, id="the second one"),
        pytest.param({"alice/.ssh/authorized_keys": "# none\n \n\n"}, "", False, id="comments only"),
        pytest.param({"alice/.ssh/authorized_keys": "  #x\n"}, "", False, id="indented comment"),
        pytest.param({"bob/.ssh/authorized_keys": KEY}, "", False, id="somebody else's"),
        pytest.param({"keys/alice": KEY}, "%h/../keys/%u", True, id="tokens"),
        pytest.param({"alice/keys": KEY}, "/nowhere %h/keys", True, id="second pattern"),
        pytest.param({"alice/.ssh/authorized_keys": KEY}, "none", False, id="none"),
        pytest.param({"alice/100%": KEY}, "100%%", True, id="a per cent sign"),
    ],
)
def test_keys(there: People, files: dict[str, str], key_files: str, has_key: bool) -> None:
    there.add("alice")
    there.add("bob")
    for name, text in files.items():
        put(there.folder / name, text)
    if key_files:
        there.settings["authorizedkeysfile"] = key_files
    assert there.account("alice").has_key is has_key


@pytest.mark.parametrize("keyword", ["authorizedkeyscommand", "trustedusercakeys"])
def test_where_keys_come_from_elsewhere_everybody_may_have_one(there: People, keyword: str) -> None:
    there.add("alice")
    there.settings[keyword] = "none"
    assert there.account("alice").has_key is False
    there.settings[keyword] = "/etc/ssh/elsewhere"
    assert there.account("alice").has_key is True


@pytest.mark.parametrize(
    ("error", "has_key"),
    [(PermissionError(13, "Permission denied"), False), (OSError(5, "Input/output error"), None)],
)
def test_key_file_that_sshd_may_not_read_is_no_key_and_a_broken_one_is_not_known(
    there: People, monkeypatch: pytest.MonkeyPatch, error: OSError, has_key: bool | None
) -> None:
    put(there.add("alice") / ".ssh" / "authorized_keys", KEY)

    def refuse(_path: str) -> None:
        raise error

    monkeypatch.setattr(people, "open_regular", refuse)
    assert there.has_key("alice") is has_key


@pytest.mark.parametrize(
    ("make", "has_key"),
    [
        pytest.param(os.mkfifo, False, id="a pipe"),
        pytest.param(lambda path: path.symlink_to("/dev/zero"), False, id="a device"),
        pytest.param(lambda path: path.symlink_to("/dev/null"), False, id="masked"),
        pytest.param(lambda path: path.mkdir(), False, id="a folder"),
        pytest.param(lambda path: path.symlink_to(path), None, id="a link to itself"),
        pytest.param(lambda path: (path.touch(), os.truncate(path, 1 << 40)), True, id="no end and no line"),
        pytest.param(lambda path: path.write_text("# x\n" * 300_000), None, id="comments without end"),
        pytest.param(lambda path: path.write_text(KEY + "# x\n" * 300_000), True, id="a key before them"),
        pytest.param(
            lambda path: ((path.parent / "keys").write_text(KEY), path.symlink_to("keys")), True, id="a link"
        ),
    ],
)
def test_what_stands_in_the_place_of_a_key_file(
    there: People, make: Callable[[Path], object], has_key: bool | None
) -> None:
    path = there.add("alice") / ".ssh" / "authorized_keys"
    path.parent.mkdir()
    make(path)
    assert there.has_key("alice") is has_key


def test_unknown_keys_are_a_reason_only_where_they_make_a_difference() -> None:
    accounts = (Account("alice"), Account("bob", has_key=True))
    facts = Facts(accounts, SshFacts(), True, unknown_keys=frozenset({"alice"}))
    always, only_with_keys = TwofactorError("a", "always"), TwofactorError("b", "with keys")

    def judge(facts: Facts) -> list[TwofactorError]:
        return [TwofactorError("a", "always"), *([only_with_keys] if facts.accounts[0].has_key else [])]

    codes = [reason.code for reason in people.judged_with_unknown_keys(facts, judge)]
    assert codes == ["a", "keys_unreadable"]
    found = people.judged_with_unknown_keys(facts, lambda _facts: [always])
    assert [reason.code for reason in found] == ["a"]
    known = Facts((Account("bob", has_key=True),), SshFacts(), True)
    assert people.judged_with_unknown_keys(known, judge)[1] is only_with_keys


def test_groups_are_primary_and_further_ones(there: People) -> None:
    there.add("alice", gid=1000)
    there.group("alice", 1000)
    there.group("staff", 50, "bob", "alice")
    there.group("others", 60, "bob")
    assert there.account("alice").groups == ("alice", "staff")

    there.add("carol", gid=4711)
    assert there.account("carol").groups == ()


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, SshFacts()),
        ({"passwordauthentication": "no"}, SshFacts(passwords=False)),
        ({"passwordauthentication": "no", "kbdinteractiveauthentication": "yes"}, SshFacts()),
        (
            {"passwordauthentication": "no", "kbdinteractiveauthentication": "yes", "usepam": "no"},
            SshFacts(passwords=False),
        ),
        ({"permitrootlogin": "yes"}, SshFacts(root_login="yes")),
        ({"allowusers": "ann bob@192.0.2.*"}, SshFacts(allow_users=("ann", "bob@192.0.2.*"))),
        (
            {"denyusers": "a", "allowgroups": "b c", "denygroups": "d"},
            SshFacts(deny_users=("a",), allow_groups=("b", "c"), deny_groups=("d",)),
        ),
    ],
)
def test_what_sshd_says(there: People, changed: dict[str, str], expected: SshFacts) -> None:
    there.settings.update(changed)
    assert there.facts().ssh == expected


def test_sshd_that_cannot_say_is_taken_as_it_comes(there: People) -> None:
    put(there.add("alice") / ".ssh" / "authorized_keys", KEY)
    there.settings = {}

    assert there.facts().ssh == SshFacts()
    assert there.account("alice").has_key


def test_clock_and_own_login(there: People) -> None:
    facts = there.facts()
    assert (facts.synchronised, facts.clock_offset) == (True, 0.25)
    assert facts.own == OwnLogin("ansible", "192.0.2.7")

    there.address, there.clock = "", Clock(False, None, "", "kernel")
    facts = there.facts()
    assert (facts.synchronised, facts.clock_offset, facts.own) == (False, None, None)


@pytest.mark.parametrize(
    ("users_file", "state", "verified"),
    [
        (None, "", []),
        ('{"alice": {"verified": "2026-11-24T06:18:01Z"}, "bob": {"renewal": "w"}}', "", ["alice"]),
        (None, "\t0\t264320\t2026-11-24T06:18:01L", ["alice", "bob"]),
        ('{"carol": {"verified": "2026-11-24T06:18:01Z"}}', "", []),
        ("{", "", []),
    ],
)
def test_who_has_shown_a_code(there: People, users_file: str | None, state: str, verified: list[str]) -> None:
    there.host.enrol("alice", "bob", state=state)
    if users_file is not None:
        there.host.texts[paths.USERS] = users_file
    assert there.facts().verified == frozenset(verified)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"HOTP/T30/6 alice - {SEEDS['alice'].hex()}\n", ""),
        (f"HOTP/T30/6 bob - {SEEDS['alice'].hex()}\n", "another user, 'bob'"),
        ("rubbish\n", "not a token"),
        (f"HOTP/E/6 alice - {SEEDS['alice'].hex()}\n", "holds no device"),
        ("", ""),
    ],
)
def test_tokens_that_pam_oath_would_not_read(there: People, text: str, sentence: str) -> None:
    there.host.texts[paths.token_file("alice")] = text
    broken = there.facts(users=("alice",)).broken_tokens

    assert bool(broken) is bool(sentence)
    assert sentence in broken.get("alice", "")
    assert there.facts().broken_tokens == {}


OTHER = "auth required pam_google_authenticator.so nullok\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("@include common-auth\n", {}),
        (f"@include common-auth\n{OTHER}", {"sudo": "pam_google_authenticator.so"}),
        ("auth required /lib/security/pam_duo.so\n", {"sudo": "pam_duo.so"}),
        ("#auth required pam_duo.so\n", {}),
        ("account required pam_duo.so\n", {}),
        ("@include common-auth\nauth\tsubstack\ttwofactor\t# fleetauth.twofactor\n", {}),
    ],
)
def test_another_module_that_asks_for_codes(there: People, text: str, found: dict[str, str]) -> None:
    there.host.texts["/etc/pam.d/sudo"] = text
    assert there.facts(services=("sudo", "missing")).other_modules == found
    assert there.facts().other_modules == {}


def test_other_ways_count_only_where_the_service_is_to_ask(
    there: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    way = TwofactorError("cockpit_other_way", "Cockpit lets users in with a ticket.")
    monkeypatch.setattr(cockpit, "other_ways", lambda host: [way] if host is there.host else [])

    other = TwofactorError("other_sshd", "Another sshd runs.")
    monkeypatch.setattr(sshd_check, "other_sshds", lambda host: [other] if host is there.host else [])

    there.host.open_doors = Doors(others=(OtherServer("Dropbear", "/usr/sbin/dropbear", "on port 2222"),))

    def codes(*services: str) -> list[str]:
        return [one.code for one in there.facts(services=services).other_ways]

    assert codes("cockpit", "sshd") == ["cockpit_other_way", "other_sshd", "other_login_server"]
    assert codes("cockpit") == ["cockpit_other_way", "other_login_server"]
    assert codes("sshd") == ["other_sshd", "other_login_server"]
    assert codes("sudo") == []
