#!/usr/bin/python
# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: twofactor_bypass
short_description: Let single users off for a limited time
version_added: 1.0.0
description:
  - Lets users log in without a code for a while, for example until a lost phone is replaced. It ends by itself,
    also across a reboot, is reported by M(fleetauth.twofactor.twofactor_info) as long as it lasts, and is logged.
  - For a whole host use O(fleetauth.twofactor.twofactor#module:lasts). On TrueNAS, which has nothing of the kind, it is
    refused.
author:
  - fleetauth.twofactor contributors (!UNKNOWN)
extends_documentation_fragment:
  - fleetauth.twofactor.attributes
options:
  users:
    description: The users.
    type: list
    elements: str
    required: true
  state:
    description: V(present) lets them off, V(absent) ends that now.
    type: str
    choices: [present, absent]
    default: present
  lasts:
    description:
      - For how long, such as V(90s), V(30m), V(2h) or V(1d), and at most a week.
      - A bypass that runs already keeps its end.
    type: str
  reason:
    description: Why, for the log and the report.
    type: str
seealso:
  - module: fleetauth.twofactor.twofactor
"""

EXAMPLES = r"""
- name: Alice has lost her phone; the new one comes tomorrow
  fleetauth.twofactor.twofactor_bypass:
    users: [alice]
    lasts: 1d
    reason: phone lost, ticket 4711

- name: She has it
  fleetauth.twofactor.twofactor_bypass:
    users: [alice]
    state: absent
"""

RETURN = r"""
users:
  description: Users whose tokens changed.
  returned: success
  type: dict
  contains:
    added:
      description: Users who had no token before.
      type: list
      elements: str
    renewed:
      description: Users who were renewed under the renewal word.
      type: list
      elements: str
    removed:
      description: Users whose tokens are gone.
      type: list
      elements: str
  sample: {added: [carol], renewed: [], removed: []}
reasons:
  description: Why it was refused. Nothing has changed then.
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

from ansible_collections.fleetauth.twofactor.plugins.module_utils._args import (
    BYPASS_ARGS,
    bypass_change,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._module import run


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=BYPASS_ARGS,
        required_if=[("state", "present", ("lasts", "reason"))],
        supports_check_mode=True,
    )
    run(module, lambda platform, check: platform.apply(bypass_change(module.params), check))


if __name__ == "__main__":
    main()
