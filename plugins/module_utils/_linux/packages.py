# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages a host lacks, and what its distribution calls them.

Private to this collection: may change at any time.
"""

from __future__ import annotations

import glob
import re

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.files import read_text
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import find_program

_PAM_FOLDERS = (
    "/lib/security",
    "/lib64/security",
    "/usr/lib/security",
    "/usr/lib64/security",
    "/lib/*/security",
    "/usr/lib/*/security",
)
_NAMES = {
    "debian": {"pam_oath": "libpam-oath", "chrony": "chrony", "sshd": "openssh-server"},
    "rhel": {"pam_oath": "pam_oath", "chrony": "chrony", "sshd": "openssh-server"},
    "suse": {"pam_oath": "pam_oath", "chrony": "chrony", "sshd": "openssh"},
    "arch": {"pam_oath": "oath-toolkit", "chrony": "chrony", "sshd": "openssh"},
}


def has_pam_module(name: str) -> bool:
    """Tell whether a PAM module such as ``pam_oath`` is installed."""
    return any(glob.glob(f"{folder}/{name}.so") for folder in _PAM_FOLDERS)


def _is_there(what: str) -> bool:
    if what == "pam_oath":
        return has_pam_module("pam_oath")
    return find_program({"chrony": "chronyd", "sshd": "sshd"}[what]) is not None


def missing(*wanted: str) -> list[str]:
    """Return the distribution's package names for those of pam_oath, chrony and sshd that are missing."""
    lacking = [what for what in wanted if not _is_there(what)]
    if not lacking:
        return []
    names = _NAMES[family(read_text("/etc/os-release") or "")]
    return [names[what] for what in lacking]


def known_names() -> set[str]:
    """Return the names of all packages that any distribution could lack."""
    return {name for names in _NAMES.values() for name in names.values()}


def family(os_release: str) -> str:
    """Return the family of distributions that an os-release(5) text names; debian when unknown."""
    pairs = dict(line.partition("=")[::2] for line in os_release.split("\n"))
    words = f"{pairs.get('ID', '')} {pairs.get('ID_LIKE', '')}".lower()
    known = {"fedora": "rhel", "centos": "rhel", "opensuse": "suse", "sles": "suse"}
    named = [known.get(word, word) for word in re.split(r"[\s'\"]+", words)]
    return next((name for name in named if name in _NAMES), "debian")
