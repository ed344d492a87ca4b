# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying out a plan: its calls in order, and the new secrets that come of them.

Private to this collection: may change at any time. A middleware cannot take several changes back as one, so
everything is done such that a run that breaks off leaves a state that the next one finishes: a user whose secret
is being made is noted down before, and gets another one if no user has been shown the first. What the middleware
refuses in the middle would be refused by the next run too, so the settings are taken back then.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Outcome
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas import (
    describe,
    middleware,
    notes,
    oath,
    pending,
    wire,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.middleware import (
    Call,
    Middleware,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.plan import Plan
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.snapshot import Snapshot

_ANSWERED = ("middleware_rubbish", "job_failed")
"""Errors after which a middleware that runs has done what it can, besides its refusals."""


@dataclass
class Progress:
    """How far a change has come. ``stands``: settings of it may be in effect."""

    done: list[Call] = field(default_factory=list)
    under_way: list[Call] = field(default_factory=list)
    stands: bool = False


def carry_out(nas: Middleware, plan: Plan, snap: Snapshot, outcome: Outcome, progress: Progress) -> None:
    """Make the calls of ``plan`` and put new secrets, if asked for, into ``outcome``.

    Raises TwofactorError when a call fails; ``progress`` says whether a part of the change stands.
    """
    # Noted before anything changes, so that a full disk is found out while it does no harm.
    with notes.in_mind(plan.users.notes_meanwhile(snap.notes), snap.notes):
        try:
            made = _make(nas, plan, snap, progress)
        except TwofactorError as error:
            raise _broken_off(nas, plan, error, progress) from None
    if made:
        outcome.result["secrets"] = made
    _note_down(plan, snap, outcome)
    outcome.warnings += unasked(plan, snap, oath.read())


def _make(nas: Middleware, plan: Plan, snap: Snapshot, progress: Progress) -> list[dict[str, str]]:
    """Make all calls in order; return the new secrets if they are asked for."""
    uris: dict[str, str] = {}
    for call in plan.calls:
        progress.under_way, progress.stands = [call], True
        answer = nas.change(call)
        progress.done.append(call)
        progress.under_way = []
        if call.user and snap.release.uri == "renewal":
            uris[call.user] = _uri_of_renewal(answer, call)
    if not plan.users.return_secrets:
        return []
    return [_entry(nas, name, uris, snap) for name in plan.users.make]


def _broken_off(nas: Middleware, plan: Plan, error: TwofactorError, progress: Progress) -> TwofactorError:
    """Take the settings back if the middleware has said no; return ``error`` with what stands.

    After trouble with the connection nothing is taken back: the next run finds out and does the rest.
    """
    said_no = isinstance(error, wire.ApiError) or error.code in _ANSWERED
    repairs_only = bool(progress.under_way) and progress.under_way[0] in plan.repairs
    if not said_no or repairs_only:
        return describe.cut_short(error, progress.done)
    if isinstance(error, wire.ApiError) and (error.about_arguments or error.no_method):
        progress.under_way = []  # TrueNAS looks at arguments before it does anything
    made = [*progress.done, *progress.under_way]
    back = pending.undo(plan, made)
    failed = pending.take_back(nas, back)
    progress.stands = bool(failed)
    return describe.taken_back(error, progress.done, back, failed) if made else error


def _uri_of_renewal(answer: object, call: Call) -> str:
    config = middleware.row(middleware.row(answer, call.method).get("twofactor_config"), call.method)
    return middleware.text(config.get("provisioning_uri"), call.method)


def _entry(nas: Middleware, name: str, uris: dict[str, str], snap: Snapshot) -> dict[str, str]:
    if name in uris:
        return describe.secret_entry(name, uris[name])
    request = (
        ("auth.twofactor.provisioning_uri",)
        if snap.release.uri == "system"
        else ("user.provisioning_uri", name)
    )
    return describe.secret_entry(name, middleware.text(nas.read(*request), request[0]))


def _note_down(plan: Plan, snap: Snapshot, outcome: Outcome) -> None:
    try:
        notes.write(plan.users.notes_after(snap.notes))
    except TwofactorError as error:
        # By now the new secrets are the ones that count: better to hand them over than to fail.
        outcome.warnings.append(f"{error} The next run does the same once more.")


def unasked(plan: Plan, snap: Snapshot, tokens: dict[str, oath.Token]) -> list[str]:
    """Return warnings about users with a secret whom PAM does not ask for a code, or asks for an impossible one."""
    listed = plan.after.enabled and (snap.release.oath_file == "enabled" or plan.after.ssh)
    if not listed:
        return []
    expected = plan.users.enrolled_after(snap.enrolled())
    missing = [name for name in expected if name not in tokens]
    broken = [name for name in expected if name in tokens and not tokens[name].usable]
    found = []
    if missing:
        found.append(
            f"{oath.PATH} does not list {', '.join(missing)}: PAM knows nothing of their secrets. "
            "Renew one of them, which has TrueNAS write it anew."
        )
    if broken:
        found.append(
            f"PAM cannot read the interval of {', '.join(broken)}; only 30 and 60 work. Renew them with interval: 30."
        )
    return found
