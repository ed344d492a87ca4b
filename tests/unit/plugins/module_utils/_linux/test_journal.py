from __future__ import annotations

import base64
import errno
import itertools
import os
from dataclasses import asdict
from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import files, journal, paths
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.journal import Journal
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.plan import make_plan
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._linux.conftest import Root
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._linux.fakes import (
    PASSWORD_ALLOWED,
    FakeHost,
    every_having,
    ssh_lets_in,
)

SEED = "a1" * 20
STATE = "\t0\t264320\t2026-11-24T06:18:01L"
TOKEN = f"HOTP/T30/6\talice\t-\t{SEED}"


def test_originals_come_back_byte_for_byte_with_their_mode(root: Root) -> None:
    touched = [
        paths.SSHD_CONFIG,
        paths.PAM_POLICY,
        paths.POLICY,
        paths.SSHD_DROPIN,
        paths.token_file("alice"),
    ]
    root.put(paths.SSHD_CONFIG, "a\r\nb\udcff\x0c", 0o604)
    root.put(paths.token_file("alice"), TOKEN + STATE, 0o600)
    before = root.state()
    originals = journal.take(touched)
    for path in touched:
        root.put(path, "changed", 0o640)
        root.put(path + files.NEW, "half-written")
    journal.put_back(originals, root.reload)

    assert root.state() == before
    assert root.reloads == 1


def test_sshd_is_told_only_when_its_files_were_touched(root: Root) -> None:
    journal.put_back(journal.take([paths.POLICY]), root.reload)

    assert root.reloads == 0


def test_journal_round_trip_is_root_s_alone_and_shows_nothing(root: Root) -> None:
    root.put(paths.token_file("alice"), TOKEN)
    entry = Journal(journal.take([paths.token_file("alice"), paths.POLICY]), deadline=1.5, by="alice")
    journal.write(entry)

    assert journal.read(paths.ORIGINALS) == entry
    assert root.at(paths.ORIGINALS).stat().st_mode & 0o777 == 0o600
    assert "data" not in repr(entry)
    assert asdict(entry)["version"] == 1
    journal.keep_as_pending()
    assert (journal.read(paths.ORIGINALS), journal.read(paths.PENDING)) == (None, entry)
    journal.forget(paths.PENDING)
    assert journal.read(paths.PENDING) is None


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "{}", '{"version": 1}', '{"files": 7}', '{"files": {"/x": {}}}', '{"files": {"/x": 7}}',
     '{"files": {"/x": {"data": "%%"}}}', '{"files": {}, "colour": 1}'],
)  # fmt: skip
def test_damaged_journal_is_said_and_kept(root: Root, text: str) -> None:
    there = root.put(paths.ORIGINALS, text)
    with pytest.raises(TwofactorError) as caught:
        journal.read(paths.ORIGINALS)

    assert caught.value.code == "journal_broken"
    assert there.read_text() == text


def test_file_that_cannot_be_put_back_keeps_no_other_from_it(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    touched = [paths.service_file(name) for name in ("sudo", "su", "cockpit")] + [
        paths.SSHD_CONFIG,
        paths.SSHD_DROPIN,
    ]
    before = root.state()
    originals = journal.take(touched)
    for path in touched:
        root.put(path, "changed")
    replace = files.replace

    def refuse(path: str, text: str, mode: int) -> None:
        if path.endswith("/su"):
            raise OSError(errno.ENOSPC, "No space left on device", path)
        replace(path, text, mode)

    monkeypatch.setattr(files, "replace", refuse)
    with pytest.raises(OSError, match="No space"):
        journal.put_back(originals, root.reload)
    after = root.state()
    assert [path for path in before if after[path] != before[path]] == [str(root.at("/etc/pam.d/su"))]


def test_sshd_that_does_not_come_back_keeps_no_file_from_it(root: Root) -> None:
    touched = [paths.PAM_POLICY, paths.SSHD_DROPIN, paths.service_file("sshd"), paths.POLICY]
    before = root.state()
    originals = journal.take(touched)
    for path in touched:
        root.put(path, "@include common-auth\nauth requisite pam_oath.so\n")

    def fail() -> None:
        raise TwofactorError("sshd_reload", "sshd did not come back.")

    with pytest.raises(TwofactorError):
        journal.put_back(originals, fail)
    assert root.state() == before


def test_service_file_alone_leaves_sshd_s_files_alone(root: Root) -> None:
    root.put(paths.SSHD_DROPIN, "ours\n")
    before = root.state()
    originals = journal.take([paths.service_file("sshd")])
    root.put(paths.service_file("sshd"), "@include common-auth\nauth requisite pam_oath.so\n")
    journal.put_back(originals, root.reload)

    assert root.state() == before


def test_login_since_keeps_a_used_code_used(root: Root) -> None:
    root.put(paths.token_file("alice"), TOKEN + "\n")
    originals = journal.take([paths.token_file("alice")])
    root.put(paths.token_file("alice"), TOKEN + STATE + f"\nHOTP/T30/6\talice\t-\t{'b2' * 20}\n")
    journal.put_back(originals, root.reload)

    assert root.texts()["/var/lib/twofactor/tokens/alice.oath"] == TOKEN + STATE + "\n"


@pytest.mark.parametrize(("then", "now"), [("rubbish\n", TOKEN + "\n"), (TOKEN + "\n", "rubbish\n")])
def test_broken_token_file_comes_back_as_it_was(root: Root, then: str, now: str) -> None:
    root.put(paths.token_file("alice"), then)
    originals = journal.take([paths.token_file("alice")])
    root.put(paths.token_file("alice"), now)
    journal.put_back(originals, root.reload)

    assert root.texts()["/var/lib/twofactor/tokens/alice.oath"] == then


# In what order.

WAYS: dict[str, dict[str, Any]] = {
    "off": {"state": "disabled"},
    "key": {"state": "enabled", "methods": ("key_and_code",)},
    "password": {"state": "enabled", "methods": ("password_and_code",)},
    "either": {"state": "enabled", "methods": ("password_and_code", "key")},
    "both": {"state": "enabled", "methods": ("password_and_code", "key_and_code")},
}


class Memory:
    """A host in a dictionary on which a journal is put back, watched at each instant."""

    def __init__(self, host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
        self.texts = host.texts
        self.applied = self._of_sshd()
        self.instants: list[dict[Any, bool]] = []
        monkeypatch.setattr(files, "replace", self.replace)
        monkeypatch.setattr(files, "remove", self.remove)
        monkeypatch.setattr(journal, "read_text", self.texts.get)
        monkeypatch.setattr(journal, "_original", lambda path: original(self.texts.get(path)))
        for name in ("chmod", "chown"):
            monkeypatch.setattr(os, name, lambda *_arguments: None)

    def _of_sshd(self) -> dict[str, str]:
        return {path: text for path, text in self.texts.items() if path.startswith("/etc/ssh/")}

    def replace(self, path: str, text: str, mode: int) -> None:
        self.texts[path] = text
        self.instants.append(self.opened())

    def remove(self, path: str) -> None:
        self.texts.pop(path, None)
        self.instants.append(self.opened())

    def reload(self) -> None:
        self.applied = self._of_sshd()
        self.instants.append(self.opened())

    def opened(self) -> dict[Any, bool]:
        seen = {
            path: text for path, text in self.texts.items() if not path.startswith("/etc/ssh/")
        } | self.applied
        return {
            (name, has): ssh_lets_in(seen, PASSWORD_ALLOWED, name, has)
            for name in ("alice", "root")
            for has in every_having()
        }


def original(text: str | None) -> dict[str, Any] | None:
    data = base64.b64encode((text or "").encode()).decode()
    return None if text is None else {"data": data, "mode": 0o644, "uid": 0, "gid": 0}


@pytest.mark.parametrize(("before", "after"), list(itertools.permutations(WAYS, 2)))
def test_nobody_gets_in_without_a_key_on_the_way_back_who_does_not_before_or_after(
    monkeypatch: pytest.MonkeyPatch, before: str, after: str
) -> None:
    start = FakeHost().enrol("alice", "root")
    start.converge(Change({"state": "enabled"}, {**WAYS[before], "root_login": "allowed"}))
    steps = make_plan(Change(ssh=WAYS[after]), start).steps
    originals = {
        change.path: original(start.texts.get(change.path)) for step in steps for change in step.changes
    }
    for done in range(1, len(steps) + 1):
        with monkeypatch.context() as patched:
            host = FakeHost(dict(start.texts))
            host.carry_out(steps[:done])
            memory = Memory(host, patched)
            first = memory.opened()
            journal.put_back(originals, memory.reload)
            last = memory.opened()
            wrong = [
                (login, then[login])
                for then in memory.instants
                for login in first
                if then[login] and not (first[login] or last[login]) and "key" not in login[1]
            ]
        assert host.texts == start.texts
        assert wrong == []


def test_file_that_could_not_be_changed_does_not_keep_the_change_from_being_taken_back(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one that is mounted by itself: it is as it was, so there is nothing to put back."""
    path = paths.service_file("sudo")
    originals = journal.take([path, paths.service_file("su")])
    root.put(paths.service_file("su"), "changed\n")

    def refuse(there: str, *_arguments: Any) -> None:
        raise AssertionError(there)

    replace = journal.files.replace
    monkeypatch.setattr(
        journal.files, "replace", lambda there, *more: (refuse if there == path else replace)(there, *more)
    )
    journal.put_back(originals, root.reload)
    assert root.texts()["/etc/pam.d/su"] != "changed\n"
