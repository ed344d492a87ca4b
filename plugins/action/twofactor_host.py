# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the module twofactor_host: secrets that a host makes go onto sheets, not into the result."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils import _folder, _otpauth, _qr
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._book import Entry
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._sheet import Sheet
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._store import path_of

_SHEETS = "sheets"
_ISSUER = "Two-factor"


class ActionModule(ActionBase):
    """Runs the module, and writes the sheets of the secrets that the host has made."""

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        """Run the action."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        arguments = dict(self._task.args)
        wanted = arguments.pop(_SHEETS, None)
        in_background = bool(self._task.async_val) and not self._connection.has_native_async
        try:
            sheets = _sheets(wanted, arguments, variables, in_background)
            if sheets is None:
                result.update(
                    self._execute_module(module_args=arguments, task_vars=task_vars, wrap_async=in_background)
                )
            else:
                self._make_with_sheets(sheets, arguments, task_vars, result)
        except TwofactorError as error:
            reason = {"code": error.code, "message": error.message, "remedy": error.remedy}
            result.update(failed=True, msg=str(error), reasons=[reason])
        finally:
            if not in_background:
                self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _make_with_sheets(
        self, sheets: _Sheets, arguments: dict[str, Any], task_vars: Any, result: dict[str, Any]
    ) -> None:
        """Run the module in the foreground, and put what it says into ``result``, sheets in the place of secrets."""
        arguments["secrets"] = {**arguments["secrets"], "return_secrets": True}
        with _unshown(self._connection):
            result.update(self._execute_module(module_args=arguments, task_vars=task_vars))
        made = result.pop("secrets", [])
        if not result.get("failed"):
            result[_SHEETS] = sheets.write(made)


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
        self._issuer = str(options.get("issuer") or _ISSUER)
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
            account, issuer = self._account.replace("%u", user).replace("%h", self._host), self._issuer
            kind = (int(entry["digits"]), int(entry["interval"]))
        kept = Entry(str(entry["secret"]), *kind, issued=today)
        return Sheet(user, account, issuer, kept, (self._host,), made_by_host=uri)
