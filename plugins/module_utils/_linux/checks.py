# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is checked on the host before a plan is carried out.

Private to this collection: may change at any time. Each check raises TwofactorError and changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import (
    Refused,
    TwofactorError,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    files,
    guard,
    other_factors,
    packages,
    pam_check,
    paths,
    people,
    secrets,
    sshd_check,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import Host
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.plan import (
    Plan,
    covered_services,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import Declared

_ROOM = 64 * 1024
"""Bytes that have to be free: the files of a change are small."""


def check_plan(plan: Plan, host: Host, check_mode: bool, *, guarded: bool) -> None:
    """Refuse a plan that this host cannot carry out, with all reasons at once.

    In check mode a PAM module that is not there yet is a warning.
    """
    if not plan.changed:
        return
    found: list[TwofactorError] = []
    if guarded and plan.after.policy.state == "enabled":
        found += _judged_in(check_mode, _guard_reasons(plan, host), plan)
    checks: list[Callable[[], None]] = [
        lambda: other_factors.refuse_mute(_services(plan.after, host)),
        lambda: _check_writable(plan),
        lambda: _check_pam(plan, check_mode),
    ]
    if plan.touches_sshd:
        checks.append(lambda: _check_sshd(plan, host))
    for check in checks:
        try:
            check()
        except Refused as refused:
            found += refused.reasons
        except TwofactorError as error:
            found.append(error)
    if found:
        raise Refused(found)


def _judged_in(check_mode: bool, reasons: list[TwofactorError], plan: Plan) -> list[TwofactorError]:
    """Return the reasons that count: in check mode not the clock, since what sets it right has not been done either."""
    if not check_mode:
        return reasons
    clock = [reason for reason in reasons if reason.code.startswith("clock_")]
    plan.warnings += [f"{reason.message} A real run would be refused." for reason in clock]
    return [reason for reason in reasons if reason not in clock]


def _check_pam(plan: Plan, check_mode: bool) -> None:
    if plan.after.policy.state == "enabled" and _has_pam_modules(plan, check_mode) and _writes_policy(plan):
        pam_check.check_policy(plan.after.policy)


def _writes_policy(plan: Plan) -> bool:
    asking = (paths.PAM_POLICY, paths.service_file("sshd"))
    return any(change.path in asking for step in plan.steps for change in step.changes)


def _check_writable(plan: Plan) -> None:
    """Refuse a change of files or folders that cannot be written: it would stop halfway and be taken back."""
    changes = [change for step in plan.steps for change in step.changes]
    for change in changes:
        if change.text is not None:
            files.refuse_unsafe(change.path)
    folders = {os.path.dirname(change.path) for change in changes}
    for folder in sorted(folders | {paths.STATE_FOLDER, paths.TOKENS, paths.FAILURES}):
        there = folder
        while not os.path.isdir(there):
            there = os.path.dirname(there)
        if not os.access(there, os.W_OK):
            raise TwofactorError(
                "read_only",
                f"{there} cannot be written: it is read-only, or this is not root.",
                "Mount it writable, and run with become: true.",
            )
        free = os.statvfs(there)
        if free.f_blocks and free.f_bavail * free.f_frsize < _ROOM:
            raise TwofactorError(
                "disk_full",
                f"There is no room left on the file system of {there}.",
                "Make room first; taking the second factor off works without any.",
            )


def _guard_reasons(plan: Plan, host: Host) -> list[TwofactorError]:
    was = secrets.enrolled_users(host)
    will = plan.secrets.enrolled_after(was)
    before = guard.Situation(plan.before, frozenset(was), _services(plan.before, host))
    after = guard.Situation(plan.after, frozenset(will), _services(plan.after, host))
    asking = (*after.services, *(("sshd",) if plan.after.ssh_asks() else ()))
    facts = people.read_facts(host, asking, [name for name in was if name not in plan.secrets.fresh])
    plan.warnings += guard.advice(before, after, facts)
    leaving, tightens = plan.secrets.removed, _tightens(plan)
    return people.judged_with_unknown_keys(
        facts, lambda known: guard.reasons(before, after, known, leaving, tightens=tightens)
    )


def _tightens(plan: Plan) -> bool:
    """Tell whether more is asked for than before, or asked for again; tokens alone and SSH going off are not."""
    if plan.before.policy != plan.after.policy:
        return True
    if plan.before.ssh_asks() and not plan.after.ssh_asks():
        return False
    asking = ("services", "ssh service", "sshd")
    return plan.before.ssh != plan.after.ssh or any(step.name in asking for step in plan.steps)


def _services(declared: Declared, host: Host) -> tuple[str, ...]:
    if declared.policy.state != "enabled":
        return ()
    try:
        return tuple(covered_services(declared.policy, host))
    except TwofactorError:
        return ()  # one that was declared earlier has been removed since


def _has_pam_modules(plan: Plan, check_mode: bool) -> bool:
    """Tell whether all PAM modules are there; one that is missing is an error, in check mode a warning."""
    needed = ("pam_oath", "pam_exec", "pam_faillock")
    lacking = [name for name in needed if not packages.has_pam_module(name)]
    if lacking and not check_mode:
        package = (packages.missing("pam_oath") or ["libpam-modules"])[0]
        raise TwofactorError(
            "pam_module_missing",
            f"The PAM module {lacking[0]} is not installed, so nobody could show a code.",
            f"Install the package '{package}'.",
        )
    plan.warnings += [f"The PAM module {name} is not installed yet." for name in lacking]
    return not lacking


def _check_sshd(plan: Plan, host: Host) -> None:
    """Let sshd itself judge every drop-in of the plan, and the last one for each user."""
    main = host.read(paths.SSHD_CONFIG) or ""
    exempt = plan.after.ssh.exempt(plan.after.policy)
    users = plan.secrets.enrolled_after(secrets.enrolled_users(host))
    final = None
    for step in plan.steps:
        texts = {change.path: change.text for change in step.changes}
        main = texts.get(paths.SSHD_CONFIG, main) or ""
        if step.reload_sshd:
            final = texts.get(paths.SSHD_DROPIN, host.read(paths.SSHD_DROPIN))
            sshd_check.check_staged(host, main, final, None, [])
    if plan.after.ssh_asks():
        logins = sshd_check.visitors(exempt, users)
        sshd_check.check_staged(host, main, final, plan.after.ssh, logins)
