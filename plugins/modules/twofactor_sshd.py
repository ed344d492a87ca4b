#!/usr/bin/python
# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: twofactor_sshd
short_description: The SSH service that codes are asked by
version_added: 1.0.0
description:
  - Has the SSH service run and start at boot, and says whether root may log in at all, with or without a second
    factor. It touches nothing else of the administrator's configuration.
author:
  - fleetauth.twofactor contributors (!UNKNOWN)
extends_documentation_fragment:
  - fleetauth.twofactor.attributes
  - fleetauth.twofactor.options.packages
options:
  running:
    description: Whether to have the service run and start at boot; V(false) leaves it as it is.
    type: bool
    default: true
  root_login:
    description:
      - Whether root may log in, whether or not a code is asked for. V(unmanaged) takes back what this module
        has set before.
      - To open root's login only while it takes a code, use O(fleetauth.twofactor.twofactor_ssh#module:root_login).
    type: str
    choices: [allowed, denied, unmanaged]
seealso:
  - module: fleetauth.twofactor.twofactor_ssh
"""

EXAMPLES = r"""
- name: Have sshd run
  fleetauth.twofactor.twofactor_sshd:

- name: Keep root out
  fleetauth.twofactor.twofactor_sshd:
    root_login: denied
"""

RETURN = r"""
missing_packages:
  description: Packages that the host lacks. Nothing has been done yet.
  returned: when O(packages=report) and something is missing
  type: list
  elements: str
  sample: [openssh-server]
installed_packages:
  description: Packages that have been installed, or would be in check mode.
  returned: when O(packages=install) and something was missing
  type: list
  elements: str
  sample: [openssh-server]
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
    PACKAGES_ARGS,
    SSHD_ARGS,
    sshd_change,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._module import run


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={**SSHD_ARGS, **PACKAGES_ARGS}, supports_check_mode=True)
    run(
        module,
        lambda platform, check: platform.set_sshd(sshd_change(module.params), check),
        needs=("sshd",),
    )


if __name__ == "__main__":
    main()
