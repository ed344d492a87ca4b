# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are on a Linux host. Private to this collection: may change at any time."""

from __future__ import annotations

PAM_FOLDER = "/etc/pam.d"
PAM_POLICY = "/etc/pam.d/twofactor"
SSHD_CONFIG = "/etc/ssh/sshd_config"
SSHD_DROPIN = "/etc/ssh/sshd_config.d/00-twofactor.conf"
SSHD_ROOT_DROPIN = "/etc/ssh/sshd_config.d/01-twofactor-root.conf"
POLICY = "/etc/twofactor/policy.json"
EXEMPT_NETWORKS = "/etc/twofactor/exempt_networks"
STATE_FOLDER = "/var/lib/twofactor"
TOKENS = "/var/lib/twofactor/tokens"
USERS = "/var/lib/twofactor/users.json"
ENROLLED = "/var/lib/twofactor/enrolled"
FAILURES = "/var/lib/twofactor/failures"
JOURNAL = "/var/lib/twofactor/journal"
ORIGINALS = "/var/lib/twofactor/journal/originals.json"
PENDING = "/var/lib/twofactor/journal/pending.json"
REVERTED = "/var/lib/twofactor/journal/reverted.json"
DISABLING = "/var/lib/twofactor/journal/disabling.json"
BYPASS = "/var/lib/twofactor/bypass.json"

COMMAND = "/usr/local/sbin/twofactor"
BOOT_UNIT = "/etc/systemd/system/twofactor-boot.service"
BOOT_WANTED = "/etc/systemd/system/multi-user.target.d/twofactor.conf"
LOCK = "/run/twofactor.lock"
"""Not in /run/lock, where everybody may write and hold a lock on it."""


def token_file(user: str) -> str:
    """Return the path of the token file of ``user``."""
    return f"{TOKENS}/{user}.oath"


def service_file(service: str) -> str:
    """Return the path of the PAM service file of ``service``."""
    return f"{PAM_FOLDER}/{service}"
