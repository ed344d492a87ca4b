from __future__ import annotations

import base64
from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils import _args
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import Refused
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import (
    NtpChange,
    SecretsChange,
    SshdChange,
    UserSecret,
)

COMMON = {"guard": True, "confirm_within": 0}
SEED, BACKUP = b"S" * 20, b"B" * 32
SECRETS = {"state": "present", "users": [], "renewal": None, "exclusive": False, "return_secrets": False}


def text(seed: bytes) -> str:
    return base64.b32encode(seed).decode().rstrip("=")


def nones(spec: dict[str, Any], **given: Any) -> dict[str, Any]:
    """Return parameters as Ansible has them: None where nothing was given."""
    return {**dict.fromkeys(spec), **given}


def test_options_not_given_are_not_there() -> None:
    policy = nones(
        _args.POLICY_ARGS, state="enabled", window=0, services=[], exempt_users=["a", "b"], reason=""
    )

    assert _args.policy_change({**policy, **COMMON}).policy == {
        "state": "enabled",
        "window": 0,
        "services": (),
        "exempt_users": ("a", "b"),
        "reason": "",
    }


def test_change_for_ssh() -> None:
    change = _args.ssh_change(
        {**nones(_args.SSH_ARGS, methods=["key_and_code"]), "guard": False, "confirm_within": 60}
    )

    assert (change.ssh, change.policy, change.secrets) == ({"methods": ("key_and_code",)}, None, None)
    assert (change.guard, change.confirm_within) == (False, 60)


def test_change_for_a_host_has_what_was_given() -> None:
    empty = _args.host_change({"policy": None, "ssh": None, "secrets": None, **COMMON})
    assert (empty.policy, empty.ssh, empty.secrets) == (None, None, None)

    policy, ssh = nones(_args.POLICY_ARGS, digits=8), nones(_args.SSH_ARGS)
    change = _args.host_change({"policy": policy, "ssh": ssh, "secrets": SECRETS, **COMMON})
    assert (change.policy, change.ssh, change.secrets) == ({"digits": 8}, {}, SecretsChange())


def test_secrets_become_seeds() -> None:
    users = [
        {"name": "alice", "secret": text(SEED).lower(), "backup_secret": text(BACKUP)},
        {"name": "bob", "secret": None, "backup_secret": None},
        {"name": "carol"},
    ]
    change = _args.secrets_change(
        {**SECRETS, "users": users, "state": "renewed", "renewal": "w", "exclusive": True}
    )

    assert change == SecretsChange(
        "renewed",
        (UserSecret("alice", SEED, BACKUP), UserSecret("bob"), UserSecret("carol")),
        exclusive=True,
        renewal="w",
    )


def test_every_bad_secret_is_said_and_none_is_shown() -> None:
    users = [
        {"name": "alice", "secret": "rubbish-1890"},
        {"name": "bob", "secret": text(SEED)},
        {"name": "carol", "backup_secret": text(b"L" * 33)},
        {"name": "dave", "secret": text(b"short")},
    ]
    with pytest.raises(Refused) as caught:
        _args.secrets_change({**SECRETS, "users": users})

    assert [reason.code for reason in caught.value.reasons] == [
        "secret_not_base32",
        "secret_length",
        "secret_length",
    ]
    for entry in users:
        for secret in ("secret", "backup_secret"):
            assert entry.get(secret, "?") not in str(caught.value).replace("?", "")


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({}, ""),
        ({"window": None, "max_failures": 0, "unlock_after": 1}, ""),
        ({"window": 10, "max_failures": 100, "unlock_after": 86400}, ""),
        ({"window": -1}, "window is -1; it must be from 0 to 10."),
        ({"window": 11}, "window is 11; it must be from 0 to 10."),
        ({"max_failures": 101}, "max_failures is 101; it must be from 0 to 100."),
        ({"unlock_after": 0}, "unlock_after is 0; it must be from 1 to 86400."),
    ],
)
def test_bounds(params: dict[str, Any], sentence: str) -> None:
    assert _args.out_of_bounds(params) == sentence


def test_changes_of_time_and_service() -> None:
    ntp = nones(_args.NTP_ARGS, servers=["a"], nts=True, wait=5.0, max_offset=1.0, force=False)
    assert _args.ntp_change(ntp) == NtpChange(servers=("a",), nts=True, wait=5.0, max_offset=1.0)

    assert _args.sshd_change({"running": False, "root_login": None}) == SshdChange(running=False)


@pytest.mark.parametrize("spec", [_args.POLICY_ARGS, _args.SSH_ARGS], ids=["policy", "ssh"])
def test_no_option_has_a_default_that_would_change_a_host(spec: dict[str, Any]) -> None:
    assert not [name for name, option in spec.items() if "default" in option or option.get("required")]


def test_secrets_are_never_logged() -> None:
    options = _args.SECRETS_ARGS["users"]["options"]

    assert {name for name, option in options.items() if option.get("no_log")} == {
        "secret",
        "backup_secret",
        "recovery_secret",
        "previous_secret",
        "previous_backup_secret",
    }


def test_options_of_a_host_without_ansible() -> None:
    params = _args.complete_host_params({"secrets": {"users": [{"name": "alice", "secret": text(SEED)}]}})
    change = _args.host_change(params)

    assert change.guard
    assert change.secrets == SecretsChange(users=(UserSecret("alice", SEED),))
    assert _args.host_change(_args.complete_host_params({})).secrets is None
