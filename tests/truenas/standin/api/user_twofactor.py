# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""user.*: the secrets of users, from 23.10."""

from __future__ import annotations

from errno import ENOENT, EPERM
from typing import Any

from .. import schema
from ..errors import CallError
from ..nas import Call
from ..registry import method
from ..releases import Release
from ..schema import STR, Field
from ..totp import is_right, new_secret, provisioning_uri
from .auth_twofactor import need_enabled
from .user import shown_user

Record = dict[str, Any]


def known_user(call: Call, username: Any) -> Record:
    """Return a user's record or raise."""
    schema.check(call.release.user_style, "username", STR, username)
    found = call.nas.account_named(username)
    if found is None:
        raise CallError(f"User {username!r} does not exist", ENOENT)
    return found


def uri_of(call: Call, user: Record) -> str | None:
    """Return the URI for a user's code app, or None without a secret."""
    secret = call.nas.secret_of(user)
    account = f"{user['username']}-{call.nas.machine.hostname()}@TrueNAS"
    return provisioning_uri(secret, account, *call.nas.settings_of(user)) if secret else None


def describe(call: Call, user: Record) -> Record:
    """Return what is known about a user's codes, the secret included."""
    digits, interval = call.nas.settings_of(user)
    uri = uri_of(call, user)
    return {
        "provisioning_uri": uri,
        "secret_configured": bool(uri),
        "interval": interval,
        "otp_digits": digits,
    }


@method("user.renew_2fa_secret", since="23.10", until="24.04", changes=True)
def renew_for_all_alike(call: Call, username: Any) -> Record:
    return _renew(call, known_user(call, username), {})


@method("user.renew_2fa_secret", since="24.04", until="24.10", changes=True, access="user")
def renew_with_optional_settings(call: Call, username: Any, twofactor_options: Any = None) -> Record:
    return renew(call, username, twofactor_options or {})


@method("user.renew_2fa_secret", since="24.10", changes=True, access="user")
def renew(call: Call, username: Any, twofactor_options: Any) -> Record:
    release = call.release
    schema.check(release.user_style, release.renewal_options, _options(release), twofactor_options)
    user = known_user(call, username)
    if not call.session.is_admin and call.session.username != username:
        raise CallError(
            f"{username}: currently authenticated credential may not renew two-factor authentication "
            "for this user.",
            EPERM,
        )
    return _renew(call, user, twofactor_options)


def _options(release: Release) -> Field:
    interval = Field("int", choices=release.intervals) if release.intervals else Field("int", minimum=5)
    return Field("dict", fields={"otp_digits": Field("int", minimum=6, maximum=8), "interval": interval})


def _renew(call: Call, user: Record, options: Record) -> Record:
    row = user["twofactor"] or {"otp_digits": 6, "interval": 30}
    user["twofactor"] = {**row, **options, "secret": new_secret()}
    call.commit()
    if call.data["twofactor"]["services"].get("ssh"):
        call.nas.service("reload", "ssh")
    if call.release.renew_generates_user:
        call.nas.generate("user")
    shown = shown_user(call, user)
    if call.release.renew_returns_uri:
        shown["twofactor_config"] = describe(call, user)
    return shown


@method("user.unset_2fa_secret", since="23.10", changes=True)
def unset(call: Call, username: Any) -> None:
    user = known_user(call, username)
    if user["twofactor"] is None:
        return
    if call.data["twofactor"]["enabled"] and not call.release.unset_while_enabled:
        raise CallError("Please disable Two Factor Authentication first")
    user["twofactor"]["secret"] = None
    call.commit()
    if call.release.unset_generates_user:
        call.nas.generate("user")


@method("user.provisioning_uri", since="23.10", private_since="25.04")
def uri(call: Call, username: Any) -> str:
    found = uri_of(call, known_user(call, username))
    if found is None:
        raise CallError(f"{username!r} user does not have two factor authentication configured")
    return found


@method("user.twofactor_config", since="24.04", private_since="25.04")
def config(call: Call, username: Any) -> Record:
    return describe(call, known_user(call, username))


@method(
    "user.verify_twofactor_token", since="23.10", until="26.0", private_since="25.04", secret_arguments=(1,)
)
def verify(call: Call, username: Any, token: Any = None) -> bool:
    schema.check(call.release.user_style, "token", Field("str", null=True), token)
    need_enabled(call)
    user = known_user(call, username)
    secret = call.nas.secret_of(user)
    if not secret:
        raise CallError("Two Factor Authentication is not configured for this user")
    return is_right(token, secret, *call.nas.settings_of(user), call.data["twofactor"]["window"])
