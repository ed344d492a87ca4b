# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""user.*: accounts, as far as logins go."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any, cast

from .. import defaults, schema
from ..errors import InstanceNotFound, ValidationErrors
from ..filters import query as filtered
from ..nas import Call
from ..passwords import hashed
from ..registry import method
from ..releases import Release
from ..schema import BOOL, LIST, STR, Field

Record = dict[str, Any]

NO_SECRET = "2FA for this user needs to be explicitly configured before password based SSH access is enabled."
ENABLE_LATER = " User will be created with SSH password access disabled; enable it once 2FA is configured."


def _fields(release: Release) -> dict[str, Field]:
    # Types of what is stored under the same name; what a release lacks is left out below.
    fields = {
        **dict.fromkeys(("username", "full_name", "home", "shell"), STR),
        **dict.fromkeys(("password_disabled", "locked", "smb"), BOOL),
        "password": STR,
        "uid": Field("int", null=True, minimum=0),
        "group": Field("int", null=True),
        "groups": LIST,
        "email": Field("str", null=True),
        "sshpubkey": Field("str", null=True),
    }
    if release.series >= (22, 12):
        fields.update(home_create=BOOL, sudo_commands=LIST, sudo_commands_nopasswd=LIST)
    else:
        fields.update(sudo=BOOL, sudo_nopasswd=BOOL, sudo_commands=LIST)
    if release.ssh_per_user:
        fields["ssh_password_enabled"] = BOOL
    return fields


def _pubkey(call: Call, user: Record) -> str | None:
    if user["builtin"] and user["uid"] != 0:
        return None
    return call.nas.machine.read(f"{user['home']}/.ssh/authorized_keys")


def entry(call: Call, user: Record) -> Record:
    """Return a user the way a release shows one."""
    release = call.release
    groups = {group["id"]: group for group in call.data["groups"]}
    own = groups[user["group"]]
    shown = {
        **{name: user[name] for name in ("id", "uid", "username", "unixhash", "home", "shell")},
        **{name: user[name] for name in ("full_name", "builtin", "smb", "password_disabled", "locked")},
        **{name: user[name] for name in ("email", "groups")},
        "smbhash": None,
        "group": {"id": own["id"], "bsdgrp_gid": own["gid"], "bsdgrp_group": own["group"]},
        "sshpubkey": _pubkey(call, user),
        "sudo_commands": user.get("sudo_commands", []),
        "local": True,
        "id_type_both": False,
        "sid": None,
    }
    if release.per_user and release.series < (25, 4):
        shown["nt_name"] = None
    if release.series >= (22, 12):
        shown["sudo_commands_nopasswd"] = user.get("sudo_commands_nopasswd", [])
    if release.per_user:
        shown["twofactor_auth_configured"] = bool(user["twofactor"]["secret"])
        shown["ssh_password_enabled"] = user["ssh_password_enabled"]
        shown["immutable"] = user["builtin"]
    if release.series >= (24, 4):
        shown["roles"] = ["FULL_ADMIN"] if call.nas.is_admin(user) else []
        shown["sid"] = f"S-1-5-21-0-0-0-{20000 + user['uid']}"
    if release.series >= (25, 4):
        keys = call.data["api_keys"]
        shown["api_keys"] = [key["id"] for key in keys if key.get("username") == user["username"]]
        shown.update(_SINCE_25_04)
    return shown


_SINCE_25_04: Record = {
    "userns_idmap": None,
    "last_password_change": None,
    "password_age": None,
    "password_history": None,
    "password_change_required": False,
}


def directory_entry(call: Call, user: Record) -> Record:
    """Return a user of the directory the way a release shows one: much of it is empty."""
    release = call.release
    shown = {
        **{name: user[name] for name in ("uid", "username", "home", "shell", "full_name", "sid")},
        **dict.fromkeys(("unixhash", "smbhash", "sshpubkey", "email"), None),
        **dict.fromkeys(("builtin", "password_disabled", "locked", "local", "id_type_both"), False),
        "id": 100_000_000 + user["uid"],
        "smb": True,
        "immutable": True,
        "group": {},
        "groups": [],
        "sudo_commands": [],
        "sudo_commands_nopasswd": [],
        # A row is there since the first secret and stays when that is taken away.
        "twofactor_auth_configured": release.directory_knows_secrets and user["twofactor"] is not None,
    }
    if release.series >= (24, 4):
        shown["roles"] = []
    if release.directory_ssh_flag:
        shown["ssh_password_enabled"] = False
    if release.series >= (25, 4):
        shown.update(_SINCE_25_04, api_keys=[])
    return shown


def shown_user(call: Call, user: Record) -> Record:
    """Return a user of either kind as a release shows one."""
    return directory_entry(call, user) if "sid" in user else entry(call, user)


@method("user.query")
def query(call: Call, query_filters: Any = None, query_options: Any = None) -> Any:
    shown = [entry(call, user) for user in call.data["users"]]
    asked = bool(((query_options or {}).get("extra") or {}).get("search_dscache"))
    if call.release.directory == "always" or (asked and call.release.directory == "asked"):
        shown += [directory_entry(call, user) for user in call.data["directory"]]
    return filtered(shown, query_filters, query_options)


def _instance(call: Call, number: Any) -> Record:
    for user in call.data["users"]:
        if user["id"] == number:
            return cast("Record", user)
    raise InstanceNotFound(f"User {number}")


@method("user.get_instance")
def get_instance(call: Call, id_: Any) -> Record:
    return entry(call, _instance(call, id_))


def _result(call: Call, user: Record) -> Any:
    return entry(call, user) if call.release.series >= (25, 4) else user["id"]


@method("user.create", changes=True)
def create(call: Call, user_create: Any) -> Any:
    where, release = "user_create", call.release
    fields = {**_fields(release), "group_create": BOOL}
    fields["username"] = fields["full_name"] = Field("str", required=True)
    schema.check(release.user_style, where, Field("dict", fields=fields), user_create)
    errors = ValidationErrors()
    wanted = dict(user_create)
    _check_new(call, errors, where, wanted)
    _check_common(call, errors, where, defaults.user(release, **wanted), wanted)
    errors.check()
    user = defaults.user(release, id=call.nas.store.next_id("users"), uid=_free_uid(call, wanted))
    if wanted.pop("group_create", False):
        wanted["group"] = _add_group(call, wanted["username"], user["uid"])
    _assign(user, {name: value for name, value in wanted.items() if name != "uid"})
    call.data["users"].append(user)
    call.commit()
    _apply(call, user, wanted, bool(user["ssh_password_enabled"]))
    return _result(call, user)


def _free_uid(call: Call, wanted: Record) -> int:
    if wanted.get("uid") is not None:
        return int(wanted["uid"])
    first = 1000 if call.release.series < (23, 10) else 3000
    taken: list[int] = [user["uid"] for user in call.data["users"] if user["uid"] < 60000]
    return max([first - 1, *taken]) + 1


def _add_group(call: Call, name: str, gid: int) -> int:
    number: int = call.nas.store.next_id("groups")
    call.data["groups"].append({"id": number, "gid": gid, "group": name, "builtin": False, "smb": False})
    return number


def _check_new(call: Call, errors: ValidationErrors, where: str, wanted: Record) -> None:
    if call.nas.user_named(wanted["username"]):
        errors.add(
            f"{where}.username", f"A user with the username {wanted['username']!r} already exists.", 17
        )
    if not wanted.get("group_create") and wanted.get("group") is None:
        errors.add(f"{where}.group", "Enter either a group name or create a new group to continue.", 22)
    if not wanted.get("password") and not wanted.get("password_disabled"):
        errors.add(f"{where}.password", "Password is required")
    if wanted.get("ssh_password_enabled") and call.release.password_needs_secret and call.nas.ssh_asks_code():
        errors.add(f"{where}.ssh_password_enabled", NO_SECRET + ENABLE_LATER)


def _check_common(call: Call, errors: ValidationErrors, where: str, after: Record, wanted: Record) -> None:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?", after["username"]):
        errors.add(f"{where}.username", "Not a valid username")
    known = {group["id"] for group in call.data["groups"]}
    numbers = [*wanted.get("groups", []), *([wanted["group"]] if wanted.get("group") is not None else [])]
    for number in numbers:
        if number not in known:
            errors.add(f"{where}.groups", f"Group {number} not found", 2)
    if "home" in wanted and call.nas.has_home(after) and not wanted["home"].startswith("/mnt/"):
        none = defaults.no_home(call.release)
        errors.add(f"{where}.home", f'"Home Directory" must begin with /mnt/ or set to {none}.')
    if "shell" in wanted and wanted["shell"] not in defaults.SHELLS:
        errors.add(f"{where}.shell", "Please select a valid shell.")
    if wanted.get("sshpubkey") and not call.nas.has_home(after):
        errors.add(f"{where}.sshpubkey", "The home directory is not writable. Leave this field blank.")


@method("user.update", changes=True)
def update(call: Call, id_: Any, user_update: Any) -> Any:
    where, release = "user_update", call.release
    schema.check(release.user_style, where, Field("dict", fields=_fields(release)), user_update)
    user = _instance(call, id_)
    before, after = deepcopy(user), {**user, **user_update}
    errors = ValidationErrors()
    _check_common(call, errors, where, after, user_update)
    _check_own_secret(call, errors, user)
    opens = user_update.get("ssh_password_enabled") and not before["ssh_password_enabled"]
    lacks = call.nas.ssh_asks_code() and not call.nas.secret_of(user)
    if opens and lacks and release.password_needs_secret:
        errors.add(f"{where}.ssh_password_enabled", NO_SECRET)
    if release.guards_last_admin and user_update.get("locked") and _is_last_admin(call, user):
        errors.add(f"{where}.locked", "The last local administrator may not be locked.")
    errors.check()
    _assign(user, user_update)
    call.commit()
    _apply(call, user, user_update, before["ssh_password_enabled"] != user["ssh_password_enabled"])
    return _result(call, user)


def _check_own_secret(call: Call, errors: ValidationErrors, user: Record) -> None:
    itself = call.session.username == user["username"]
    if (
        call.release.per_user
        and itself
        and call.data["twofactor"]["enabled"]
        and not call.nas.secret_of(user)
    ):
        errors.add(
            "user_update.renew_twofactor_secret",
            "Two-factor authentication is enabled globally but not configured for this user.",
        )


def _is_last_admin(call: Call, user: Record) -> bool:
    others = [other for other in call.data["users"] if other is not user and not other["locked"]]
    return call.nas.is_admin(user) and not any(
        call.nas.is_admin(other) and not other["password_disabled"] for other in others
    )


def _assign(user: Record, wanted: Record) -> None:
    password = wanted.get("password")
    user.update({name: value for name, value in wanted.items() if name not in ("password", "sshpubkey")})
    if user["password_disabled"]:
        user["unixhash"] = "*"
    elif password:
        user["unixhash"] = hashed(password)


def _apply(call: Call, user: Record, wanted: Record, ssh_differs: bool) -> None:
    """Write the accounts, the user's key, and where passwords over SSH are concerned sshd's settings."""
    nas = call.nas
    nas.service("reload", "user")
    if "sshpubkey" in wanted:
        path = f"{user['home']}/.ssh/authorized_keys"
        key = wanted["sshpubkey"]
        if key:
            gid = next(group["gid"] for group in call.data["groups"] if group["id"] == user["group"])
            nas.machine.write(path, key.rstrip("\n") + "\n", 0o600)
            nas.machine.own(path, user["uid"], gid)
        else:
            nas.machine.remove(path)
    if call.release.ssh_per_user and ssh_differs:
        nas.service("reload", "ssh")


@method("user.delete", changes=True)
def delete(call: Call, id_: Any, options: Any = None) -> Any:
    user = _instance(call, id_)
    if user["builtin"]:
        raise ValidationErrors("user_delete.id", "Cannot delete a built-in user.")
    call.data["users"].remove(user)
    if (options or {}).get("delete_group", True):
        call.data["groups"] = [
            group
            for group in call.data["groups"]
            if group["builtin"]
            or group["id"] != user["group"]
            or any(other["group"] == group["id"] for other in call.data["users"])
        ]
    call.commit()
    _apply(call, user, {}, bool(user["ssh_password_enabled"]))
    return id_
