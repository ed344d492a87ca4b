from __future__ import annotations

import base64
import errno
import json
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change, Outcome
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import Refused, TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    agent,
    checks,
    clock,
    journal,
    lock,
    own_files,
    packages,
    paths,
    report,
    service,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    platform as linux,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.own_files import OpenFile
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.platform import LinuxPlatform
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import (
    BypassChange,
    NtpChange,
    SecretsChange,
    SshdChange,
    UserSecret,
)
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._linux.conftest import Root
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._linux.fakes import (
    ENROL,
    KEY,
    ON,
    WHOLE,
)

CHANGES = [
    WHOLE,
    Change(ON),
    Change(secrets=ENROL),
    Change({"state": "disabled", "window": 3}, None, ENROL),
    Change({"state": "disabled", "reason": "phones lost"}),
]


@pytest.mark.parametrize("first", [None, WHOLE])
@pytest.mark.parametrize("change", CHANGES)
def test_check_mode_predicts_and_second_run_changes_nothing(
    root: Root, platform: LinuxPlatform, first: Change | None, change: Change
) -> None:
    if first:
        platform.apply(first, check_mode=False)
    before, reloads = root.state(), root.reloads
    predicted = platform.apply(change, check_mode=True)
    assert (root.state(), root.reloads) == (before, reloads)

    done = platform.apply(change, check_mode=False)
    assert predicted.changed == done.changed
    assert predicted.after["state" if "state" in done.after else "policy"] == done.after.get(
        "state", done.after.get("policy")
    )
    assert predicted.result == done.result
    after = root.state()
    again = platform.apply(change, check_mode=False)
    assert not again.changed
    assert again.before == again.after
    assert root.state() == after


def test_off_gives_the_files_back(root: Root, platform: LinuxPlatform) -> None:
    pristine = root.state("/etc/pam.d", "/etc/ssh")
    platform.apply(WHOLE, check_mode=False)
    assert root.state("/etc/pam.d", "/etc/ssh") != pristine

    platform.apply(Change({"state": "disabled"}), check_mode=False)
    assert root.state("/etc/pam.d", "/etc/ssh") == pristine


def test_change_is_logged_without_secrets(root: Root, platform: LinuxPlatform) -> None:
    platform.apply(WHOLE, check_mode=False)
    ((event, details),) = root.logged

    assert event == "changed"
    assert details["added"] == "root"
    assert details["why"] == "rollout"
    assert not details["guard"]
    assert "tokens" in str(details["steps"])
    assert (b"R" * 20).hex() not in repr(root.logged)
    platform.apply(WHOLE, check_mode=False)
    assert len(root.logged) == 1


def test_guard_that_was_switched_off_is_logged(root: Root, platform: LinuxPlatform) -> None:
    platform.apply(Change(ON, guard=False), check_mode=False)

    assert root.logged[0][1]["guard"] == "off"


def test_secret_made_here_comes_back_from_the_real_run_alone(root: Root, platform: LinuxPlatform) -> None:
    change = Change(secrets=SecretsChange(users=(UserSecret("root"),), return_secrets=True))
    assert "secrets" not in platform.apply(change, check_mode=True).result

    (made,) = platform.apply(change, check_mode=False).result["secrets"]  # type: ignore[misc]
    seed = base64.b32decode(made["secret"])
    assert seed.hex() in root.texts()["/var/lib/twofactor/tokens/root.oath"]
    assert "secrets" not in platform.apply(change, check_mode=False).result


def test_run_that_was_cut_short_is_taken_back_first(
    root: Root, platform: LinuxPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as killed:
        killed.setattr(journal, "forget", lambda _path: None)
        platform.apply(WHOLE, check_mode=False)
    outcome = platform.apply(Change(ON), check_mode=False)

    assert outcome.warnings == ["A change that had been cut short was taken back first."]
    assert "/var/lib/twofactor/tokens/root.oath" not in root.texts()
    assert platform.apply(Change(ON), check_mode=False).warnings == []


@pytest.mark.parametrize("number", range(1, 20, 3))
def test_change_that_fails_leaves_the_host_as_it_was(
    root: Root, platform: LinuxPlatform, fail_at: Callable[..., list[str]], number: int
) -> None:
    before = root.state("/etc/pam.d", "/etc/ssh", "/etc/twofactor", "/var")
    fail_at(number, OSError(errno.ENOSPC, "No space left on device"), (os, "rename"))
    try:
        platform.apply(WHOLE, check_mode=False)
    except OSError:
        assert root.state("/etc/pam.d", "/etc/ssh", "/etc/twofactor", "/var") == before
        assert root.logged == [("refused", {"codes": "os_error", "why": "rollout", "guard": ""})]
    else:
        assert root.state() != before


def test_refused_change_touches_nothing(
    root: Root, platform: LinuxPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: Any, **_named: Any) -> None:
        raise TwofactorError("sshd_overridden", "no")

    before = root.state("/etc", "/var")
    monkeypatch.setattr(checks, "check_plan", refuse)
    for check_mode in (True, False):
        with pytest.raises(TwofactorError):
            platform.apply(WHOLE, check_mode=check_mode)
    assert (root.state("/etc", "/var"), root.reloads) == (before, 0)
    refusal = ("refused", {"codes": "sshd_overridden", "why": "rollout", "guard": ""})
    assert root.logged == [refusal], "not in check mode"


def test_every_code_of_a_refusal_is_logged_once(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: Any, **_named: Any) -> None:
        raise Refused(
            [TwofactorError(code, "no") for code in ("clock_off", "user_shut_out", "user_shut_out")]
        )

    monkeypatch.setattr(checks, "check_plan", refuse)
    with pytest.raises(Refused):
        LinuxPlatform().apply(Change(ON, guard=False), check_mode=False)
    assert root.logged == [("refused", {"codes": "clock_off,user_shut_out", "why": "", "guard": "off"})]


def test_guard_is_asked_for_unless_switched_off(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(checks, "check_plan", lambda *_arguments, guarded: asked.append(guarded))
    for guard in (True, False):
        LinuxPlatform().apply(Change(ON, guard=guard), check_mode=True)

    assert asked == [True, False]


def test_letting_somebody_off_is_not_guarded_and_says_why(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    armed: list[str] = []
    monkeypatch.setattr(checks, "check_plan", lambda *_arguments, guarded: asked.append(guarded))
    monkeypatch.setattr(agent, "arm", lambda seconds, verb, _end: armed.append(f"{verb} {seconds:.0f}"))
    platform = LinuxPlatform()
    platform.apply(Change(ON, KEY, ENROL), check_mode=False)
    let_off = BypassChange(("root",), lasts="1h", reason="phone lost")
    platform.apply(Change(bypass=let_off), check_mode=False)

    assert asked == [True, False]
    assert armed == ["expire 3600"]
    event, details = root.logged[-1]
    assert (event, details["let_off"], details["why"]) == ("changed", "root", "phone lost")


# What the host does by itself.


def test_pending_change_is_settled(
    root: Root, platform: LinuxPlatform, armed: list[tuple[float, str]]
) -> None:
    pristine = root.state("/etc/pam.d", "/etc/ssh")
    outcome = platform.apply(replace(WHOLE, confirm_within=60.0), check_mode=False)
    assert outcome.result["pending"] == {"confirm_within": 60.0}
    assert armed == [(60, "expire")]

    with pytest.raises(TwofactorError) as caught:
        platform.apply(Change({"window": 2}), check_mode=False)
    assert caught.value.code == "change_pending"
    assert platform.settle(False, check_mode=False).changed
    assert root.state("/etc/pam.d", "/etc/ssh") == pristine

    platform.apply(replace(WHOLE, confirm_within=60.0), check_mode=False)
    assert platform.settle(True, check_mode=False).changed
    assert root.state("/etc/pam.d", "/etc/ssh") != pristine
    assert [event for event, _details in root.logged] == [
        "changed",
        "refused",
        "reverted",
        "changed",
        "confirmed",
    ]


def test_change_that_changes_nothing_does_not_wait(
    root: Root, platform: LinuxPlatform, armed: list[tuple[float, str]]
) -> None:
    platform.apply(WHOLE, check_mode=False)
    outcome = platform.apply(replace(WHOLE, confirm_within=60.0), check_mode=False)
    assert not outcome.changed
    assert "pending" not in outcome.result
    assert armed == []


def test_off_needs_neither_lock_nor_journal_nor_policy(
    root: Root, platform: LinuxPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linux, "_EMERGENCY_PATIENCE", -1.0)
    platform.apply(WHOLE, check_mode=False)
    root.put(f"{paths.JOURNAL}/originals.json", "{")
    root.put(paths.POLICY, "{")
    with lock.one_at_a_time():
        assert platform.apply(Change({"state": "disabled"}), check_mode=False).changed
    assert "/etc/pam.d/twofactor" not in root.texts()


def test_options_given_with_off_are_kept_for_later(root: Root, platform: LinuxPlatform) -> None:
    platform.apply(WHOLE, check_mode=False)
    outcome = platform.apply(Change({"state": "disabled", "window": 4, "reason": "r"}), check_mode=False)
    policy = json.loads(root.texts()["/etc/twofactor/policy.json"])["policy"]

    assert outcome.changed
    assert (policy["state"], policy["window"], policy["reason"]) == ("disabled", 4, "r")
    assert outcome.after["state"] == "disabled"


def test_the_rest_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "missing", lambda *wanted: list(wanted))
    monkeypatch.setattr(report, "report", lambda: {"platform": "linux"})
    platform = LinuxPlatform()

    assert platform.missing_packages("chrony") == ["chrony"]
    assert platform.info() == {"platform": "linux"}


@pytest.mark.parametrize("check_mode", [False, True])
def test_what_else_is_changed_or_refused_is_logged(
    root: Root, monkeypatch: pytest.MonkeyPatch, check_mode: bool
) -> None:
    """Time servers, the SSH service, and a confirmation that comes too late."""
    done = Outcome(changed=True, after={"ssh": "running"})
    monkeypatch.setattr(clock, "set_ntp", lambda *_arguments: done)
    monkeypatch.setattr(service, "set_sshd", lambda *_arguments: done)
    platform = LinuxPlatform()
    platform.set_ntp(NtpChange(servers=("a", "b")), check_mode)
    platform.set_sshd(SshdChange(root_login="denied"), check_mode)
    root.put(paths.REVERTED, '{"why": "nobody confirmed it in time"}')
    with pytest.raises(TwofactorError):
        platform.settle(True, check_mode)

    def refuse(*_arguments: object) -> Outcome:
        raise Refused([TwofactorError("sshd_overridden", "no"), TwofactorError("read_only", "no")])

    monkeypatch.setattr(service, "set_sshd", refuse)
    with pytest.raises(Refused):
        platform.set_sshd(SshdChange(root_login="denied"), check_mode)

    expected: list[tuple[str, dict[str, object]]] = [
        ("ntp", {"servers": "a,b", "pools": ""}),
        ("sshd", {"running": "running", "root_login": "denied"}),
        ("refused", {"codes": "change_reverted"}),
        ("refused", {"codes": "sshd_overridden,read_only"}),
    ]
    assert root.logged == ([] if check_mode else expected)


def test_modes_of_our_own_files_are_repaired_where_nothing_else_is_to_be_done(
    root: Root, platform: LinuxPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.apply(WHOLE, check_mode=False)
    wrong = [OpenFile(paths.POLICY, 0o666, 0o600, 0)]
    repaired: list[list[OpenFile]] = []
    monkeypatch.setattr(own_files, "find", lambda: wrong)
    monkeypatch.setattr(own_files, "repair", repaired.append)
    for check_mode in (True, False):
        outcome = platform.apply(WHOLE, check_mode=check_mode)
        assert outcome.changed
        assert (outcome.before["modes"], outcome.after["modes"]) == (
            {paths.POLICY: "mode 0666"},
            {paths.POLICY: "mode 0600"},
        )
        assert repaired == ([] if check_mode else [wrong])
    assert root.logged[-1] == ("repaired", {"modes": paths.POLICY})
