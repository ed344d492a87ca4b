# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module twofactor_store, which runs on the controller alone: only there are Ansible's vault secrets.

No secret is in its options or its result: it reads the store, changes it and writes the sheets in one go.
"""

from __future__ import annotations

import datetime
import json
import os
import time
from dataclasses import replace
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import (
    Refused,
    TwofactorError,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import end_of
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils import _folder, _otpauth, _qr
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._book import FLEET, Book, Entry
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._enrolment import (
    Done,
    Who,
    Wish,
    carry_out,
)
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._facts import refuse_overriding
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._handover import (
    part_of,
    take_in,
)
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._sheet import Sheet
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._store import Store, path_of
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._vault import Vault

PROGRESS_EVERY = 5.0
"""Seconds between two lines on how far a long list of sheets is."""

_NAMES = {"type": "list", "elements": "str"}
_OF_USERS = ("present", "renewed", "refilled", "printed", "absent", "exported")
"""States that need users named."""
ARGS: dict[str, Any] = {
    "state": {
        "type": "str",
        "choices": [*_OF_USERS, "imported"],
        "default": "present",
    },
    "users": _NAMES,
    "store": {"type": "str", "default": ""},
    "scope": {"type": "str", "choices": ["fleet", "host"], "default": "fleet"},
    "hosts": {**_NAMES, "default": []},
    "issuer": {"type": "str", "default": "Two-factor"},
    "account": {"type": "str", "default": ""},
    "digits": {"type": "int", "choices": [6, 7, 8], "default": 6},
    "interval": {"type": "int", "choices": [30, 60], "default": 30},
    "backup": {"type": "bool", "default": False},
    "recovery_count": {"type": "int", "default": 10},
    "renewal": {"type": "str", "default": ""},
    "accept_until": {"type": "str", "default": ""},
    "at_most": {"type": "int", "default": 0},
    "sheets": {"type": "str", "default": ""},
    "formats": {**_NAMES, "choices": list(_folder.FORMATS), "default": ["html"]},
    "dest": {"type": "str", "default": ""},
    "src": {"type": "str", "default": ""},
}
_RECOVERY_MOST = 20


class ActionModule(ActionBase):
    """Changes the store and writes sheets, without a host."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        """Run the action."""
        super().run(tmp, task_vars)
        dummy, params = self.validate_argument_spec(
            argument_spec=ARGS,
            required_if=[
                *(("state", state, ("users",)) for state in _OF_USERS),
                ("state", "renewed", ("renewal",)),
                ("state", "exported", ("dest",)),
                ("state", "imported", ("src",)),
            ],
        )
        try:
            refuse_overriding(task_vars)
            # Plain values: Ansible's own remember where they come from, and YAML cannot write them.
            plain = json.loads(json.dumps(params))
            return _Call(plain, task_vars or {}, self._loader, bool(self._task.check_mode)).run()
        except TwofactorError as error:
            reasons = error.reasons if isinstance(error, Refused) else [error]
            return {
                "failed": True,
                "msg": str(error),
                "reasons": [{"code": r.code, "message": r.message, "remedy": r.remedy} for r in reasons],
            }


class _Call:
    """One call: its options, its store, and what becomes of them."""

    def __init__(
        self, params: dict[str, Any], variables: dict[str, Any], loader: Any, check_mode: bool
    ) -> None:
        self._params = params
        self._check_mode = check_mode
        self._loader = loader
        self._vault = Vault.of(loader)
        self._store = Store(path_of(params["store"], variables), self._vault)
        self._sheets = self._beside(params["sheets"] or _folder.NAME)
        self._hosts = tuple(params["hosts"])
        _refuse_bad(params)
        scoped = params["scope"] == "host"
        self._wish = Wish(
            users=tuple(dict.fromkeys(params["users"] or [])),
            hosts=self._hosts if scoped else (FLEET,),
            state=params["state"],
            **{name: params[name] for name in ("digits", "interval", "backup", "recovery_count")},
            **{name: params[name] for name in ("renewal", "accept_until", "at_most")},
        )

    def run(self) -> dict[str, Any]:
        self._vault.refuse_without_secret()
        if self._wish.state == "exported":
            return self._export()
        if self._wish.state == "imported":
            return self._import()
        if self._check_mode:
            book = self._store.read()
            return self._result(carry_out(self._wish, book, _now()), self._due(book))
        with self._store.locked():
            book = self._store.read()
            done = carry_out(self._wish, book, _now())
            due = self._due(book)
            self._refuse_unprintable(due)
            if done.changed:
                self._store.write(book)
            erased = [
                _folder.remove(self._sheets, host, user) for host, user in self._all() if self._leaving()
            ]
            self._print(book, due)
        result = self._result(done, due)
        result["changed"] = result["changed"] or any(erased)
        return result

    def _refuse_unprintable(self, due: list[Who]) -> None:
        """Raise TwofactorError for what sheets would fail over, before anybody has a new secret."""
        if due:
            _qr.modules("is the library there?")
        for host, user in due:
            _otpauth.refuse_bad_names(*self._labels(host, user))

    def _leaving(self) -> bool:
        return self._wish.state == "absent"

    def _all(self) -> list[Who]:
        return [(host, user) for host in self._wish.hosts for user in self._wish.users]

    def _due(self, book: Book) -> list[Who]:
        """Return whose sheets are to be written, those included that an earlier run was killed over."""
        return [who for who in self._all() if who in book.entries and not book.entries[who].printed]

    def _print(self, book: Book, due: list[Who]) -> None:
        if not due:
            return
        _folder.make(self._sheets)
        said = time.monotonic()
        for number, (host, user) in enumerate(due, 1):
            entry = book.entries[host, user]
            _folder.remove(self._sheets, host, user)
            for is_backup in (False, True) if entry.backup_secret else (False,):
                sheet = self._sheet(host, user, entry, is_backup)
                _folder.write(self._sheets, host, sheet, tuple(self._params["formats"]))
            book.entries[host, user] = replace(entry, printed=True)
            if time.monotonic() - said > PROGRESS_EVERY:
                said = time.monotonic()
                Display().display(f"sheets: {number} of {len(due)}")
        self._store.write(book)

    def _sheet(self, host: str, user: str, entry: Entry, is_backup: bool) -> Sheet:
        hosts = self._hosts if host == FLEET else (host,)
        return Sheet(user, *self._labels(host, user), entry, hosts, is_backup)

    def _labels(self, host: str, user: str) -> tuple[str, str]:
        """Return what the app shows: account and issuer."""
        account = self._params["account"].replace("%u", user).replace("%h", host)
        default = user if host == FLEET else f"{user}@{host}"
        return account or default, self._params["issuer"]

    def _beside(self, name: str) -> str:
        return os.path.join(os.path.dirname(self._store.path), os.path.expanduser(name))

    def _export(self) -> dict[str, Any]:
        """Write some users' entries into a store of their own, encrypted with the same secret."""
        dest = self._beside(self._params["dest"])
        with self._store.locked():
            part = part_of(self._store.read(), self._wish.users, self._store.path)
        if os.path.exists(dest):
            raise TwofactorError(
                "dest_exists", f"{dest} is there already.", "Give another 'dest', or remove it."
            )
        if not self._check_mode:
            Store(dest, self._vault).write(part)
        return {"changed": True, "store": self._store.path, "dest": dest}

    def _import(self) -> dict[str, Any]:
        """Take users' entries in from another store, which any of Ansible's vault secrets may open."""
        src = self._beside(self._params["src"])
        if not os.path.exists(src):
            raise TwofactorError("no_src", f"There is no file {src}.", "Check 'src'.")
        part = part_of(Store(src, Vault.of(self._loader)).read(), self._wish.users, src)
        with self._store.locked():
            book = self._store.read()
            done = Done(added=take_in(book, part))
            if done.changed and not self._check_mode:
                self._store.write(book)
        return self._result(done, [])

    def _result(self, done: Done, due: list[Who]) -> dict[str, Any]:
        names = {
            key: [_name(who) for who in getattr(done, key)]
            for key in ("added", "renewed", "refilled", "removed", "left")
        }
        return {
            "changed": done.changed or bool(due),
            "store": self._store.path,
            "sheets": self._sheets,
            "users": {**names, "printed": [_name(who) for who in due]},
        }


def _name(who: Who) -> str:
    host, user = who
    return user if host == FLEET else f"{user}@{host}"


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def _refuse_bad(params: dict[str, Any]) -> None:
    if not 0 <= params["recovery_count"] <= _RECOVERY_MOST:
        raise TwofactorError("out_of_bounds", f"recovery_count must be from 0 to {_RECOVERY_MOST}.")
    if params["scope"] == "host" and not params["hosts"]:
        raise TwofactorError("no_hosts", "With scope: host the hosts have to be named.", "Give 'hosts'.")
    if params["accept_until"]:
        end_of(params["accept_until"])
