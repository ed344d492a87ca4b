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
      description: PAM services besides SSH that are declared or ask for a code.
      type: list
      elements: dict
      contains:
        name:
          description: Its name.
          type: str
        asks_code:
          description: Whether it asks for a code, in a way that nothing before it can avoid.
          type: bool
    ssh:
      description: What SSH asks for.
      type: dict
      contains:
        state:
          description: V(enabled) when every login is asked for a code, V(disabled) otherwise.
          type: str
        methods:
          description: The authentication methods that are allowed then.
          type: list
          elements: str
        root_login:
          description: Whether root may log in, as sshd puts it; null when sshd does not say.
          type: str
        running:
          description: Whether sshd runs, or systemd waits for connections in its place.
          type: bool
        exempt:
          description: Logins that are declared to need a key alone; null without sshd.
          returned: on Linux
          type: dict
          contains:
            users:
              description: The users.
              type: list
              elements: str
            groups:
              description: The groups.
              type: list
              elements: str
            networks:
              description: The networks.
              type: list
              elements: str
    users:
      description: Users with a token, on TrueNAS also users who may log in without one.
      type: list
      elements: dict
      contains:
        name:
          description: The user.
          type: str
        enrolled:
          description: Whether the user has a token that works.
          type: bool
        backup:
          description: Whether there is one for a second device.
          type: bool
        digits:
          description: Digits of a code; null without a token.
          type: int
        interval:
          description: Seconds for which a code is shown; null without a token.
          type: int
        last_used:
          description: When a code was last accepted, in the host's local time; null for never.
          type: str
        verified:
          description: Whether the user has shown a valid code of the present secret.
          returned: on Linux
          type: bool
        recovery_left:
          description: How many recovery codes are left; null for a user who never had any.
          returned: on Linux
          type: int
        previous:
          description: Whether the secret before is accepted as well.
          returned: on Linux
          type: bool
        previous_until:
          description: When that ends; null when there is none.
          returned: on Linux
          type: str
        ssh_password:
          description: Whether the user may log in over SSH with a password.
          returned: on TrueNAS
          type: bool
    clock:
      description: The clock.
      type: dict
      contains:
        synchronised:
          description: Whether it follows a time source.
          type: bool
        offset:
          description: How many seconds it is ahead, negative when it is behind; null when unknown.
          type: float
        source:
          description: The source that it follows.
          type: str
        daemon:
          description: The program or kernel that says so.
          type: str
        now:
          description: The host's time in seconds since 1970.
          returned: on TrueNAS
          type: float
        servers:
          description: The time servers that are configured.
          returned: on TrueNAS
          type: list
          elements: str
        controller_offset:
          description:
            - By how many seconds that time is off from the controller's clock at least; more than 10 are a problem.
          returned: on TrueNAS
          type: float
    missing_packages:
      description: Packages that the second factor needs and that are not installed.
      type: list
      elements: str
    bypass:
      description: Users who are let off for a time.
      type: dict
      contains:
        host:
          description: The bypass of the whole host; null for none.
          type: dict
          contains:
            until:
              description: When it ends, in seconds since 1970.
              type: float
            by:
              description: The account that declared it.
              type: str
            reason:
              description: The reason that was given.
              type: str
        users:
          description: The bypasses of users by name, each as that of the host.
          type: dict
    pending:
      description: The change that waits to be confirmed.
      returned: when there is one
      type: dict
      contains:
        by:
          description: The account that made it.
          type: str
        reason:
          description: The reason that was given.
          type: str
        seconds_left:
          description: Seconds until the host takes it back.
          type: float
    problems:
      description: What is wrong.
      type: list
      elements: dict
      contains:
        code:
          description: A word for programs, see docs/guard.md.
          type: str
        message:
          description: What is wrong.
          type: str
        remedy:
          description: What to do about it.
          type: str
  sample:
    platform: linux
    version: Debian GNU/Linux 12 (bookworm)
    state: enabled
    services: []
    ssh:
      state: enabled
      methods: [key_and_code]
      root_login: without-password
      running: true
      exempt: {users: [automation], groups: [], networks: []}
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
reasons:
  description: Why nothing could be read.
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

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Outcome
from ansible_collections.fleetauth.twofactor.plugins.module_utils._module import run


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    run(module, lambda platform, _check: Outcome(result={"twofactor": platform.info()}))


if __name__ == "__main__":
    main()
