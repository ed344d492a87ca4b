# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import selinux

FOLDER = "/var/lib/twofactor"


@pytest.fixture
def labels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, str, bytes]]:
    """What is set, on a host with SELinux whose folder has the type that it was made with."""
    (tmp_path / "enforce").write_text("1")
    monkeypatch.setattr(selinux, "_MOUNTED", str(tmp_path / "enforce"))
    monkeypatch.setattr(os, "getxattr", lambda *_words: b"unconfined_u:object_r:var_lib_t:s0\0")
    written: list[tuple[str, str, bytes]] = []
    monkeypatch.setattr(os, "setxattr", lambda *words: written.append(words))
    return written


def test_folder_gets_the_type_that_sshd_writes_to(labels: list[tuple[str, str, bytes]]) -> None:
    selinux.label_for_authentication(FOLDER)

    assert labels == [(FOLDER, "security.selinux", b"system_u:object_r:var_auth_t:s0\0")]


def test_once_is_enough(labels: list[tuple[str, str, bytes]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getxattr", lambda *_words: b"unconfined_u:object_r:var_auth_t:s0\0")
    selinux.label_for_authentication(FOLDER)

    assert not labels


def test_without_selinux_nothing_is_touched(
    labels: list[tuple[str, str, bytes]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(selinux, "_MOUNTED", str(tmp_path / "missing"))
    selinux.label_for_authentication(FOLDER)

    assert not labels


def test_a_policy_that_does_not_know_the_type(
    labels: list[tuple[str, str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_words: object) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "setxattr", refuse)
    selinux.label_for_authentication(FOLDER)
