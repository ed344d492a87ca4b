# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge between Ansible and the platforms: parameters in, one call, result out.

Private to this collection: may change at any time. Of ``module`` only params, check_mode, warn, exit_json and
fail_json are used. This is the one place where our errors become Ansible's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from ansible_collections.fleetauth.twofactor.plugins.module_utils._args import out_of_bounds
from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Outcome
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import (
    Refused,
    TwofactorError,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._platform import (
    Platform,
    current_platform,
)

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def run(
    module: AnsibleModule,
    call: Callable[[Platform, bool], Outcome],
    needs: tuple[str, ...] = (),
) -> None:
    """Make one call to the platform and end the module with its outcome.

    ``call`` gets the platform and whether this is check mode. ``needs`` names software without which nothing
    can be done; with ``packages: report`` its package names come back instead of an error.
    """
    try:
        _refuse_out_of_bounds(module.params)
        platform = current_platform()
        missing = platform.missing_packages(*needs) if needs else []
        if missing and module.params.get("packages") == "report":
            module.exit_json(changed=False, missing_packages=missing)
        outcome = call(platform, module.check_mode)
    except TwofactorError as error:
        fail(module, error)
        return
    except OSError as error:
        fail(module, _from_os(error))
        return
    for warning in outcome.warnings:
        module.warn(warning)
    module.exit_json(
        changed=outcome.changed,
        diff={"before": outcome.before, "after": outcome.after},
        **outcome.result,
    )


def fail(module: AnsibleModule, error: TwofactorError) -> None:
    """End the module with an error: one sentence for people, codes for programs."""
    reasons = error.reasons if isinstance(error, Refused) else [error]
    module.fail_json(
        msg=str(error),
        reasons=[
            {"code": reason.code, "message": reason.message, "remedy": reason.remedy} for reason in reasons
        ],
    )


def _refuse_out_of_bounds(params: dict[str, Any]) -> None:
    for options in (params, params.get("policy") or {}):
        sentence = out_of_bounds(options)
        if sentence:
            raise TwofactorError("out_of_bounds", sentence)


def _from_os(error: OSError) -> TwofactorError:
    where = f" on {error.filename}" if error.filename else ""
    return TwofactorError(
        "os_error",
        f"The host refused an operation{where}: {error.strerror or error}.",
        "Run with become: true, and look at the disk and its mount options.",
    )
