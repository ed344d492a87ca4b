# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""system.security.*: FIPS from 23.10, General Purpose OS STIG mode from 25.04, both with a licence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import schema
from ..errors import CallError, ValidationErrors
from ..nas import Call
from ..registry import method
from ..schema import BOOL, Field

Record = dict[str, Any]
WHERE = "system_security_update"
STIG = f"{WHERE}.enable_gpos_stig"
IMMUTABLE = ("root", "truenas_admin")


@method("system.security.config", since="23.10")
def config(call: Call) -> Record:
    names = ("enable_fips", *(("enable_gpos_stig",) if call.release.stig else ()))
    return {"id": 1, **{name: call.data["security"][name] for name in names}}


@method("system.security.info.fips_available", since="25.04")
def fips_available(call: Call) -> bool:
    return bool(call.data["enterprise"])


@method("system.security.update", since="25.04", changes=True, job=True)
def update(call: Call, system_security_update: Any) -> Callable[[], Record]:
    description = Field("dict", fields={"enable_fips": BOOL, "enable_gpos_stig": BOOL})
    schema.check("models", WHERE, description, system_security_update)
    return lambda: _update(call, system_security_update)


def _update(call: Call, wanted: Record) -> Record:
    if not call.data["enterprise"]:
        raise CallError("This system is not licensed to change its security settings.")
    security = call.data["security"]
    after = {**security, **wanted}
    if after["enable_gpos_stig"] and not security["enable_gpos_stig"]:
        _check(call, after)
        after["authenticator_level"] = 2
    elif not after["enable_gpos_stig"]:
        after["authenticator_level"] = 1
    security.update(after)
    call.commit()
    return config(call)


def _check(call: Call, after: Record) -> None:
    errors = ValidationErrors()
    settings = call.data["twofactor"]
    users = [user for user in call.data["users"] if not user["locked"] and call.nas.secret_of(user)]
    if not after["enable_fips"]:
        errors.add(STIG, "FIPS mode is required in General Purpose OS STIG mode.")
    if not settings["enabled"]:
        errors.add(STIG, "Two factor authentication must be globally enabled.")
    if call.release.stig_needs_ssh and not settings["services"].get("ssh"):
        errors.add(STIG, "Two factor authentication for ssh service must be enabled.")
    if not users:
        errors.add(STIG, "At least one unlocked local user must have two factor authentication.")
    elif not any(call.nas.is_admin(user) for user in users):
        errors.add(STIG, "A local user with two factor authentication must be a full administrator.")
    if not call.session.used_code:
        errors.add(STIG, "The current session must have logged in with two factor authentication.")
    for name in IMMUTABLE:
        user = call.nas.user_named(name)
        if user and not user["password_disabled"]:
            errors.add(STIG, f"{name}: the password of this account must be disabled.")
    errors.check()
