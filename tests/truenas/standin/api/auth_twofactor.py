# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""auth.twofactor: the policy, and in 22.x the one secret."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from .. import schema
from ..errors import CallError, ValidationErrors
from ..nas import Call
from ..registry import method
from ..releases import Release
from ..schema import BOOL, Field
from ..totp import is_right, new_secret, provisioning_uri

Record = dict[str, Any]
ARGUMENT = "auth_twofactor_update"


def _description(release: Release) -> Field:
    fields = {
        "enabled": BOOL,
        "window": Field("int", minimum=0),
        "services": Field("dict", fields={"ssh": BOOL}),
    }
    if not release.settings_per_user:
        fields["otp_digits"] = Field("int", minimum=6, maximum=8)
        fields["interval"] = Field("int", minimum=5)
    return Field("dict", fields=fields)


@method("auth.twofactor.config")
def config(call: Call) -> Record:
    settings = call.data["twofactor"]
    shown = {"id": 1, "enabled": settings["enabled"], "window": settings["window"]}
    shown["services"] = {"ssh": bool(settings["services"].get("ssh"))}
    if not call.release.settings_per_user:
        shown.update(otp_digits=settings["otp_digits"], interval=settings["interval"])
    if not call.release.per_user:
        shown["secret"] = settings["secret"]
    return shown


@method("auth.twofactor.update", changes=True)
def update(call: Call, auth_twofactor_update: Any) -> Record:
    release, settings = call.release, call.data["twofactor"]
    schema.check(release.style, ARGUMENT, _description(release), auth_twofactor_update)
    before = deepcopy(config(call))
    settings.update(auth_twofactor_update)
    after = config(call)
    _check_stig(call, after)
    if release.per_user and after == before:
        return before
    if not release.per_user and settings["enabled"] and not settings["secret"]:
        settings["secret"] = new_secret()
    if release.wipes_secrets and _codes_differ(before, after):
        for user in call.data["users"]:
            user["twofactor"]["secret"] = None
        for user in call.data["directory"]:
            user["twofactor"] = None
    if release.stig and not settings["enabled"]:
        call.data["security"]["authenticator_level"] = 1
    call.commit()
    for name in release.update_reloads:
        call.nas.service("reload", name)
    for what in release.update_generates:
        call.nas.generate(what)
    return config(call)


def _codes_differ(before: Record, after: Record) -> bool:
    return any(before[name] != after[name] for name in ("otp_digits", "interval"))


def _check_stig(call: Call, after: Record) -> None:
    if not call.data["security"]["enable_gpos_stig"]:
        return
    errors = ValidationErrors()
    mode = "General Purpose OS STIG mode."
    if not after["enabled"]:
        errors.add(f"{ARGUMENT}.enable", f"Two factor authentication may not be disabled in {mode}")
    if not after["services"]["ssh"]:
        errors.add(
            f"{ARGUMENT}.services.ssh", f"Two factor authentication for ssh service is required in {mode}"
        )
    errors.check()


def need_enabled(call: Call) -> None:
    """Refuse while two-factor authentication is off."""
    if not call.data["twofactor"]["enabled"]:
        raise CallError("Please enable Two Factor Authentication first")


@method("auth.twofactor.verify", until="23.10", secret_arguments=(0,))
def verify(call: Call, token: Any = None) -> bool:
    schema.check(call.release.style, "token", Field("str", null=True), token)
    need_enabled(call)
    settings = call.data["twofactor"]
    secret, window = settings["secret"], settings["window"]
    return is_right(token, secret, settings["otp_digits"], settings["interval"], window)


@method("auth.twofactor.renew_secret", until="23.10", changes=True)
def renew_secret(call: Call) -> bool:
    need_enabled(call)
    call.data["twofactor"]["secret"] = new_secret()
    call.commit()
    if call.nas.ssh_asks_code():
        call.nas.service("reload", "ssh")
    return True


@method("auth.twofactor.provisioning_uri", until="23.10")
def uri(call: Call) -> str:
    settings = call.data["twofactor"]
    account = f"{call.nas.machine.hostname()}@TrueNAS"
    return provisioning_uri(settings["secret"], account, settings["otp_digits"], settings["interval"])
