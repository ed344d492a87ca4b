# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is remembered on a NAS."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas import notes
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.notes import Notes
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._truenas.conftest import Nas

FULL = Notes((("alice", "2026-Q4"), ("bob", "2026-Q4")), ("bob", "carol"), ("ntp1.example.com",), ("ssh",))


@pytest.mark.parametrize("kept", [Notes(), FULL])
def test_what_is_written_is_read_again(kept: Notes, nas: Nas) -> None:
    notes.write(kept)
    assert notes.read() == kept
    assert os.stat(notes.PATH).st_mode & 0o777 == 0o600


def test_nothing_is_there_at_first(nas: Nas) -> None:
    assert notes.read() == Notes()


@pytest.mark.parametrize(
    "text", ["", "rubbish", "[]", "{}", '{"users": [], "ntp": []}', '{"users": {"a": 1}, "ntp": []}']
)
def test_a_damaged_file_is_said_to_be(text: str) -> None:
    with pytest.raises(TwofactorError) as caught:
        notes.parse(text)
    assert caught.value.code == "notes_broken"


def test_two_changes_at_once_wait_for_each_other(nas: Nas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "_LOCK_PATIENCE", 0.1)
    with Path(notes.LOCK).open("w", encoding="ascii") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(TwofactorError) as caught, notes.one_at_a_time():
            pass
    assert caught.value.code == "change_running"
    with notes.one_at_a_time():
        pass
