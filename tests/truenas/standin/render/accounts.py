# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/etc/passwd, /etc/shadow and /etc/group from the database: what is not in it is not on the host."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Record = dict[str, Any]

# Days since 1970 of the last change; a fixed one expires nobody.
CHANGED = 20000


def passwd(users: Iterable[Record], groups: Iterable[Record]) -> str:
    """Return /etc/passwd."""
    gids = {group["id"]: group["gid"] for group in groups}
    return "".join(
        f"{user['username']}:x:{user['uid']}:{gids[user['group']]}:{_plain(user['full_name'])}"
        f":{user['home']}:{user['shell']}\n"
        for user in users
    )


def domain_passwd(users: Iterable[Record]) -> str:
    """Return the lines of users of a directory, each with a group of the same number."""
    return "".join(
        f"{user['username']}:x:{user['uid']}:{user['uid']}::{user['home']}:{user['shell']}\n"
        for user in users
    )


def _plain(full_name: str) -> str:
    return full_name.replace(":", " ").replace("\n", " ")


def shadow(users: Iterable[Record]) -> str:
    """Return /etc/shadow."""
    return "".join(f"{user['username']}:{_secret(user)}:{CHANGED}:0:99999:7:::\n" for user in users)


def _secret(user: Record) -> str:
    if user["locked"]:
        return "!" + str(user["unixhash"])
    return "*" if user["password_disabled"] else str(user["unixhash"])


def group(users: Iterable[Record], groups: Iterable[Record]) -> str:
    """Return /etc/group."""
    members: dict[int, list[str]] = {}
    for user in users:
        for number in user["groups"]:
            members.setdefault(number, []).append(user["username"])
    return "".join(
        f"{record['group']}:x:{record['gid']}:{','.join(members.get(record['id'], []))}\n"
        for record in groups
    )
