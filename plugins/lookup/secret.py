# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: secret
short_description: Users' secrets from the store
version_added: 1.0.0
author:
  - fleetauth.twofactor contributors (@fleetauth)
description:
  - Reads the store that M(fleetauth.twofactor.twofactor_store) writes, with the vault password that Ansible was given,
    and returns users as M(fleetauth.twofactor.twofactor_secret) and the role's C(twofactor_users) take them.
  - Each call opens the store anew. Where the variable is not used nothing is opened, so that an emergency needs no
    vault password.
options:
  _terms:
    description: Names of users. Without any, everybody who has an entry for the host.
    type: list
    elements: str
  store:
    description: Path of the store, as O(fleetauth.twofactor.twofactor_store#module:store).
    type: str
    default: ''
    vars:
      - name: twofactor_store
  host:
    description: The host, for entries that are for one host only. The host of the task when not given.
    type: str
seealso:
  - module: fleetauth.twofactor.twofactor_store
"""

EXAMPLES = r"""
# group_vars/all/twofactor.yml: everybody in the store
twofactor_users: "{{ query('fleetauth.twofactor.secret') }}"

# or some of them
twofactor_some_users: "{{ query('fleetauth.twofactor.secret', 'alice', 'bob') }}"
"""

RETURN = r"""
_list:
  description:
    - A mapping for each user, with C(name), C(secret) and, where there is one, C(backup_secret), C(recovery_secret)
      with C(recovery_count), and until their end C(previous_secret), C(previous_backup_secret) and
      C(previous_until).
  type: list
  elements: dict
"""

import time
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._lookup import plain_option
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._store import Store, path_of
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._vault import Vault


class LookupModule(LookupBase):
    """Reads the store."""

    def run(self, terms: list[Any], variables: Any = None, **kwargs: Any) -> list[dict[str, Any]]:
        """Return the users named, or all."""
        self.set_options(var_options=variables, direct=kwargs)
        variables = variables or {}
        try:
            store = Store(path_of(plain_option(self, "store"), variables), Vault.of(self._loader))
            book = store.read()
            host = plain_option(self, "host") or variables.get("inventory_hostname", "")
            names = [str(term) for term in terms] or book.users_of(host)
            now = time.time()
            entries = {name: book.of(host, name) for name in names}
            missing = [name for name, entry in entries.items() if entry is None]
            if missing:
                raise TwofactorError(
                    "not_in_store",
                    f"{store.path} has no secret of '{missing[0]}' for '{host}'.",
                    "Run fleetauth.twofactor.enroll, or check the name.",
                )
            return [entry.for_hosts(name, now) for name, entry in entries.items() if entry is not None]
        except TwofactorError as error:
            raise AnsibleLookupError(str(error)) from None
        except OSError as error:
            raise AnsibleLookupError(f"The store cannot be read: {error.strerror}.") from None
