# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan looks like to the user: the diff and the result, without a secret in either.

Pure code. Private to this collection: may change at any time.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Outcome
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import (
    Refused,
    TwofactorError,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.middleware import Call
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.plan import Plan
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.snapshot import (
    Settings,
    Snapshot,
)


def describe(plan: Plan, snap: Snapshot) -> Outcome:
    """Return the outcome of ``plan`` for the NAS as ``snap`` saw it before."""
    before, after = settings_data(plan.before), settings_data(plan.after)
    enrolled = snap.enrolled()
    before["enrolled"] = enrolled
    after["enrolled"] = plan.users.enrolled_after(enrolled)
    replaced = sorted(set(plan.users.make) & set(enrolled))
    if replaced:
        before["new_secret"], after["new_secret"] = [], replaced
    if plan.calls:
        before["calls"], after["calls"] = [], [call_text(call) for call in plan.calls]
    outcome = Outcome(changed=plan.changed, before=before, after=after, warnings=list(plan.warnings))
    outcome.result["users"] = {
        "added": plan.users.added,
        "renewed": plan.users.renewed,
        "removed": plan.users.removed,
    }
    return outcome


def settings_data(settings: Settings) -> dict[str, Any]:
    """Return settings as plain data, in the words of the options."""
    policy: dict[str, Any] = {
        "state": "enabled" if settings.enabled else "disabled",
        "window": settings.window,
    }
    if settings.digits is not None:
        policy.update(digits=settings.digits, interval=settings.interval)
    return {"policy": policy, "ssh": {"state": "enabled" if settings.ssh else "disabled"}}


def call_text(call: Call) -> str:
    """Return a call as one would type it, with its reason; no call has a secret in it."""
    words = [call.method, *(json.dumps(argument) for argument in call.arguments)]
    return f"{' '.join(words)}  ({call.why})" if call.why else " ".join(words)


def secret_entry(name: str, uri: str) -> dict[str, str]:
    """Return what is handed over for a new secret. Raises TwofactorError when there is none in ``uri``."""
    secret = parse_qs(urlsplit(uri).query).get("secret", [""])[0]
    if not uri.startswith("otpauth://") or secret in ("", "None"):
        raise TwofactorError(
            "middleware_rubbish",
            f"The middleware has made a secret for '{name}' but does not say which.",
            "Run again, which makes another one.",
        )
    return {"name": name, "secret": secret, "uri": uri}


def cut_short(error: TwofactorError, done: list[Call]) -> TwofactorError:
    """Return ``error`` with what had been done before it and stands."""
    if not done:
        return error
    return add_remedy(error, f"This had been done before: {_steps(done)}. Run again to do the rest.")


def taken_back(
    error: TwofactorError, done: list[Call], back: list[Call], failed: list[tuple[Call, TwofactorError]]
) -> TwofactorError:
    """Return ``error`` with what had been done before it, and what became of it.

    ``back`` are the calls that take settings back, ``failed`` those of them that failed, and why.
    """
    standing = [call for call, dummy in failed]
    gone = [call for call in back if call not in standing]
    why = {call.why for call in back}
    rest = [call for call in done if call.why not in why]
    error = add_remedy(error, f"This has been taken back: {_steps(gone)}." if gone else "")
    if failed:
        reasons = " ".join(reason.message for dummy, reason in failed)
        error = add_remedy(error, f"This could not be taken back: {_steps(standing)}. {reasons}")
    return cut_short(error, rest)


def _steps(calls: list[Call]) -> str:
    return ", ".join(call.why or call.method for call in calls)


def add_remedy(error: TwofactorError, sentence: str) -> TwofactorError:
    """Return ``error`` with one more sentence, as an error that no longer is about the last call alone."""
    reasons = error.reasons if isinstance(error, Refused) else [error]
    last = reasons[-1]
    remedy = f"{last.remedy} {sentence}".strip()
    more = [*reasons[:-1], TwofactorError(last.code, last.message, remedy)]
    return Refused(more) if len(more) > 1 else more[0]
