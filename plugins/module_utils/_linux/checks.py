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
    if plan.after.policy.state == "enabled":
        _check_pam_modules(plan, check_mode)
    if plan.touches_sshd:
        _check_sshd(plan, host)


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


def _check_pam_modules(plan: Plan, check_mode: bool) -> None:
    needed = ["pam_oath"] + (["pam_faillock"] if plan.after.policy.max_failures else [])
    for name in needed:
        if packages.has_pam_module(name):
            continue
        if check_mode:
            plan.warnings.append(f"{name} is not installed yet.")
            continue
        raise TwofactorError(
            "pam_module_missing",
            f"The PAM module {name} is not installed, so nobody could show a code.",
            "Install the package "
            + (f"'{packages.missing('pam_oath')[0]}'." if name == "pam_oath" else "that has it."),
        )


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
