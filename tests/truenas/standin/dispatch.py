# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One call from its arrival to its answer: faults, rights, arguments, the method, the log."""

from __future__ import annotations

import contextlib
import logging
import time
import traceback
from collections.abc import Callable
from typing import Any

from . import api
from .errors import ENOMETHOD, ENOTAUTHENTICATED, CallError, MatchNotFound, ValidationErrors, not_authorized
from .faults import LOGIN_FAILED, RUBBISH
from .nas import Call, Nas
from .registry import Method, find
from .session import Session

Record = dict[str, Any]

log = logging.getLogger("middlewared")

# What a slow call takes unless the fault says: as long as midclt has patience.
SLOW = 60

api.load()


class Dispatcher:
    """Answers calls; ``end`` ends the daemon at once, as a crash does, for some seconds."""

    def __init__(self, nas: Nas, end: Callable[[float], None]) -> None:
        self._nas = nas
        self._end = end

    def session(self, uid: int) -> Session:
        """Return the session of a connection over the socket."""
        session = Session(uid)
        with self._nas.lock:
            found = next((user for user in self._nas.data["users"] if user["uid"] == uid), None)
            if uid == 0:
                session.log_in("root", True, "unix")
            elif found and self._nas.release.series >= (22, 12):
                session.log_in(found["username"], self._nas.is_admin(found), "unix")
        return session

    def call(self, session: Session, name: str, arguments: list[Any]) -> Record:
        """Return ``{"result"}``, ``{"error"}`` or, for a fault, ``{"raw"}``."""
        start, before = time.monotonic(), self._nas.store.revision
        entry: Method | None = None
        facts: Record = {"uid": session.uid, "user": session.username}
        try:
            answer = self._before(name)
            if answer is None:
                entry = find(self._nas.release, name)
                facts["private"] = entry.is_private(self._nas.release)
                answer = {"result": self._run(session, entry, arguments)}
            facts["result"] = "fault" if "raw" in answer else "success"
        except Exception as error:  # whatever it is, the caller is told
            answer = {"error": self._described(error)}
            facts["result"] = _kind(error)
            facts["error"] = answer["error"]["reason"]
        facts["changed"] = self._nas.store.revision != before
        facts["seconds"] = round(time.monotonic() - start, 3)
        if entry is None or not entry.hidden:
            self._nas.calls.note(name, entry, arguments, **facts)
        # A file of faults that cannot be read was in the answer already.
        with contextlib.suppress(ValueError):
            self._after(name)
        return answer

    def _before(self, name: str) -> Record | None:
        faults = self._nas.faults
        fault = faults.take(name, "restart", when="before")
        if fault:
            self._end(fault.get("seconds", 2))
        fault = faults.take(name, "slow", when="before")
        if fault:
            time.sleep(fault.get("seconds", SLOW))
        fault = faults.take(name, "error")
        if fault:
            raise CallError(fault.get("reason", "This call fails on demand"), fault.get("errno", 14))
        fault = faults.take(name, "answer", "rubbish", "login")
        return {"raw": _raw(fault)} if fault else None

    def _after(self, name: str) -> None:
        faults = self._nas.faults
        fault = faults.take(name, "slow", when="after")
        if fault:
            time.sleep(fault.get("seconds", SLOW))
        fault = faults.take(name, "restart", when="after")
        if fault:
            self._end(fault.get("seconds", 2))

    def _run(self, session: Session, entry: Method, arguments: list[Any]) -> Any:
        nas = self._nas
        _check_access(session, entry)
        if entry.is_private(nas.release):
            self._check_private(session, entry)
        models = nas.release.series >= (24, 10)
        entry.check_count("models" if models else "schema1", arguments)
        result = self._locked(entry.name, lambda: entry.function(Call(nas, session), *arguments))
        if not entry.job:
            return result
        return self._start(entry, arguments, result)

    def _start(self, entry: Method, arguments: list[Any], work: Callable[[], Any]) -> int:
        nas = self._nas
        if nas.faults.take(entry.name, "job_hangs"):
            return nas.jobs.start(entry.name, arguments, None).number
        fault = nas.faults.take(entry.name, "job_fails")
        if fault:
            return nas.jobs.start(entry.name, arguments, _failing(fault)).number
        slow = nas.faults.take(entry.name, "job_slow") or {"seconds": 0}

        def do() -> Any:
            time.sleep(slow.get("seconds", SLOW))
            return self._locked(entry.name, work)

        return nas.jobs.start(entry.name, arguments, do).number

    def _locked(self, name: str, work: Callable[[], Any]) -> Any:
        nas = self._nas
        with nas.lock:
            nas.current = name
            try:
                return work()
            except Exception:
                nas.store.reload()
                raise

    def _check_private(self, session: Session, entry: Method) -> None:
        if self._nas.data["security"]["enable_gpos_stig"]:
            raise not_authorized()
        if self._nas.release.warns_private:
            log.warning("%s: private method called by %s", entry.name, session.username)

    def _described(self, error: Exception) -> Record:
        trace: str | None = "".join(traceback.format_exception(error))
        extra = None
        reason = str(error)
        json_rpc = self._nas.release.json_rpc
        if isinstance(error, ValidationErrors):
            trace, extra = (None, None) if json_rpc else (trace, error.extra)
        elif isinstance(error, CallError) and error.number == ENOMETHOD and json_rpc:
            trace, reason = None, error.message
        return {"kind": _kind(error), "reason": reason, "trace": trace, "extra": extra}


def _check_access(session: Session, entry: Method) -> None:
    if entry.access == "anybody":
        return
    if session.username is None:
        raise CallError("Not authenticated", ENOTAUTHENTICATED)
    if entry.access == "admin" and not session.is_admin:
        raise not_authorized()


def _kind(error: Exception) -> str:
    if isinstance(error, ValidationErrors):
        return "validation"
    return "error" if isinstance(error, (CallError, MatchNotFound)) else "exception"


def _failing(fault: Record) -> Callable[[], Any]:
    def fail() -> None:
        raise CallError(fault.get("reason", "This job fails on demand"))

    return fail


def _raw(fault: Record) -> Record:
    """Return what midclt is to print and to exit with."""
    said = {"rubbish": RUBBISH, "login": LOGIN_FAILED}.get(fault["fault"], "")
    return {
        "stdout": fault.get("stdout", said),
        "stderr": fault.get("stderr", ""),
        "status": fault.get("status", 0),
    }
