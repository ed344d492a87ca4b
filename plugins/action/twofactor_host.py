# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the module twofactor_host: secrets that a host makes go onto sheets, not into the result."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator
from typing import Any

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils import _folder, _otpauth, _qr
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._book import Entry
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._host_action import HostAction
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._made import asks_for_secrets, refuse_bad
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._result import documented, without_output
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._sheet import Sheet
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._store import path_of

_SHEETS = "sheets"
_ISSUER = "Two-factor"


class ActionModule(HostAction):
    """Runs the module on the host, and writes the sheets of the secrets that the host has made."""

    RETURN = documented("twofactor_host", "sheets", "installed_packages")

    def _act(self, arguments: dict[str, Any], task_vars: Any) -> dict[str, Any]:
        sheets = _sheets(arguments.pop(_SHEETS, None), arguments, task_vars or {}, self._in_background)
        if sheets is None:
            return self._make_without_sheets(arguments, task_vars)
        arguments["secrets"] = {**arguments["secrets"], "return_secrets": True}
        with _unshown(self._connection):
            result = super()._act(arguments, task_vars)
        made = result.pop("secrets", None) or []
        if not result.get("failed"):
            refuse_bad(made, arguments["secrets"], sheets.issuer)
            result[_SHEETS] = sheets.write(made)
        return without_output(result)

    def _make_without_sheets(self, arguments: dict[str, Any], task_vars: Any) -> dict[str, Any]:
        """Return the result of the module, whose secrets go to whoever runs the task where that was asked for."""
        result = super()._act(arguments, task_vars)
        options = arguments.get("secrets") or {}
        refuse_bad(result.get("secrets"), options)
        return without_output(result) if asks_for_secrets(options) else result


@contextlib.contextmanager
def _unshown(connection: Any) -> Iterator[None]:
    """Keep what the host answers out of the output: from -vvv on the connection shows it, unless told not to."""
    context = connection._play_context
    before, context.no_log = context.no_log, True
    try:
        yield
    finally:
        context.no_log = before


def _sheets(
    wanted: Any, arguments: dict[str, Any], variables: dict[str, Any], in_background: bool
) -> _Sheets | None:
    """Return what writes the sheets, None when there is nothing to write. Raises TwofactorError when it could not."""
    if wanted is None or not _has_to_make(arguments):
        return None
    try:
        if in_background:
            raise TwofactorError(
                "sheets_async", "A task with 'async' cannot write sheets.", "Leave async out."
            )
        return _Sheets(wanted, variables)
    except TwofactorError:
        if (arguments.get("policy") or {}).get("state") == "disabled":
            return None  # Nothing may stand in the way of that.
        raise


def _has_to_make(arguments: dict[str, Any]) -> bool:
    """Tell whether there are users for whom a host would have to make a secret."""
    secrets = arguments.get("secrets")
    if not isinstance(secrets, dict) or secrets.get("state") == "absent":
        return False
    users = secrets.get("users") or []
    return any(isinstance(user, dict) and not user.get("secret") for user in users)


def _path_of(folder: str, variables: dict[str, Any]) -> str:
    try:
        return path_of(folder, variables)
    except TwofactorError as error:
        raise TwofactorError(
            error.code,
            "There is no inventory file or folder that the sheets could lie beside.",
            "Give an absolute path as 'folder' of 'sheets', or in the variable twofactor_sheets.",
        ) from None


class _Sheets:
    """The sheets of one host's users: refused before anything is done, or written afterwards."""

    def __init__(self, wanted: Any, variables: dict[str, Any]) -> None:
        options = {key: value for key, value in dict(wanted).items() if value}
        self._folder = _path_of(str(options.get("folder") or _folder.NAME), variables)
        self._formats = tuple(str(name) for name in options.get("formats") or ("html",))
        self.issuer = str(options.get("issuer") or "")
        """The fleet's own, empty where none is declared."""
        self._account = str(options.get("account") or "%u@%h")
        self._host = str(variables.get("inventory_hostname") or "")
        unknown = sorted(set(self._formats) - set(_folder.FORMATS))
        if unknown:
            raise TwofactorError(
                "bad_format", f"There is no format '{unknown[0]}'.", f"Use {', '.join(_folder.FORMATS)}."
            )
        _qr.modules("is the library there?")
        _folder.refuse_unwritable(self._folder)

    def write(self, made: list[dict[str, Any]]) -> dict[str, Any]:
        """Write a sheet for each secret that the host has made; return where, and whose."""
        names = [str(entry["name"]) for entry in made]
        if made:
            try:
                _folder.make(self._folder)
                for entry in made:
                    _folder.remove(self._folder, self._host, entry["name"])
                    _folder.write(self._folder, self._host, self._sheet(entry), self._formats)
            except TwofactorError as error:
                raise TwofactorError(
                    error.code,
                    f"{error.message} The host has made new secrets, which nobody has seen: {', '.join(names)}.",
                    "Mend that, and renew these users: state: renewed, with a new word.",
                ) from None
        return {"folder": self._folder, "written": names}

    def _sheet(self, entry: dict[str, Any]) -> Sheet:
        user, uri = str(entry["name"]), str(entry.get("uri") or "")
        today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
        if uri:
            account, issuer = _otpauth.labels_of(uri)
            kind = _otpauth.kind_of(uri)
        else:
            account, issuer = (
                self._account.replace("%u", user).replace("%h", self._host),
                (self.issuer or _ISSUER),
            )
            kind = (int(entry["digits"]), int(entry["interval"]))
        kept = Entry(str(entry["secret"]), *kind, issued=today)
        return Sheet(user, account, issuer, kept, (self._host,), made_by_host=uri)
