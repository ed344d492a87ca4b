# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard: reasons why a change would shut somebody out, or would only look like protection.

Private to this collection: may change at any time. It decides; what it needs to know is handed to it.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import Declared, Exempt


@dataclass(frozen=True)
class OwnLogin:
    """How Ansible itself came in: the account, its groups, and the client's address."""

    account: str
    groups: tuple[str, ...]
    address: str

    def is_exempt(self, exempt: Exempt) -> bool:
        """Tell whether this login would get in without a code."""
        if self.account in exempt.users or set(self.groups) & set(exempt.groups):
            return True
        return any(_contains(network, self.address) for network in exempt.networks)


def _contains(network: str, address: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network)
    except ValueError:
        return False


def reasons(after: Declared, enrolled: list[str], own: OwnLogin | None) -> list[TwofactorError]:
    """Return why ``after`` must not become effective, with ``enrolled`` being who has a token then.

    ``own`` is None when Ansible did not come in by SSH.
    """
    if after.policy.state != "enabled" or after.policy.unenrolled == "allow":
        return []
    found = []
    if not enrolled:
        found.append(
            TwofactorError(
                "nobody_enrolled",
                "No user of this host would have a token, so nobody could show a code.",
                "Enrol users first (or in the same call), or begin with unenrolled: allow.",
            )
        )
    if own is not None and after.ssh_asks():
        found += _own_way_back(after, enrolled, own)
    return found


def _own_way_back(after: Declared, enrolled: list[str], own: OwnLogin) -> list[TwofactorError]:
    if own.is_exempt(after.ssh.exempt(after.policy)) or "key" in after.ssh.methods:
        return []
    if own.account in enrolled:
        return []
    return [
        TwofactorError(
            "own_account_shut_out",
            f"Ansible logs in as '{own.account}' from {own.address}, which would have no way back in: the account "
            "is neither exempt nor enrolled.",
            f"Name '{own.account}' in exempt_users, or enrol it.",
        )
    ]
