#!/usr/bin/python
# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: twofactor_report
short_description: A report of the whole fleet, for people and for programs
version_added: 1.0.0
description:
  - Writes what M(fleetauth.twofactor.twofactor_info) has found on many hosts as one HTML page, as JSON and as CSV, and
    says in one line how the fleet is. All of it happens on the controller; no host is touched.
  - A host that gave no answer is in the report as such, counts as not protected and is an error.
  - The page needs no network and no server, and is complete without its script, which sorts and filters.
  - There is no secret in it. It says where a fleet is weak, so files have mode 0600 and a new folder has 0700.
  - The playbook C(fleetauth.twofactor.status) uses it; its page in C(docs/status.md) says what is an error and what a
    warning.
author:
  - fleetauth.twofactor contributors (!UNKNOWN)
attributes:
  check_mode:
    description: Can run in C(check_mode) and says what it would change, without changing anything.
    support: full
    details: It then says how the fleet is and writes no file.
  diff_mode:
    description: Returns what changes.
    support: none
  platform:
    description: The hosts that it manages.
    support: full
    platforms: posix
  idempotent:
    description: Run twice, the second time changes nothing.
    support: none
    details: Each run writes what is so now.
  action_group:
    description: Use C(group/fleetauth.twofactor.twofactor) in C(module_defaults) for all modules at once.
    support: full
    membership:
      - fleetauth.twofactor.twofactor
options:
  answers:
    description:
      - For each host the registered result of M(fleetauth.twofactor.twofactor_info), also of a task that failed or did
        not reach the host.
    type: dict
    required: true
  people:
    description:
      - For each host a list of the users who should have a token there. Who has none is a warning; without it only
        users are known whom a host names.
    type: dict
    default: {}
  folder:
    description:
      - Folder for the files; a relative one starts at the inventory's folder. C(twofactor_report) beside the inventory
        when not given. One that is there keeps its mode.
    type: str
    default: ''
  formats:
    description:
      - V(html) is C(index.html), V(json) is C(report.json), V(csv) is C(hosts.csv) and C(problems.csv).
    type: list
    elements: str
    choices: [html, json, csv]
    default: [html, json, csv]
  title:
    description: Heading of the page.
    type: str
    default: Two-factor authentication
  fail_on:
    description: The least severity that makes the task fail, after the files have been written.
    type: str
    choices: [error, warning, never]
    default: error
seealso:
  - module: fleetauth.twofactor.twofactor_info
"""

EXAMPLES = r"""
- name: Read what is in effect everywhere
  fleetauth.twofactor.twofactor_info:
  register: second_factor
  ignore_unreachable: true

- name: Write the report
  fleetauth.twofactor.twofactor_report:
    answers: "{{ dict(ansible_play_hosts_all | zip(all_answers)) }}"
    folder: /srv/reports/twofactor
    fail_on: never
  vars:
    all_answers: "{{ ansible_play_hosts_all | map('extract', hostvars, 'second_factor') }}"
  run_once: true
"""

RETURN = r"""
msg:
  description: How the fleet is, in one line.
  returned: always
  type: str
  sample: 37 of 40 hosts protected, 1 off, 2 unreachable; 3 errors, 5 warnings; see /srv/reports/twofactor
worst:
  description: V(error), V(warning), or V(ok) when nothing is wrong.
  returned: when the report could be made
  type: str
problems:
  description: Number of problems by severity.
  returned: when the report could be made
  type: dict
  sample: {error: 3, warning: 5}
hosts:
  description: Number of hosts, C(all) and by status.
  returned: when the report could be made
  type: dict
  sample: {all: 40, protected: 37, partly: 0, "off": 1, unreachable: 2, not_read: 0}
files:
  description: Paths of the files written.
  returned: when the report could be made
  type: list
  elements: str
"""
