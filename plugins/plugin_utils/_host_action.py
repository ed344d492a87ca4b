# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of every module that runs on a host: it runs the module, and never believes the answer.

Private to this collection: may change at any time.
"""

from __future__ import annotations

from typing import Any, ClassVar

from ansible.plugins.action import ActionBase

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils import _printable, _result
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._facts import refuse_overriding


class HostAction(ActionBase):
    """Runs the module of the same name on the host, and lets through what that documents."""

    _supports_check_mode = True
    _supports_async = True
    RETURN: ClassVar[_result.Description]
    """What the module documents that it returns."""

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        """Run the action."""
        super().run(tmp, task_vars)
        try:
            arguments = dict(self._task.args)
            self._refuse_waiting_for_background()
            if arguments.get("state") != "disabled":  # Nothing may stand in the way of that.
                refuse_overriding(task_vars)
            return self._act(arguments, task_vars)
        except TwofactorError as error:
            return failure(error)
        except RecursionError:
            return failure(_result.unexpected("a mapping within a mapping within a mapping"))
        finally:
            if not self._in_background:
                self._remove_tmp_path(self._connection._shell.tmpdir)

    def _act(self, arguments: dict[str, Any], task_vars: Any) -> dict[str, Any]:
        """Do what the task asks for. Raises TwofactorError."""
        if arguments.get("packages") == "install":
            return self._install_and_ask(arguments, task_vars)
        return self._ask(arguments, task_vars)

    def _ask(self, arguments: dict[str, Any], task_vars: Any) -> dict[str, Any]:
        """Run the module and return what the controller takes from its answer."""
        background = self._in_background
        # A copy: Ansible adds keys of its own.
        answer = self._execute_module(module_args=dict(arguments), task_vars=task_vars, wrap_async=background)
        if background and not answer.get("failed"):
            return _result.started(answer)
        return _result.accepted(answer, self.RETURN)

    @property
    def _in_background(self) -> bool:
        return bool(self._task.async_val)

    def _refuse_waiting_for_background(self) -> None:
        """Raise TwofactorError for a task that Ansible would itself ask the host about, and believe the answer."""
        if self._in_background and self._task.poll:
            raise TwofactorError(
                "async_polled",
                "With 'async' and 'poll' the host's answer would not be checked by this collection.",
                "Leave 'async' out, or set 'poll: 0' and look at the host with twofactor_info afterwards.",
            )

    def _install_and_ask(self, arguments: dict[str, Any], task_vars: Any) -> dict[str, Any]:
        """Run the module, install what it says is missing, and run it again then."""
        from ansible_collections.fleetauth.twofactor.plugins.plugin_utils import _install

        if self._in_background:
            raise TwofactorError(
                "install_async", "A task with 'async' cannot install packages.", "Leave 'async' out."
            )
        first = self._ask({**arguments, "packages": "report"}, task_vars)
        if not first.get("missing_packages"):
            return first
        names = _install.known(first["missing_packages"])
        _install.install(self, names, task_vars)
        second = self._ask({**arguments, "packages": "require"}, task_vars)
        return {**second, "changed": True, "installed_packages": names}

    def _low_level_execute_command(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return what a command on the host printed, without what would control the terminal.

        Ansible shows some of it before this class sees it, such as warnings.
        """
        result: dict[str, Any] = super()._low_level_execute_command(*args, **kwargs)
        if len(result["stdout"]) + len(result["stderr"]) > _result.MOST_TEXT:
            raise _result.unexpected("more than the largest fleet could say")
        return {
            **result,
            "stdout": _printable.json_text(result["stdout"]),
            "stderr": _printable.json_text(result["stderr"]),
        }


def failure(error: TwofactorError) -> dict[str, Any]:
    """Return the result of a task that an error has ended."""
    reason = {"code": error.code, "message": error.message, "remedy": error.remedy}
    return {"failed": True, "msg": str(error), "reasons": [reason]}
