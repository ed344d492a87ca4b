# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes as conversations with the middleware, release by release."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change, Outcome
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import Refused, TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import files
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.clock import Clock
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import (
    SecretsChange,
    UserSecret,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas import later, notes
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.platform import TruenasPlatform
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._truenas.conftest import Nas
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._truenas.conversation import (
    CONTROL,
    LOST,
    ONE_SECRET,
    PER_USER,
    RUBBISH,
    SEED,
    VERSIONS,
    Line,
    call,
    config,
    directory_user,
    hangs,
    has_secret,
    in_directory,
    nobody_in_directory,
    people,
    refused,
    reloads,
    renewal,
    settings,
    ssh_config,
    uri,
    uri_after,
    user,
    version,
)

Talks = Callable[..., TruenasPlatform]

ROOT = user(1, "root")
FRESH = {"otp_digits": 6, "interval": 30}


def _secrets(*names: str, state: str = "present", **more: Any) -> SecretsChange:
    users = tuple(UserSecret(name) for name in names)
    return SecretsChange(state=state, users=users, return_secrets=True, **more)


def _codes(caught: pytest.ExceptionInfo[TwofactorError]) -> list[str]:
    error = caught.value
    return [reason.code for reason in error.reasons] if isinstance(error, Refused) else [error.code]


def _shown(outcome: Outcome) -> str:
    """Return everything of an outcome that is shown or logged, which is all but the secrets asked for."""
    rest = {key: value for key, value in outcome.result.items() if key != "secrets"}
    return json.dumps([outcome.before, outcome.after, outcome.warnings, rest])


VIRGIN = Change(
    secrets=_secrets("root", "alice"),
    policy={"state": "enabled", "window": 1},
    ssh={"state": "enabled", "root_login": "allowed"},
)


def _fresh(release: str) -> dict[str, Any]:
    return {} if release == "23.10" else FRESH


@pytest.mark.parametrize("release", PER_USER)
def test_from_nothing_to_codes_in_one_call(release: str, nas: Nas, talks: Talks) -> None:
    nas.lists("root", "alice")
    platform = talks(
        version(release),
        config(release),
        people(ROOT, user(2, "alice")),
        ssh_config(),
        renewal(release, 1, "root", **_fresh(release)),
        renewal(release, 2, "alice", **_fresh(release)),
        call(
            "auth.twofactor.update",
            {"enabled": True, "window": 1, "services": {"ssh": True}},
            says=settings(release, enabled=True, ssh=True, window=1),
        ),
        call("user.update", 1, {"ssh_password_enabled": True}, says=1),
        call("ssh.update", {"passwordauth": True}, says={"passwordauth": True}),
        uri_after(release, "root"),
        uri_after(release, "alice"),
    )
    outcome = platform.apply(VIRGIN, False)
    assert outcome.changed
    assert outcome.warnings == []
    assert outcome.result["users"] == {"added": ["root", "alice"], "renewed": [], "removed": []}
    assert outcome.result["secrets"] == [
        {"name": name, "secret": SEED, "uri": uri(name)} for name in ("root", "alice")
    ]
    assert SEED not in _shown(outcome) + str(nas.logged)
    assert "BEGIN" not in _shown(outcome)
    assert nas.logged[0][0] == "changed"
    assert nas.noted.unshown == ()


@pytest.mark.parametrize("release", PER_USER)
def test_again_nothing_changes_and_four_calls_tell(release: str, nas: Nas, talks: Talks) -> None:
    platform = talks(
        version(release),
        config(release, enabled=True, ssh=True, window=1),
        people(user(1, "root", enrolled=True, ssh=True), user(2, "alice", enrolled=True)),
        ssh_config(passwordauth=True),
    )
    outcome = platform.apply(VIRGIN, False)
    assert not outcome.changed
    assert outcome.before == outcome.after
    assert "secrets" not in outcome.result
    assert nas.logged == []


@pytest.mark.parametrize("release", PER_USER)
def test_check_mode_makes_the_same_plan_and_no_changing_call(release: str, nas: Nas, talks: Talks) -> None:
    platform = talks(version(release), config(release), people(ROOT, user(2, "alice")), ssh_config())
    outcome = platform.apply(VIRGIN, True)
    assert outcome.changed
    calls = [text.split()[0] for text in outcome.after["calls"]]  # type: ignore[attr-defined]
    assert calls == [
        "user.renew_2fa_secret",
        "user.renew_2fa_secret",
        "auth.twofactor.update",
        "user.update",
        "ssh.update",
    ]
    assert "secrets" not in outcome.result
    assert nas.logged == []


ROOT_ONLY = Change(
    secrets=_secrets("root"),
    policy={"state": "enabled"},
    ssh={"state": "enabled", "root_login": "allowed"},
)


@pytest.mark.parametrize("release", ONE_SECRET)
def test_from_nothing_to_codes_for_root(release: str, nas: Nas, talks: Talks) -> None:
    nas.lists("root")
    platform = talks(
        version(release),
        config(release),
        people(ROOT),
        ssh_config(rootlogin=False),
        call(
            "auth.twofactor.update",
            {"enabled": True, "services": {"ssh": True}},
            says=settings(release, enabled=True, ssh=True, secret=SEED),
        ),
        call("ssh.update", {"rootlogin": True}, says={}),
        call("auth.twofactor.provisioning_uri", says=uri("nas")),
    )
    outcome = platform.apply(ROOT_ONLY, False)
    assert outcome.result["secrets"] == [{"name": "root", "secret": SEED, "uri": uri("nas")}]
    assert SEED not in _shown(outcome)


@pytest.mark.parametrize("release", ONE_SECRET)
def test_again_nothing_changes_for_root(release: str, nas: Nas, talks: Talks) -> None:
    platform = talks(
        version(release),
        config(release, enabled=True, ssh=True, secret=SEED),
        people(ROOT),
        ssh_config(rootlogin=True),
    )
    outcome = platform.apply(ROOT_ONLY, False)
    assert not outcome.changed
    assert SEED not in _shown(outcome)


@pytest.mark.parametrize("release", ONE_SECRET)
def test_a_renewal_of_the_one_secret_happens_once_per_word(release: str, nas: Nas, talks: Talks) -> None:
    on = config(release, enabled=True, secret=SEED)
    change = Change(secrets=_secrets("root", state="renewed", renewal="2026-Q4"))
    first = talks(
        *(version(release), on, people(ROOT), ssh_config()),
        call("auth.twofactor.renew_secret", says=True),
        call("auth.twofactor.provisioning_uri", says=uri("nas")),
    )
    assert first.apply(change, False).result["users"] == {"added": [], "renewed": ["root"], "removed": []}
    assert not talks(version(release), on, people(ROOT)).apply(change, False).changed


@pytest.mark.parametrize("release", PER_USER)
def test_a_renewal_happens_once_per_word(release: str, nas: Nas, talks: Talks) -> None:
    read = (version(release), config(release), people(ROOT, user(2, "alice", enrolled=True)))
    change = Change(secrets=_secrets("alice", state="renewed", renewal="2026-Q4"))
    first = talks(*read, ssh_config(), renewal(release, 2, "alice"), uri_after(release, "alice"))
    outcome = first.apply(change, False)
    assert outcome.result["users"] == {"added": [], "renewed": ["alice"], "removed": []}
    assert outcome.after["new_secret"] == ["alice"]
    assert not talks(*read).apply(change, False).changed
    assert dict(nas.noted.words) == {"alice": "2026-Q4"}


@pytest.mark.parametrize("release", VERSIONS)
def test_switching_on_again_sends_nothing_but_that(release: str, nas: Nas, talks: Talks) -> None:
    nas.lists("root")
    secret = {"secret": SEED} if release in ONE_SECRET else {}
    platform = talks(
        version(release),
        config(release, ssh=True, **secret),
        people(user(1, "root", enrolled=True)),
        ssh_config(),
        call("auth.twofactor.update", {"enabled": True}, says=settings(release, enabled=True, ssh=True)),
    )
    assert platform.apply(Change(policy={"state": "enabled"}), False).changed


@pytest.mark.parametrize("release", VERSIONS)
def test_ssh_off_sends_services_whole(release: str, nas: Nas, talks: Talks) -> None:
    secret = {"secret": SEED} if release in ONE_SECRET else {}
    platform = talks(
        version(release),
        config(release, enabled=True, ssh=True, **secret),
        people(user(1, "root", enrolled=True)),
        ssh_config(),
        call("auth.twofactor.update", {"services": {"ssh": False}}, says=settings(release, enabled=True)),
    )
    nas.lists("root")
    assert platform.apply(Change(ssh={"state": "disabled"}), False).changed


def test_a_service_that_a_later_release_brings_is_kept(nas: Nas, talks: Talks) -> None:
    services = {"ssh": False, "console": True}
    platform = talks(
        version("TrueNAS-28.0.0"),
        config("26.0", enabled=True, services=services),
        people(user(1, "root", enrolled=True)),
        ssh_config(),
        call("auth.twofactor.update", {"services": {"ssh": True, "console": True}}, says={}),
    )
    nas.lists("root")
    outcome = platform.apply(Change(ssh={"state": "enabled"}), False)
    assert "newer than TrueNAS 27.0" in outcome.warnings[0]


# The guard


def _refused(platform: TruenasPlatform, change: Change) -> pytest.ExceptionInfo[TwofactorError]:
    with pytest.raises(TwofactorError) as caught:
        platform.apply(change, False)
    return caught


@pytest.mark.parametrize("release", VERSIONS)
def test_switching_on_with_nobody_enrolled_is_refused(release: str, nas: Nas, talks: Talks) -> None:
    read = (version(release), config(release), people(ROOT), ssh_config())
    platform = talks(*read, nobody_in_directory(release))
    assert _codes(_refused(platform, Change(policy={"state": "enabled"}))) == ["nobody_enrolled"]
    assert nas.logged == [("refused", {"codes": "nobody_enrolled", "why": "", "guard": ""})]


@pytest.mark.parametrize("release", PER_USER)
def test_the_guard_can_be_switched_off(release: str, nas: Nas, talks: Talks) -> None:
    platform = talks(
        version(release),
        config(release),
        call("auth.twofactor.update", {"enabled": True}, says=settings(release, enabled=True)),
    )
    assert platform.apply(Change(policy={"state": "enabled"}, guard=False), False).changed
    assert nas.logged[0][1]["guard"] == "off"


@pytest.mark.parametrize("release", PER_USER)
def test_ssh_on_with_a_password_user_without_a_secret_is_refused(
    release: str, nas: Nas, talks: Talks
) -> None:
    platform = talks(
        version(release),
        config(release, enabled=True),
        people(
            user(1, "root", enrolled=True), user(2, "bob", ssh=True), user(3, "off", ssh=True, locked=True)
        ),
        ssh_config(),
    )
    caught = _refused(platform, Change(ssh={"state": "enabled"}))
    assert _codes(caught) == ["user_shut_out"]
    assert "bob" in caught.value.message
    assert "off" not in caught.value.message.split(":")[1]


@pytest.mark.parametrize("release", ONE_SECRET)
def test_ssh_on_shuts_out_everybody_but_root_where_there_is_one_secret(
    release: str, nas: Nas, talks: Talks
) -> None:
    entries = [user(n, name) for n, name in enumerate(("root", "admin", "bob"), 1)]
    for entry in entries:
        del entry["ssh_password_enabled"], entry["twofactor_auth_configured"]
    platform = talks(
        version(release),
        config(release, enabled=True, secret=SEED),
        people(*entries),
        ssh_config(passwordauth=True, adminlogin=False),
    )
    caught = _refused(platform, Change(ssh={"state": "enabled"}))
    assert _codes(caught) == ["user_shut_out"]
    assert "secret: bob." in caught.value.message


@pytest.mark.parametrize("release", ONE_SECRET)
def test_accounts_of_the_system_without_a_password_are_nobody_to_shut_out(
    release: str, nas: Nas, talks: Talks
) -> None:
    nas.lists("root")
    system = [user(n, name, unixhash="*") for n, name in enumerate(("sync", "postgres"), 2)]
    platform = talks(
        version(release),
        config(release, enabled=True, secret=SEED),
        people(ROOT, *system),
        ssh_config(passwordauth=True),
        call("auth.twofactor.update", {"services": {"ssh": True}}, says={}),
    )
    assert platform.apply(Change(ssh={"state": "enabled"}), False).changed


@pytest.mark.parametrize("release", CONTROL)
def test_the_last_secret_stays_while_the_second_factor_is_off_for_a_time(
    release: str, nas: Nas, talks: Talks
) -> None:
    """It comes back on by itself, and no user could show a code then."""
    read = (version(release), config(release, ssh=True), people(user(1, "root", enrolled=True)))
    gone = Change(secrets=_secrets("root", state="absent"))
    later.arm(later.BYPASS, later.Later(time.time() + 3600, seconds=3600))
    assert _codes(_refused(talks(*read, ssh_config()), gone)) == ["nobody_enrolled"]
    later.disarm(later.BYPASS)
    platform = talks(*read, ssh_config(), call("user.unset_2fa_secret", "root", says=None))
    assert platform.apply(gone, False).changed


def test_members_of_a_password_group_count(nas: Nas, talks: Talks) -> None:
    platform = talks(
        version("25.10"),
        config("25.10", enabled=True),
        people(user(1, "root", enrolled=True), user(2, "bob"), user(3, "eve", group={"id": 50})),
        ssh_config(passwordauth=True, password_login_groups=["staff"]),
        call("group.query", [["group", "in", ["staff"]]], says=[{"id": 50, "group": "staff", "users": [2]}]),
    )
    assert "bob, eve" in _refused(platform, Change(ssh={"state": "enabled"})).value.message


def test_a_change_that_mends_half_of_a_bad_state_goes_through(nas: Nas, talks: Talks) -> None:
    nas.lists("alice")
    platform = talks(
        version("25.10"),
        config("25.10", enabled=True, ssh=True),
        people(user(2, "alice", ssh=True), user(3, "bob", ssh=True)),
        ssh_config(),
        renewal("25.10", 2, "alice", **FRESH),
    )
    assert platform.apply(Change(secrets=_secrets("alice")), False).changed


def test_root_by_password_needs_a_secret(nas: Nas, talks: Talks) -> None:
    platform = talks(
        version("25.10"),
        config("25.10", enabled=True, ssh=True),
        people(ROOT, user(2, "alice", enrolled=True)),
        ssh_config(),
    )
    caught = _refused(platform, Change(ssh={"root_login": "allowed"}))
    assert _codes(caught) == ["root_not_enrolled", "user_shut_out"]


@pytest.mark.parametrize(
    ("clock", "code"),
    [
        (Clock(False, None, "", "chrony"), "clock_unsynchronised"),
        (Clock(True, -25.0, "192.0.2.1", "chrony"), "clock_off"),
    ],
)
def test_switching_on_with_a_bad_clock_is_refused(clock: Clock, code: str, nas: Nas, talks: Talks) -> None:
    nas.clock = clock
    platform = talks(version("24.10"), config("24.10"), people(user(1, "root", enrolled=True)), ssh_config())
    assert _codes(_refused(platform, Change(policy={"state": "enabled"}))) == [code]


def test_a_dry_run_does_not_judge_a_clock_that_nothing_has_set_right_yet(nas: Nas, talks: Talks) -> None:
    nas.clock = Clock(False, None, "", "chrony")
    platform = talks(version("24.10"), config("24.10"), people(user(1, "root", enrolled=True)), ssh_config())
    outcome = platform.apply(Change(policy={"state": "enabled"}), check_mode=True)
    assert outcome.changed
    assert "A real run would be refused." in " ".join(outcome.warnings)


def test_all_reasons_are_told_at_once(nas: Nas, talks: Talks) -> None:
    nas.clock = Clock(False, None, "", "chrony")
    read = (version("24.10"), config("24.10"), people(user(1, "root", ssh=True)), ssh_config())
    platform = talks(*read, nobody_in_directory("24.10"))
    change = Change(policy={"state": "enabled"}, ssh={"state": "enabled"})
    assert _codes(_refused(platform, change)) == ["nobody_enrolled", "user_shut_out", "clock_unsynchronised"]


# What TrueNAS does not have


@pytest.mark.parametrize("release", VERSIONS)
def test_a_supplied_seed_is_refused(release: str, nas: Nas, talks: Talks) -> None:
    platform = talks(version(release), config(release), people(ROOT))
    change = SecretsChange(users=(UserSecret("root", b"12345678901234567890"),), return_secrets=True)
    assert _codes(_refused(platform, Change(secrets=change))) == ["secret_supplied"]


@pytest.mark.parametrize("release", PER_USER)
def test_an_unknown_user_is_looked_for_by_name_and_refused(release: str, nas: Nas, talks: Talks) -> None:
    platform = talks(
        version(release),
        config(release),
        people(ROOT),
        in_directory(release, ["username", "=", "ghost"], says=[]),
    )
    assert _codes(_refused(platform, Change(secrets=_secrets("ghost")))) == ["unknown_user"]


CAROL = "CORP\\carol"


def _carol(release: str, *, once: bool, has: bool) -> list[Line]:
    """Return a look at a NAS that has carol in its directory."""
    found = directory_user(100, CAROL, once_enrolled=once and release != "24.10")
    named = in_directory(release, ["username", "=", CAROL], says=[found])
    return [version(release), config(release), people(ROOT), named, has_secret(release, CAROL, has)]


@pytest.mark.parametrize("release", PER_USER)
def test_a_user_of_active_directory_is_enrolled_once(release: str, nas: Nas, talks: Talks) -> None:
    platform = talks(
        _carol(release, once=False, has=False),
        ssh_config(),
        renewal(release, 100, CAROL, **_fresh(release)),
        uri_after(release, CAROL),
    )
    outcome = platform.apply(Change(secrets=_secrets(CAROL)), False)
    assert outcome.result["users"]["added"] == [CAROL]  # type: ignore[index]
    again = talks(_carol(release, once=True, has=True))
    outcome = again.apply(Change(secrets=_secrets(CAROL)), False)
    assert not outcome.changed
    assert SEED not in _shown(outcome)


@pytest.mark.parametrize("release", PER_USER)
def test_a_user_of_active_directory_loses_the_secret_once(release: str, nas: Nas, talks: Talks) -> None:
    gone = Change(secrets=_secrets(CAROL, state="absent"))
    platform = talks(
        _carol(release, once=True, has=True), ssh_config(), call("user.unset_2fa_secret", CAROL, says=None)
    )
    assert platform.apply(gone, False).result["users"]["removed"] == [CAROL]  # type: ignore[index]
    assert not talks(_carol(release, once=True, has=False)).apply(gone, False).changed


@pytest.mark.parametrize("release", PER_USER)
def test_exclusive_is_about_the_directory_too(release: str, nas: Nas, talks: Talks) -> None:
    enrolled = [["local", "=", False], ["twofactor_auth_configured", "=", True]]
    dave = directory_user(101, "CORP\\dave", once_enrolled=True)

    def look(has: bool) -> list[Line]:
        return [
            *(version(release), config(release), people(user(1, "root", enrolled=True))),
            in_directory(release, *enrolled, says=[dave]),
            has_secret(release, "CORP\\dave", has),
        ]

    change = Change(secrets=_secrets("root", exclusive=True))
    first = talks(look(True), ssh_config(), call("user.unset_2fa_secret", "CORP\\dave", says=None))
    assert first.apply(change, False).result["users"]["removed"] == ["CORP\\dave"]  # type: ignore[index]
    assert not talks(look(False)).apply(change, False).changed


def test_exclusive_finds_by_users_oath_whom_24_10_does_not_tell(nas: Nas, talks: Talks) -> None:
    nas.lists("root", "CORP\\dave")
    dave = directory_user(101, "CORP\\dave")
    platform = talks(
        *(version("24.10"), config("24.10"), people(user(1, "root", enrolled=True))),
        *nobody_in_directory("24.10"),
        in_directory("24.10", ["username", "=", "CORP\\dave"], says=[dave]),
        has_secret("24.10", "CORP\\dave", True),
        ssh_config(),
        call("user.unset_2fa_secret", "CORP\\dave", says=None),
    )
    assert platform.apply(Change(secrets=_secrets("root", exclusive=True)), False).changed


@pytest.mark.parametrize("release", PER_USER)
def test_a_user_of_active_directory_is_nobody_to_shut_out(release: str, nas: Nas, talks: Talks) -> None:
    """Such a user has no flag for SSH passwords on some releases, as all users before 23.10."""
    nas.lists("root")
    platform = talks(
        *(version(release), config(release, enabled=True), people(user(1, "root", enrolled=True))),
        in_directory(release, ["username", "=", CAROL], says=[directory_user(100, CAROL)]),
        has_secret(release, CAROL, False),
        ssh_config(passwordauth=True),
        call("auth.twofactor.update", {"services": {"ssh": True}}, says={}),
    )
    change = Change(secrets=_secrets(CAROL, state="absent"), ssh={"state": "enabled"})
    assert platform.apply(change, False).changed


@pytest.mark.parametrize("release", [name for name in PER_USER if name != "24.10"])
def test_somebody_enrolled_in_the_directory_is_enough_to_switch_on(
    release: str, nas: Nas, talks: Talks
) -> None:
    nas.lists(CAROL)
    enrolled = [["local", "=", False], ["twofactor_auth_configured", "=", True]]
    platform = talks(
        *(version(release), config(release), people(ROOT), ssh_config()),
        in_directory(release, *enrolled, says=[directory_user(100, CAROL, once_enrolled=True)]),
        has_secret(release, CAROL, True),
        call("auth.twofactor.update", {"enabled": True}, says={}),
    )
    assert platform.apply(Change(policy={"state": "enabled"}), False).changed


def test_stig_mode_refuses_to_tell_and_the_directorys_word_must_do(nas: Nas, talks: Talks) -> None:
    lines = _carol("25.10", once=True, has=True)
    lines[-1] = call("user.twofactor_config", CAROL, prints=refused("[EACCES] Not authorized"))
    assert not talks(lines).apply(Change(secrets=_secrets(CAROL)), False).changed


@pytest.mark.parametrize("name", ["CORP\\", "\\carol", "CORP\\a\\b", "CORP\\a b", "CORP/carol", "CORP\\a\n"])
def test_other_names_are_refused(name: str, nas: Nas, talks: Talks) -> None:
    platform = talks(
        version("25.10"),
        config("25.10"),
        people(ROOT),
        in_directory("25.10", ["username", "=", name], says=[]),
    )
    assert _codes(_refused(platform, Change(secrets=_secrets(name)))) == ["bad_user_name"]


@pytest.mark.parametrize("release", ONE_SECRET)
def test_only_root_can_have_the_one_secret(release: str, nas: Nas, talks: Talks) -> None:
    platform = talks(version(release), config(release), people(ROOT))
    assert _codes(_refused(platform, Change(secrets=_secrets("alice", "bob")))) == ["only_root", "only_root"]


@pytest.mark.parametrize("release", ONE_SECRET)
def test_the_one_secret_is_made_by_switching_on(release: str, nas: Nas, talks: Talks) -> None:
    platform = talks(version(release), config(release), people(ROOT))
    assert _codes(_refused(platform, Change(secrets=_secrets("root")))) == ["secret_made_by_enabling"]


@pytest.mark.parametrize("release", ONE_SECRET)
def test_the_one_secret_cannot_be_taken_away(release: str, nas: Nas, talks: Talks) -> None:
    platform = talks(version(release), config(release, secret=SEED), people(ROOT))
    change = Change(secrets=_secrets("root", state="absent"))
    assert _codes(_refused(platform, change)) == ["removal_impossible"]


@pytest.mark.parametrize("release", PER_USER)
def test_taking_a_secret_away_while_the_second_factor_is_on(release: str, nas: Nas, talks: Talks) -> None:
    nas.lists("root")
    read = (
        version(release),
        config(release, enabled=True),
        people(user(1, "root", enrolled=True), user(2, "bob", enrolled=True)),
    )
    change = Change(secrets=_secrets("bob", state="absent"))
    if release in CONTROL:
        platform = talks(*read, ssh_config(), call("user.unset_2fa_secret", "bob", says=None))
        assert platform.apply(change, False).result["users"] == {
            "added": [],
            "renewed": [],
            "removed": ["bob"],
        }
    else:
        assert _codes(_refused(talks(*read), change)) == ["removal_while_enabled"]


@pytest.mark.parametrize("release", PER_USER)
def test_taking_secrets_away_while_it_is_off(release: str, nas: Nas, talks: Talks) -> None:
    notes.write(notes.Notes(words=(("bob", "2026-Q1"),)))
    read = (
        version(release),
        config(release),
        people(user(1, "root", enrolled=True), user(2, "bob", enrolled=True)),
        *nobody_in_directory(release),
    )
    platform = talks(*read, ssh_config(), call("user.unset_2fa_secret", "bob", says=None))
    assert platform.apply(Change(secrets=_secrets("root", exclusive=True)), False).changed
    assert nas.noted.words == ()


def test_a_secret_that_nobody_would_be_shown_is_not_made(nas: Nas, talks: Talks) -> None:
    platform = talks(version("25.10"), config("25.10"), people(ROOT))
    change = SecretsChange(users=(UserSecret("root"),))
    assert _codes(_refused(platform, Change(secrets=change))) == ["secret_nobody_knows"]


def test_names_are_checked_all_at_once(nas: Nas, talks: Talks) -> None:
    platform = talks(
        version("25.10"),
        config("25.10"),
        people(ROOT),
        call("user.query", [["username", "=", "a b"]], says=[]),
    )
    change = Change(secrets=_secrets("root", "root", "a b"))
    assert _codes(_refused(platform, change)) == ["user_twice", "bad_user_name"]


@pytest.mark.parametrize("methods", [("key_and_code",), ("password_and_code", "key_and_code")])
def test_other_ways_in_are_refused(methods: tuple[str, ...], nas: Nas, talks: Talks) -> None:
    platform = talks(version("25.10"), config("25.10", enabled=True))
    codes = _codes(_refused(platform, Change(ssh={"state": "enabled", "methods": methods})))
    assert codes[0] in ("methods_impossible", "methods_conflict")


def test_ssh_alone_does_not_ask(nas: Nas, talks: Talks) -> None:
    platform = talks(version("25.10"), config("25.10"))
    assert _codes(_refused(platform, Change(ssh={"state": "enabled"}))) == ["twofactor_off"]


def test_options_of_linux_are_warnings(nas: Nas, talks: Talks) -> None:
    nas.lists("root")
    platform = talks(
        version("25.10"),
        config("25.10", enabled=True, ssh=True, window=1),
        people(user(1, "root", enrolled=True), user(2, "robot")),
    )
    outcome = platform.apply(
        Change(
            policy={
                "state": "enabled",
                "services": ("cockpit", "sudo"),
                "unenrolled": "deny",
                "max_failures": 5,
                "exempt_users": ("robot", "root"),
                "exempt_networks": ("192.0.2.0/24",),
                "lasts": 3600,
            },
            ssh={"state": "enabled", "methods": ("password_and_code",), "exempt_groups": ("robots",)},
        ),
        False,
    )
    named = {warning.split(":")[0] for warning in outcome.warnings}
    assert named == {
        *("services", "unenrolled", "max_failures", "exempt_users", "exempt_networks", "exempt_groups"),
        *("lasts", "methods"),
    }
    assert not outcome.changed


def test_an_exempt_user_without_a_secret_is_what_was_asked_for(nas: Nas, talks: Talks) -> None:
    nas.lists("root")
    platform = talks(
        version("25.10"),
        config("25.10", enabled=True),
        people(user(1, "root", enrolled=True), user(2, "robot")),
    )
    assert platform.apply(Change(policy={"exempt_users": ("robot",)}), False).warnings == []


# Digits and interval


@pytest.mark.parametrize("release", ONE_SECRET)
def test_new_digits_for_the_one_secret_take_a_renewal(release: str, nas: Nas, talks: Talks) -> None:
    read = (version(release), config(release, enabled=True, secret=SEED), people(ROOT))
    alone = Change(policy={"digits": 8})
    assert _codes(_refused(talks(*read), alone)) == ["settings_strand_users"]
    platform = talks(
        *read,
        ssh_config(),
        call("auth.twofactor.update", {"otp_digits": 8}, says={}),
        call("auth.twofactor.renew_secret", says=True),
        call("auth.twofactor.provisioning_uri", says=uri("nas")),
    )
    renewed = Change(policy={"digits": 8}, secrets=_secrets("root", state="renewed", renewal="eight"))
    assert platform.apply(renewed, False).changed


def test_wiping_is_refused_and_announced(nas: Nas, talks: Talks) -> None:
    read = (
        *(version("23.10"), config("23.10"), people(ROOT, user(2, "alice", enrolled=True))),
        *nobody_in_directory("23.10"),
    )
    change = Change(policy={"interval": 60})
    caught = _refused(talks(*read), change)
    assert _codes(caught) == ["secrets_wiped"]
    assert "alice" in caught.value.message


def test_wiping_users_of_a_directory_is_announced_as_well(nas: Nas, talks: Talks) -> None:
    enrolled = [["local", "=", False], ["twofactor_auth_configured", "=", True]]
    platform = talks(
        *(version("23.10"), config("23.10"), people(ROOT)),
        in_directory("23.10", *enrolled, says=[directory_user(100, CAROL, once_enrolled=True)]),
        has_secret("23.10", CAROL, True),
    )
    caught = _refused(platform, Change(policy={"interval": 60}))
    assert _codes(caught) == ["secrets_wiped"]
    assert CAROL in caught.value.message


def test_wiping_when_asked_for_gives_the_named_users_new_secrets(nas: Nas, talks: Talks) -> None:
    nas.lists("alice", interval=60)
    platform = talks(
        version("23.10"),
        config("23.10", enabled=True),
        people(ROOT, user(2, "alice", enrolled=True)),
        nobody_in_directory("23.10"),
        ssh_config(),
        call("auth.twofactor.update", {"interval": 60}, says={}),
        renewal("23.10", 2, "alice"),
        uri_after("23.10", "alice"),
    )
    change = Change(policy={"interval": 60}, secrets=_secrets("alice"), wipe_secrets=True)
    outcome = platform.apply(change, False)
    assert outcome.result["users"] == {"added": ["alice"], "renewed": [], "removed": []}
    assert "taken away: alice" in outcome.warnings[0]


def test_wiping_everybody_with_nobody_enrolled_anew_is_refused(nas: Nas, talks: Talks) -> None:
    platform = talks(
        *(version("23.10"), config("23.10", enabled=True), people(user(2, "alice", enrolled=True))),
        *(nobody_in_directory("23.10"), ssh_config(), nobody_in_directory("23.10")),
    )
    caught = _refused(platform, Change(policy={"digits": 7}, wipe_secrets=True))
    assert _codes(caught) == ["nobody_enrolled"]


def test_new_digits_with_nobody_enrolled_wipe_nothing(nas: Nas, talks: Talks) -> None:
    platform = talks(
        version("23.10"),
        config("23.10"),
        people(ROOT),
        nobody_in_directory("23.10"),
        ssh_config(),
        call("auth.twofactor.update", {"otp_digits": 8}, says={}),
    )
    assert platform.apply(Change(policy={"digits": 8}), False).changed


LATER = tuple(name for name in PER_USER if name != "23.10")


@pytest.mark.parametrize("release", LATER)
def test_digits_and_interval_go_with_the_secret(release: str, nas: Nas, talks: Talks) -> None:
    platform = talks(
        version(release),
        config(release),
        people(ROOT),
        ssh_config(),
        renewal(release, 1, "root", otp_digits=8, interval=60),
        uri_after(release, "root"),
    )
    change = Change(policy={"digits": 8, "interval": 60}, secrets=_secrets("root"))
    assert platform.apply(change, False).changed


@pytest.mark.parametrize("release", LATER)
def test_other_digits_for_an_enrolled_user_take_a_renewal(release: str, nas: Nas, talks: Talks) -> None:
    nas.lists("alice")
    read = (version(release), config(release), people(ROOT, user(2, "alice", enrolled=True)))
    policy: dict[str, object] = {"digits": 8}
    caught = _refused(talks(*read), Change(policy=policy, secrets=_secrets("alice")))
    assert _codes(caught) == ["settings_strand_users"]
    platform = talks(
        *read, ssh_config(), renewal(release, 2, "alice", otp_digits=8), uri_after(release, "alice")
    )
    renewed = _secrets("alice", state="renewed", renewal="eight")
    assert platform.apply(Change(policy=policy, secrets=renewed), False).changed


@pytest.mark.parametrize("release", LATER)
def test_the_same_digits_are_no_change_and_no_call(release: str, nas: Nas, talks: Talks) -> None:
    nas.lists("alice", digits=8)
    platform = talks(version(release), config(release), people(ROOT, user(2, "alice", enrolled=True)))
    assert not platform.apply(Change(policy={"digits": 8}, secrets=_secrets("alice")), False).changed


@pytest.mark.parametrize("release", LATER)
def test_a_user_whom_pam_does_not_list_is_asked_about(release: str, nas: Nas, talks: Talks) -> None:
    platform = talks(
        version(release),
        config(release),
        people(ROOT, user(2, "alice", enrolled=True)),
        call(
            "user.twofactor_config",
            "alice",
            says={"otp_digits": 6, "interval": 30, "provisioning_uri": uri("alice")},
        ),
    )
    caught = _refused(platform, Change(policy={"digits": 8}, secrets=_secrets("alice")))
    assert _codes(caught) == ["settings_strand_users"]
    assert SEED not in str(caught.value)


def test_digits_that_the_release_does_not_tell(nas: Nas, talks: Talks) -> None:
    platform = talks(
        version("25.10"),
        config("25.10"),
        people(ROOT, user(2, "alice", enrolled=True)),
        call("user.twofactor_config", "alice", prints=refused("[EPERM] Not authorized")),
    )
    outcome = platform.apply(Change(policy={"digits": 6}, secrets=_secrets("alice")), False)
    assert "does not tell those of alice" in outcome.warnings[0]


def test_an_interval_that_pam_cannot_read_goes_with_the_renewal(nas: Nas, talks: Talks) -> None:
    nas.lists("alice", interval=45)
    platform = talks(
        version("25.10"),
        config("25.10"),
        people(ROOT, user(2, "alice", enrolled=True)),
        ssh_config(),
        renewal("25.10", 2, "alice", interval=30),
    )
    change = Change(secrets=_secrets("alice", state="renewed", renewal="usable"))
    assert platform.apply(change, False).changed


def test_a_system_interval_that_pam_cannot_read_is_refused(nas: Nas, talks: Talks) -> None:
    platform = talks(
        version("23.10"), config("23.10", interval=45), people(user(1, "root", enrolled=True)), ssh_config()
    )
    assert _codes(_refused(platform, Change(policy={"state": "enabled"}))) == ["interval_unusable"]


# users.oath


def test_25_04_1_writes_users_oath_by_itself(nas: Nas, talks: Talks) -> None:
    nas.lists("root")
    platform = talks(
        version("TrueNAS-25.04.1"),
        config("25.04"),
        people(user(1, "root", enrolled=True)),
        ssh_config(),
        call("auth.twofactor.update", {"enabled": True}, says={}),
    )
    assert platform.apply(Change(policy={"state": "enabled"}), False).warnings == []


def test_a_stale_users_oath_is_told(nas: Nas, talks: Talks) -> None:
    platform = talks(
        version("25.04"),
        config("25.04"),
        people(user(1, "root", enrolled=True)),
        ssh_config(),
        call("auth.twofactor.update", {"enabled": True}, says={}),
    )
    assert "does not list root" in platform.apply(Change(policy={"state": "enabled"}), False).warnings[0]


# What breaks off


ALICE: tuple[Line, ...] = (
    version("25.10"),
    config("25.10"),
    people(ROOT, user(2, "alice"), user(3, "bob")),
    ssh_config(),
)


def test_what_has_been_done_before_an_error_is_told_and_done_again(nas: Nas, talks: Talks) -> None:
    change = Change(secrets=_secrets("alice", "bob"))
    platform = talks(
        *ALICE,
        renewal("25.10", 2, "alice", **FRESH),
        call("user.renew_2fa_secret", "bob", FRESH, prints=refused("[EFAULT] no space left")),
    )
    caught = _refused(platform, change)
    assert _codes(caught) == ["truenas_refused"]
    assert "done before: a new secret for alice" in str(caught.value)
    assert nas.noted.unshown == ("alice", "bob")
    assert nas.logged[0][1]["failed"] == "truenas_refused"
    again = talks(
        version("25.10"),
        config("25.10"),
        people(ROOT, user(2, "alice", enrolled=True), user(3, "bob")),
        ssh_config(),
        renewal("25.10", 2, "alice"),
        renewal("25.10", 3, "bob", **FRESH),
        reloads("25.10"),
    )
    outcome = again.apply(change, False)
    assert [entry["name"] for entry in outcome.result["secrets"]] == ["alice", "bob"]  # type: ignore[attr-defined]
    assert nas.noted.unshown == ()


@pytest.mark.parametrize("line", [
    call("user.renew_2fa_secret", "alice", FRESH, prints=LOST),
    hangs("user.renew_2fa_secret", "alice", FRESH),
    call("user.renew_2fa_secret", "alice", FRESH, prints=RUBBISH),
])  # fmt: skip
def test_a_renewal_of_unknown_end_is_made_again_by_the_next_run(line: Line, nas: Nas, talks: Talks) -> None:
    change = Change(secrets=_secrets("alice"))
    _refused(talks(*ALICE, line), change)
    again = talks(
        version("25.10"),
        config("25.10"),
        people(ROOT, user(2, "alice", enrolled=True)),
        ssh_config(),
        renewal("25.10", 2, "alice"),
        reloads("25.10"),
    )
    assert again.apply(change, False).result["users"] == {"added": [], "renewed": ["alice"], "removed": []}


@pytest.mark.parametrize("release", VERSIONS)
def test_files_that_a_broken_change_left_are_written_by_the_next_run(
    release: str, nas: Nas, talks: Talks
) -> None:
    nas.lists("root")
    secret = {"secret": SEED} if release in ONE_SECRET else {}
    root = user(1, "root", enrolled=True)
    change = Change(policy={"state": "enabled"})
    full = refused("[Errno 28] No space left on device")
    first = talks(
        *(version(release), config(release, ssh=True, **secret), people(root), ssh_config()),
        call("auth.twofactor.update", {"enabled": True}, prints=full),
        call("auth.twofactor.update", {"enabled": False}, prints=full),
    )
    assert "could not be taken back: the second factor itself" in str(_refused(first, change).value)
    on = config(release, enabled=True, ssh=True, **secret)
    second = talks(version(release), on, people(root), ssh_config(), reloads(release))
    assert second.apply(change, False).changed
    assert not talks(version(release), on).apply(change, False).changed


def test_a_refusal_of_arguments_leaves_nothing_to_finish(nas: Nas, talks: Talks) -> None:
    platform = talks(
        version("25.10"),
        config("25.10", enabled=True),
        people(user(1, "root", enrolled=True)),
        ssh_config(),
        call(
            "auth.twofactor.update",
            {"window": 9},
            prints=refused("[EINVAL] auth_twofactor_update.window: no"),
        ),
    )
    _refused(platform, Change(policy={"window": 9}))
    assert nas.noted == notes.Notes()


def test_a_full_disk_is_found_out_before_anything_changes(
    nas: Nas, talks: Talks, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "replace", full)
    assert _codes(_refused(talks(*ALICE), Change(secrets=_secrets("alice")))) == ["notes_unwritable"]


def test_a_disk_that_fills_up_in_between_does_not_lose_the_secret(
    nas: Nas, talks: Talks, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, count = files.replace, []

    def full(path: str, text: str, mode: int) -> None:
        count.append(path)
        if len(count) > 1:
            raise OSError(28, "No space left on device")
        replace(path, text, mode)

    monkeypatch.setattr(files, "replace", full)
    outcome = talks(*ALICE, renewal("25.10", 2, "alice", **FRESH)).apply(
        Change(secrets=_secrets("alice")), False
    )
    assert outcome.result["secrets"]
    assert "does the same once more" in outcome.warnings[0]


def test_rubbish_instead_of_settings(nas: Nas, talks: Talks) -> None:
    platform = talks(version("25.10"), call("auth.twofactor.config", prints=RUBBISH))
    assert _codes(_refused(platform, Change(policy={"window": 1}))) == ["middleware_rubbish"]


def test_system_info_where_system_version_is_gone(nas: Nas, talks: Talks) -> None:
    platform = talks(
        call("system.version", prints=refused("[ENOMETHOD] Method 'version' not found in 'system'")),
        config("26.0"),
        call("system.info", says={"version": "28.0.1"}),
    )
    outcome = platform.apply(Change(policy={"window": 0}), False)
    assert not outcome.changed
    assert "newer" in outcome.warnings[0]


def test_the_rest_of_a_change_that_switches_off(nas: Nas, talks: Talks) -> None:
    platform = talks(
        config("24.10", enabled=True),
        call("auth.twofactor.update", {"enabled": False}, says=settings("24.10")),
        version("24.10"),
        config("24.10"),
        people(user(1, "root", enrolled=True)),
        ssh_config(),
        call("user.unset_2fa_secret", "root", says=None),
    )
    change = Change(policy={"state": "disabled", "reason": "over"}, secrets=_secrets("root", state="absent"))
    outcome = platform.apply(change, False)
    assert outcome.changed
    assert outcome.after["state"] == "disabled"


def test_no_packages_are_missing() -> None:
    assert TruenasPlatform().missing_packages("pam_oath", "chrony", "sshd") == []
