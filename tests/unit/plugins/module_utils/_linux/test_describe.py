from __future__ import annotations

import base64
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.fleetauth.twofactor.plugins.module_utils import _otp
from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change, Outcome
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import paths
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.describe import describe
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.plan import make_plan
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import (
    SecretsChange,
    UserSecret,
)
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._linux.fakes import (
    SEEDS,
    FakeHost,
)

ON = {"state": "enabled"}
KEY = {"state": "enabled", "methods": ("key_and_code",)}
NAMES = tuple(SEEDS)
SECRETS = st.builds(
    SecretsChange,
    state=st.sampled_from(["present", "absent", "renewed"]),
    users=st.lists(
        st.builds(
            UserSecret,
            st.sampled_from(NAMES),
            st.none() | st.binary(min_size=16, max_size=32),
            st.none() | st.binary(min_size=16, max_size=32),
        ),
        max_size=3,
    ).map(tuple),
    exclusive=st.booleans(),
    renewal=st.sampled_from(["one", "two"]),
    return_secrets=st.booleans(),
)
CHANGES = st.builds(
    Change,
    st.none()
    | st.fixed_dictionaries({"state": st.just("enabled"), "unenrolled": st.sampled_from(["deny", "allow"])}),
    st.none() | st.just(KEY),
    st.none() | SECRETS,
)


def outcome_of(change: Change, host: FakeHost) -> Outcome:
    plan = make_plan(change, host)
    outcome = describe(plan, host)
    host.carry_out(plan.steps)
    return outcome


def spellings(seed: bytes) -> list[str]:
    """Return the ways in which a seed could come out."""
    return [
        seed.hex(),
        base64.b32encode(seed).decode().rstrip("="),
        base64.b64encode(seed).decode().rstrip("="),
        repr(seed)[2:-1],
    ]


@given(st.lists(CHANGES, min_size=1, max_size=4))
@settings(max_examples=150)
def test_no_seed_is_ever_told(changes: list[Change]) -> None:
    host = FakeHost().enrol("alice")
    given_seeds = {SEEDS["alice"]}
    made: set[str] = set()
    for change in changes:
        users = change.secrets.users if change.secrets else ()
        given_seeds |= {seed for user in users for seed in (user.seed, user.backup_seed) if seed}
        try:
            outcome = outcome_of(change, host)
        except TwofactorError as error:
            told = f"{error} {error!r} {error.args}"
        else:
            fresh = {entry["secret"] for entry in outcome.result.pop("secrets", [])}  # type: ignore[attr-defined]
            assert not fresh or (change.secrets and change.secrets.return_secrets)
            made |= fresh
            told = repr(outcome) + json.dumps([outcome.before, outcome.after, outcome.result])
        told = told.lower()
        hidden = given_seeds | {_otp.seed_from_base32(secret, "x") for secret in made}
        assert not [text for seed in hidden for text in spellings(seed) if text.lower() in told]


def test_users_and_files_are_told() -> None:
    outcome = outcome_of(
        Change(ON, KEY, SecretsChange(users=(UserSecret("alice", SEEDS["alice"]),))), FakeHost()
    )

    assert outcome.changed
    assert outcome.result == {"users": {"added": ["alice"], "renewed": [], "removed": []}}
    assert (outcome.before["enrolled"], outcome.after["enrolled"]) == ([], ["alice"])
    files = outcome.after["files"]
    assert isinstance(files, dict)
    units = {paths.BOOT_UNIT, paths.BOOT_WANTED}
    assert set(files) - units == {
        paths.PAM_POLICY,
        paths.SSHD_DROPIN,
        "/etc/pam.d/sshd",
        "/etc/pam.d/cockpit",
    }
    assert "keyboard-interactive:pam" in files[paths.SSHD_DROPIN]  # as it stands at the end


def test_settings_are_told_before_and_after() -> None:
    host = FakeHost()
    outcome_of(Change(ON), host)
    outcome = outcome_of(Change({"window": 3}), host)

    assert (outcome.before["policy"]["window"], outcome.after["policy"]["window"]) == (1, 3)  # type: ignore[index]


def test_nothing_changed_looks_the_same_before_and_after() -> None:
    host = FakeHost().enrol("alice")
    host.converge(Change(ON, KEY))
    outcome = outcome_of(Change(ON, KEY), host)

    assert not outcome.changed
    assert outcome.before == outcome.after


def test_new_secrets_show_as_names() -> None:
    host = FakeHost().enrol("alice", "bob", "carol")
    renewed = SecretsChange("renewed", (UserSecret("bob", b"N" * 20),), renewal="w")
    assert outcome_of(Change(secrets=renewed), host).after["new_secret"] == ["bob"]

    replaced = SecretsChange(users=(UserSecret("alice", b"M" * 20), UserSecret("carol", None, b"B" * 20)))
    outcome = outcome_of(Change(secrets=replaced), host)
    assert (outcome.before["new_secret"], outcome.after["new_secret"]) == ([], ["alice"])


def test_files_that_stay_are_not_told() -> None:
    host = FakeHost()
    host.converge(Change(ON, KEY))
    outcome = outcome_of(Change(ssh={"methods": ("password_and_code", "key")}), host)

    assert set(outcome.after["files"]) == {paths.SSHD_DROPIN}  # type: ignore[call-overload]


def test_secret_made_here_is_told_by_user() -> None:
    change = Change(
        secrets=SecretsChange(users=(UserSecret("bob"), UserSecret("alice")), return_secrets=True)
    )
    told = outcome_of(change, FakeHost()).result["secrets"]

    assert [entry["name"] for entry in told] == ["alice", "bob"]  # type: ignore[attr-defined]
