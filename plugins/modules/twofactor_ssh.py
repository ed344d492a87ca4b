#!/usr/bin/python
# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: twofactor_ssh
short_description: The second factor for SSH logins
version_added: 1.0.0
description:
  - Switches the second factor for SSH logins on or off and says which ways in there are.
  - On Linux it writes one sshd drop-in that is read before every other setting, and marked lines into the PAM service
    of sshd. What sshd would make of it is asked of sshd itself, for each kind of user, before anything changes.
  - PAM asks for a code whatever sshd's configuration is, after a password as well as after a key of which sshd tells
    it. So a drop-in that is gone, or another sshd, does not let a user in with a code alone.
  - It acts only while the second factor as a whole is on, see M(fleetauth.twofactor.twofactor).
author:
  - fleetauth.twofactor contributors (!UNKNOWN)
extends_documentation_fragment:
  - fleetauth.twofactor.attributes
  - fleetauth.twofactor.options.ssh
  - fleetauth.twofactor.options.guard
seealso:
  - module: fleetauth.twofactor.twofactor
  - module: fleetauth.twofactor.twofactor_sshd
"""

EXAMPLES = r"""
- name: Ask for a key and a code; the automation account needs its key alone
  fleetauth.twofactor.twofactor_ssh:
    state: enabled
    methods: [key_and_code]
    exempt_users: [automation]

- name: Ask for a code after a key as well as after a password
  fleetauth.twofactor.twofactor_ssh:
    state: enabled
    methods: [key_and_code, password_and_code]

- name: Ask for password and code, root included, as TrueNAS does
  fleetauth.twofactor.twofactor_ssh:
    state: enabled
    methods: [password_and_code, key]
    root_login: allowed
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
    - code: methods_conflict
      message: "methods cannot hold key and key_and_code together: whoever has the key would never be asked for a code."
      remedy: Leave key out, and exempt the accounts that may use a key alone.
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetauth.twofactor.plugins.module_utils._args import (
    GUARD_ARGS,
    SSH_ARGS,
    ssh_change,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._module import run


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={**SSH_ARGS, **GUARD_ARGS}, supports_check_mode=True)
    run(module, lambda platform, check: platform.apply(ssh_change(module.params), check))


if __name__ == "__main__":
    main()
