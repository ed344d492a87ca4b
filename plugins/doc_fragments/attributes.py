# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module of this collection can do."""

from __future__ import annotations


class ModuleDocFragment:
    """Attributes of the modules."""

    DOCUMENTATION = r"""
options: {}
requirements:
  - Python 3.9 or later on the host, with nothing but its standard library
attributes:
  check_mode:
    description: Can run in C(check_mode) and says what it would change, without changing anything.
    support: full
  diff_mode:
    description: Returns what changes, or would change, in settings, names and files; never a secret.
    support: full
  async:
    description: Can be used with the C(async) keyword.
    support: partial
    details: With C(poll=0) only, since Ansible would otherwise take the host's answer unchecked.
  platform:
    description: The hosts that it manages.
    support: full
    platforms: posix
  idempotent:
    description: Run twice, the second time changes nothing.
    support: full
  action_group:
    description: Use C(group/fleetauth.twofactor.twofactor) in C(module_defaults) for all modules at once.
    support: full
    membership:
      - fleetauth.twofactor.twofactor
"""

    INFO_MODULE = r"""
options: {}
attributes:
  diff_mode:
    support: N/A
    details: It changes nothing.
"""
