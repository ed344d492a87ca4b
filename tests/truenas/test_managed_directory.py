# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection and users of Active Directory, of whose secrets user.query says something else on each release."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change
from tests.truenas.managed import Managed, secrets
from tests.truenas.standin.releases import RELEASES

Manage = Callable[[str], Managed]
PER_USER = [version for version in RELEASES if version >= "23"]
every_per_user = pytest.mark.parametrize("version", PER_USER)
CAROL, DAVE = "CORP\\carol", "CORP\\dave"
SSH = {"enabled": True, "services": {"ssh": True}}


@pytest.fixture
def joined(manage: Manage) -> Manage:
    """Return a function that installs a NAS which has joined a domain of two users."""

    def install(version: str) -> Managed:
        managed = manage(version)
        for name in (CAROL, DAVE):
            managed.nas.call("stand_in.directory", name)
        return managed

    return install


def _secret(managed: Managed, name: str) -> str | None:
    found: str | None = managed.nas.call("stand_in.secret", name)
    return found


def _once(managed: Managed, change: Change) -> None:
    """Insist that check mode foretells the change, that it happens, and that it happens once."""
    managed.forget()
    assert managed.apply(change, check_mode=True).changed
    assert managed.changing_calls() == []
    assert managed.apply(change).changed
    assert not managed.apply(change, check_mode=True).changed
    managed.forget()
    assert not managed.apply(change).changed
    assert managed.changing_calls() == []


@every_per_user
def test_enrolled_renewed_and_removed_once_each(joined: Manage, version: str) -> None:
    managed = joined(version)
    _once(managed, Change(secrets=secrets(CAROL)))
    first = _secret(managed, CAROL)
    assert first
    _once(managed, Change(secrets=secrets(CAROL, state="renewed", renewal="2026-Q4")))
    assert _secret(managed, CAROL) not in (None, first)
    _once(managed, Change(secrets=secrets(CAROL, state="absent")))
    assert _secret(managed, CAROL) is None
    _once(managed, Change(secrets=secrets(CAROL)))


@every_per_user
def test_the_secret_is_handed_over(joined: Manage, version: str) -> None:
    managed = joined(version)
    result: Any = managed.apply(Change(secrets=secrets(CAROL))).result
    told = [(entry["name"], entry["secret"]) for entry in result["secrets"]]
    assert told == [(CAROL, _secret(managed, CAROL))]


@every_per_user
def test_exclusive_with_the_directory(joined: Manage, version: str) -> None:
    managed = joined(version)
    managed.apply(Change(secrets=secrets(CAROL, DAVE, "root")))
    managed.nas.call("auth.twofactor.update", SSH)
    change = Change(secrets=secrets(CAROL, "root", exclusive=True))
    if version < "25.10":
        assert managed.refusal(change) == ["removal_while_enabled"]
        managed.nas.call("auth.twofactor.update", {"enabled": False})
        if version.startswith("24.10"):
            return  # it tells of secrets by no other way than users.oath, which is gone now
    _once(managed, change)
    assert (_secret(managed, DAVE), bool(_secret(managed, CAROL))) == (None, True)


@every_per_user
def test_from_nothing_to_codes_with_the_directory_alone(joined: Manage, version: str) -> None:
    managed = joined(version)
    change = Change(
        secrets=secrets(CAROL),
        policy={"state": "enabled", "window": 1},
        ssh={"state": "enabled", "root_login": "denied"},
    )
    _once(managed, change)
    assert CAROL in (managed.nas.oath or "")
    report = managed.platform.info()
    assert [user["name"] for user in report["users"] if user["enrolled"]] == [CAROL]  # type: ignore[attr-defined]
    codes = [problem["code"] for problem in report["problems"]]  # type: ignore[attr-defined]
    assert "nobody_enrolled" not in codes
    managed.apply(Change(policy={"state": "disabled"}))
    on = Change(policy={"state": "enabled"})
    if version.startswith("24.10"):
        assert managed.refusal(on) == ["nobody_enrolled"]
        on = Change(policy={"state": "enabled"}, secrets=secrets(CAROL))
    assert managed.apply(on).changed


@every_per_user
def test_new_digits_for_the_directory(joined: Manage, version: str) -> None:
    managed = joined(version)
    managed.apply(Change(secrets=secrets(CAROL)))
    policy: dict[str, object] = {"digits": 8}
    if version.startswith("23"):
        assert managed.refusal(Change(policy=policy)) == ["secrets_wiped"]
        change = Change(policy=policy, secrets=secrets(CAROL), wipe_secrets=True)
    else:
        assert managed.refusal(Change(policy=policy, secrets=secrets(CAROL))) == ["settings_strand_users"]
        change = Change(policy=policy, secrets=secrets(CAROL, state="renewed", renewal="eight"))
    _once(managed, change)


@every_per_user
def test_a_user_who_is_in_no_directory(joined: Manage, version: str) -> None:
    managed = joined(version)
    assert managed.refusal(Change(secrets=secrets("CORP\\ghost"))) == ["unknown_user"]
    assert managed.refusal(Change(secrets=secrets("CORP\\a\\b"))) == ["bad_user_name"]


@pytest.mark.parametrize("version", [version for version in RELEASES if version < "23"])
def test_before_23_10_only_root_can_have_a_secret(joined: Manage, version: str) -> None:
    assert joined(version).refusal(Change(secrets=secrets(CAROL))) == ["only_root"]
