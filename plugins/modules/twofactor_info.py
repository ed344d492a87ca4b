#!/usr/bin/python
# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: twofactor_info
short_description: What is effective on a host now
version_added: 1.0.0
description:
  - Reports the second factor as it is in effect, read from the PAM services, from what sshd itself says and from
    the clock, and not as it was once declared. Never returns a secret.
  - On TrueNAS it is read from the middleware, and from the files of PAM that the middleware has written.
author:
  - fleetauth.twofactor contributors (!UNKNOWN)
extends_documentation_fragment:
  - fleetauth.twofactor.attributes
  - fleetauth.twofactor.attributes.info_module
seealso:
  - module: fleetauth.twofactor.twofactor
"""

EXAMPLES = r"""
- name: Read what is in effect
  fleetauth.twofactor.twofactor_info:
  register: second_factor

- name: Stop when something is wrong
  ansible.builtin.assert:
    that: not second_factor.twofactor.problems
"""

RETURN = r"""
twofactor:
  description: The second factor of this host.
  returned: success
  type: dict
  contains:
    platform:
      description: V(linux) or V(truenas).
      type: str
    version:
      description: The system's name and version.
      type: str
    state:
      description: V(enabled) or V(disabled), as it is in effect.
      type: str
    policy:
      description: The policy as it was last declared.
      type: dict
    services:
      description: PAM services besides SSH that are declared or ask for a code, with C(name) and C(asks_code).
      type: list
      elements: dict
    ssh:
      description: What SSH asks for; C(state), C(methods), C(root_login) and C(running).
      type: dict
    users:
      description:
        - Users with a token; C(name), C(enrolled), C(backup), C(digits), C(interval), C(last_used).
        - C(verified) tells whether the user has shown a right code of the present secret, C(recovery_left) how many
          recovery codes are left, C(previous) whether the secret before is accepted as well, and C(previous_until) when
          that ends.
      type: list
      elements: dict
    clock:
      description:
        - C(synchronised), C(offset) in seconds (positive when ahead), C(source) and C(daemon).
        - On TrueNAS also C(servers), C(now), its time in seconds since 1970, and C(controller_offset), by how many
          seconds that is off from the controller's clock at least; more than 10 are a problem.
      type: dict
    missing_packages:
      description: Packages that the second factor needs and that are not installed.
      type: list
      elements: str
    bypass:
      description:
        - Who is let off for a time; C(host) for the whole host or null, and C(users) by name. Each has C(until), in
          seconds since 1970, C(reason) and C(by).
      type: dict
    pending:
      description: The change that waits to be confirmed, with C(by), C(reason) and C(seconds_left).
      returned: when there is one
      type: dict
    problems:
      description: What is wrong, each with C(code), C(message) and C(remedy).
      type: list
      elements: dict
  sample:
    platform: linux
    version: Debian GNU/Linux 12 (bookworm)
    state: enabled
    services: []
    ssh: {state: enabled, methods: [key_and_code], root_login: without-password, running: true}
    users:
      - name: alice
        enrolled: true
        backup: false
        digits: 6
        interval: 30
        last_used: null
        verified: true
        recovery_left: 10
        previous: false
        previous_until: null
    clock: {synchronised: true, offset: 0.000012, source: 192.0.2.10, daemon: chrony}
    missing_packages: []
    bypass: {host: null, users: {}}
    problems: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Outcome
from ansible_collections.fleetauth.twofactor.plugins.module_utils._module import run


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    run(module, lambda platform, _check: Outcome(result={"twofactor": platform.info()}))


if __name__ == "__main__":
    main()
