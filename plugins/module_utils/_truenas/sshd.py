# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SSH service of a NAS: running, started at boot, and whether root's password lets in at all.

Private to this collection: may change at any time.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Outcome
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import audit
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import SshdChange
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas import (
    describe,
    middleware,
    notes,
    repair,
    root_login,
    snapshot,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.middleware import (
    Call,
    Middleware,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.releases import Release

_SSH = ("service.query", [["service", "=", "ssh"]])
_RUNS = "SSH runs"
_ROOT = ("user.query", [["username", "=", "root"]])
_KEY_REMAINS = "root_login: TrueNAS can refuse root's password only; a key of root's still lets in."


def service_entry(answer: object) -> dict[str, Any]:
    """Return the SSH service's entry. Raises TwofactorError when there is none."""
    found = middleware.rows(answer, "service.query")
    if not found:
        raise middleware.rubbish("service.query")
    return found[0]


def service_calls(entry: dict[str, Any], release: Release) -> list[Call]:
    """Return the calls after which the service starts at boot and runs."""
    calls = []
    if not entry.get("enable"):
        calls.append(Call("service.update", ("ssh", {"enable": True}), "SSH starts at boot"))
    if entry.get("state") != "RUNNING":
        calls.append(_start(release))
    return calls


def _start(release: Release) -> Call:
    if release.service == "control":
        return Call("service.control", ("START", "ssh"), _RUNS, job=True, answers=(bool,))
    return Call("service.start", ("ssh",), _RUNS, answers=(bool,))


def set_sshd(nas: Middleware, change: SshdChange, check_mode: bool) -> Outcome:
    """Bring the SSH service to what one-time codes need of it.

    Raises TwofactorError when the service does not start or the middleware refuses.
    """
    manages_root = change.root_login in ("allowed", "denied")
    requests: list[tuple[Any, ...]] = [("system.version",)]
    requests += [_SSH] if change.running else []
    requests += [("ssh.config",), _ROOT] if manages_root else []
    answers = {request[0]: answer for request, answer in zip(requests, nas.read_all(requests))}
    dummy, found = snapshot.release_of(nas, answers["system.version"])
    outcome = Outcome(warnings=[found.warning] if found.warning else [])
    calls: list[Call] = []
    if change.running:
        calls += service_calls(service_entry(answers["service.query"]), found.release)
    if manages_root:
        settings = snapshot.ssh_settings(answers["ssh.config"])
        root = snapshot.accounts(answers["user.query"]).get("root")
        doors = root_login.calls(change.root_login, found.release, settings, root)
        _refuse_unenrolled_root(nas, doors, root)
        outcome.warnings += root_login.warnings(change.root_login, root)
        calls = doors + calls
    noted = notes.read()
    calls += repair.calls(noted.unfinished, found.release)
    if change.root_login == "denied":
        outcome.warnings.append(_KEY_REMAINS)
    outcome.changed = bool(calls)
    if calls:
        outcome.before["calls"] = []
        outcome.after["calls"] = [describe.call_text(call) for call in calls]
    if calls and not check_mode:
        audit.log("sshd", calls=",".join(call.method for call in calls), root_login=change.root_login or "")
        with notes.in_mind(noted.while_changing(*repair.SSH), noted):
            _carry_out(nas, calls)
        notes.write(replace(noted, unfinished=()))
    return outcome


def _refuse_unenrolled_root(nas: Middleware, doors: list[Call], root: snapshot.Account | None) -> None:
    """Raise TwofactorError when TrueNAS would refuse to change root's account."""
    if not root_login.changes_account(doors) or (root is not None and root.enrolled):
        return
    if snapshot.settings(nas.read("auth.twofactor.config")).enabled:
        raise root_login.not_enrolled()


def _carry_out(nas: Middleware, calls: list[Call]) -> None:
    done: list[Call] = []
    for call in calls:
        try:
            answer = nas.change(call)
        except TwofactorError as error:
            raise describe.cut_short(error, done) from None
        if answer is False and call.why == _RUNS:  # how a service that does not start is told
            raise TwofactorError(
                "sshd_start",
                f"TrueNAS could not start its SSH service ({call.method} said no).",
                "Look at 'journalctl -u ssh' on the host.",
            )
        done.append(call)
