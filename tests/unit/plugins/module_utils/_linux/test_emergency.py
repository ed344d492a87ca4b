from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import Refused, TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    agent,
    audit,
    bypass,
    daemon,
    emergency,
    files,
    paths,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import (
    SecretsChange,
    UserSecret,
)
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._linux.conftest import Root
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._linux.fakes import (
    KEYS_ONLY,
    PASSWORD_ALLOWED,
    SEEDS,
    FakeHost,
    every_having,
    folder_of,
    ssh_lets_in,
)

METHODS = {
    "key": ("key_and_code",),
    "password": ("password_and_code",),
    "either": ("password_and_code", "key"),
}
PRISTINE = FakeHost().texts


def enabled(way: str = "key", services: tuple[str, ...] = ("sudo", "su", "cockpit")) -> FakeHost:
    """Return a host with everything on, whose sshd_config needed our Include."""
    host = FakeHost()
    host.texts["/etc/ssh/sshd_config.d/00-aaa.conf"] = "Port 22\n"
    policy = {
        "state": "enabled",
        "services": services,
        "unenrolled": "allow",
        "exempt_networks": ("192.0.2.1",),
    }
    ssh = {"state": "enabled", "methods": METHODS[way], "root_login": "allowed"}
    users = (UserSecret("alice", SEEDS["alice"]),)
    host.converge(Change(policy, ssh, SecretsChange(users=users)))
    return host


ENABLED = {way: enabled(way) for way in METHODS}


@pytest.fixture(params=list(METHODS))
def host(root: Root, request: pytest.FixtureRequest) -> Root:
    root.take(ENABLED[request.param])
    return root


def assert_off(root: Root) -> None:
    left = folder_of(root.texts(), "/etc/pam.d/", "/etc/ssh/")
    assert left.pop("/etc/ssh/sshd_config.d/00-aaa.conf") == "Port 22\n"
    assert left == folder_of(PRISTINE, "/etc/pam.d/", "/etc/ssh/")


def full_disk(monkeypatch: pytest.MonkeyPatch, error: int = errno.ENOSPC) -> None:
    """Let nothing be written that needs a new block."""

    def write(path: str, text: str, mode: int, **_more: Any) -> str:
        raise OSError(error, os.strerror(error), path + files.NEW)

    monkeypatch.setattr(files, "write_beside", write)


def unchangeable(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let no file of these names be replaced, as after chattr +i."""
    replace = files.replace

    def refuse(path: str, text: str, mode: int) -> None:
        if path.endswith(names):
            raise PermissionError(errno.EPERM, "Operation not permitted", path)
        replace(path, text, mode)

    monkeypatch.setattr(files, "replace", refuse)


def test_everything_is_taken_off_and_tokens_are_kept(host: Root) -> None:
    tokens = folder_of(host.texts(), "/var/lib/twofactor/tokens/")
    users = folder_of(host.texts(), "/var/lib/twofactor/users.json")
    outcome = emergency.disable("phones lost", check_mode=False)

    assert outcome.changed
    assert_off(host)
    assert tokens
    assert users
    assert folder_of(host.texts(), "/var/lib/twofactor/") == {**tokens, **users}
    declared = json.loads(host.texts()["/etc/twofactor/policy.json"])
    assert (declared["policy"]["state"], declared["policy"]["reason"]) == ("disabled", "phones lost")
    assert declared["ssh"]["state"] == "enabled"
    assert host.logged == [("disabled", {"why": "phones lost", "lasts": "", "failed": ""})]


def test_second_run_changes_nothing(host: Root) -> None:
    emergency.disable("", check_mode=False)
    before, reloads = host.state(), host.reloads
    outcome = emergency.disable("again", check_mode=False)

    assert not outcome.changed
    assert outcome.before == outcome.after == {"state": "disabled"}
    assert (host.state(), host.reloads) == (before, reloads)


def test_host_that_never_had_it(root: Root) -> None:
    before = root.state()

    assert not emergency.disable("", check_mode=False).changed
    assert root.state() == before
    assert root.reloads == 0


def test_check_mode_says_the_same_and_does_nothing(host: Root) -> None:
    before = host.state()
    predicted = emergency.disable("", check_mode=True)

    assert host.state() == before
    assert (host.reloads, host.logged) == (0, [])
    done = emergency.disable("", check_mode=False)
    assert (predicted.changed, predicted.before, predicted.after) == (done.changed, done.before, done.after)
    assert predicted.before["asking"] == ["cockpit", "sshd", "su", "sudo", "sudo-i"]


def test_host_without_pam_folder_or_sshd(root: Root) -> None:
    for path in sorted(root.folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()

    assert not emergency.disable("", check_mode=False).changed


# Off for a while.


@pytest.fixture
def armed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, str]]:
    calls: list[tuple[float, str]] = []
    monkeypatch.setattr(agent, "arm", lambda seconds, verb, _end=None: calls.append((round(seconds), verb)))
    monkeypatch.setattr(audit, "account_behind", lambda: "ansible")
    return calls


def end_of(host: Root) -> bypass.Bypass | None:
    return bypass.parse(host.texts().get("/var/lib/twofactor/bypass.json")).host


def test_off_for_a_while_comes_back_on_by_itself(host: Root, armed: list[tuple[float, str]]) -> None:
    outcome = emergency.disable("restore", check_mode=False, lasts="2h")
    end = end_of(host)

    assert outcome.changed
    assert outcome.warnings == []
    assert_off(host)
    assert end is not None
    assert end.until == pytest.approx(time.time() + 7200, abs=5)
    assert (end.reason, end.by) == ("restore", "ansible")
    assert armed == [(7200.0, "expire")]
    assert "/usr/local/sbin/twofactor" in host.texts()
    assert host.logged == [("disabled", {"why": "restore", "lasts": "2h", "failed": ""})]


def test_same_end_is_kept_and_another_one_replaces_it(host: Root, armed: list[tuple[float, str]]) -> None:
    emergency.disable("restore", check_mode=False, lasts="2h")
    before = host.state()
    assert not emergency.disable("again", check_mode=False, lasts="120m").changed
    assert host.state() == before
    assert len(armed) == 1

    assert emergency.disable("again", check_mode=True, lasts="1h").changed
    assert host.state() == before
    for lasts, seconds in (("1h", 3600), ("3h", 10800)):
        assert emergency.disable("again", check_mode=False, lasts=lasts).changed
        end = end_of(host)
        assert end is not None
        assert end.until == pytest.approx(time.time() + seconds, abs=5)
    assert [seconds for seconds, _verb in armed] == [7200, 3600, 10800]


@pytest.mark.parametrize("check_mode", [False, True])
def test_host_that_was_off_never_comes_on_by_itself(
    host: Root, armed: list[tuple[float, str]], check_mode: bool
) -> None:
    emergency.disable("for good", check_mode=False)
    before = host.state()
    outcome = emergency.disable("restore", check_mode=check_mode, lasts="2h")

    assert not outcome.changed
    assert "was disabled on this host already" in outcome.warnings[0]
    assert (host.state(), armed) == (before, [])


def test_host_that_never_had_it_does_not_come_on_by_itself(
    root: Root, armed: list[tuple[float, str]]
) -> None:
    before = root.state()
    outcome = emergency.disable("restore", check_mode=False, lasts="2h")

    assert not outcome.changed
    assert (root.state(), armed) == (before, [])


def test_for_good_takes_the_end_away_and_for_a_while_gives_one(
    host: Root, armed: list[tuple[float, str]]
) -> None:
    emergency.disable("restore", check_mode=False, lasts="2h")
    assert emergency.disable("for good", check_mode=False).changed
    assert end_of(host) is None
    assert not emergency.disable("for good", check_mode=False).changed

    assert armed == [(7200.0, "expire")]


def test_users_who_are_let_off_stay_so(host: Root, armed: list[tuple[float, str]]) -> None:
    one = bypass.Bypass(time.time() + 60, "phone lost", "root")
    host.put(paths.BYPASS, bypass.render(bypass.Bypasses(None, {"alice": one})) or "")
    emergency.disable("restore", check_mode=False, lasts="2h")
    found = bypass.parse(host.texts()["/var/lib/twofactor/bypass.json"])

    assert found.users == {"alice": one}
    assert found.host is not None
    emergency.disable("for good", check_mode=False)
    found = bypass.parse(host.texts()["/var/lib/twofactor/bypass.json"])
    assert (found.users, found.host) == ({"alice": one}, None)


def test_list_of_bypasses_that_is_damaged_is_replaced(host: Root, armed: list[tuple[float, str]]) -> None:
    host.put(paths.BYPASS, "{")
    emergency.disable("restore", check_mode=False, lasts="2h")
    assert end_of(host) is not None


def test_check_mode_arms_nothing(host: Root, armed: list[tuple[float, str]]) -> None:
    before = host.state()
    assert emergency.disable("restore", check_mode=True, lasts="2h").changed
    assert (host.state(), armed) == (before, [])


def test_duration_that_is_none_changes_nothing(host: Root, armed: list[tuple[float, str]]) -> None:
    before = host.state()
    with pytest.raises(TwofactorError) as caught:
        emergency.disable("restore", check_mode=False, lasts="a while")
    assert caught.value.code == "bad_duration"
    assert host.state() == before


@pytest.mark.parametrize("what", ["timer", "disk"])
def test_end_that_cannot_be_had_does_not_keep_it_on(
    host: Root, armed: list[tuple[float, str]], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def refuse(_seconds: float, _verb: str, _end: float) -> None:
        raise TwofactorError("cannot_arm", "The host cannot be made to come back by itself.")

    if what == "timer":
        monkeypatch.setattr(agent, "arm", refuse)
    else:
        full_disk(monkeypatch)
    outcome = emergency.disable("restore", check_mode=False, lasts="2h")

    assert_off(host)
    assert "will not come back on by itself" in outcome.warnings[0]
    assert end_of(host) is None


# What else may be wrong at three in the morning.


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk(host: Root, monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    full_disk(monkeypatch, error)
    outcome = emergency.disable("disk full", check_mode=False)

    assert_off(host)
    assert len(outcome.warnings) == 1
    assert "policy.json could not be rewritten" in outcome.warnings[0]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"policy": 7}', '{"policy": {}}', "\udcff"])
def test_damaged_policy_file(host: Root, text: str) -> None:
    host.put(paths.POLICY, text)

    assert emergency.disable("", check_mode=False).changed
    assert_off(host)
    assert host.texts()["/etc/twofactor/policy.json"] == text
    assert not emergency.disable("", check_mode=False).changed


@pytest.mark.parametrize("path", [paths.POLICY, paths.SSHD_CONFIG])
def test_folder_in_the_place_of_a_file(host: Root, path: str) -> None:
    host.at(path).unlink()
    host.at(path).mkdir()
    emergency.disable("", check_mode=False)

    assert not any("twofactor" in text for text in folder_of(host.texts(), "/etc/pam.d/").values())
    assert not host.at(paths.SSHD_DROPIN).exists()


def test_file_that_cannot_be_read(host: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    read = emergency.read_text

    def refuse(path: str) -> str | None:
        if path.endswith(("policy.json", "su", "sshd_config")):
            raise OSError(errno.EIO, "Input/output error", path)
        return read(path)

    monkeypatch.setattr(emergency, "read_text", refuse)
    emergency.disable("", check_mode=False)
    left = folder_of(host.texts(), "/etc/pam.d/")

    assert "twofactor" not in left["/etc/pam.d/sudo"] + left["/etc/pam.d/sshd"]
    assert not host.at(paths.SSHD_DROPIN).exists()


def test_journal_of_a_broken_change_is_forgotten(host: Root) -> None:
    journal = host.put(f"{paths.JOURNAL}/originals.json", "{")
    emergency.disable("", check_mode=False)

    assert not journal.exists()


def test_half_written_files_of_a_broken_change_are_removed(host: Root) -> None:
    for path in (paths.service_file("sudo"), paths.SSHD_CONFIG, paths.SSHD_DROPIN):
        host.put(path + files.NEW, "@include common-auth\nauth\tsubstack\ttwofactor\t# fleetauth.twofactor\n")
    emergency.disable("", check_mode=False)

    assert_off(host)


@pytest.mark.parametrize("number", range(1, 25))
def test_run_that_was_killed_is_finished_by_the_next(
    host: Root, fail_at: Callable[..., list[str]], number: int
) -> None:
    fail_at(
        number,
        KeyboardInterrupt(),
        (files, "write_beside"),
        (os, "rename"),
        (os, "unlink"),
        (daemon, "reload_sshd"),
    )
    try:
        emergency.disable("", check_mode=False)
    except KeyboardInterrupt:
        host.reloads = 0
        emergency.disable("", check_mode=False)
    assert_off(host)
    assert (
        host.reloads > 0
        or json.loads(host.texts()["/etc/twofactor/policy.json"])["policy"]["state"] == "disabled"
    )


def test_line_that_somebody_has_rewritten_is_found(host: Root) -> None:
    host.put(paths.service_file("sudo"), "@include common-auth\nauth  substack  twofactor\r\n")
    emergency.disable("", check_mode=False)

    assert host.texts()["/etc/pam.d/sudo"] == "@include common-auth\n"


@pytest.mark.parametrize(
    "error", [ProcessLookupError(), PermissionError(errno.EPERM, "Operation not permitted")]
)
def test_sshd_that_cannot_be_told(host: Root, monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    def reload_sshd(*, wait: bool = True, patience: float = 0.0) -> None:
        assert not wait or patience <= 1.0
        raise error

    monkeypatch.setattr(daemon, "reload_sshd", reload_sshd)
    if isinstance(error, ProcessLookupError):
        emergency.disable("", check_mode=False)
    else:
        with pytest.raises(Refused, match="Operation not permitted"):
            emergency.disable("", check_mode=False)
    assert_off(host)


def test_service_that_cannot_be_changed_is_told_and_still_works(
    host: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    unchangeable(monkeypatch, "/pam.d/sudo")
    with pytest.raises(Refused) as caught:
        emergency.disable("", check_mode=False)

    assert [reason.code for reason in caught.value.reasons] == ["emergency_incomplete"]
    assert "/pam.d/sudo could not be changed: Operation not permitted" in str(caught.value)
    left = host.texts()
    assert "twofactor" in left["/etc/pam.d/sudo"]
    assert "/etc/pam.d/twofactor" in left  # without it PAM would refuse everybody
    assert "twofactor" not in left["/etc/pam.d/su"] + left["/etc/pam.d/sshd"] + left["/etc/pam.d/cockpit"]
    assert "/etc/ssh/sshd_config.d/00-twofactor.conf" not in left
    monkeypatch.undo()


def test_ssh_service_that_cannot_be_changed_never_makes_a_code_enough(
    host: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    unchangeable(monkeypatch, "/pam.d/sshd")
    with pytest.raises(Refused):
        emergency.disable("", check_mode=False)
    texts = host.texts()

    for own in (PASSWORD_ALLOWED, KEYS_ONLY):
        assert not ssh_lets_in(texts, own, "alice", frozenset({"code"}))
        assert ssh_lets_in(texts, own, "alice", frozenset({"key"}))


# In what order.


# Where sshd itself takes keys only, a password alone does after password_and_code for the instant until sshd has read
# its configuration: the emergency asks nothing of sshd that could keep it waiting.
@pytest.mark.parametrize(
    ("way", "own"),
    [
        ("key", PASSWORD_ALLOWED),
        ("password", PASSWORD_ALLOWED),
        ("either", PASSWORD_ALLOWED),
        ("key", KEYS_ONLY),
    ],
)
@pytest.mark.parametrize("is_full", [False, True], ids=["room", "full disk"])
def test_no_hole_and_no_shut_door_on_the_way(
    root: Root, monkeypatch: pytest.MonkeyPatch, way: str, own: dict[str, str], is_full: bool
) -> None:
    root.take(ENABLED[way])
    instants: list[dict[tuple[str, frozenset[str]], bool]] = []
    applied = {"/etc/ssh": folder_of(root.texts(), "/etc/ssh/")}

    def opened() -> dict[tuple[str, frozenset[str]], bool]:
        pam = folder_of(root.texts(), "/etc/pam.d/", "/var/")
        texts = {**pam, **applied["/etc/ssh"]}
        return {
            (name, has): ssh_lets_in(texts, own, name, has)
            for name in ("alice", "root")
            for has in every_having()
        }

    def watch(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            result = function(*arguments, **named)
            instants.append(opened())
            return result

        return call

    def reload_sshd(*, wait: bool = True, patience: float = 0.0) -> None:
        applied["/etc/ssh"] = folder_of(root.texts(), "/etc/ssh/")

    if is_full:
        full_disk(monkeypatch)
    monkeypatch.setattr(emergency, "_shrink", watch(emergency._shrink))
    monkeypatch.setattr(files, "remove", watch(files.remove))
    monkeypatch.setattr(daemon, "reload_sshd", watch(reload_sshd))
    before = opened()
    emergency.disable("", check_mode=False)
    after = opened()

    assert after[("alice", frozenset({"key"}))]
    wrong = [
        (login, then[login])
        for then in instants
        for login in before
        if before[login] == after[login] != then[login]
    ]
    assert wrong == []


def test_shrinking_in_place_follows_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there, link = tmp_path / "there", tmp_path / "link"
    there.write_text("a long text\n")
    there.chmod(0o640)
    link.symlink_to(there)
    full_disk(monkeypatch)
    emergency._shrink(str(link), "short\n")

    assert there.read_text() == "short\n"
    assert there.stat().st_mode & 0o777 == 0o640
    assert link.is_symlink()
