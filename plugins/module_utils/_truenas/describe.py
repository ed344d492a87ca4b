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
    """Return ``error`` with what had been done before it; a middleware has no way back from that."""
    if not done:
        return error
    reasons = error.reasons if isinstance(error, Refused) else [error]
    last = reasons[-1]
    steps = ", ".join(call.why or call.method for call in done)
    remedy = f"{last.remedy} This had been done before: {steps}. Run again to do the rest.".strip()
    more = [*reasons[:-1], TwofactorError(last.code, last.message, remedy)]
    return Refused(more) if len(more) > 1 else more[0]
