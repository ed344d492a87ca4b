#!/usr/bin/python
# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: twofactor_host
short_description: Tokens, policy and SSH of a host in one round trip
version_added: 0.1.0
description:
  - What M(fleetauth.twofactor.twofactor_secret), M(fleetauth.twofactor.twofactor) and
    M(fleetauth.twofactor.twofactor_ssh) do, in one call and as one change; all of it is made, or nothing.
  - The role P(fleetauth.twofactor.twofactor#role) uses it, since a fleet pays for every round trip.
author:
  - fleetauth.twofactor contributors (!UNKNOWN)
extends_documentation_fragment:
  - fleetauth.twofactor.attributes
  - fleetauth.twofactor.options.host
  - fleetauth.twofactor.options.guard
  - fleetauth.twofactor.options.packages
seealso:
  - module: fleetauth.twofactor.twofactor
  - module: fleetauth.twofactor.twofactor_secret
  - module: fleetauth.twofactor.twofactor_ssh
"""

EXAMPLES = r"""
- name: Enrol two users and ask everybody for key and code
  fleetauth.twofactor.twofactor_host:
    secrets:
      users:
        - name: alice
          secret: "{{ alice_secret }}"
        - name: bob
          secret: "{{ bob_secret }}"
    policy:
      state: enabled
      exempt_users: [automation]
    ssh:
      state: enabled
      methods: [key_and_code]

- name: Go to eight digits, with new secrets for everybody in the same change
  fleetauth.twofactor.twofactor_host:
    policy:
      digits: 8
    secrets:
      state: renewed
      renewal: eight-digits
      users: "{{ users_with_new_secrets }}"
"""

RETURN = r"""
pending:
  description: That the change waits to be confirmed, with C(confirm_within) in seconds.
  returned: when O(confirm_within) was given and something changed
  type: dict
missing_packages:
  description: Packages that the host lacks. Nothing has been done yet.
  returned: when O(packages=report) and something is missing
  type: list
  elements: str
  sample: [libpam-oath]
users:
  description: Whose tokens changed, as with M(fleetauth.twofactor.twofactor_secret).
  returned: success
  type: dict
  sample: {added: [alice, bob], renewed: [], removed: []}
secrets:
  description: The secrets that this host has just made, as with M(fleetauth.twofactor.twofactor_secret).
  returned: when the host made one
  type: list
  elements: dict
reasons:
  description: Why a change was refused. Nothing has changed then.
  returned: failure
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetauth.twofactor.plugins.module_utils._args import (
    GUARD_ARGS,
    PACKAGES_ARGS,
    POLICY_ARGS,
    SECRETS_ARGS,
    SSH_ARGS,
    host_change,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._module import run


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "policy": {"type": "dict", "options": POLICY_ARGS},
            "ssh": {"type": "dict", "options": SSH_ARGS},
            "secrets": {
                "type": "dict",
                "options": SECRETS_ARGS,
                "required_if": [("state", "renewed", ("renewal",))],
                "no_log": False,
            },
            **GUARD_ARGS,
            **PACKAGES_ARGS,
        },
        required_one_of=[("policy", "ssh", "secrets")],
        supports_check_mode=True,
    )
    turning_off = (module.params["policy"] or {}).get("state") == "disabled"
    run(
        module,
        lambda platform, check: platform.apply(host_change(module.params), check),
        needs=() if turning_off else ("pam_oath", "sshd"),
    )


if __name__ == "__main__":
    main()
