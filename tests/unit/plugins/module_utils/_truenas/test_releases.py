# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions and the table."""

from __future__ import annotations

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.releases import TABLE, find


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("TrueNAS-SCALE-22.02.4", ("root", "system", "system", "never", "rootlogin", "start")),
        ("TrueNAS-SCALE-22.12.4.2", ("root", "system", "system", "never", "rootlogin", "start")),
        ("TrueNAS-SCALE-23.10-RC.1", ("user", "system", "user", "off", "user", "start")),
        ("TrueNAS-SCALE-23.10.2", ("user", "system", "user", "off", "user", "start")),
        ("TrueNAS-SCALE-24.04.2.5", ("user", "user", "user", "off", "user", "start")),
        ("TrueNAS-SCALE-24.10.0", ("user", "user", "user", "off", "user", "start")),
        ("TrueNAS-SCALE-24.10.2.4", ("user", "user", "user", "off", "user", "start")),
        ("TrueNAS-25.04.0", ("user", "user", "renewal", "off", "user", "start")),
        ("TrueNAS-25.04.2.6", ("user", "user", "renewal", "off", "user", "start")),
        ("TrueNAS-25.10-BETA.1", ("user", "user", "renewal", "off", "user", "control")),
        ("TrueNAS-25.10-RC.1", ("user", "user", "renewal", "always", "user", "control")),
        ("25.10.6", ("user", "user", "renewal", "always", "user", "control")),
        ("TrueNAS-26.0.0-BETA.3", ("user", "user", "renewal", "always", "user", "control")),
        ("TrueNAS-26.0.0", ("user", "user", "renewal", "always", "user", "control")),
        ("TrueNAS-27.0.0-MASTER-20261120-093012", ("user", "user", "renewal", "always", "user", "control")),
    ],
)
def test_what_a_version_can_do(version: str, expected: tuple[str, ...]) -> None:
    found = find(version)
    assert not found.warning
    names = ("secrets", "settings", "uri", "removal", "root_login", "service")
    assert tuple(getattr(found.release, name) for name in names) == expected


@pytest.mark.parametrize(
    ("version", "listed"),
    [("TrueNAS-25.04.0", "ssh"), ("TrueNAS-25.04.1", "enabled"), ("TrueNAS-25.04.2", "enabled")],
)
def test_users_oath_in_the_patch_releases_of_25_04(version: str, listed: str) -> None:
    assert find(version).release.oath_file == listed


@pytest.mark.parametrize("version", ["TrueNAS-28.0.0-MASTER-20280101-000000", "TrueNAS-27.4.0", "30.1"])
def test_a_newer_release_is_treated_as_the_newest_known(version: str) -> None:
    found = find(version)
    assert found.release is TABLE[-1]
    assert "newer" in found.warning


def test_a_patch_of_the_newest_release_is_known() -> None:
    assert not find("TrueNAS-27.0.7").warning


@pytest.mark.parametrize("version", ["TrueNAS-13.0-U6.1", "TrueNAS-SCALE-21.08-BETA.1"])
def test_older_than_the_table_is_refused(version: str) -> None:
    with pytest.raises(TwofactorError) as caught:
        find(version)
    assert caught.value.code == "release_too_old"


def test_what_is_no_version_is_refused() -> None:
    with pytest.raises(TwofactorError) as caught:
        find("<html>")
    assert caught.value.code == "version_unknown"


def test_the_table_is_in_order() -> None:
    assert list(TABLE) == sorted(TABLE, key=lambda row: row.since)
