# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan looks like to the user: the diff and the result, without a secret in either.

Pure code. Private to this collection: may change at any time.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Outcome
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    bypass,
    paths,
    policy_file,
    secrets,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.plan import Plan, View


def describe(plan: Plan, view: View) -> Outcome:
    """Return the outcome of ``plan`` for the host as ``view`` saw it before."""
    enrolled = secrets.enrolled_users(view)
    before: dict[str, Any] = policy_file.as_data(plan.before)
    after: dict[str, Any] = policy_file.as_data(plan.after)
    before["enrolled"] = enrolled
    after["enrolled"] = plan.secrets.enrolled_after(enrolled)
    renewed = [name for name in plan.secrets.renewed if name in enrolled]
    replaced = [n for n in plan.secrets.fresh if n in enrolled and n not in renewed]
    if renewed or replaced:
        before["new_secret"], after["new_secret"] = [], sorted(renewed + replaced)
    if plan.secrets.ended:
        before["secret_before_accepted"], after["secret_before_accepted"] = plan.secrets.ended, []
    if plan.secrets.refilled:
        before["new_recovery_codes"], after["new_recovery_codes"] = [], sorted(plan.secrets.refilled)
    before["bypassed"] = _let_off(view)
    after["bypassed"] = sorted(plan.bypasses.users)
    files = {
        change.path: (view.read(change.path), change.text)
        for step in plan.steps
        for change in step.changes
        if not change.path.startswith(paths.STATE_FOLDER) and change.path not in (paths.POLICY, paths.COMMAND)
    }
    before["files"] = {path: texts[0] or "" for path, texts in files.items() if texts[0] != texts[1]}
    after["files"] = {path: texts[1] or "" for path, texts in files.items() if texts[0] != texts[1]}
    outcome = Outcome(changed=plan.changed, before=before, after=after, warnings=plan.warnings)
    outcome.result["users"] = {
        "added": plan.secrets.added,
        "renewed": plan.secrets.renewed,
        "removed": plan.secrets.removed,
    }
    if plan.secrets.made:
        kind = plan.after.policy
        outcome.result["secrets"] = [
            {"name": name, "secret": seed, "digits": kind.digits, "interval": kind.interval}
            for name, seed in sorted(plan.secrets.made.items())
        ]
    return outcome


def _let_off(view: View) -> list[str]:
    return sorted(bypass.parse(view.read(paths.BYPASS)).users)
