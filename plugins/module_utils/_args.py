# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that modules share, and what they become as typed data.

Private to this collection: may change at any time. No option has a default that would change a host: what
was not given is left as it is. What the emergency has no need of is imported where it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change

if TYPE_CHECKING:
    from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import (
        NtpChange,
        SecretsChange,
        SshdChange,
        UserSecret,
    )

_NAMES = {"type": "list", "elements": "str"}

EXEMPT_ARGS: dict[str, Any] = {
    "exempt_users": _NAMES,
    "exempt_groups": _NAMES,
    "exempt_networks": _NAMES,
}
POLICY_ARGS: dict[str, Any] = {
    "state": {"type": "str", "choices": ["enabled", "disabled"]},
    "digits": {"type": "int", "choices": [6, 7, 8]},
    "interval": {"type": "int", "choices": [30, 60]},
    "window": {"type": "int"},
    "wipe_secrets": {"type": "bool", "no_log": False},
    "services": _NAMES,
    "unenrolled": {"type": "str", "choices": ["deny", "allow"]},
    "max_failures": {"type": "int"},
    "unlock_after": {"type": "int"},
    "reason": {"type": "str"},
    **EXEMPT_ARGS,
}
SSH_ARGS: dict[str, Any] = {
    "state": {"type": "str", "choices": ["enabled", "disabled"]},
    "methods": {
        "type": "list",
        "elements": "str",
        "choices": ["key_and_code", "password_and_code", "key"],
    },
    "root_login": {"type": "str", "choices": ["allowed", "denied", "unmanaged"]},
    "reason": {"type": "str"},
    **EXEMPT_ARGS,
}
SECRETS_ARGS: dict[str, Any] = {
    "users": {
        "type": "list",
        "elements": "dict",
        "options": {
            "name": {"type": "str", "required": True},
            "secret": {"type": "str", "no_log": True},
            "backup_secret": {"type": "str", "no_log": True},
            "recovery_secret": {"type": "str", "no_log": True},
            "recovery_count": {"type": "int"},
            "previous_secret": {"type": "str", "no_log": True},
            "previous_backup_secret": {"type": "str", "no_log": True},
            "previous_until": {"type": "str"},
        },
    },
    "state": {"type": "str", "choices": ["present", "absent", "renewed"], "default": "present"},
    "renewal": {"type": "str"},
    "exclusive": {"type": "bool", "default": False},
    "return_secrets": {"type": "bool", "default": False, "no_log": False},
}
SHEETS_ARGS: dict[str, Any] = {
    "folder": {"type": "str", "default": "twofactor_sheets"},
    "formats": {**_NAMES, "choices": ["html", "svg", "png", "txt"], "default": ["html"]},
    "issuer": {"type": "str", "default": "Two-factor"},
    "account": {"type": "str", "default": "%u@%h"},
}
GUARD_ARGS: dict[str, Any] = {
    "guard": {"type": "bool", "default": True},
    "confirm_within": {"type": "int", "default": 0},
}
LASTS_ARGS: dict[str, Any] = {"lasts": {"type": "str"}}
VERIFY_ARGS: dict[str, Any] = {
    "user": {"type": "str", "required": True},
    "code": {"type": "str", "required": True, "no_log": True},
}
BYPASS_ARGS: dict[str, Any] = {
    "users": {"type": "list", "elements": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "lasts": {"type": "str"},
    "reason": {"type": "str"},
}
CHANGE_ARGS: dict[str, Any] = {
    "state": {"type": "str", "choices": ["confirmed", "reverted"], "required": True},
}
NTP_ARGS: dict[str, Any] = {
    "servers": _NAMES,
    "pools": _NAMES,
    "nts": {"type": "bool", "default": False},
    "force": {"type": "bool", "default": False},
    "wait": {"type": "float", "default": 60.0},
    "max_offset": {"type": "float", "default": 10.0},
}
SSHD_ARGS: dict[str, Any] = {
    "running": {"type": "bool", "default": True},
    "root_login": {"type": "str", "choices": ["allowed", "denied", "unmanaged"]},
}
PACKAGES_ARGS: dict[str, Any] = {
    # The controller's half installs, and asks twice: what comes here is never "install".
    "packages": {"type": "str", "choices": ["require", "report", "install"], "default": "require"},
}
BOUNDS = {
    "window": (0, 10),
    "max_failures": (0, 100),
    "unlock_after": (1, 86400),
    "confirm_within": (0, 3600),
}
"""Smallest and largest value of numbers. NIST SP 800-63B allows at most 100 failures in a row."""
RECOVERY_BOUNDS = (1, 20)
"""How many recovery codes a user may have; more would not fit on a sheet."""


def given(params: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    """Return the options of ``spec`` that were given, lists as tuples."""
    values = {name: params.get(name) for name in spec}
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
        if value is not None
    }


def out_of_bounds(params: dict[str, Any]) -> str:
    """Return a sentence for the first number that is out of its bounds, empty when none is."""
    for name, (low, high) in BOUNDS.items():
        value = params.get(name)
        if value is not None and not low <= value <= high:
            return f"{name} is {value}; it must be from {low} to {high}."
    return ""


def policy_change(params: dict[str, Any]) -> Change:
    """Return the change that the options of the module twofactor ask for."""
    policy = given(params, POLICY_ARGS)
    return Change(wipe_secrets=policy.pop("wipe_secrets", False), policy=policy, **_common(params))


def _common(params: dict[str, Any]) -> dict[str, Any]:
    return {
        "guard": params["guard"],
        "confirm_within": float(params["confirm_within"]),
        "lasts": params.get("lasts") or "",
    }


def ssh_change(params: dict[str, Any]) -> Change:
    """Return the change that the options of the module twofactor_ssh ask for."""
    return Change(ssh=given(params, SSH_ARGS), **_common(params))


def secrets_change(params: dict[str, Any]) -> SecretsChange:
    """Return the change that the options of the module twofactor_secret ask for.

    Raises TwofactorError for a secret that is no seed; the error never holds the secret.
    """
    from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import (
        Refused,
        TwofactorError,
    )
    from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import SecretsChange

    users, reasons = [], []
    for entry in params.get("users") or []:
        try:
            users.append(_user_secret(entry))
        except TwofactorError as error:
            reasons.append(error)
    if reasons:
        raise Refused(reasons)
    return SecretsChange(
        state=params["state"],
        users=tuple(users),
        exclusive=params["exclusive"],
        renewal=params.get("renewal") or "",
        return_secrets=params["return_secrets"],
    )


def _user_secret(entry: dict[str, Any]) -> UserSecret:
    from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import UserSecret, end_of
    from ansible_collections.fleetauth.twofactor.plugins.module_utils._otp import seed_from_base32

    name = entry["name"]
    seeds = {
        "seed": entry.get("secret"),
        "backup_seed": entry.get("backup_secret"),
        "recovery_seed": entry.get("recovery_secret"),
        "previous_seed": entry.get("previous_secret"),
        "previous_backup_seed": entry.get("previous_backup_secret"),
    }
    return UserSecret(
        name=name,
        recovery_count=_recovery_count(entry.get("recovery_count"), name),
        previous_until=end_of(entry["previous_until"]) if entry.get("previous_until") else 0.0,
        **{key: seed_from_base32(text, name) for key, text in seeds.items() if text},
    )


def _recovery_count(count: int | None, name: str) -> int | None:
    from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError

    low, high = RECOVERY_BOUNDS
    if count is not None and not low <= count <= high:
        raise TwofactorError(
            "out_of_bounds", f"recovery_count of user '{name}' is {count}; it must be from {low} to {high}."
        )
    return count


def host_change(params: dict[str, Any]) -> Change:
    """Return the change that the options of the module twofactor_host ask for."""
    ssh, secrets = params.get("ssh"), params.get("secrets")
    policy = given(params["policy"], POLICY_ARGS) if params.get("policy") else None
    return Change(
        wipe_secrets=policy.pop("wipe_secrets", False) if policy else False,
        policy=policy,
        ssh=given(ssh, SSH_ARGS) if ssh else None,
        secrets=secrets_change(secrets) if secrets else None,
        **_common(params),
    )


def complete_host_params(params: dict[str, Any]) -> dict[str, Any]:
    """Return options of twofactor_host as Ansible would hand them over: with the defaults of those not given."""
    secrets = params.get("secrets")
    filled = {name: spec.get("default") for name, spec in SECRETS_ARGS.items()}
    return {
        **{name: spec["default"] for name, spec in GUARD_ARGS.items()},
        **params,
        "secrets": {**filled, **secrets} if secrets else None,
    }


def bypass_change(params: dict[str, Any]) -> Change:
    """Return the change that the options of the module twofactor_bypass ask for."""
    from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import BypassChange

    return Change(bypass=BypassChange(**given(params, BYPASS_ARGS)))


def ntp_change(params: dict[str, Any]) -> NtpChange:
    """Return the change that the options of the module twofactor_ntp ask for."""
    from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import NtpChange

    return NtpChange(**given(params, NTP_ARGS))


def sshd_change(params: dict[str, Any]) -> SshdChange:
    """Return the change that the options of the module twofactor_sshd ask for."""
    from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import SshdChange

    return SshdChange(**given(params, SSHD_ARGS))
