# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users of Active Directory, ``DOMAIN\\user``, who may have a secret on a NAS from 23.10 on.

Private to this collection: may change at any time. ``user.query`` does not say whether they have one: 24.10 always says
no, and the others say yes for ever after the first one. So TrueNAS is asked about each of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import SecretsChange
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas import snapshot, wire
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.middleware import Middleware
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.releases import Release
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.snapshot import Account, Snapshot

_ONCE_ENROLLED = [["local", "=", False], ["twofactor_auth_configured", "=", True]]


def with_named_users(nas: Middleware, change: SecretsChange | None, snap: Snapshot) -> Snapshot:
    """Add the users of the directory whom ``change`` is about, and say which of them have a secret."""
    if change is None or snap.accounts is None or snap.release.directory == "none":
        return snap
    named = [user.name for user in change.users if user.name not in snap.accounts]
    found = _look_up(nas, named, snap.release)
    if change.exclusive and change.state != "absent":
        found.update(_once_enrolled(nas, snap))
    return _with_secrets(nas, found, snap)


def with_enrolled_users(nas: Middleware, snap: Snapshot) -> Snapshot:
    """Add all users of the directory who have a secret, as far as TrueNAS tells."""
    if snap.release.directory == "none":
        return snap
    return _with_secrets(nas, _once_enrolled(nas, snap), snap)


def listed_users(snap: Snapshot) -> list[str]:
    """Return the users whom PAM has a secret of and who are not local."""
    local = snap.accounts or {}
    return [] if snap.release.directory == "none" else [name for name in snap.tokens if name not in local]


def _query(filters: list[Any], release: Release) -> tuple[Any, ...]:
    options = [{"extra": {"search_dscache": True}}] if release.directory == "asked" else []
    return ("user.query", filters, *options)


def _look_up(nas: Middleware, names: Iterable[str], release: Release) -> dict[str, Account]:
    """Return the accounts of these names; there may be none of a name."""
    requests = [_query([["username", "=", name]], release) for name in names]
    answers = nas.read_all(requests) if requests else []
    return {name: account for answer in answers for name, account in snapshot.accounts(answer).items()}


def _once_enrolled(nas: Middleware, snap: Snapshot) -> dict[str, Account]:
    """Return the users of the directory who may have a secret."""
    found = snapshot.accounts(nas.read(*_query(_ONCE_ENROLLED, snap.release)))
    unknown = [name for name in listed_users(snap) if name not in found]
    return {**found, **_look_up(nas, unknown, snap.release)}


def _with_secrets(nas: Middleware, found: dict[str, Account], snap: Snapshot) -> Snapshot:
    """Add ``found`` to the accounts, with what TrueNAS says of each one's secret."""
    known = dict(snap.accounts or {})
    new = {name: account for name, account in found.items() if name not in known}
    method = "user.provisioning_uri" if snap.release.user_config == "absent" else "user.twofactor_config"
    answers = nas.read_all([(method, name) for name in new]) if new else []
    tokens = dict(snap.tokens)
    for (name, account), answer in zip(new.items(), answers):
        known[name] = replace(account, enrolled=_has_secret(answer, account))
        token = snapshot.token(answer)
        if token is not None and known[name].enrolled:
            tokens.setdefault(name, token)
    return replace(snap, accounts=known, tokens=tokens)


def _has_secret(answer: object, account: Account) -> bool:
    """Tell whether there is a secret by what TrueNAS answered, which may hold it.

    23.10 tells the URI or refuses. Later releases say it in so many words, unless they refuse the method, as in STIG
    mode: then what ``user.query`` has said must do.
    """
    if isinstance(answer, dict):
        return answer.get("secret_configured") is True
    if isinstance(answer, wire.ApiError):
        return account.enrolled and answer.method != "user.provisioning_uri"
    return isinstance(answer, str)
