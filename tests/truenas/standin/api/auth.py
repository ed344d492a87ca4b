# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""auth.*: logging in to the API, which is what the web interface does too."""

from __future__ import annotations

import re
import secrets
from errno import EINVAL, ENOENT, EOPNOTSUPP
from typing import Any

from .. import schema
from ..errors import CallError
from ..nas import Call, Nas
from ..passwords import hashed, is_right
from ..registry import method
from ..render.oath import USERS_OATH
from ..schema import STR, Field
from ..totp import is_right as is_right_code
from .user_twofactor import describe

Record = dict[str, Any]
MAX_OTP_ATTEMPTS = 3
MECHANISMS = ("PASSWORD_PLAIN", "API_KEY_PLAIN", "TOKEN_PLAIN", "OTP_TOKEN")


def checked(nas: Nas, username: Any, password: Any) -> Record | None:
    """Return the user whose password this is, if that user may use the API at all."""
    user = nas.user_named(username)
    if user is None or user["locked"] or user["password_disabled"] or not nas.is_admin(user):
        return None
    return user if is_right(password, user["unixhash"]) else None


def spend_onetime_password(call: Call, username: Any, password: Any) -> Record | None:
    """Return the user if this is the password for a single login; it opens nothing twice."""
    user = call.nas.user_named(username)
    if user is None or not user["onetime_password"] or not is_right(password, user["onetime_password"]):
        return None
    user["onetime_password"] = None
    call.commit()
    return user


def needs_code(nas: Nas, user: Record) -> bool:
    """Tell whether the API will ask a user for a code, by what the release goes by."""
    if not nas.data["twofactor"]["enabled"]:
        return False
    if not nas.release.per_user:
        return True
    if nas.release.web_codes == "database":
        return nas.secret_of(user) is not None
    listed = re.findall(r"^\S+\s+(\S+)", nas.machine.read(USERS_OATH) or "", re.MULTILINE)
    return user["username"] in listed


def code_is_right(nas: Nas, user: Record, password: Any, code: Any) -> bool:
    """Check a code as the release does; pam_oath spends it."""
    if nas.release.web_codes == "pam":
        answers = [str(password), str(code)]
        return isinstance(code, str) and nas.machine.converse("truenas", user["username"], answers)
    secret = nas.secret_of(user) if nas.release.per_user else nas.data["twofactor"]["secret"]
    window = nas.data["twofactor"]["window"]
    return bool(secret) and is_right_code(code, str(secret), *nas.settings_of(user), window)


@method("auth.two_factor_auth", until="23.10", access="anybody")
def two_factor_auth(call: Call) -> bool:
    return bool(call.data["twofactor"]["enabled"])


@method("auth.two_factor_auth", since="23.10", until="25.04", access="anybody", secret_arguments=(1,))
def two_factor_auth_of(call: Call, username: Any, password: Any) -> bool:
    user = checked(call.nas, username, password)
    return user is not None and needs_code(call.nas, user)


@method("auth.login", access="anybody", secret_arguments=(1, 2))
def login(call: Call, username: Any, password: Any, otp_token: Any = None) -> bool:
    style = call.release.user_style
    schema.check(style, "username", STR, username)
    schema.check(style, "password", STR, password)
    schema.check(style, "otp_token", Field("str", null=True), otp_token)
    user = spend_onetime_password(call, username, password)
    used = False
    if user is None:
        user = checked(call.nas, username, password)
        used = user is not None and needs_code(call.nas, user)
        if user is None or (used and not code_is_right(call.nas, user, password, otp_token)):
            return False
    call.session.log_in(user["username"], call.nas.is_admin(user), "login", used)
    return True


@method("auth.login_with_api_key", access="anybody", secret_arguments=(0,))
def login_with_api_key(call: Call, api_key: Any) -> bool:
    _refuse_if_stig(call)
    user = _user_of_key(call, api_key)
    if user is None:
        return False
    call.session.log_in(user["username"], call.nas.is_admin(user), "api_key")
    return True


def _user_of_key(call: Call, api_key: Any) -> Record | None:
    number, _, text = str(api_key).partition("-")
    for key in call.data["api_keys"]:
        if str(key["id"]) == number and is_right(text, key["hash"]):
            return call.nas.user_named(key["username"])
    return None


def _refuse_if_stig(call: Call) -> None:
    if call.data["security"]["authenticator_level"] == 2:
        raise CallError("This mechanism may not be used at the authenticator level of this NAS.", EOPNOTSUPP)


@method("auth.mechanism_choices", since="25.04", access="anybody")
def mechanism_choices(call: Call) -> list[str]:
    scram = ["SCRAM"] if call.release.series >= (26, 0) else []
    return ["PASSWORD_PLAIN", "TOKEN_PLAIN", "API_KEY_PLAIN", *scram]


@method("auth.login_ex", since="25.04", access="anybody")
def login_ex(call: Call, login_data: Any) -> Record:
    mechanism = login_data.get("mechanism") if isinstance(login_data, dict) else None
    description = Field("dict", free=True)
    schema.check("models", "login_data", description, login_data)
    schema.check("models", "login_data.mechanism", Field("str", choices=(*MECHANISMS, "SCRAM")), mechanism)
    if mechanism == "OTP_TOKEN":
        return login_ex_continue(call, login_data)
    if mechanism == "PASSWORD_PLAIN":
        return _login_plain(call, login_data.get("username"), login_data.get("password"))
    _refuse_if_stig(call)
    if mechanism == "API_KEY_PLAIN":
        user = _user_of_key(call, login_data.get("api_key"))
        if user and user["username"] == login_data.get("username"):
            return _success(call, user, "api_key")
    elif mechanism == "SCRAM":
        raise CallError("The stand-in does not imitate SCRAM", EOPNOTSUPP)
    return {"response_type": "AUTH_ERR"}


def _login_plain(call: Call, username: Any, password: Any) -> Record:
    user = spend_onetime_password(call, username, password)
    if user:
        return _success(call, user, "login")
    user = checked(call.nas, username, password)
    strict = call.data["security"]["authenticator_level"] == 2
    if user is None or (strict and not call.nas.secret_of(user)):
        return {"response_type": "AUTH_ERR"}
    if not needs_code(call.nas, user):
        return _success(call, user, "login")
    call.session.pending = {"username": username, "password": password, "attempts": 0}
    return {"response_type": "OTP_REQUIRED", "username": username}


def _success(call: Call, user: Record, way: str, used_code: bool = False) -> Record:
    call.session.log_in(user["username"], call.nas.is_admin(user), way, used_code)
    level = call.data["security"]["authenticator_level"]
    return {"response_type": "SUCCESS", "user_info": me(call), "authenticator": f"LEVEL_{level}"}


@method("auth.login_ex_continue", since="25.04", access="anybody")
def login_ex_continue(call: Call, login_data: Any) -> Record:
    pending = call.session.pending
    if not pending:
        raise CallError("no authentication in progress", EINVAL)
    user = call.nas.user_named(pending["username"])
    if user and code_is_right(call.nas, user, pending["password"], login_data.get("otp_token")):
        return _success(call, user, "login", used_code=True)
    pending["attempts"] += 1
    if call.release.web_codes == "pam" or pending["attempts"] >= MAX_OTP_ATTEMPTS:
        call.session.pending = {}
        return {"response_type": "AUTH_ERR"}
    return {"response_type": "OTP_REQUIRED", "username": pending["username"]}


@method("auth.me", access="user")
def me(call: Call) -> Record:
    user = call.nas.user_named(call.session.username) or {}
    shown = {
        "pw_name": user["username"],
        "pw_gecos": user["full_name"],
        "pw_dir": user["home"],
        "pw_shell": user["shell"],
        "pw_uid": user["uid"],
        "attributes": {},
    }
    if call.release.series >= (23, 10):
        shown["privilege"] = {"web_shell": True, "webui_access": call.session.is_admin}
        way = {"unix": "SYS_ADMIN", "api_key": "API_KEY"}.get(call.session.way)
        code = "2FA" if call.session.used_code else None
        shown["account_attributes"] = ["LOCAL", *(word for word in (way, code) if word)]
    if call.release.settings_per_user:
        shown["two_factor_config"] = describe(call, user)
    return shown


@method("auth.generate_onetime_password", since="25.04", changes=True)
def generate_onetime_password(call: Call, generate_single_use_password: Any) -> str:
    description = Field("dict", fields={"username": Field("str", required=True)})
    schema.check("models", "generate_single_use_password", description, generate_single_use_password)
    username = generate_single_use_password["username"]
    user = call.nas.user_named(username)
    if user is None:
        raise CallError(f"{username}: user does not exist.", ENOENT)
    if user["password_disabled"] or user["locked"]:
        raise CallError(f"{username}: the password of this account is disabled or it is locked.", EINVAL)
    password = secrets.token_hex(12)
    user["onetime_password"] = hashed(password)
    call.commit()
    return password
