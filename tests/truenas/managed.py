# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection on a NAS without a host: its calls go through the midclt of the release to the stand-in."""

from __future__ import annotations

import contextlib
import io
import json
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change, Outcome
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import Refused, TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import audit, clock
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import Ran
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import SecretsChange, UserSecret
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas import later, notes, oath, report
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.middleware import Middleware
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.platform import TruenasPlatform
from tests.truenas.fake import FakeNas
from tests.truenas.standin import midclt

GOOD_CLOCK = clock.Clock(True, 0.001, "192.0.2.1", "chrony")


class Managed:
    """A stand-in, and the platform that manages it."""

    def __init__(self, nas: FakeNas, monkeypatch: pytest.MonkeyPatch) -> None:
        self.nas = nas
        self._folder = nas.folder
        self.platform = TruenasPlatform(Middleware(self._midclt, lambda _: time.sleep(0.01), at_once=1))
        (nas.folder / "release").write_text(nas.nas.release.version + "\n", encoding="ascii")
        monkeypatch.setattr(midclt, "RELEASE", nas.folder / "release")
        monkeypatch.setattr(midclt, "Connection", self._connection)
        monkeypatch.setattr(notes, "PATH", f"{self._folder}/data/note.json")
        monkeypatch.setattr(notes, "LOCK", f"{self._folder}/lock")
        monkeypatch.setattr(later, "FOLDER", f"{self._folder}/data")
        monkeypatch.setattr(later, "UNIT_FOLDERS", (f"{self._folder}/units", f"{self._folder}/units"))
        monkeypatch.setattr(later, "run", lambda command: Ran(0, "", ""))
        monkeypatch.setattr(later, "find_program", lambda name: name)
        monkeypatch.setattr(audit, "connection", lambda: "")
        monkeypatch.setattr(audit, "log", lambda event, **details: None)
        monkeypatch.setattr(clock, "read_clock", lambda: GOOD_CLOCK)
        monkeypatch.setattr(report, "read_clock", lambda: GOOD_CLOCK)
        monkeypatch.setattr(oath, "read_text", nas.machine.files.get)

    def _connection(self, _timeout: float) -> Any:
        return _Connection(self.nas)

    def _midclt(self, command: list[str], _seconds: float) -> Ran:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = midclt.main(command[1:])
        return Ran(status, out.getvalue(), err.getvalue())

    def apply(self, change: Change, *, check_mode: bool = False) -> Outcome:
        """Make a change."""
        return self.platform.apply(change, check_mode)

    def refusal(self, change: Change, *, check_mode: bool = False) -> list[str]:
        """Return the codes with which a change is refused; none when it is made."""
        try:
            self.apply(change, check_mode=check_mode)
        except TwofactorError as error:
            return [one.code for one in (error.reasons if isinstance(error, Refused) else [error])]
        return []

    def changing_calls(self) -> list[str]:
        """Return the methods that may have changed something since the log was last emptied."""
        path = Path(self.nas.calls)
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        entries = [json.loads(line) for line in lines]
        return [entry["method"] for entry in entries if entry["changing"]]

    def forget(self) -> None:
        """Empty the log of calls."""
        Path(self.nas.calls).unlink(missing_ok=True)

    @property
    def settings(self) -> dict[str, Any]:
        """Return what the middleware itself says."""
        found: dict[str, Any] = self.nas.call("auth.twofactor.config")
        return found


class _Connection:
    """A connection of root's to the stand-in; as over the socket, what is no JSON does not get through."""

    def __init__(self, nas: FakeNas) -> None:
        self._nas = nas
        self._session = nas.dispatcher.session(0)

    def call(self, method: str, *params: Any) -> dict[str, Any]:
        answer = self._nas.dispatcher.call(self._session, method, json.loads(json.dumps(params)))
        result: dict[str, Any] = json.loads(json.dumps(answer))
        return result


def secrets(*names: str, state: str = "present", **more: Any) -> SecretsChange:
    """Return what is wanted for users' secrets."""
    users = tuple(UserSecret(name) for name in names)
    return SecretsChange(state=state, users=users, return_secrets=True, **more)
