# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether root may use its password on SSH: which calls that takes, release by release.

Pure code. Private to this collection: may change at any time.
"""

from __future__ import annotations

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


def may_use_password(release: Release, ssh: SshSettings, root: Account | None) -> bool:
    """Tell whether sshd takes root's password, by itself or before a code."""
    if release.root_login == "rootlogin":
        return bool(ssh.rootlogin)
    return root is not None and bool(root.ssh_password)
