# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether root may use its password on SSH: which calls that takes, release by release.

Pure code. Private to this collection: may change at any time. midclt speaks as root, and from 23.10 on TrueNAS lets no
user change the own account while the second factor is enabled and that user has no secret.
"""

from __future__ import annotations

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.middleware import Call
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.releases import Release
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.snapshot import (
    Account,
    SshSettings,
)


def calls(wanted: object, release: Release, ssh: SshSettings, root: Account | None) -> list[Call]:
    """Return the calls for ``allowed`` or ``denied``; none for anything else, which leaves it as it is."""
    if wanted not in ("allowed", "denied"):
        return []
    allowed = wanted == "allowed"
    why = "root may log in by password" if allowed else "root may not log in by password"
    found = []
    if release.root_login == "rootlogin":
        if bool(ssh.rootlogin) != allowed:
            found.append(Call("ssh.update", ({"rootlogin": allowed},), why, answers=(dict,)))
        return found
    if root is not None and bool(root.ssh_password) != allowed:
        found.append(Call("user.update", (root.id, {"ssh_password_enabled": allowed}), why))
    if allowed and not ssh.passwordauth:
        found.append(Call("ssh.update", ({"passwordauth": True},), why, answers=(dict,)))
    return found


def changes_account(calls_: list[Call]) -> bool:
    """Tell whether root's account is changed, which TrueNAS may refuse."""
    return any(call.method == "user.update" for call in calls_)


def not_enrolled() -> TwofactorError:
    """Return the reason why root's account cannot be changed."""
    return TwofactorError(
        "root_not_enrolled",
        "root_login cannot change: TrueNAS refuses to change root's account while the second factor is enabled and "
        "root has no secret.",
        "Name root among the users of the same call with return_secrets: true, or leave root_login out.",
    )


def warnings(wanted: object, root: Account | None) -> list[str]:
    """Return a sentence when root has no password that could be allowed."""
    if wanted != "allowed" or root is None or root.can_log_in:
        return []
    return [
        "root_login: root has no password to log in with, or is locked, so SSH lets root in with a key only."
    ]


def may_use_password(release: Release, ssh: SshSettings, root: Account | None) -> bool:
    """Tell whether sshd takes root's password, by itself or before a code."""
    if root is None or not root.can_log_in:
        return False
    return bool(ssh.rootlogin if release.root_login == "rootlogin" else root.ssh_password)
