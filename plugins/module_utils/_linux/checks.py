# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is checked on the host before a plan is carried out.

Private to this collection: may change at any time. Each check raises TwofactorError and changes nothing.
"""

from __future__ import annotations

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import (
    Refused,
    TwofactorError,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    audit,
    guard,
    packages,
    pam_check,
    paths,
    secrets,
    sshd_check,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import Host
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.plan import Plan


def check_plan(plan: Plan, host: Host, check_mode: bool, *, guarded: bool) -> None:
    """Refuse a plan that this host cannot carry out; in check mode a missing package is a warning."""
    if not plan.changed:
        return
    if guarded:
        _check_guard(plan, host)
    if plan.touches_sshd:
        _check_sshd(plan, host)
    if plan.after.policy.state == "enabled" and _has_pam_modules(plan, check_mode) and _writes_policy(plan):
        pam_check.check_policy(plan.after.policy)


def _writes_policy(plan: Plan) -> bool:
    return any(change.path == paths.PAM_POLICY for step in plan.steps for change in step.changes)


def _check_guard(plan: Plan, host: Host) -> None:
    enrolled = plan.secrets.enrolled_after(secrets.enrolled_users(host))
    found = guard.reasons(plan.after, enrolled, _own_login())
    if found:
        raise Refused(found)


def _own_login() -> guard.OwnLogin | None:
    """Return how Ansible came in; None when it did not come by SSH."""
    address = audit.client()
    if not address:
        return None
    account = audit.account_behind()
    return guard.OwnLogin(account, _groups(account), address)


def _groups(account: str) -> tuple[str, ...]:
    import grp
    import os
    import pwd

    try:
        primary = pwd.getpwnam(account).pw_gid
    except KeyError:
        return ()
    names = []
    for gid in os.getgrouplist(account, primary):
        try:
            names.append(grp.getgrgid(gid).gr_name)
        except KeyError:
            continue  # a group that exists as a number only
    return tuple(names)


def _has_pam_modules(plan: Plan, check_mode: bool) -> bool:
    """Tell whether all PAM modules are there; one that is missing is an error, in check mode a warning."""
    needed = ["pam_oath"] + (["pam_faillock"] if plan.after.policy.max_failures else [])
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
