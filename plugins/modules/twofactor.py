#!/usr/bin/python
# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: twofactor
short_description: The second factor of a host as a whole
version_added: 1.0.0
description:
  - Switches two-factor authentication on or off and sets its policy.
  - On Linux this covers the web console (Cockpit) and any other PAM services that are named; SSH has a
    switch of its own, M(fleetauth.twofactor.twofactor_ssh), that acts only while this one is on.
  - Off here means off everywhere, SSH too. This always works, also with a clock that is wrong, a disk that is
    full or a change that was cut short, and it keeps every user's token.
author:
  - fleetauth.twofactor contributors (!UNKNOWN)
extends_documentation_fragment:
  - fleetauth.twofactor.attributes
  - fleetauth.twofactor.options.policy
  - fleetauth.twofactor.options.guard
options:
  lasts:
    description:
      - With O(state=disabled), how long the second factor stays off, such as V(90s), V(30m), V(2h) or V(1d), and at
        most a week. Then it comes back on by itself as it was declared, also across a reboot. Without it, it stays off.
      - On TrueNAS this enables only what was enabled. A NAS whose second factor was disabled already stays so, with a
        warning.
    type: str
seealso:
  - module: fleetauth.twofactor.twofactor_ssh
  - module: fleetauth.twofactor.twofactor_secret
  - module: fleetauth.twofactor.twofactor_host
"""

EXAMPLES = r"""
- name: Ask for a code in the web console and in sudo, but not from the automation account
  fleetauth.twofactor.twofactor:
    state: enabled
    services: [cockpit, sudo]
    exempt_users: [automation]

- name: Take the second factor off, whatever state the host is in
  fleetauth.twofactor.twofactor:
    state: disabled
    reason: phones lost, ticket 4711

- name: Take it off for two hours; it comes back by itself
  fleetauth.twofactor.twofactor:
    state: disabled
    lasts: 2h
    reason: restore of the directory server
"""

RETURN = r"""
pending:
  description: That the change waits to be confirmed.
  returned: when O(confirm_within) was given and something changed
  type: dict
  contains:
    confirm_within:
      description: Seconds within which it has to be confirmed.
      type: float
users:
  description: Users whose tokens changed.
  returned: unless O(state=disabled)
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
  description: Why a change was refused. Nothing has changed then.
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
  sample:
    - code: settings_strand_users
      message: Digits 6 and interval 30 cannot become 8 and 30 while users are enrolled (alice).
      remedy: Renew all of them in the same call.
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetauth.twofactor.plugins.module_utils._args import (
    GUARD_ARGS,
    LASTS_ARGS,
    POLICY_ARGS,
    policy_change,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._module import run


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={**POLICY_ARGS, **GUARD_ARGS, **LASTS_ARGS}, supports_check_mode=True
    )
    run(module, lambda platform, check: platform.apply(policy_change(module.params), check))


if __name__ == "__main__":
    main()
