# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A NAS as a platform: what the modules call. Private to this collection: may change at any time.

Imports stand inside the methods: each call imports what it uses, and the emergency path next to nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change, Outcome
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import (
    Refused,
    TwofactorError,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.middleware import Middleware

if TYPE_CHECKING:
    from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import (
        NtpChange,
        SshdChange,
    )
    from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.plan import Plan
    from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.snapshot import Snapshot


class TruenasPlatform:
    """Two-factor authentication by the middleware of TrueNAS."""

    name = "truenas"

    def __init__(self, nas: Middleware | None = None) -> None:
        self._nas = nas or Middleware()

    def apply(self, change: Change, check_mode: bool) -> Outcome:
        """Carry out a change, or only plan it in check mode; the outcome is the same."""
        if change.is_disable:
            return self._disable(change, check_mode)
        return self._apply(change, check_mode)

    def _apply(self, change: Change, check_mode: bool, *, comes_back: bool | None = None) -> Outcome:
        """Carry out a change.

        ``comes_back`` is given when the second factor has just been disabled, or would have been: whether for a time.
        """
        if change.bypass is not None:
            raise TwofactorError(
                "bypass_impossible",
                "TrueNAS lets no single user off, not even for a while.",
                "Renew the user's secret and hand the new one over, or switch the second factor of the whole NAS off "
                "for a while (fleetauth.twofactor.twofactor: state=disabled lasts=30m).",
            )
        from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas import (
            describe,
            notes,
        )

        if check_mode:
            return describe.describe(*self._planned(change, check_mode, comes_back))
        with notes.one_at_a_time():
            try:
                plan, snap = self._planned(change, check_mode, comes_back)
            except TwofactorError as error:
                self._log_refusal(change, error)
                raise
            outcome = describe.describe(plan, snap)
            self._carry_out(change, plan, snap, outcome)
        return outcome

    def _carry_out(self, change: Change, plan: Plan, snap: Snapshot, outcome: Outcome) -> None:
        from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas import (
            carry_out,
            later,
            pending,
        )

        if not plan.changed:
            outcome.warnings += carry_out.unasked(plan, snap, snap.tokens)
            return
        waits = bool(change.confirm_within) and pending.arm(plan, change, outcome)
        progress = carry_out.Progress()
        try:
            carry_out.carry_out(self._nas, plan, snap, outcome, progress)
        except TwofactorError as error:
            self._log(change, plan, failed=error.code)
            if not waits:
                raise
            raise pending.after_failure(error, stands=progress.stands) from None
        if plan.after.enabled:
            later.disarm(later.BYPASS)
        self._log(change, plan)

    def settle(self, confirmed: bool, check_mode: bool) -> Outcome:
        """Let a pending change stand, or take it back."""
        from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas import (
            notes,
            pending,
        )

        with notes.one_at_a_time():
            return pending.settle(self._nas, confirmed, check_mode)

    def _disable(self, change: Change, check_mode: bool) -> Outcome:
        from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas import (
            describe,
            emergency,
            later,
        )

        rest_of_policy = dict(change.policy or {})
        reason = str(rest_of_policy.pop("reason", ""))
        outcome = emergency.disable(self._nas, reason, check_mode, change.lasts)
        rest_of_policy.pop("state")
        # SSH cannot be switched on while the whole is off; its own switch is kept.
        ssh = {name: value for name, value in (change.ssh or {}).items() if name != "state"}
        rest = replace(change, policy=rest_of_policy or None, ssh=ssh or None, lasts="", confirm_within=0.0)
        if not (rest.policy or rest.ssh or rest.secrets):
            return outcome
        comes_back = bool(outcome.after.get("ends", later.is_due(later.BYPASS)))
        try:
            more = self._apply(rest, check_mode, comes_back=comes_back)
        except TwofactorError as error:
            done = [emergency.OFF] if outcome.changed and not check_mode else []
            raise describe.cut_short(error, done) from None
        more.changed = more.changed or outcome.changed
        more.before = {**more.before, **outcome.before}
        more.after = {**more.after, **outcome.after}
        more.warnings = outcome.warnings + more.warnings
        return more

    def _planned(self, change: Change, check_mode: bool, comes_back: bool | None) -> tuple[Plan, Snapshot]:
        from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas import (
            directory,
            kind,
            notes,
            oath,
            pending,
            snapshot,
        )
        from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas import (
            plan as planning,
        )

        is_off = comes_back is not None
        if not is_off:
            pending.refuse_second()
        snap = snapshot.read(self._nas, change, notes.read(), oath.read())
        snap = directory.with_named_users(self._nas, change.secrets, snap)
        if kind.given(change) and snap.release.wipes:
            snap = directory.with_enrolled_users(self._nas, snap)
        if is_off:
            snap = replace(snap, settings=replace(snap.settings, enabled=False))
        if kind.given(change) and snap.release.settings == "user":
            named = [user.name for user in change.secrets.users] if change.secrets else snap.enrolled()
            asked = [name for name in named if name in snap.enrolled()]
            snap = snapshot.with_token_settings(self._nas, snap, asked)
        plan = planning.make_plan(change, snap)
        reasons = list(plan.refusals)
        if plan.changed and change.guard:
            snap = snapshot.for_guard(self._nas, snap)
            if plan.after.enabled and not plan.state_after(snap.enrolled()).enrolled:
                snap = directory.with_enrolled_users(self._nas, snap)
            reasons += self._guard(plan, snap, check_mode, comes_back)
        if reasons:
            raise Refused(reasons)
        return plan, snap

    def _guard(
        self, plan: Plan, snap: Snapshot, check_mode: bool, comes_back: bool | None
    ) -> list[TwofactorError]:
        """Return why the guard refuses ``plan``."""
        from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.clock import read_clock
        from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas import (
            guard,
            kind,
            later,
        )

        enrolled = snap.enrolled()
        before = guard.State(plan.before.enabled, plan.before.ssh, tuple(enrolled))
        after = plan.state_after(enrolled)
        if comes_back is None:
            comes_back = later.is_due(later.BYPASS)
        if comes_back and not after.enabled:
            # The second factor comes back on by itself, and no guard looks at that moment.
            before, after = replace(before, enabled=True), replace(after, enabled=True)
        matters = bool(plan.users.make) or (after.enabled and not before.enabled)
        clock = guard.bad_clock(before, after, read_clock())
        if check_mode:  # What sets it right has not been done either.
            plan.warnings += [f"{reason.message} A real run would be refused." for reason in clock]
        return [
            *guard.reasons(before, after, snap),
            *([] if check_mode else clock),
            *kind.unusable_interval(plan.after, matters=matters),
        ]

    def _log(self, change: Change, plan: Plan, failed: str = "") -> None:
        from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import audit

        options = {**(change.ssh or {}), **(change.policy or {})}
        audit.log(
            "changed",
            calls=",".join(dict.fromkeys(call.method for call in plan.calls)),
            added=",".join(plan.users.added),
            renewed=",".join(plan.users.renewed),
            removed=",".join(plan.users.removed),
            why=options.get("reason", ""),
            guard="" if change.guard else "off",
            confirm_within=change.confirm_within or "",
            failed=failed,
        )

    def _log_refusal(self, change: Change, error: TwofactorError) -> None:
        from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import audit

        options = {**(change.ssh or {}), **(change.policy or {})}
        reasons = error.reasons if isinstance(error, Refused) else [error]
        audit.log(
            "refused",
            codes=",".join(dict.fromkeys(reason.code for reason in reasons)),
            why=options.get("reason", ""),
            guard="" if change.guard else "off",
        )

    def verify(self, user: str, code: str, check_mode: bool) -> Outcome:
        """Refuse: a code could be guessed this way, since TrueNAS counts no wrong ones."""
        del user, code, check_mode
        raise TwofactorError(
            "verify_impossible",
            "TrueNAS counts no wrong codes, so proving one here would be a way to guess it.",
            "Let the user log in to the web interface or to SSH with it.",
        )

    def missing_packages(self, *wanted: str) -> list[str]:
        """Return nothing: TrueNAS comes whole, and takes no packages."""
        del wanted
        return []

    def info(self) -> dict[str, object]:
        """Return what is effective on this NAS now; never a secret."""
        from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas import report

        return report.report(self._nas)

    def set_ntp(self, change: NtpChange, check_mode: bool) -> Outcome:
        """Set where this NAS takes its time from, and wait until its clock is right."""
        from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas import ntp

        return ntp.set_ntp(self._nas, change, check_mode)

    def set_sshd(self, change: SshdChange, check_mode: bool) -> Outcome:
        """Bring the SSH service to what one-time codes need of it."""
        from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas import sshd

        return sshd.set_sshd(self._nas, change, check_mode)
