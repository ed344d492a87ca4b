#!/usr/bin/python
# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: twofactor_secret
short_description: The tokens of users, any number of them in one call
version_added: 1.0.0
description:
  - Gives users their one-time-code secrets, takes them away, or renews them.
  - A user whose secret stays the same keeps the memory of used codes, so that no code works twice, however
    often this runs.
author:
  - fleetauth.twofactor contributors (!UNKNOWN)
extends_documentation_fragment:
  - fleetauth.twofactor.attributes
  - fleetauth.twofactor.options.secrets
seealso:
  - module: fleetauth.twofactor.twofactor
  - module: fleetauth.twofactor.twofactor_host
"""

EXAMPLES = r"""
- name: Two users with secrets from an encrypted variables file
  fleetauth.twofactor.twofactor_secret:
    users:
      - name: alice
        secret: "{{ alice_secret }}"
        backup_secret: "{{ alice_backup_secret }}"
      - name: bob
        secret: "{{ bob_secret }}"

- name: Have the host make the secret, and show it once
  fleetauth.twofactor.twofactor_secret:
    users:
      - name: carol
    return_secrets: true
  register: made
  no_log: true

- name: Renew everybody once for this quarter
  fleetauth.twofactor.twofactor_secret:
    state: renewed
    renewal: 2026-Q4
    users:
      - name: alice
        secret: "{{ alice_secret }}"

- name: Take a token away
  fleetauth.twofactor.twofactor_secret:
    state: absent
    users:
      - name: bob
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
secrets:
  description: The secrets that this host has just made. Secrets that were given never come back.
  returned: when O(return_secrets=true) and the host made one
  type: list
  elements: dict
  contains:
    name:
      description: The user.
      type: str
    secret:
      description: The secret in base32, as authenticator apps take it.
      type: str
    uri:
      description: The same as a URI for a QR code, as TrueNAS puts it.
      returned: on TrueNAS
      type: str
    digits:
      description: The digits of its codes; TrueNAS has them in the URI.
      returned: on Linux
      type: int
    interval:
      description: The seconds for which each is shown.
      returned: on Linux
      type: int
reasons:
  description: Why a change was refused. Nothing has changed then, for no user.
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
    SECRETS_ARGS,
    secrets_change,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change
from ansible_collections.fleetauth.twofactor.plugins.module_utils._module import run


def main() -> None:
    """Run the module."""
    spec = {**SECRETS_ARGS, "users": {**SECRETS_ARGS["users"], "required": True}}
    module = AnsibleModule(
        argument_spec=spec,
        required_if=[("state", "renewed", ("renewal",))],
        supports_check_mode=True,
    )
    run(
        module,
        lambda platform, check: platform.apply(Change(secrets=secrets_change(module.params)), check),
    )


if __name__ == "__main__":
    main()
