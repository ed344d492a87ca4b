# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""api_key.*: keys, which come in without a code."""

from __future__ import annotations

import secrets
import time
from typing import Any

from .. import schema
from ..errors import InstanceNotFound, ValidationErrors
from ..filters import query as filtered
from ..nas import Call
from ..passwords import hashed
from ..registry import method
from ..schema import LIST, STR, Field

Record = dict[str, Any]


def _shown(call: Call, key: Record) -> Record:
    shown = {"id": key["id"], "name": key["name"], "created_at": {"$date": key["created"]}}
    if call.release.series < (25, 4):
        return {**shown, "allowlist": [{"method": "*", "resource": "*"}]}
    user = call.nas.user_named(key["username"]) or {}
    return {
        **shown,
        "username": key["username"],
        "user_identifier": user.get("id"),
        "keyhash": "********",
        "expires_at": None,
        "local": True,
        "revoked": False,
        "revoked_reason": None,
    }


@method("api_key.query", access="user")
def query(call: Call, query_filters: Any = None, query_options: Any = None) -> Any:
    return filtered((_shown(call, key) for key in call.data["api_keys"]), query_filters, query_options)


@method("api_key.create", changes=True)
def create(call: Call, api_key_create: Any) -> Record:
    bound = call.release.series >= (25, 4)
    extra = {"username": Field("str", required=True), "expires_at": STR} if bound else {"allowlist": LIST}
    description = Field("dict", fields={"name": Field("str", required=True), **extra})
    schema.check("models" if bound else "schema1", "api_key_create", description, api_key_create)
    username = api_key_create.get("username", "root")
    if call.nas.user_named(username) is None:
        raise ValidationErrors("api_key_create.username", f"User {username} does not exist", 2)
    number, text = call.nas.store.next_id("api_keys"), secrets.token_urlsafe(48)
    key = {
        "id": number,
        "name": api_key_create["name"],
        "username": username,
        "hash": hashed(text),
        "created": int(time.time() * 1000),
    }
    call.data["api_keys"].append(key)
    call.commit()
    return {**_shown(call, key), "key": f"{number}-{text}"}


@method("api_key.delete", changes=True)
def delete(call: Call, id_: Any) -> bool:
    keys = call.data["api_keys"]
    for key in keys:
        if key["id"] == id_:
            keys.remove(key)
            call.commit()
            return True
    raise InstanceNotFound(f"ApiKey {id_}")
