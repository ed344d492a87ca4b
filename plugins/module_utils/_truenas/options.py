# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What options mean on TrueNAS that were made for Linux: nothing, something else, or a refusal.

Pure code. Private to this collection: may change at any time. One inventory has to do for a mixed fleet, so an option
that TrueNAS has no notion of is no error; but nobody may believe in a protection that is not there, nor be surprised
by one that is.
"""

from __future__ import annotations

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import check_methods

UNDERSTOOD = frozenset({"state", "digits", "interval", "window", "reason"})
"""Options of the policy that TrueNAS has as well."""
METHODS = ("password_and_code", "key")
"""The one behaviour of TrueNAS."""

_SENTENCES = {
    "services": "TrueNAS has no PAM services to choose from. Its web interface and API ask for a code, SSH does when "
    "its own switch is on, and nothing else does.",
    "max_failures": "TrueNAS does not count a user's wrong codes; nobody is locked out by them, nor kept from trying.",
    "unlock_after": "TrueNAS does not count a user's wrong codes, so nobody is locked out by them.",
    "exempt_groups": "TrueNAS exempts nobody. A key is never asked for a code; whoever has a secret or logs in to SSH "
    "by password is, groups notwithstanding.",
    "exempt_networks": "TrueNAS exempts no address. A key is never asked for a code, everything else is from anywhere.",
}
_UNENROLLED = {
    "deny": "On TrueNAS this holds for SSH passwords only: its web interface lets a user without a secret in with "
    "the password alone.",
    "allow": "On TrueNAS this holds for its web interface only: SSH refuses the password of a user without a secret.",
}


def warnings(change: Change, enrolled: list[str]) -> list[str]:
    """Return a sentence for each option that does not do here what it says."""
    policy, ssh = change.policy or {}, change.ssh or {}
    given = {**policy, **ssh}
    found = [f"{name}: {sentence}" for name, sentence in _SENTENCES.items() if given.get(name)]
    if policy.get("unenrolled"):
        found.append(f"unenrolled: {_UNENROLLED[str(policy['unenrolled'])]}")
    exempt = {*_names(policy.get("exempt_users")), *_names(ssh.get("exempt_users"))}
    asked = sorted(exempt & set(enrolled))
    if asked:
        found.append(
            f"exempt_users: TrueNAS exempts nobody. {', '.join(asked)} has a secret, so a code is asked for with the "
            "password; a key is never asked for one."
        )
    if ssh.get("methods") and "key" not in _names(ssh["methods"]):
        found.append("methods: A key alone lets in on TrueNAS, on every release.")
    if ssh.get("root_login") == "denied":
        found.append("root_login: TrueNAS can refuse root's password only; a key of root's still lets in.")
    if change.secrets and any(user.recovery_count for user in change.secrets.users):
        found.append("recovery_count: TrueNAS has no recovery codes.")
    known = UNDERSTOOD | set(_SENTENCES) | {"unenrolled", "exempt_users"}
    found += [f"{name}: TrueNAS has no such thing." for name in sorted(set(policy) - known) if policy[name]]
    return found


def _names(value: object) -> tuple[str, ...]:
    return tuple(str(name) for name in value) if isinstance(value, (tuple, list)) else ()


def reasons(change: Change) -> list[TwofactorError]:
    """Return why what is asked for cannot be had on TrueNAS at all."""
    methods = _names((change.ssh or {}).get("methods"))
    if not methods:
        return []
    check_methods(methods)
    if set(methods) <= set(METHODS):
        return []
    return [
        TwofactorError(
            "methods_impossible",
            "TrueNAS asks for a code after a password and never after a key, so "
            f"methods cannot be {', '.join(methods)} there.",
            "For the TrueNAS hosts leave methods out, or set it to [password_and_code, key].",
        )
    ]
