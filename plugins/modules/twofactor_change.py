#!/usr/bin/python
# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: twofactor_change
short_description: Confirm or take back a pending change
version_added: 1.0.0
description:
  - Settles a change that was made with O(fleetauth.twofactor.twofactor#module:confirm_within). Until then the host
    takes it back by itself when its time is over, and after a reboot.
  - A confirmation has to come over a new connection, since only that proves that one can still get in.
author:
  - fleetauth.twofactor contributors (!UNKNOWN)
extends_documentation_fragment:
  - fleetauth.twofactor.attributes
options:
  state:
    description: V(confirmed) lets the change stand, V(reverted) takes it back now.
    type: str
    choices: [confirmed, reverted]
    required: true
seealso:
  - module: fleetauth.twofactor.twofactor_host
"""

EXAMPLES = r"""
- name: Apply, for two minutes
  fleetauth.twofactor.twofactor_ssh:
    state: enabled
    confirm_within: 120

- name: Make sure that the next task logs in anew
  ansible.builtin.meta: reset_connection

- name: Let it stand
  fleetauth.twofactor.twofactor_change:
    state: confirmed
"""

RETURN = r"""
reasons:
  description: Why it was refused, for example C(change_reverted) when the host has taken the change back already.
  returned: failure
  type: list
  elements: dict
  contains:
    code:
      description: A word for programs, see docs/guard.md.
      type: str
    message:
      description: What was refused, and why.
      type: str
    remedy:
      description: What to do about it.
      type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetauth.twofactor.plugins.module_utils._args import CHANGE_ARGS
from ansible_collections.fleetauth.twofactor.plugins.module_utils._module import run


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=CHANGE_ARGS, supports_check_mode=True)
    confirmed = module.params["state"] == "confirmed"
    run(module, lambda platform, check: platform.settle(confirmed, check))


if __name__ == "__main__":
    main()
