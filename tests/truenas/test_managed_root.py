# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection and root's account, which TrueNAS closes to changes while root has no secret: all ways there."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas import later, notes
from tests.truenas.managed import Managed, secrets
from tests.truenas.standin.releases import RELEASES

Manage = Callable[[str], Managed]
PER_USER = [version for version in RELEASES if version >= "23"]
every_per_user = pytest.mark.parametrize("version", PER_USER)
both = pytest.mark.parametrize("confirm_within", [0.0, 60.0])


def _settings(managed: Managed) -> dict[str, Any]:
    """Return all that a way back has to bring back."""
    root = managed.nas.user("root")
    return {
        "twofactor": managed.settings,
        "root": root["ssh_password_enabled"],
        "passwordauth": managed.nas.call("ssh.config")["passwordauth"],
    }


@every_per_user
@both
def test_root_is_opened_before_enabling_where_root_has_no_secret(
    manage: Manage, version: str, confirm_within: float
) -> None:
    managed = manage(version)
    managed.nas.create("alice")
    managed.nas.enroll("alice")
    change = Change(policy={"state": "enabled"}, ssh={"root_login": "allowed"}, confirm_within=confirm_within)
    assert managed.apply(change, check_mode=True).changed
    managed.forget()
    assert managed.apply(change).changed
    assert managed.changing_calls() == ["user.update", "ssh.update", "auth.twofactor.update"]
    assert _settings(managed)["root"]
    assert managed.settings["enabled"]
    if confirm_within:
        before = _settings(managed)
        assert managed.platform.settle(False, False).changed
        assert _settings(managed) != before
        assert not managed.settings["enabled"]
        assert not _settings(managed)["root"]


@every_per_user
def test_root_with_a_secret_is_opened_last(manage: Manage, version: str) -> None:
    """SSH never takes root's password alone, not even for a moment."""
    managed = manage(version)
    change = Change(
        secrets=secrets("root"),
        policy={"state": "enabled"},
        ssh={"state": "enabled", "root_login": "allowed"},
    )
    assert managed.apply(change).changed
    calls = ["user.renew_2fa_secret", "auth.twofactor.update", "user.update", "ssh.update"]
    assert managed.changing_calls() == calls


@every_per_user
@both
@pytest.mark.parametrize("word", ["allowed", "denied"])
def test_what_truenas_would_refuse_is_refused_before_anything_changes(
    manage: Manage, version: str, confirm_within: float, word: str
) -> None:
    managed = manage(version)
    managed.nas.create("alice")
    managed.nas.enroll("alice")
    managed.nas.call("user.update", 1, {"ssh_password_enabled": word == "denied"})
    managed.nas.call("auth.twofactor.update", {"enabled": True})
    managed.forget()
    change = Change(policy={"window": 2}, ssh={"root_login": word}, confirm_within=confirm_within)
    assert managed.refusal(change, check_mode=True) == ["root_not_enrolled"]
    assert managed.refusal(change) == ["root_not_enrolled"]
    assert managed.refusal(Change(ssh={"root_login": word}, guard=False)) == ["root_not_enrolled"]
    assert managed.changing_calls() == []
    assert later.read(later.PENDING) is None
    enrolling = Change(secrets=secrets("root"), ssh={"root_login": word}, confirm_within=confirm_within)
    assert managed.apply(enrolling).changed, "as the remedy says"
    assert _settings(managed)["root"] == (word == "allowed")


@pytest.mark.parametrize("version", [version for version in PER_USER if version >= "25.10"])
@both
def test_root_is_closed_before_the_secret_goes(manage: Manage, version: str, confirm_within: float) -> None:
    managed = manage(version)
    managed.nas.create("alice")
    for name in ("root", "alice"):
        managed.nas.enroll(name)
    managed.nas.call("user.update", 1, {"ssh_password_enabled": True})
    managed.nas.call("auth.twofactor.update", {"enabled": True, "services": {"ssh": True}})
    change = Change(
        secrets=secrets("root", state="absent"), ssh={"root_login": "denied"}, confirm_within=confirm_within
    )
    outcome = managed.apply(change)
    assert outcome.changed
    assert not _settings(managed)["root"]
    assert ("root_login stays as well" in " ".join(outcome.warnings)) == bool(
        confirm_within and outcome.result.get("pending")
    )
    assert not managed.apply(Change(secrets=change.secrets, ssh=change.ssh)).changed


@every_per_user
@pytest.mark.parametrize("word", ["allowed", "denied"])
def test_check_mode_knows_that_disabling_opens_the_account(manage: Manage, version: str, word: str) -> None:
    managed = manage(version)
    managed.nas.call("user.update", 1, {"ssh_password_enabled": word == "denied"})
    managed.nas.call("auth.twofactor.update", {"enabled": True})
    change = Change(policy={"state": "disabled"}, ssh={"root_login": word})
    assert managed.apply(change, check_mode=True).changed
    assert managed.apply(change).changed
    assert _settings(managed)["root"] == (word == "allowed")
    assert not managed.apply(change).changed


@every_per_user
def test_a_part_that_fails_after_disabling_says_that_it_is_disabled(manage: Manage, version: str) -> None:
    managed = manage(version)
    managed.nas.call("auth.twofactor.update", {"enabled": True})
    change = Change(policy={"state": "disabled"}, secrets=secrets("ghost"))
    with pytest.raises(Exception, match="had been done before: the second factor off"):
        managed.apply(change)
    assert not managed.settings["enabled"]


@pytest.mark.parametrize("version", [version for version in PER_USER if version >= "25.10"])
@pytest.mark.parametrize("lasts", ["", "2h"])
def test_check_mode_knows_whether_it_comes_back(manage: Manage, version: str, lasts: str) -> None:
    """The last secret may go with the second factor, but not while that is off for a time only."""
    managed = manage(version)
    managed.nas.enroll("root")
    managed.nas.call("auth.twofactor.update", {"enabled": True})
    change = Change(policy={"state": "disabled"}, secrets=secrets("root", state="absent"), lasts=lasts)
    expected = ["nobody_enrolled"] if lasts else []
    assert managed.refusal(change, check_mode=True) == expected
    assert managed.settings["enabled"]
    assert managed.refusal(change) == expected
    assert not managed.settings["enabled"], "it is off whatever becomes of the rest"


def _wishes() -> list[tuple[Any, ...]]:
    """Return every state of a NAS and every wish about it: enabled, ssh, root enrolled and open; what is wanted."""
    states = itertools.product([False, True], repeat=4)
    wishes = itertools.product(
        ["allowed", "denied"], [None, "enabled"], [None, "enabled", "disabled"], [False, True]
    )
    return list(itertools.product(states, wishes))


@pytest.mark.parametrize(
    "version", ["23.10.2", "24.10.2.4", "26.0.0"]
)  # the others refuse what one of these does
def test_every_state_and_every_wish(manage: Manage, version: str) -> None:
    """Either all of it is done and a second run changes nothing, or it is refused and no setting has changed.

    Check mode says the same before. There is never a way back left behind that nobody was told of.
    """
    managed = manage(version)
    managed.nas.create("alice")
    managed.nas.enroll("alice")
    fresh = deepcopy(managed.nas.nas.data)
    for number, (state, wish) in enumerate(_wishes()):
        _begin(managed, fresh, *state)
        _try(managed, *wish, confirm_within=60.0 * (number % 2), at=f"{state} {wish}")


def _begin(
    managed: Managed, fresh: dict[str, Any], enabled: bool, ssh: bool, enrolled: bool, opened: bool
) -> None:
    managed.nas.nas.store.data = deepcopy(fresh)
    later.disarm(later.PENDING)
    notes.write(notes.Notes())
    if enrolled:
        managed.nas.enroll("root")
    if opened:
        managed.nas.call("user.update", 1, {"ssh_password_enabled": True})
    managed.nas.call("auth.twofactor.update", {"enabled": enabled, "services": {"ssh": ssh}})


def _try(
    managed: Managed,
    word: str,
    policy: str | None,
    ssh: str | None,
    naming: bool,
    *,
    confirm_within: float,
    at: str,
) -> None:
    wanted = {
        "secrets": secrets("root") if naming else None,
        "policy": {"state": policy} if policy else None,
        "ssh": {"root_login": word, **({"state": ssh} if ssh else {})},
    }
    change = Change(**wanted, confirm_within=confirm_within)  # type: ignore[arg-type]
    before = _settings(managed)
    foretold = managed.refusal(change, check_mode=True)
    refused = managed.refusal(change)
    assert refused == foretold, at
    assert "truenas_refused" not in refused, at
    if refused:
        assert _settings(managed) == before, at
        assert later.read(later.PENDING) is None, at
        return
    assert _settings(managed)["root"] == (word == "allowed"), at
    if later.read(later.PENDING) is not None:
        managed.platform.settle(False, False)
        assert _settings(managed) == before, at
        managed.apply(Change(**wanted))  # type: ignore[arg-type]
    assert not managed.apply(Change(**wanted)).changed, at  # type: ignore[arg-type]
