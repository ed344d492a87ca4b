from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    agent,
    audit,
    files,
    journal,
    paths,
    pending,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.journal import Journal
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._linux.conftest import Root

HERE = "192.0.2.7 50000 192.0.2.8 22"
ELSEWHERE = "192.0.2.7 50001 192.0.2.8 22"


class Waiting:
    """A host on which a change can wait, with a clock that is moved by hand."""

    def __init__(self, root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.now = 1000.0
        self.connection = HERE
        self.boot_id = root.put("/proc/boot_id", "boot-1\n")
        self.armed: list[tuple[float, str]] = []
        monkeypatch.setattr(pending, "_BOOT_ID", str(self.boot_id))
        monkeypatch.setattr(pending.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(audit, "connection", lambda: self.connection)
        monkeypatch.setattr(audit, "account_behind", lambda: "ansible")
        monkeypatch.setattr(agent, "arm", lambda seconds, verb: self.armed.append((seconds, verb)))
        monkeypatch.setattr(agent, "install", lambda: self.root.put(paths.COMMAND, "the command\n"))

    def begin(self, within: float = 60.0) -> Journal:
        """Make a change to sudo's service file that waits to be confirmed."""
        change = Change({"reason": "a try"}, confirm_within=within)
        entry = pending.prepare(change)
        path = paths.service_file("sudo")
        entry = replace(entry, files=journal.take([path]))
        files.make_folder(paths.JOURNAL, 0o700)
        journal.write(entry)
        files.replace(path, "changed\n", 0o644)
        journal.keep_as_pending()
        return entry

    @property
    def is_changed(self) -> bool:
        return self.root.texts()["/etc/pam.d/sudo"] == "changed\n"

    @property
    def waits(self) -> bool:
        return journal.read(paths.PENDING) is not None


@pytest.fixture
def host(root: Root, monkeypatch: pytest.MonkeyPatch) -> Waiting:
    return Waiting(root, monkeypatch)


def code_of(call: Any, *arguments: Any) -> str:
    with pytest.raises(TwofactorError) as caught:
        call(*arguments)
    assert caught.value.remedy
    return caught.value.code


def test_host_is_armed_before_anything_changes(host: Waiting) -> None:
    entry = pending.prepare(Change(ssh={"reason": "for SSH"}, policy={"reason": "x"}, confirm_within=90.0))

    assert host.armed == [(90.5, "expire")]
    assert host.root.texts()["/usr/local/sbin/twofactor"] == "the command\n"
    assert (entry.deadline, entry.boot_id) == (1090.0, "boot-1")
    assert (entry.connection, entry.by, entry.reason) == (HERE, "ansible", "for SSH")
    assert not host.waits


def test_host_that_cannot_be_armed(host: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_seconds: float, _verb: str) -> None:
        raise TwofactorError("cannot_arm", "no timer")

    monkeypatch.setattr(agent, "arm", refuse)
    with pytest.raises(TwofactorError, match="no timer"):
        pending.prepare(Change({}, confirm_within=60.0))
    assert not host.waits


@pytest.mark.parametrize(
    ("passed", "boot", "overdue", "left"),
    [
        (0.0, "boot-1", False, 60.0),
        (58.9, "boot-1", False, 1.1),
        (59.0, "boot-1", True, 0.0),
        (61.0, "boot-1", True, 0.0),
        (0.0, "boot-2", True, 0.0),
    ],
)
def test_how_long_a_change_waits(host: Waiting, passed: float, boot: str, overdue: bool, left: float) -> None:
    entry = host.begin()
    host.now += passed
    host.boot_id.write_text(f"{boot}\n")

    assert pending.is_overdue(entry) is overdue
    assert pending.seconds_left(entry) == pytest.approx(left)
    assert pending.always(entry)


def test_second_change_is_refused_while_one_waits(host: Waiting) -> None:
    pending.refuse_second()
    host.begin()
    with pytest.raises(TwofactorError, match="'ansible' waits to be confirmed, for 60 s") as caught:
        pending.refuse_second()
    assert caught.value.code == "change_pending"


def test_confirmed_only_over_another_connection(host: Waiting) -> None:
    host.begin()
    assert code_of(pending.settle, True, False) == "confirm_same_connection"
    assert code_of(pending.settle, True, True) == "confirm_same_connection"
    assert host.waits

    host.connection = ELSEWHERE
    outcome = pending.settle(True, False)
    assert (outcome.changed, host.waits, host.is_changed) == (True, False, True)
    assert host.root.logged == [("confirmed", {"made_by": "ansible"})]
    assert not pending.settle(True, False).changed


def test_console_has_no_connection_and_may_confirm(host: Waiting) -> None:
    host.connection = ""
    host.begin()
    assert pending.settle(True, False).changed


def test_reverted_over_any_connection(host: Waiting) -> None:
    host.begin()
    outcome = pending.settle(False, False)

    assert outcome.changed
    assert (outcome.before, outcome.after) == ({"pending": True}, {"pending": False})
    assert not host.is_changed
    assert not host.waits
    assert host.root.logged == [("reverted", {"made_by": "ansible", "why": "asked for"})]
    assert not pending.settle(False, False).changed


@pytest.mark.parametrize("confirmed", [True, False])
def test_check_mode_settles_nothing(host: Waiting, confirmed: bool) -> None:
    host.begin()
    host.connection = ELSEWHERE
    before = host.root.state()

    assert pending.settle(confirmed, True).changed
    assert (host.root.state(), host.root.logged, host.waits) == (before, [], True)


def test_confirmed_too_late(host: Waiting) -> None:
    host.begin()
    host.now += 60
    host.connection = ELSEWHERE
    pending.revert_if(pending.is_overdue, "nobody confirmed it in time")

    assert not host.is_changed
    assert json.loads(host.root.texts()["/var/lib/twofactor/journal/reverted.json"])["why"]
    with pytest.raises(TwofactorError, match="nobody confirmed it in time") as caught:
        pending.settle(True, False)
    assert caught.value.code == "change_reverted"
    assert not pending.settle(False, False).changed


def test_nothing_pending_nothing_to_take_back(host: Waiting) -> None:
    pending.revert_if(pending.always, "why")
    assert host.root.logged == []
    assert not pending.settle(True, False).changed


def test_change_that_has_time_left_is_left_alone(host: Waiting) -> None:
    host.begin()
    host.now += 30
    pending.revert_if(pending.is_overdue, "why")
    assert (host.is_changed, host.waits) == (True, True)


def test_reverted_after_a_boot_however_little_time_has_passed(host: Waiting) -> None:
    host.begin()
    host.boot_id.write_text("boot-2\n")
    pending.revert_if(pending.is_overdue, "the machine went down")
    assert (host.is_changed, host.waits) == (False, False)
