# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages that a host says it lacks: only those that this collection needs, installed by Ansible's own action.

Private to this collection: may change at any time. Nothing of what the host answers to the installation is passed on
but whether it failed, and why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.packages import known_names
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils import _printable

if TYPE_CHECKING:
    from ansible.plugins.action import ActionBase

_ACTION = "ansible.builtin.package"
_LONGEST = 2000
"""Characters of a reason."""


def known(names: list[Any]) -> list[str]:
    """Return the names. Raises TwofactorError when the collection needs no package of such a name anywhere."""
    allowed = known_names()
    others = [name for name in names if name not in allowed]
    if others:
        raise TwofactorError(
            "package_unknown",
            "The host asks for a package that this collection does not need.",
            f"Nothing was installed. Needed are {', '.join(sorted(allowed))}: check what runs as Python on the host.",
        )
    return names


def install(action: ActionBase, names: list[str], task_vars: Any) -> None:
    """Install packages on the host of ``action``. Raises TwofactorError when that fails.

    Not in check mode: apt simulates nothing without its Python bindings or with package lists that were never fetched.
    """
    task = action._task.copy()
    task.args = {"name": names, "state": "present", "update_cache": True}
    package = action._shared_loader_obj.action_loader.get(
        _ACTION,
        task=task,
        connection=action._connection,
        play_context=action._play_context,
        loader=action._loader,
        templar=action._templar,
        shared_loader_obj=action._shared_loader_obj,
    )
    answer = package.run(task_vars=task_vars)
    if _has_failed(answer) and not task.check_mode:
        raise TwofactorError(
            "packages_not_installed",
            f"{', '.join(names)} could not be installed: {_reason(answer)}",
            "Make the package source of the host work, or install them by other means, and run again.",
        )


def _has_failed(answer: dict[str, Any]) -> bool:
    return bool(answer.get("failed") or answer.get("rc"))


def _reason(answer: dict[str, Any]) -> str:
    return _printable.one_line(str(answer.get("msg") or "no reason given")[:_LONGEST])
