from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import Refused, TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    checks,
    files,
    packages,
    pam_check,
    paths,
    people,
    sshd_check,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.clock import Clock
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.guard import (
    Account,
    Facts,
    OwnLogin,
    SshFacts,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.plan import (
    FileChange,
    Plan,
    Step,
    make_plan,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import (
    Declared,
    SecretsChange,
    UserSecret,
)
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._linux.fakes import FakeHost

ON = {"state": "enabled"}
KEY = {"state": "enabled", "methods": ("key_and_code",)}


class Asked:
    """What was asked of the host, and what it answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.staged: list[tuple[str, str | None, bool]] = []
        self.conversations = 0
        self.facts_read: list[tuple[tuple[str, ...], list[str]]] = []
        self.clock = Clock(True, 0.1, "192.0.2.1", "chrony")
        self.sshd_error: TwofactorError | None = None
        self.modules = {"pam_oath", "pam_exec", "pam_faillock"}
        monkeypatch.setattr(sshd_check, "check_staged", self._check_staged)
        monkeypatch.setattr(packages, "has_pam_module", lambda name: name in self.modules)
        monkeypatch.setattr(
            packages, "missing", lambda *_wanted: [] if "pam_oath" in self.modules else ["libpam-oath"]
        )
        monkeypatch.setattr(pam_check, "check_policy", self._check_policy)
        monkeypatch.setattr(people, "read_facts", self._read_facts)
        # As for root, also where the tests run as somebody else.
        monkeypatch.setattr(os, "access", lambda _path, _mode: True)

    def _check_staged(self, _host: Any, main: str, dropin: str | None, ssh: Any, logins: list[Any]) -> None:
        self.staged.append((main, dropin, ssh is not None))
        if self.sshd_error is not None and ssh is not None:
            raise self.sshd_error

    def _read_facts(self, _host: Any, services: tuple[str, ...], users: list[str]) -> Facts:
        self.facts_read.append((services, users))
        return Facts(
            (ANSIBLE, ALICE),
            SshFacts(),
            synchronised=self.clock.synchronised,
            clock_offset=self.clock.offset,
            own=OwnLogin("ansible", "192.0.2.7"),
        )

    def _check_policy(self, _policy: Any) -> None:
        self.conversations += 1


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    return Asked(monkeypatch)


def check(change: Change, host: FakeHost, *, check_mode: bool = False, guarded: bool = False) -> Plan:
    plan = make_plan(change, host)
    checks.check_plan(plan, host, check_mode, guarded=guarded)  # type: ignore[arg-type]
    return plan


def test_configuration_is_checked_and_for_each_user(asked: Asked) -> None:
    host = FakeHost()
    plan = check(Change(ON, KEY), host)
    (dropin,) = (one.text for step in plan.steps for one in step.changes if one.path == paths.SSHD_DROPIN)

    main = host.texts[paths.SSHD_CONFIG]
    assert asked.staged == [(main, dropin, False), (main, dropin, True)]
    assert asked.conversations == 1


def test_include_that_is_added_is_part_of_the_check(asked: Asked) -> None:
    host = FakeHost()
    host.texts[paths.SSHD_CONFIG] = "UsePAM yes\n"
    check(Change(ON, KEY), host)

    assert {main.split("\n")[0].split("#")[0].strip() for main, _, _ in asked.staged} == {
        f"Include {paths.SSHD_DROPIN}"
    }


def test_taking_it_off_checks_the_syntax_alone(asked: Asked) -> None:
    host = FakeHost()
    host.converge(Change(ON, KEY))
    check(Change(ssh={"state": "disabled"}), host)

    assert [dropin is None for _, dropin, _ in asked.staged] == [True]
    assert not any(for_users for _, _, for_users in asked.staged)


@pytest.mark.parametrize("change", [Change(ON, KEY), Change()])
def test_nothing_to_change_nothing_to_check(asked: Asked, change: Change) -> None:
    host = FakeHost()
    host.converge(Change(ON, KEY))
    asked.modules.clear()
    check(change, host, guarded=True)

    assert (asked.staged, asked.conversations) == ([], 0)


@pytest.mark.parametrize(
    ("there", "lacking", "package"),
    [
        ({"pam_faillock", "pam_exec"}, "pam_oath", "libpam-oath"),
        ({"pam_oath", "pam_exec"}, "pam_faillock", "libpam-modules"),
        ({"pam_oath", "pam_faillock"}, "pam_exec", "libpam-modules"),
    ],
)
def test_pam_module_that_is_missing(asked: Asked, there: set[str], lacking: str, package: str) -> None:
    asked.modules = there
    with pytest.raises(TwofactorError, match=f"{lacking} is not installed.*'{package}'") as caught:
        check(Change(ON), FakeHost())
    assert caught.value.code == "pam_module_missing"

    plan = check(Change(ON), FakeHost(), check_mode=True)
    assert plan.warnings == [f"The PAM module {lacking} is not installed yet."]
    assert asked.conversations == 0


def test_pam_is_asked_only_about_a_policy_that_is_new(asked: Asked) -> None:
    host = FakeHost()
    host.converge(Change(ON))
    check(Change({"reason": "audit"}), host)

    assert asked.conversations == 0


ANSIBLE = Account("ansible", ("ansible",), has_key=True)
ALICE = Account("alice", ("alice",), has_password=True, has_key=True)
EXEMPT = {**ON, "exempt_users": ("ansible",)}


def reasons(change: Change, host: FakeHost, **more: bool) -> list[str]:
    with pytest.raises(Refused) as caught:
        check(change, host, guarded=True, **more)
    return [reason.code for reason in caught.value.reasons]


def test_guard(asked: Asked) -> None:
    assert reasons(Change(ON, KEY), FakeHost()) == [
        "nobody_enrolled",
        "user_shut_out",
        "user_shut_out",
        "user_shut_out",  # from the web console
        "own_account_shut_out",
        "nobody_could_log_in",
    ]
    check(Change(EXEMPT, KEY), FakeHost().enrol("alice"), guarded=True)
    assert reasons(Change(ON, KEY), FakeHost().enrol("alice")) == [
        "user_shut_out",
        "own_account_shut_out",
        "nobody_verified",
    ]


def test_guard_that_is_off_asks_nothing(asked: Asked) -> None:
    check(Change(ON, KEY), FakeHost(), guarded=False)
    assert asked.facts_read == []
    assert asked.conversations == 1
    assert len(asked.staged) == 2


def test_taking_it_off_is_not_guarded(asked: Asked) -> None:
    host = FakeHost()
    host.converge(Change(ON, KEY))
    check(Change({"state": "disabled"}), host, guarded=True)
    assert asked.facts_read == []


def test_guard_is_told_what_will_ask_and_whose_tokens_stay(asked: Asked) -> None:
    host = FakeHost().enrol("alice", "bob")
    asked.clock = Clock(False, None, "", "kernel")
    renewed = SecretsChange("renewed", (UserSecret("alice", b"N" * 20),), renewal="w")
    assert reasons(Change({**EXEMPT, "services": ("sudo",)}, KEY, renewed), host) == ["clock_unsynchronised"]
    assert asked.facts_read == [(("sudo", "sudo-i", "sshd"), ["bob"])]

    asked.facts_read.clear()
    assert reasons(Change(EXEMPT), host) == ["clock_unsynchronised"]
    assert asked.facts_read == [(("cockpit",), ["alice", "bob"])]


def test_removing_the_last_token_is_guarded(asked: Asked) -> None:
    host = FakeHost().enrol("alice")
    host.converge(Change(EXEMPT, KEY))
    absent = SecretsChange("absent", (UserSecret("alice"),))

    assert reasons(Change(secrets=absent), host) == ["nobody_enrolled"]


def test_service_that_was_declared_and_has_gone_does_not_stop_the_guard(asked: Asked) -> None:
    host = FakeHost().enrol("alice")
    host.converge(Change({**EXEMPT, "services": ("sudo",)}, KEY))
    del host.texts["/etc/pam.d/sudo"]
    check(Change({"services": ()}), host, guarded=True)

    assert asked.facts_read == [(("sshd",), ["alice"])]


def test_reasons_of_guard_disk_pam_and_sshd_come_at_once(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked.clock = Clock(True, 40.0, "192.0.2.1", "chrony")
    asked.modules.clear()
    asked.sshd_error = Refused(
        [TwofactorError("sshd_overridden", "for alice"), TwofactorError("sshd_overridden", "for bob")]
    )
    monkeypatch.setattr(os, "access", lambda *_arguments: False)

    assert reasons(Change(EXEMPT, KEY), FakeHost().enrol("alice")) == [
        "clock_off",
        "read_only",
        "pam_module_missing",
        "sshd_overridden",
        "sshd_overridden",
    ]


def test_one_reason_has_its_own_code(asked: Asked) -> None:
    asked.clock = Clock(True, -40.0, "192.0.2.1", "chrony")
    with pytest.raises(Refused) as caught:
        check(Change(EXEMPT, KEY), FakeHost().enrol("alice"), guarded=True)
    assert caught.value.code == "clock_off"


RENEWED = SecretsChange("renewed", (UserSecret("alice", b"N" * 20),), renewal="w")


@pytest.mark.parametrize(
    ("change", "tightens"),
    [
        pytest.param(Change(secrets=RENEWED), False, id="tokens alone"),
        pytest.param(Change(ssh={"state": "disabled"}), False, id="SSH going off"),
        pytest.param(Change({"window": 0}), True, id="policy"),
        pytest.param(Change(ssh={"methods": ("password_and_code",)}), True, id="methods"),
        pytest.param(Change(ssh={"root_login": "allowed"}), True, id="root"),
    ],
)
def test_clock_does_not_hold_up_what_asks_for_less(asked: Asked, change: Change, tightens: bool) -> None:
    host = FakeHost().enrol("alice", "bob")
    host.converge(Change(EXEMPT, KEY))
    asked.clock = Clock(False, None, "", "kernel")

    if tightens:
        assert reasons(change, host) == ["clock_unsynchronised"]
    else:
        check(change, host, guarded=True)


def test_putting_back_what_somebody_took_out_asks_for_more(asked: Asked) -> None:
    host = FakeHost().enrol("alice")
    host.converge(Change(EXEMPT, KEY))
    host.texts["/etc/pam.d/sshd"] = FakeHost().texts["/etc/pam.d/sshd"]
    asked.clock = Clock(False, None, "", "kernel")

    assert reasons(Change(EXEMPT, KEY), host) == ["clock_unsynchronised"]


# The disk.


@pytest.mark.parametrize("guarded", [False, True])
def test_folder_that_cannot_be_written(asked: Asked, monkeypatch: pytest.MonkeyPatch, guarded: bool) -> None:
    monkeypatch.setattr(os, "access", lambda path, _mode: not path.startswith("/etc"))
    with pytest.raises(Refused, match=r"/etc.* cannot be written") as caught:
        check(Change(EXEMPT, KEY), FakeHost().enrol("alice"), guarded=guarded)
    assert caught.value.code == "read_only"


@pytest.mark.parametrize(
    ("total", "free", "refused"), [(1000, 15, True), (1000, 16, False), (0, 0, False)], ids=str
)
def test_room_on_the_disk(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, total: int, free: int, refused: bool
) -> None:
    room = SimpleNamespace(f_blocks=total, f_bavail=free, f_frsize=4096)
    monkeypatch.setattr(os, "statvfs", lambda _path: room)
    monkeypatch.setattr(os, "access", lambda *_arguments: True)
    change, host = Change(EXEMPT, KEY), FakeHost().enrol("alice")
    if refused:
        assert reasons(change, host) == ["disk_full"]
    else:
        check(change, host, guarded=True)


def test_folders_that_are_not_there_yet_are_judged_by_the_one_above(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []

    def access(path: str, _mode: int) -> bool:
        looked.append(path)
        return True

    monkeypatch.setattr(os, "access", access)
    monkeypatch.setattr(paths, "STATE_FOLDER", "/nowhere/at/all")
    check(Change(EXEMPT, KEY), FakeHost(), guarded=False)
    assert "/" in looked
    assert all(os.path.isdir(path) for path in looked)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a folder to another account")
def test_link_into_a_folder_of_others_is_refused_before_anything_changes(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 1000, 1000)
    (home / "sshd").touch()
    (tmp_path / "sshd").symlink_to(home / "sshd")
    change = FileChange(str(tmp_path / "sshd"), "text")
    plan = Plan(Declared(), Declared(), [Step("services", (change,))])
    with pytest.raises(files.UnsafeFile) as caught:
        checks._check_writable(plan)
    assert caught.value.code == "unsafe_link"
