#!/usr/bin/python
# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: twofactor_host
short_description: Tokens, policy and SSH of a host in one round trip
version_added: 1.0.0
description:
  - What M(fleetauth.twofactor.twofactor_secret), M(fleetauth.twofactor.twofactor) and
    M(fleetauth.twofactor.twofactor_ssh) do, in one call and as one change; all of it is made, or nothing.
  - The role P(fleetauth.twofactor.twofactor#role) uses it, since a fleet pays for every round trip.
  - With O(sheets) users without a secret of their own get a printable sheet with the one that the host has made, as
    TrueNAS always does. That secret is then in no result.
author:
  - fleetauth.twofactor contributors (!UNKNOWN)
extends_documentation_fragment:
  - fleetauth.twofactor.attributes
  - fleetauth.twofactor.options.host
  - fleetauth.twofactor.options.guard
  - fleetauth.twofactor.options.packages
options:
  sheets:
    description:
      - Where sheets are written for users named without C(secret) in O(secrets), when the host makes one for them
        now. It takes the Python library qrcode on the controller.
      - O(secrets.return_secrets) is then on, and what it returns is on the sheets alone.
    type: dict
    version_added: 1.0.0
    suboptions:
      folder:
        description:
          - Folder on the controller, for nobody but its owner. A relative path starts at the folder of the inventory.
        type: str
        default: twofactor_sheets
      formats:
        description: The whole sheet (V(html)), or the QR code alone.
        type: list
        elements: str
        choices: [html, svg, png, txt]
        default: [html]
      issuer:
        description: What the app shows as the issuer; TrueNAS names itself.
        type: str
        default: Two-factor
      account:
        description:
          - What the app shows as the account, with C(%u) for the user and C(%h) for the host; TrueNAS has its own.
        type: str
        default: '%u@%h'
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

- name: Have a NAS make root's secret, and root's sheet, before anybody is asked for a code
  fleetauth.twofactor.twofactor_host:
    secrets:
      users:
        - name: root
    sheets:
      folder: /root/sheets

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
  description: That the change waits to be confirmed.
  returned: when O(confirm_within) was given and something changed
  type: dict
  contains:
    confirm_within:
      description: Seconds within which it has to be confirmed.
      type: float
missing_packages:
  description: Packages that the host lacks. Nothing has been done yet.
  returned: when O(packages=report) and something is missing
  type: list
  elements: str
  sample: [libpam-oath]
installed_packages:
  description: Packages that have been installed, or would be in check mode.
  returned: when O(packages=install) and something was missing
  type: list
  elements: str
  sample: [libpam-oath]
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
  returned: when the host made one, without O(sheets)
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
sheets:
  description: The sheets that were written.
  returned: with O(sheets), when a user has no C(secret)
  type: dict
  contains:
    folder:
      description: Their folder on the controller.
      type: str
    written:
      description: Users for whom one has been written.
      type: list
      elements: str
  sample: {folder: /srv/inventory/twofactor_sheets, written: [root]}
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
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetauth.twofactor.plugins.module_utils._args import (
    GUARD_ARGS,
    PACKAGES_ARGS,
    POLICY_ARGS,
    SECRETS_ARGS,
    SHEETS_ARGS,
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
            # The controller's half does it, and leaves it out of what comes here.
            "sheets": {"type": "dict", "options": SHEETS_ARGS},
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
