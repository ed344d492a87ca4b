from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    files,
    journal,
    paths,
    token_lock,
    transaction,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.plan import FileChange, Step
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._linux.conftest import Root
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._linux.fakes import SEEDS

STATE = "\t0\t264320\t2026-11-24T06:18:01L"
CALLS = 36
EVERY_CALL = ((files, "replace"), (files, "remove"), (files, "write_beside"), (os, "rename"))


class Killed(BaseException):
    """What ends a run at once."""


def token(name: str, state: str = "", seed: bytes | None = None) -> str:
    return f"HOTP/T30/6\t{name}\t-\t{(seed or SEEDS[name]).hex()}{state}\n"


def steps() -> list[Step]:
    """Return a change that replaces, adds and removes files of every kind."""
    return [
        Step("leftovers", (FileChange(f"{paths.TOKENS}/bob.oath.lock", None),)),
        Step(
            "tokens",
            (
                FileChange(paths.USERS, "{}\n"),
                FileChange(paths.token_file("alice"), token("alice") + token("alice", seed=b"B" * 20)),
                FileChange(paths.token_file("carol"), token("carol")),
                FileChange(paths.token_file("bob"), None),
            ),
        ),
        Step("policy", (FileChange(paths.PAM_POLICY, "policy\n", 0o644),)),
        Step("sshd bridge", (FileChange(paths.SSHD_DROPIN, "bridge\n"),), reload_sshd=True),
        Step("ssh service", (FileChange(paths.service_file("sshd"), "changed\n"),)),
        Step(
            "sshd",
            (FileChange(paths.SSHD_DROPIN, "final\n"), FileChange(paths.SSHD_CONFIG, "main\n")),
            reload_sshd=True,
        ),
        Step("policy", (FileChange(paths.EXEMPT_NETWORKS, None),)),
        Step("declared", (FileChange(paths.POLICY, "{}"),)),
    ]


@pytest.fixture
def host(root: Root, monkeypatch: pytest.MonkeyPatch) -> Root:
    monkeypatch.setattr(token_lock, "_PATIENCE", 0.0)  # the lock that is there below stays
    root.put(paths.token_file("alice"), token("alice", STATE), 0o600)
    root.put(paths.token_file("bob"), token("bob", STATE), 0o600)
    root.put(f"{paths.TOKENS}/bob.oath.lock", "", 0o600)
    root.put(paths.EXEMPT_NETWORKS, "-:ALL:ALL\n", 0o640)
    root.put(paths.service_file("sshd"), "@include common-auth\r\n\udcff", 0o604)
    return root


def keep_the_originals(path: str) -> None:
    """Do what forgetting a journal does, but for the one that a killed run leaves."""
    if path != paths.ORIGINALS:
        files.remove(path)


def test_commit_carries_every_step_out(host: Root) -> None:
    transaction.commit(steps(), host.reload)
    texts = host.texts()

    assert texts["/var/lib/twofactor/tokens/alice.oath"] == token("alice", STATE) + token(
        "alice", seed=b"B" * 20
    )
    assert texts["/var/lib/twofactor/tokens/carol.oath"] == token("carol")
    assert "/var/lib/twofactor/tokens/bob.oath" not in texts
    assert texts["/etc/ssh/sshd_config.d/00-twofactor.conf"] == "final\n"
    assert texts["/etc/pam.d/sshd"] == "changed\n"
    assert not [path for path in texts if path.endswith((files.NEW, ".lock", "originals.json"))]
    assert host.reloads == 2


def test_modes(host: Root) -> None:
    transaction.commit(steps(), host.reload)
    modes = {
        path: host.at(path).stat().st_mode & 0o7777
        for path in (paths.PAM_POLICY, paths.SSHD_DROPIN, paths.token_file("carol"), paths.token_file("alice"),
                     paths.FAILURES, paths.JOURNAL, paths.service_file("sshd"), paths.POLICY)
    }  # fmt: skip

    assert list(modes.values()) == [0o644, 0o600, 0o600, 0o600, 0o700, 0o700, 0o604, 0o600]


def test_there_are_as_many_calls_as_the_next_tests_fail_at(
    host: Root, fail_at: Callable[..., list[str]]
) -> None:
    calls = fail_at(0, Killed(), *EVERY_CALL, (host, "reload"))
    transaction.commit(steps(), host.reload)

    assert CALLS - 3 < len(calls) <= CALLS


@pytest.mark.parametrize("number", range(1, CALLS + 1))
@pytest.mark.parametrize(
    "error",
    [OSError(errno.EIO, "Input/output error"), TwofactorError("token_file_busy", "busy"), Killed()],
    ids=["disk", "refusal", "interrupt"],
)
def test_failure_at_any_call_puts_everything_back(
    host: Root, fail_at: Callable[..., list[str]], number: int, error: BaseException
) -> None:
    before = host.state()
    calls = fail_at(number, error, *EVERY_CALL, (host, "reload"))
    raised: BaseException | None = None
    try:
        transaction.commit(steps(), host.reload)
    except BaseException as caught:
        raised = caught
    if len(calls) < number:
        return
    assert raised is error
    # All steps are done when the journal itself is what cannot be removed.
    assert host.state() == before or (host.at(paths.ORIGINALS).exists() and calls[number - 1] == "remove")
    transaction.recover(host.reload)
    assert host.state() == before


@pytest.mark.parametrize("number", range(1, CALLS - 1))
def test_run_that_was_killed_is_taken_back_by_the_next(
    host: Root, fail_at: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    before = host.state()
    fail_at(number, Killed(), *EVERY_CALL, (host, "reload"))
    with monkeypatch.context() as killed, contextlib.suppress(Killed):
        killed.setattr(journal, "put_back", lambda *_arguments: None)
        killed.setattr(journal, "forget", keep_the_originals)
        transaction.commit(steps(), host.reload)
    interrupted = host.at(paths.ORIGINALS)
    if not interrupted.exists():
        half_written = host.at(paths.ORIGINALS + files.NEW)
        half_written.unlink(missing_ok=True)
        assert host.state() == before or "/var/lib/twofactor/tokens/carol.oath" in host.texts()
        return
    assert interrupted.stat().st_mode & 0o777 == 0o600
    host.reloads = 0

    assert transaction.recover(host.reload)
    assert host.state() == before
    assert host.reloads > 0
    assert not transaction.recover(host.reload)


def test_nothing_to_recover(root: Root) -> None:
    assert not transaction.recover(root.reload)
    assert root.reloads == 0


# Logins in between.


def test_state_of_a_login_between_plan_and_write_is_kept(host: Root) -> None:
    host.put(paths.token_file("alice"), token("alice", STATE.replace("264320", "264399")), 0o600)
    transaction.commit(steps(), host.reload)

    assert "\t264399\t" in host.texts()["/var/lib/twofactor/tokens/alice.oath"]


def test_state_of_a_login_during_a_change_that_fails_is_kept(host: Root) -> None:
    newer = token("alice", STATE.replace("264320", "264399"))

    def login_then_fail() -> None:
        host.reloads += 1
        if host.reloads == 1:
            host.put(paths.token_file("alice"), newer + token("alice", seed=b"B" * 20), 0o600)
            raise TwofactorError("sshd_reload", "sshd did not come back.")

    with pytest.raises(TwofactorError):
        transaction.commit(steps()[:4], login_then_fail)
    assert host.texts()["/var/lib/twofactor/tokens/alice.oath"] == newer


def test_renewed_token_does_not_take_the_old_state_over(host: Root) -> None:
    renewed = token("alice", seed=b"N" * 20)
    transaction.commit([Step("tokens", (FileChange(paths.token_file("alice"), renewed),))], host.reload)

    assert host.texts()["/var/lib/twofactor/tokens/alice.oath"] == renewed


def test_broken_token_file_is_replaced_whole_and_put_back_as_it_was(
    host: Root, fail_at: Callable[..., list[str]]
) -> None:
    host.put(paths.token_file("alice"), "rubbish\n", 0o600)
    before = host.state()
    fail_at(2, TwofactorError("sshd_reload", "sshd did not come back."), (host, "reload"))
    with pytest.raises(TwofactorError):
        transaction.commit(steps(), host.reload)
    assert host.state() == before


def test_sshd_that_stays_away_leaves_the_journal_for_the_next_run(host: Root) -> None:
    before = host.state("/etc")

    def fail() -> None:
        raise TwofactorError("sshd_reload", "sshd did not come back.")

    with pytest.raises(TwofactorError):
        transaction.commit(steps(), fail)
    assert host.state("/etc") == before
    assert transaction.recover(host.reload)


def test_many_tokens_at_once(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs: list[int] = []
    monkeypatch.setattr(os, "sync", lambda: syncs.append(1))
    names = [f"user{number}" for number in range(30)]
    changes = tuple(FileChange(paths.token_file(name), token(name, seed=name.encode() * 3)) for name in names)
    transaction.commit([Step("tokens", changes)], root.reload)

    assert len(syncs) == 1
    assert sorted(root.at(paths.TOKENS).iterdir()) == sorted(root.at(change.path) for change in changes)


def test_locked_token_file_takes_the_change_back(host: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_lock, "_PATIENCE", -1.0)
    host.put(paths.token_file("alice") + ".lock", "")
    before = host.state()
    with pytest.raises(TwofactorError) as caught:
        transaction.commit(steps(), host.reload)

    assert caught.value.code == "token_file_busy"
    assert host.state() == before
