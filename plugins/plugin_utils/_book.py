# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the secret store holds, as typed data and as YAML.

Pure code. Private to this collection: may change at any time. No error shows what stands in the file.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import yaml

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import (
    DIGITS,
    INTERVALS,
    check_user_name,
    end_of,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._otp import seed_from_base32

VERSION = 1
FLEET = ""
"""In the place of a host's name: the secret that a user has everywhere."""
_HEAD = """\
# The secret store of fleetauth.twofactor. Look at it with 'ansible-vault view', not with an editor that writes copies.
"""
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


@dataclass(frozen=True)
class Entry:
    """One user's secrets, in base32; empty for none.

    ``issued`` is the day on which the present secret was made, ``renewal`` the word under which. The secrets before are
    accepted as well until ``previous_until`` (read by end_of). ``printed`` is false until the sheet has been written.
    """

    secret: str
    digits: int = 6
    interval: int = 30
    backup_secret: str = ""
    recovery_secret: str = ""
    recovery_count: int = 0
    issued: str = ""
    renewal: str = ""
    previous_secret: str = ""
    previous_backup_secret: str = ""
    previous_until: str = ""
    printed: bool = True

    def __repr__(self) -> str:
        """Leave the secrets out: a traceback must not show them."""
        return f"Entry(issued={self.issued!r}, renewal={self.renewal!r})"

    def has_overlap(self, now: float) -> bool:
        """Tell whether the secrets before are accepted as well."""
        return bool(self.previous_secret and self.previous_until) and end_of(self.previous_until) > now

    def for_hosts(self, name: str, now: float) -> dict[str, Any]:
        """Return this as one of ``users`` of fleetauth.twofactor.twofactor_secret."""
        user: dict[str, Any] = {"name": name, "secret": self.secret}
        if self.backup_secret:
            user["backup_secret"] = self.backup_secret
        if self.recovery_secret:
            user["recovery_secret"] = self.recovery_secret
            user["recovery_count"] = self.recovery_count
        if self.has_overlap(now):
            user["previous_secret"] = self.previous_secret
            user["previous_until"] = self.previous_until
            if self.previous_backup_secret:
                user["previous_backup_secret"] = self.previous_backup_secret
        return user


@dataclass
class Book:
    """All entries, by host (FLEET for the whole fleet) and user."""

    entries: dict[tuple[str, str], Entry] = field(default_factory=dict)

    def of(self, host: str, user: str) -> Entry | None:
        """Return the entry of a user for a host: its own, or else the one for the fleet."""
        return self.entries.get((host, user)) or self.entries.get((FLEET, user))

    def users_of(self, host: str) -> list[str]:
        """Return who has an entry for a host."""
        return sorted({user for where, user in self.entries if where in (FLEET, host)})


def render(book: Book) -> str:
    """Return the text of the store, in clear."""
    data: dict[str, Any] = {"version": VERSION, "users": {}, "hosts": {}}
    for (host, user), entry in sorted(book.entries.items()):
        place = data["users"] if host == FLEET else data["hosts"].setdefault(host, {})
        place[user] = {name: value for name, value in asdict(entry).items() if value != _DEFAULTS.get(name)}
    return _HEAD + yaml.dump(data, Dumper=_Dumper, sort_keys=False, default_flow_style=False)


_DEFAULTS = {
    one.name: one.default for one in fields(Entry) if one.name not in ("secret", "digits", "interval")
}


def parse(text: bytes, path: str) -> Book:
    """Return what the store in clear holds. Raises TwofactorError for anything that is not as it should be."""
    try:
        data = yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader, in C where there is one
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise _broken(path, f"line {mark.line + 1} is not YAML" if mark else "it is not YAML") from None
    except UnicodeDecodeError:
        raise _broken(path, "it is not text") from None
    if not isinstance(data, dict) or data.get("version") != VERSION:
        raise _broken(path, f"it has no 'version: {VERSION}'")
    if set(data) - {"version", "users", "hosts"}:
        raise _broken(path, "there is more in it than 'version', 'users' and 'hosts'")
    book = Book()
    hosts = _mapping(data.get("hosts"), path, "'hosts'")
    for host, users in [(FLEET, data.get("users")), *hosts.items()]:
        where = f"of host '{host}' " if host else ""
        for name, entry in _mapping(users, path, f"the list of users {where}").items():
            book.entries[str(host), str(name)] = _entry(str(name), entry, path, where)
    return book


def _mapping(value: Any, path: str, what: str) -> dict[Any, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _broken(path, f"{what.strip()} is not a mapping")
    return value


def _entry(name: str, data: Any, path: str, where: str) -> Entry:
    problem = f"the entry of user '{name}' {where}"
    known = {one.name: one for one in fields(Entry)}
    if not isinstance(data, dict) or "secret" not in data or set(data) - set(known):
        raise _broken(path, f"{problem}lacks 'secret' or has something else in it")
    for key, value in data.items():
        # YAML makes a date of 2026-11-24.
        text = value.isoformat() if isinstance(value, datetime.date) else value
        if type(text) is not type(_EXAMPLE[key]) or not _CHECKS.get(key, lambda dummy: True)(text):
            raise _broken(path, f"{problem}has a '{key}' that cannot be")
    try:
        check_user_name(name)
        for key in (key for key in data if key.endswith("secret") and data[key]):
            seed_from_base32(data[key], name)
    except TwofactorError as error:
        raise _broken(path, error.message) from None
    plain: dict[str, Any] = {
        key: value.isoformat() if isinstance(value, datetime.date) else value for key, value in data.items()
    }
    return Entry(**plain)


_EXAMPLE = asdict(Entry(secret=""))
_CHECKS: dict[str, Callable[[Any], bool]] = {
    "digits": lambda value: value in DIGITS,
    "interval": lambda value: value in INTERVALS,
    "recovery_count": lambda value: 0 <= value <= 20,  # noqa: PLR2004 - as the modules have it
    "issued": lambda value: not value or bool(_DATE.fullmatch(value)),
    "previous_until": lambda value: not value or _is_end(value),
}


def _is_end(text: str) -> bool:
    try:
        return end_of(text) > 0
    except TwofactorError:
        return False


def _broken(path: str, why: str) -> TwofactorError:
    return TwofactorError(
        "store_broken",
        f"{path} has been opened, but is not what this collection writes: {why}.",
        "Mend it with 'ansible-vault edit', or bring it back from a copy. Nothing has been changed.",
    )


def groups_of_four(text: str) -> str:
    """Return a secret as people type it in."""
    return " ".join(_chunks(text, 4))


def _chunks(text: str, size: int) -> Iterator[str]:
    for start in range(0, len(text), size):
        yield text[start : start + size]
