# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Linux host as a platform: what the modules call. Private to this collection: may change at any time.

Imports stand inside the methods: each call imports what it uses, and the emergency path next to nothing.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change, Outcome
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import (
    Refused,
    TwofactorError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import Host
    from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.plan import Plan
    from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import (
        NtpChange,
        SshdChange,
    )


_EMERGENCY_PATIENCE = 3.0
"""Seconds that taking the second factor off waits for another change; then it goes on all the same."""


class LinuxPlatform:
    """Two-factor authentication by pam_oath, sshd and chrony."""

    name = "linux"

    def apply(self, change: Change, check_mode: bool) -> Outcome:
        """Carry out a change, or only plan it in check mode; the outcome is the same."""
        if change.is_disable:
            return self._disable(change, check_mode)
        from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
            daemon,
            files,
            lock,
            paths,
            transaction,
        )

        if check_mode:
            outcome = self._planned(change, check_mode)[1]
            outcome.result.pop("secrets", None)  # the real run makes others
            return outcome
        try:
            with lock.one_at_a_time():
                files.remove(paths.DISABLING)  # a run cut short that took it off: this one is newer
                recovered = transaction.recover(daemon.reload_sshd)
                plan, outcome = self._planned(change, check_mode)
                if recovered:
                    outcome.warnings.append("A change that had been cut short was taken back first.")
                if plan.changed:
                    self._commit(change, plan, outcome)
                _repair_own_files()
                return outcome
        except (TwofactorError, OSError) as error:
            self._log_refusal(change, error)
            raise

    def _commit(self, change: Change, plan: Plan, outcome: Outcome) -> None:
        from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
            agent,
            daemon,
            pending,
            transaction,
        )

        entry = None
        if change.confirm_within:
            entry = pending.prepare(change)
            outcome.result["pending"] = {"confirm_within": change.confirm_within}
        if plan.next_end is not None:
            agent.install()
            agent.arm_end(plan.next_end)
        transaction.commit(plan.steps, daemon.reload_sshd, entry)
        self._log(change, plan)

    def _disable(self, change: Change, check_mode: bool) -> Outcome:
        from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
            emergency,
            lock,
        )

        options = dict(change.policy or {})
        reason = str(options.pop("reason", ""))
        if check_mode:
            outcome = emergency.disable(reason, check_mode, change.lasts)
        else:
            with lock.one_at_a_time(_EMERGENCY_PATIENCE, insist=False):
                outcome = emergency.disable(reason, check_mode, change.lasts)
        options.pop("state")
        # What SSH is to ask for is kept for the day when the whole is on again; now it cannot be switched on.
        ssh = {name: value for name, value in (change.ssh or {}).items() if name != "state"}
        rest = replace(change, policy=options or None, ssh=ssh or None, lasts="", confirm_within=0.0)
        if not (rest.policy or rest.ssh or rest.secrets):
            return outcome
        if check_mode:  # nothing has been taken off, so the planner is told
            off = replace(rest, policy={**options, "state": "disabled"})
            more = self._planned(off, check_mode)[1]
            more.result.pop("secrets", None)
        else:
            more = self.apply(rest, check_mode)
        more.changed = more.changed or outcome.changed
        more.before = {**more.before, **outcome.before}
        more.after = {**more.after, **outcome.after}
        more.warnings = outcome.warnings + more.warnings
        return more

    def settle(self, confirmed: bool, check_mode: bool) -> Outcome:
        """Let a pending change stand, or take it back."""
        from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
            lock,
            pending,
        )

        with _refusals_logged(check_mode), lock.one_at_a_time():
            return pending.settle(confirmed, check_mode)

    def _planned(self, change: Change, check_mode: bool) -> tuple[Plan, Outcome]:
        from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
            checks,
            pending,
        )
        from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
            plan as planning,
        )
        from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import Host

        host: Host = Host()
        pending.refuse_second()
        plan = planning.make_plan(change, host)
        # Letting somebody off shuts nobody out; it has to work on a bad night too.
        checks.check_plan(plan, host, check_mode, guarded=change.guard and change.bypass is None)
        outcome = _outcome(plan, host)
        _describe_own_files(outcome)
        return plan, outcome

    def _log_refusal(self, change: Change, error: TwofactorError | OSError) -> None:
        from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import audit

        options = {**(change.ssh or {}), **(change.policy or {})}
        audit.log(
            "refused",
            codes=_codes_of(error),
            why=options.get("reason", "") or (change.bypass.reason if change.bypass else ""),
            guard="" if change.guard else "off",
        )

    def _log(self, change: Change, plan: Plan) -> None:
        from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import audit

        options = {**(change.ssh or {}), **(change.policy or {})}
        audit.log(
            "changed",
            steps=",".join(step.name for step in plan.steps),
            added=",".join(plan.secrets.added),
            renewed=",".join(plan.secrets.renewed),
            removed=",".join(plan.secrets.removed),
            ended=",".join(plan.secrets.ended),
            let_off=",".join(plan.bypasses.users),
            confirm_within=change.confirm_within or "",
            why=options.get("reason", "") or (change.bypass.reason if change.bypass else ""),
            guard="" if change.guard else "off",
        )

    def missing_packages(self, *wanted: str) -> list[str]:
        """Return what this distribution calls those of pam_oath, chrony and sshd that are missing."""
        from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import packages

        return packages.missing(*wanted)

    def verify(self, user: str, code: str, check_mode: bool) -> Outcome:
        """Say whether ``code`` is right for ``user`` now, and remember that it was; the code is not spent."""
        from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import verify

        return verify.verify(user, code, check_mode)

    def info(self) -> dict[str, object]:
        """Return what is effective on this host now; never a secret."""
        from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import report

        return report.report()

    def set_ntp(self, change: NtpChange, check_mode: bool) -> Outcome:
        """Set where this host takes its time from, and wait until its clock is right."""
        from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import audit, clock

        with _refusals_logged(check_mode):
            outcome = clock.set_ntp(change, check_mode)
        if outcome.changed and not check_mode:
            audit.log("ntp", servers=",".join(change.servers or ()), pools=",".join(change.pools or ()))
        return outcome

    def set_sshd(self, change: SshdChange, check_mode: bool) -> Outcome:
        """Bring the SSH service to what one-time codes need of it."""
        from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import audit, service

        with _refusals_logged(check_mode):
            outcome = service.set_sshd(change, check_mode)
        if outcome.changed and not check_mode:
            audit.log("sshd", running=outcome.after.get("ssh", ""), root_login=change.root_login or "")
        return outcome


def _codes_of(error: TwofactorError | OSError) -> str:
    reasons = error.reasons if isinstance(error, Refused) else [error]
    return ",".join(dict.fromkeys(getattr(reason, "code", "os_error") for reason in reasons))


@contextlib.contextmanager
def _refusals_logged(check_mode: bool) -> Iterator[None]:
    try:
        yield
    except (TwofactorError, OSError) as error:
        if not check_mode:
            from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import audit

            audit.log("refused", codes=_codes_of(error))
        raise


def _outcome(plan: Plan, host: Host) -> Outcome:
    from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import describe

    return describe.describe(plan, host)


def _describe_own_files(outcome: Outcome) -> None:
    """Add to an outcome the modes and owners that a run repairs, also where nothing else is to be done."""
    from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import own_files

    wrong = own_files.find()
    if wrong:
        outcome.changed = True
        outcome.before["modes"] = {one.path: one.now for one in wrong}
        outcome.after["modes"] = {one.path: f"mode {one.repaired:04o}" for one in wrong}


def _repair_own_files() -> None:
    from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import audit, own_files

    wrong = own_files.find()
    if wrong:
        own_files.repair(wrong)
        audit.log("repaired", modes=",".join(one.path for one in wrong))
