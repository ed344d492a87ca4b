# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of policy, SSH and secrets, in the same words wherever they appear.

Plain text, since that is what the documentation tools read. HOST holds the other modules' options one level down; a
unit test sees to it that the words are the same.
"""

from __future__ import annotations


class ModuleDocFragment:
    """Options shared by modules."""

    POLICY = r"""
options:

  state:
    description:
      - Whether the second factor is on. V(disabled) takes it off everywhere, SSH too, keeps all tokens and works
        whatever state the host is in. V(enabled) brings back what was declared before.
    type: str
    choices: [enabled, disabled]
  digits:
    description:
      - Digits of a code; 6 for a host where nobody has set it.
      - Cannot change while users are enrolled, unless the same call renews all of them, which
        M(fleetauth.twofactor.twofactor_host) can.
    type: int
    choices: [6, 7, 8]
  interval:
    description:
      - Seconds for which a code is shown; 30 for a host where nobody has set it. Changes as O(digits) does.
    type: int
    choices: [30, 60]
  window:
    description:
      - Steps accepted either side of the present one, from 0 to 10; 1 for a host where nobody has set it.
    type: int
  wipe_secrets:
    description:
      - Whether O(digits) and O(interval) may change although that takes every user's secret away, as it does on
        TrueNAS 23.10. It means nothing on any other system.
    type: bool
  services:
    description:
      - PAM services besides SSH that ask for a code, such as C(cockpit), C(sudo), C(su) or C(login).
      - As long as nobody has named any it is the web consoles installed. The second name of a service
        (C(sudo-i), C(su-l)) is covered with it.
    type: list
    elements: str
  unenrolled:
    description:
      - What happens to a user without a token where a code is asked for. V(allow) lets them in without one, a stage
        of a rollout that M(fleetauth.twofactor.twofactor_info) reports as a problem.
    type: str
    choices: [deny, allow]
  max_failures:
    description:
      - Wrong codes in a row after which a user is refused for a while, from 0 (no limit) to 100; 5 for a host where
        nobody has set it. Counted apart from wrong passwords.
    type: int
  unlock_after:
    description:
      - Seconds for which a user is then refused, from 1 to 86400; 60 for a host where nobody has set it.
      - With 5 invalid codes in 60 seconds an attacker who has the first factor can try 7,200 codes a day.
    type: int

  exempt_users:
    description:
      - Accounts that log in without a code, for automation. Applies to O(services), and to SSH unless that has
        its own.
    type: list
    elements: str
  exempt_groups:
    description:
      - Groups whose members log in without a code. Applies to O(services), and to SSH unless that has its own.
    type: list
    elements: str
  exempt_networks:
    description:
      - Addresses and networks from which nobody is asked for a code. Applies to O(services), and to SSH unless
        that has its own.
    type: list
    elements: str
  reason:
    description: Why the change is made, for the log of the host.
    type: str
"""

    SSH = r"""
options:

  state:
    description: Whether SSH logins are asked for a code. It acts while the second factor as a whole is on.
    type: str
    choices: [enabled, disabled]
  methods:
    description:
      - The complete ways in that are allowed; V(key_and_code) for a host where nobody has set it.
      - V(key) lets a key in alone, which goes together with V(password_and_code) only.
      - V(key_and_code) and V(password_and_code) can be had together; a user then takes the one or the other.
    type: list
    elements: str
    choices: [key_and_code, password_and_code, key]
  root_login:
    description:
      - Whether root may log in while SSH asks for a code; V(unmanaged) leaves the setting of the host.
      - Root needs V(allowed) to log in with a code where the host says C(PermitRootLogin prohibit-password),
        which is the default of sshd.
    type: str
    choices: [allowed, denied, unmanaged]

  exempt_users:
    description:
      - Accounts that log in without a code, for automation. They need their key. Those of the host's policy
        when not given.
    type: list
    elements: str
  exempt_groups:
    description:
      - Groups whose members log in without a code. They need their key. Those of the host's policy when not
        given.
    type: list
    elements: str
  exempt_networks:
    description:
      - Addresses and networks from which nobody is asked for a code. They need their key. Those of the host's
        policy when not given.
    type: list
    elements: str
  reason:
    description: Why the change is made, for the log of the host.
    type: str
"""

    SECRETS = r"""
options:

  users:
    description: The users, and their secrets.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of an account on the host.
        type: str
        required: true
      secret:
        description:
          - The secret in base32, from 16 to 32 bytes; 20 random bytes are usual.
          - Without it a user who is enrolled keeps the present one, and for others the host makes one, which takes
            O(return_secrets).
        type: str
      backup_secret:
        description:
          - The secret of a second device.
          - Without it the present one stays. A renewal ends whatever is not given anew, since a device that was
            lost must not stay good for anything.
        type: str
      recovery_secret:
        description:
          - The secret of the recovery codes, on Linux only. They are its HOTP values (RFC 4226) from counter 0 on.
          - Each works once, in order. The window of the host is how far one may lie ahead of the last one used.
          - Without it the present ones stay, but for a renewal. A new one refills them; the codes before are void.
        type: str
      recovery_count:
        description:
          - How many recovery codes there are, from 1 to 20; 10 for a user for whom nobody has said.
          - When all are used the next run sets the secret aside, since pam_oath itself knows no last code.
        type: int
      previous_secret:
        description:
          - The secret before, accepted beside the present one for as long as it is given here, so that a renewal
            leaves nobody without a working code. Only a secret that the host had goes on being accepted.
          - Leave it out when the old device was lost.
        type: str
      previous_backup_secret:
        description: The same for the secret that the second device had before.
        type: str
      previous_until:
        description:
          - When the secrets before end; the host itself sees to it. V(2026-12-31) is a day in UTC, which still
            counts, V(2026-12-31T18:00:00+01:00) a moment. Without it they end when they are not given any more.
        type: str
  state:
    description:
      - V(present) sees to it that the users have these secrets, V(absent) that they have none.
      - V(renewed) gives them new ones, once for each word in O(renewal).
      - A renewal replaces all that a user has. A second device and recovery codes end unless new ones are
        given too.
    type: str
    choices: [present, absent, renewed]
    default: present
  renewal:
    description: A word for this renewal, such as V(2026-Q4). A user is renewed once under each word.
    type: str
  exclusive:
    description: Whether users who are not named lose their tokens.
    type: bool
    default: false
  return_secrets:
    description: Whether secrets that the host makes in this run come back in the result. Use C(no_log) with it.
    type: bool
    default: false
"""

    GUARD = r"""
options:
  guard:
    description:
      - Whether to refuse a change after which nobody could show a code, or after which Ansible's own account
        would have
        no way back in. What sshd itself would not take is refused all the same.
    type: bool
    default: true
  confirm_within:
    description:
      - Seconds after which the host takes the change back by itself, unless M(fleetauth.twofactor.twofactor_change)
        confirms it over a new connection; V(0) lets it stand at once. Taking the second factor off is never pending.
    type: int
    default: 0
"""

    PACKAGES = r"""
options:
  packages:
    description:
      - What to do when packages are missing. V(require) fails. V(report) does nothing yet and returns their names.
      - V(install) installs them with M(ansible.builtin.package), and does the rest then. Only packages that this
        collection needs are ever installed, whatever the host says that it lacks.
    type: str
    choices: [require, report, install]
    default: require
"""

    HOST = r"""
options:
  policy:
    description: As in M(fleetauth.twofactor.twofactor).
    type: dict
    suboptions:

      state:
        description:
          - Whether the second factor is on. V(disabled) takes it off everywhere, SSH too, keeps all tokens and
            works
            whatever state the host is in. V(enabled) brings back what was declared before.
        type: str
        choices: [enabled, disabled]
      digits:
        description:
          - Digits of a code; 6 for a host where nobody has set it.
          - Cannot change while users are enrolled, unless the same call renews all of them, which
            M(fleetauth.twofactor.twofactor_host) can.
        type: int
        choices: [6, 7, 8]
      interval:
        description:
          - Seconds for which a code is shown; 30 for a host where nobody has set it. Changes as
            O(policy.digits) does.
        type: int
        choices: [30, 60]
      window:
        description:
          - Steps accepted either side of the present one, from 0 to 10; 1 for a host where nobody has set it.
        type: int
      wipe_secrets:
        description:
          - Whether O(policy.digits) and O(policy.interval) may change although that takes every user's secret away,
            as it does on TrueNAS 23.10. It means nothing on any other system.
        type: bool
      services:
        description:
          - PAM services besides SSH that ask for a code, such as C(cockpit), C(sudo), C(su) or C(login).
          - As long as nobody has named any it is the web consoles installed. The second name of a service
            (C(sudo-i), C(su-l)) is covered with it.
        type: list
        elements: str
      unenrolled:
        description:
          - What happens to a user without a token where a code is asked for. V(allow) lets them in without one,
            a stage
            of a rollout that M(fleetauth.twofactor.twofactor_info) reports as a problem.
        type: str
        choices: [deny, allow]
      max_failures:
        description:
          - Wrong codes in a row after which a user is refused for a while, from 0 (no limit) to 100; 5 for a
            host where
            nobody has set it. Counted apart from wrong passwords.
        type: int
      unlock_after:
        description:
          - Seconds for which a user is then refused, from 1 to 86400; 60 for a host where nobody has set it.
          - With 5 invalid codes in 60 seconds an attacker who has the first factor can try 7,200 codes a day.
        type: int

      exempt_users:
        description:
          - Accounts that log in without a code, for automation. Applies to O(policy.services), and to SSH
            unless that has its own.
        type: list
        elements: str
      exempt_groups:
        description:
          - Groups whose members log in without a code. Applies to O(policy.services), and to SSH unless that
            has its own.
        type: list
        elements: str
      exempt_networks:
        description:
          - Addresses and networks from which nobody is asked for a code. Applies to O(policy.services), and to
            SSH unless that has its own.
        type: list
        elements: str
      reason:
        description: Why the change is made, for the log of the host.
        type: str
  ssh:
    description: As in M(fleetauth.twofactor.twofactor_ssh).
    type: dict
    suboptions:

      state:
        description: Whether SSH logins are asked for a code. It acts while the second factor as a whole is on.
        type: str
        choices: [enabled, disabled]
      methods:
        description:
          - The complete ways in that are allowed; V(key_and_code) for a host where nobody has set it.
          - V(key) lets a key in alone, which goes together with V(password_and_code) only.
          - V(key_and_code) and V(password_and_code) can be had together; a user then takes the one or the other.
        type: list
        elements: str
        choices: [key_and_code, password_and_code, key]
      root_login:
        description:
          - Whether root may log in while SSH asks for a code; V(unmanaged) leaves the setting of the host.
          - Root needs V(allowed) to log in with a code where the host says C(PermitRootLogin prohibit-password),
            which is the default of sshd.
        type: str
        choices: [allowed, denied, unmanaged]

      exempt_users:
        description:
          - Accounts that log in without a code, for automation. They need their key. Those of the host's policy
            when not given.
        type: list
        elements: str
      exempt_groups:
        description:
          - Groups whose members log in without a code. They need their key. Those of the host's policy when not
            given.
        type: list
        elements: str
      exempt_networks:
        description:
          - Addresses and networks from which nobody is asked for a code. They need their key. Those of the
            host's policy when not given.
        type: list
        elements: str
      reason:
        description: Why the change is made, for the log of the host.
        type: str
  secrets:
    description: As in M(fleetauth.twofactor.twofactor_secret).
    type: dict
    suboptions:

      users:
        description: The users, and their secrets.
        type: list
        elements: dict
        suboptions:
          name:
            description: Name of an account on the host.
            type: str
            required: true
          secret:
            description:
              - The secret in base32, from 16 to 32 bytes; 20 random bytes are usual.
              - Without it a user who is enrolled keeps the present one, and for others the host makes one,
                which takes
                O(secrets.return_secrets).
            type: str
          backup_secret:
            description:
              - The secret of a second device.
              - Without it the present one stays. A renewal ends whatever is not given anew, since a device that was
                lost must not stay good for anything.
            type: str
          recovery_secret:
            description:
              - The secret of the recovery codes, on Linux only. They are its HOTP values (RFC 4226) from counter 0 on.
              - Each works once, in order. The window of the host is how far one may lie ahead of the last one used.
              - Without it the present ones stay, but for a renewal. A new one refills them; the codes before are void.
            type: str
          recovery_count:
            description:
              - How many recovery codes there are, from 1 to 20; 10 for a user for whom nobody has said.
              - When all are used the next run sets the secret aside, since pam_oath itself knows no last code.
            type: int
          previous_secret:
            description:
              - The secret before, accepted beside the present one for as long as it is given here, so that a renewal
                leaves nobody without a working code. Only a secret that the host had goes on being accepted.
              - Leave it out when the old device was lost.
            type: str
          previous_backup_secret:
            description: The same for the secret that the second device had before.
            type: str
          previous_until:
            description:
              - When the secrets before end; the host itself sees to it. V(2026-12-31) is a day in UTC, which still
                counts, V(2026-12-31T18:00:00+01:00) a moment. Without it they end when they are not given any more.
            type: str
      state:
        description:
          - V(present) sees to it that the users have these secrets, V(absent) that they have none.
          - V(renewed) gives them new ones, once for each word in O(secrets.renewal).
          - A renewal replaces all that a user has. A second device and recovery codes end unless new ones are
            given too.
        type: str
        choices: [present, absent, renewed]
        default: present
      renewal:
        description: A word for this renewal, such as V(2026-Q4). A user is renewed once under each word.
        type: str
      exclusive:
        description: Whether users who are not named lose their tokens.
        type: bool
        default: false
      return_secrets:
        description: Whether secrets that the host makes in this run come back in the result. Use C(no_log) with it.
        type: bool
        default: false
"""
