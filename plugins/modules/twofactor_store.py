#!/usr/bin/python
# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: twofactor_store
short_description: Users' secrets in the store on the controller, and their sheets
version_added: 1.0.0
description:
  - Gives users secrets, renews them, refills recovery codes, writes enrolment sheets, and takes users out again. All of
    it happens on the controller; no host is touched. P(fleetauth.twofactor.secret#lookup) hands the secrets on to the
    hosts.
  - The store is one YAML file, encrypted by ansible-vault with the password that Ansible was given. Without one nothing
    is done. It is written as a whole or not at all, and a second run waits.
  - No secret is in the options, the result, the diff or any log.
  - The playbooks C(fleetauth.twofactor.enroll) and C(fleetauth.twofactor.rotate) use it.
author:
  - fleetauth.twofactor contributors (!UNKNOWN)
requirements:
  - The Python library C(qrcode) on the controller
attributes:
  check_mode:
    description: Can run in C(check_mode) and says what it would change, without changing anything.
    support: full
  diff_mode:
    description: Returns what changes.
    support: none
    details: The result names who was changed; there is nothing more to show than secrets.
  platform:
    description: The hosts that it manages.
    support: full
    platforms: posix
  idempotent:
    description: Run twice, the second time changes nothing.
    support: partial
    details: Not with O(state=refilled), O(state=printed) and O(state=exported), which do it each time.
  action_group:
    description: Use C(group/fleetauth.twofactor.twofactor) in C(module_defaults) for all modules at once.
    support: full
    membership:
      - fleetauth.twofactor.twofactor
options:
  state:
    description:
      - V(present) gives users secrets who have none, V(renewed) gives new ones once for each word in O(renewal).
      - V(refilled) gives new recovery codes, V(printed) writes the sheets again, V(absent) takes users and their sheets
        away.
      - V(exported) writes the users' entries into a store of their own, O(dest), for handing them over.
      - V(imported) takes entries in from such a file, or from a copy of the store, O(src). Nobody who is there is
        overwritten.
    type: str
    choices: [present, renewed, refilled, printed, absent, exported, imported]
    default: present
  users:
    description: The users; needed but with O(state=imported), which takes all in the file then.
    type: list
    elements: str
  store:
    description:
      - Path of the store; a relative one starts at the inventory's folder. C(twofactor_store.yml) beside the inventory
        when not given. An inventory that is a folder has it beside the folder, not inside.
    type: str
    default: ''
  scope:
    description:
      - V(fleet) gives a user one secret for all hosts, and one QR code to scan. A code that has been used on one host
        can then be used once on another while it is valid.
      - V(host) gives a user another secret, and another sheet, for each of O(hosts).
    type: str
    choices: [fleet, host]
    default: fleet
  hosts:
    description: The hosts, for the sheets and for O(scope=host).
    type: list
    elements: str
    default: []
  issuer:
    description: What the app shows as the issuer, such as the name of the fleet.
    type: str
    default: Two-factor
  account:
    description:
      - What the app shows as the account, with C(%u) for the user and C(%h) for the host. The user's name when not
        given, with O(scope=host) the host's too.
    type: str
    default: ''
  digits:
    description: Digits of a code.
    type: int
    choices: [6, 7, 8]
    default: 6
  interval:
    description: Seconds for which a code is shown.
    type: int
    choices: [30, 60]
    default: 30
  backup:
    description: Whether new users get a second device, with a secret and a sheet of its own.
    type: bool
    default: false
  recovery_count:
    description: How many recovery codes new users get, from 0 to 20.
    type: int
    default: 10
  renewal:
    description: A word for this renewal, such as V(2026-Q4). A user is renewed once under each word.
    type: str
    default: ''
  accept_until:
    description:
      - With O(state=renewed), how long the secrets before are accepted as well, that of the second device included.
        V(2026-12-31) is a day in UTC, which still counts, V(2026-12-31T18:00:00+01:00) a moment.
      - Hosts that have got the new ones end the old ones by themselves then. Not possible when digits change.
    type: str
    default: ''
  at_most:
    description: With O(state=renewed), how many users to renew in this run; V(0) for all.
    type: int
    default: 0
  sheets:
    description: Folder for the sheets, C(twofactor_sheets) beside the store when not given. Its mode becomes 0700.
    type: str
    default: ''
  formats:
    description:
      - V(html) is the sheet, a page to print or to show. V(svg), V(png) and V(txt) are its QR code alone.
    type: list
    elements: str
    choices: [html, svg, png, txt]
    default: [html]
  dest:
    description: With O(state=exported), the file to write. It must not be there yet.
    type: str
    default: ''
  src:
    description: With O(state=imported), the file to read. Any vault secret that Ansible was given may open it.
    type: str
    default: ''
seealso:
  - plugin: fleetauth.twofactor.secret
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Secrets and sheets for two users
  fleetauth.twofactor.twofactor_store:
    users: [alice, bob]
    hosts: "{{ groups.all }}"
    issuer: Example Fleet
  delegate_to: localhost
  run_once: true

- name: Renew ten users of the list, and let the old codes work until the end of the year
  fleetauth.twofactor.twofactor_store:
    state: renewed
    renewal: 2026-Q4
    accept_until: "2026-12-31"
    at_most: 10
    users: "{{ everybody }}"
  delegate_to: localhost
  run_once: true

- name: Take a user out, sheets included
  fleetauth.twofactor.twofactor_store:
    state: absent
    users: [carol]
  delegate_to: localhost
  run_once: true

- name: Bring a user back from a copy of the store; the phone goes on working
  fleetauth.twofactor.twofactor_store:
    state: imported
    src: /backup/twofactor_store.yml
    users: [carol]
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
store:
  description: Path of the store.
  returned: success
  type: str
sheets:
  description: Folder of the sheets.
  returned: success
  type: str
users:
  description:
    - Who was C(added), C(renewed), C(refilled) or C(removed), whose sheets were C(printed), and who is C(left) to be
      renewed under this word. With O(scope=host) as C(user@host).
  returned: success
  type: dict
  sample: {added: [alice], renewed: [], refilled: [], removed: [], printed: [alice], left: []}
dest:
  description: The file that was written.
  returned: when O(state=exported)
  type: str
reasons:
  description: Why it was refused, each with C(code), C(message) and C(remedy). Nothing has changed then.
  returned: failure
  type: list
  elements: dict
"""
