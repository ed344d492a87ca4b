# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/etc/twofactor/policy.json: the policy as declared, for a report and for coming back on.

Pure code. Private to this collection: may change at any time.
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any, TypeVar

from ansible_collections.fleetauth.twofactor.plugins.module_utils._args import BOUNDS
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import paths, sshd
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import (
    DIGITS,
    INTERVALS,
    Declared,
    Exempt,
    Policy,
    SshPolicy,
)

_T = TypeVar("_T")
_NUMBERS = ("window", "max_failures", "unlock_after")


def parse(text: str | None) -> Declared:
    """Return the declared settings; the defaults when there is no file.

    Raises TwofactorError when the file was damaged. Unknown words are ignored: a newer version of this
    collection may have written them.
    """
    if text is None:
        return Declared()
    try:
        data = json.loads(text)
        policy, ssh = data["policy"], data["ssh"]
        policy = {**policy, "exempt": _typed(Exempt, policy.get("exempt", {}))}
        declared = Declared(_typed(Policy, policy), _typed(SshPolicy, ssh))
        _check(declared)
        return declared
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise TwofactorError(
            "policy_file_broken",
            f"{paths.POLICY} is damaged, so what was declared for this host is not known.",
            f"Move {paths.POLICY} away and run the role again; state: disabled works as it is.",
        ) from None


def _typed(kind: type[_T], data: dict[str, Any]) -> _T:
    """Return ``data`` as ``kind``. Raises TypeError for a value that is not of the type of the default."""
    defaults = {item.name: getattr(kind(), item.name) for item in fields(kind)}  # type: ignore[arg-type]
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items() if k in defaults}
    for name, value in values.items():
        default = defaults[name]
        may_be_none = default is None and value is None
        # Not isinstance: true would pass for a number.
        if not may_be_none and value.__class__ != (tuple if default is None else default.__class__):
            raise TypeError(name)
        if isinstance(value, tuple) and not all(isinstance(word, str) for word in value):
            raise TypeError(name)
    return kind(**values)


def _check(declared: Declared) -> None:
    """Raise ValueError for values that nobody could have declared."""
    policy, ssh = declared.policy, declared.ssh
    good = (
        {policy.state, ssh.state} <= {"enabled", "disabled"}
        and policy.digits in DIGITS
        and policy.interval in INTERVALS
        and policy.unenrolled in ("deny", "allow")
        and ssh.root_login in (*sshd.ROOT_LOGIN, "unmanaged")
        and all(BOUNDS[name][0] <= getattr(policy, name) <= BOUNDS[name][1] for name in _NUMBERS)
    )
    if not good:
        raise ValueError


def render(declared: Declared) -> str:
    """Return the file's text."""
    return json.dumps({"version": 1, **as_data(declared)}, indent=2, sort_keys=True) + "\n"


def as_data(declared: Declared) -> dict[str, Any]:
    """Return declared settings as plain data."""
    return {"policy": asdict(declared.policy), "ssh": asdict(declared.ssh)}
