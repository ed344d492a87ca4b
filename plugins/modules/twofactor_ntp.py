#!/usr/bin/python
# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: twofactor_ntp
short_description: Where a host takes its time from
version_added: 1.0.0
description:
  - Declares time servers, has the time daemon run, waits until the clock is right and reports its offset. A code
    depends on the time, so this comes before any second factor.
  - On Linux it writes one file of sources for chrony and leaves the rest of its configuration alone. On TrueNAS it
    keeps servers through the middleware, by address, and leaves those alone that it has not added.
author:
  - fleetauth.twofactor contributors (!UNKNOWN)
extends_documentation_fragment:
  - fleetauth.twofactor.attributes
  - fleetauth.twofactor.options.packages
options:
  servers:
    description: Time servers, by name or address. An empty list takes the ones that were set before away.
    type: list
    elements: str
  pools:
    description: Names that stand for a changing set of time servers.
    type: list
    elements: str
  nts:
    description: Whether the sources prove who they are, by Network Time Security (RFC 8915).
    type: bool
    default: false
  force:
    description:
      - Whether TrueNAS takes a server that does not answer it. On Linux, where none is asked beforehand, it means
        nothing.
    type: bool
    default: false
  wait:
    description:
      - How many seconds to wait for a synchronised clock. The module fails when that does not come about.
      - V(0) does not wait and accepts any clock.
    type: float
    default: 60
  max_offset:
    description: How many seconds the clock may be off in the end.
    type: float
    default: 10
seealso:
  - module: fleetauth.twofactor.twofactor_info
"""

EXAMPLES = r"""
- name: Take the time from two servers of the house
  fleetauth.twofactor.twofactor_ntp:
    servers: [ntp1.example.com, ntp2.example.com]

- name: Take the time from servers that prove who they are
  fleetauth.twofactor.twofactor_ntp:
    servers: [nts.example.com]
    nts: true
"""

RETURN = r"""
clock:
  description: The clock afterwards.
  returned: success
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
      description: Who says so.
      type: str
  sample: {synchronised: true, offset: -0.000031, source: 192.0.2.10, daemon: chrony}
missing_packages:
  description: Packages that the host lacks. Nothing has been done yet.
  returned: when O(packages=report) and something is missing
  type: list
  elements: str
  sample: [chrony]
installed_packages:
  description: Packages that have been installed, or would be in check mode.
  returned: when O(packages=install) and something was missing
  type: list
  elements: str
  sample: [chrony]
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
    NTP_ARGS,
    PACKAGES_ARGS,
    ntp_change,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._module import run


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={**NTP_ARGS, **PACKAGES_ARGS}, supports_check_mode=True)
    run(
        module,
        lambda platform, check: platform.set_ntp(ntp_change(module.params), check),
        needs=("chrony",),
    )


if __name__ == "__main__":
    main()
