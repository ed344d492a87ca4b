#!/usr/bin/python
# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: twofactor_verify
short_description: Prove a user's code without a login
version_added: 1.0.0
description:
  - Says whether a code is right for a user on this host now, and by how much the clock of the user's device is off. A
    wrong one fails the task.
  - The code is not spent; it can still be used to log in. A user who has shown a right one counts as verified in
    M(fleetauth.twofactor.twofactor_info) until the secret is renewed.
  - Wrong codes are counted together with those of logins, by O(fleetauth.twofactor.twofactor#module:max_failures), or
    five in a row for a minute where the policy sets no limit. A user who is locked is refused, and the code not
    looked at.
  - Recovery codes are not proved this way. On TrueNAS it is refused.
author:
  - fleetauth.twofactor contributors (!UNKNOWN)
extends_documentation_fragment:
  - fleetauth.twofactor.attributes
attributes:
  check_mode:
    support: partial
    details: Says whether the user could be verified, and looks at no code, since a wrong one would not be counted.
options:
  user:
    description: The user.
    type: str
    required: true
  code:
    description: The code that the user's device shows. Blanks in it are ignored.
    type: str
    required: true
seealso:
  - module: fleetauth.twofactor.twofactor_info
"""

EXAMPLES = r"""
- name: Prove alice's code before anybody is asked for one
  fleetauth.twofactor.twofactor_verify:
    user: alice
    code: "{{ code_from_a_prompt }}"
"""

RETURN = r"""
valid:
  description: Whether a login with the code would be accepted now, unless it has been used already.
  returned: when a code was looked at
  type: bool
steps:
  description: By how many steps the device's clock is ahead (negative when behind); none when no code matched.
  returned: when a code was looked at
  type: int
  sample: -3
seconds:
  description: The same in seconds, to within a step.
  returned: when a code was looked at
  type: int
  sample: -90
device:
  description: V(primary) or V(backup), the device whose code it is.
  returned: when a code was looked at
  type: str
reasons:
  description:
    - Why it failed; C(code_wrong), C(clock_off), C(user_locked), C(not_enrolled) and C(unknown_user) are among them.
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

from ansible_collections.fleetauth.twofactor.plugins.module_utils._args import VERIFY_ARGS
from ansible_collections.fleetauth.twofactor.plugins.module_utils._module import run


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=VERIFY_ARGS, supports_check_mode=True)
    user, code = module.params["user"], module.params["code"]
    run(module, lambda platform, check: platform.verify(user, code, check))


if __name__ == "__main__":
    main()
