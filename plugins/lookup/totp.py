# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: totp
short_description: A current code of a user from the store
version_added: 1.0.0
author:
  - fleetauth.twofactor contributors (@fleetauth)
description:
  - Returns a code that the host has not been shown yet. Where the code of the present step has been handed out for that
    user of that host already, it waits for the next step, since hosts accept each code once.
  - With it Ansible's own account can log in with key and code instead of being exempt. C(docs/ansible-login.md) has the
    lines for the inventory, and what it costs. Whoever has the key, the store and its password on one machine
    has both factors.
options:
  _terms:
    description: The user. The one that Ansible logs in as when not given.
    type: list
    elements: str
  for_connection:
    description:
      - Whether the code is for Ansible's own connection. Where one is open, by C(ControlPersist), none is asked for;
        then the store is left closed, and what comes back is no code. The same where the store has no secret of the
        user yet.
      - A code that a task did not need, since it made no connection, is handed to the next.
    type: bool
    default: false
  store:
    description: Path of the store, as O(fleetauth.twofactor.twofactor_store#module:store).
    type: str
    default: ''
    vars:
      - name: twofactor_store
  spent:
    description: Folder that remembers the number of the last step handed out for each user of each host.
    type: str
    default: ~/.ansible/twofactor_spent
    vars:
      - name: twofactor_spent
  host:
    description: Address of the host, as for Ansible's connection.
    type: str
    vars:
      - name: inventory_hostname
      - name: ansible_host
      - name: ansible_ssh_host
  port:
    description: Port of the host, as for Ansible's connection.
    type: int
    ini:
      - section: defaults
        key: remote_port
    env:
      - name: ANSIBLE_REMOTE_PORT
    vars:
      - name: ansible_port
      - name: ansible_ssh_port
  remote_user:
    description: Account that Ansible logs in as. The keyword of a play or task is not seen here.
    type: str
    ini:
      - section: defaults
        key: remote_user
    env:
      - name: ANSIBLE_REMOTE_USER
    vars:
      - name: ansible_user
      - name: ansible_ssh_user
    cli:
      - name: user
  control_path:
    description: As for Ansible's connection.
    type: str
    default: ''
    ini:
      - section: ssh_connection
        key: control_path
    env:
      - name: ANSIBLE_SSH_CONTROL_PATH
    vars:
      - name: ansible_control_path
  control_path_dir:
    description: As for Ansible's connection.
    type: str
    default: ~/.ansible/cp
    ini:
      - section: ssh_connection
        key: control_path_dir
    env:
      - name: ANSIBLE_SSH_CONTROL_PATH_DIR
    vars:
      - name: ansible_control_path_dir
seealso:
  - plugin: fleetauth.twofactor.secret
    plugin_type: lookup
  - module: fleetauth.twofactor.twofactor_verify
"""

EXAMPLES = r"""
# inventory/group_vars/all/ansible.yml: Ansible's own account logs in with its key and a code
ansible_user: ansible
ansible_password: "{{ lookup('fleetauth.twofactor.totp', for_connection=true) }}"
ansible_sshpass_prompt: One-time
ansible_ssh_args: >-
  -C -o ControlMaster=auto -o ControlPersist=10m -o PreferredAuthentications=publickey,keyboard-interactive
"""

RETURN = r"""
_list:
  description: The code.
  type: list
  elements: str
"""

import os
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.fleetauth.twofactor.plugins.module_utils import _otp
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._book import Entry
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._control_path import control_path, is_open
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._lookup import plain_option
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._spent import Spent
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._store import Store, path_of
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._vault import Vault

NO_CODE = "none is needed"
"""Not empty, since Ansible would tell ssh then to answer no questions."""


class LookupModule(LookupBase):
    """Makes codes."""

    def run(self, terms: list[Any], variables: Any = None, **kwargs: Any) -> list[str]:
        """Return one code."""
        self.set_options(var_options=variables, direct=kwargs)
        try:
            user = str(terms[0]) if terms else plain_option(self, "remote_user")
            if not user or len(terms) > 1:
                raise TwofactorError("no_user", "There is no one user to make a code for.", "Name one.")
            make = self._for_connection if self.get_option("for_connection") else self._for_task
            return [make(user, variables or {})]
        except TwofactorError as error:
            raise AnsibleLookupError(str(error)) from None
        except OSError as error:
            raise AnsibleLookupError(f"No code can be made: {error.strerror}, {error.filename}.") from None

    def _for_task(self, user: str, variables: dict[str, Any]) -> str:
        entry = self._entry(user, variables)
        if entry is None:
            raise TwofactorError(
                "not_in_store",
                f"The store has no secret of '{user}' for '{variables.get('inventory_hostname')}'.",
                "Run fleetauth.twofactor.enroll, or check the name.",
            )
        return _code(entry, user, self._spent(user).take(entry.interval))

    def _for_connection(self, user: str, variables: dict[str, Any]) -> str:
        """Return a code, or NO_CODE where none is asked for: a connection is open, or the user is not enrolled yet."""
        socket = self._socket()
        spent = self._spent(user, socket)
        if is_open(socket):
            spent.note_use()
            return NO_CODE
        entry = self._entry(user, variables)
        if entry is None:
            return NO_CODE
        step = spent.offer(entry.interval, lambda: is_open(socket))
        return NO_CODE if step is None else _code(entry, user, step)

    def _socket(self) -> str:
        """Return where Ansible keeps its connection to the host."""
        port = plain_option(self, "port")
        return control_path(
            plain_option(self, "control_path"),
            plain_option(self, "control_path_dir"),
            plain_option(self, "host"),
            int(port) if port else None,
            plain_option(self, "remote_user") or None,
        )

    def _spent(self, user: str, socket: str = "") -> Spent:
        return Spent(
            os.path.expanduser(plain_option(self, "spent")), f"{user}@{plain_option(self, 'host')}", socket
        )

    def _entry(self, user: str, variables: dict[str, Any]) -> Entry | None:
        store = Store(path_of(plain_option(self, "store"), variables), Vault.of(self._loader))
        return store.read().of(str(variables.get("inventory_hostname", "")), user)


def _code(entry: Entry, user: str, step: int) -> str:
    return _otp.hotp(_otp.seed_from_base32(entry.secret, user), step, entry.digits)
