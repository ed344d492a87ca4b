# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What marks our lines in files that belong to others, and how those files are without them.

Pure code. Private to this collection: may change at any time. All that the emergency needs to know of PAM and sshd.
"""

from __future__ import annotations

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import paths
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.lines import split_lines

PAM_INCLUDE = "auth\tsubstack\ttwofactor\t# fleetauth.twofactor\n"
"""A substack: what it decides cannot end the service's own stack early (pam.d(5))."""
SET_ASIDE = "#twofactor# "
"""Stands before a primary authentication line that is set aside while a key replaces the password."""

SSHD_INCLUDE = f"Include {paths.SSHD_DROPIN} # fleetauth.twofactor\n"
"""Put on top of an sshd_config that would otherwise read something else before the drop-in."""
KEY_ONLY = "UsePAM yes\nMatch all\n    AuthenticationMethods publickey\n    PasswordAuthentication no\n"
"""Stands for a moment on the way back. Shorter than any drop-in it replaces, so that it fits on a full disk."""


def skips_password(content: str) -> bool:
    """Tell whether the primary authentication has been set aside by this collection."""
    return any(_is_set_aside(line) for line in content.split("\n"))


def _is_set_aside(line: str) -> bool:
    """Tell whether a line has been set aside by this collection, which does that to no line of its own."""
    rest = line[len(SET_ASIDE) :]
    return line.startswith(SET_ASIDE) and not rest.startswith(SET_ASIDE) and not _is_ours(rest)


def _is_ours(line: str) -> bool:
    """Tell whether a line is our include, also when somebody has changed its blanks or its comment."""
    return line.split()[:3] == PAM_INCLUDE.split()[:3]


def without_pam_include(content: str) -> str:
    """Return a service file as it was before this collection touched it, byte for byte."""
    if content.endswith("\n" + PAM_INCLUDE.rstrip("\n")):
        content = content[: -len(PAM_INCLUDE)]
    kept = [line for line in split_lines(content) if not _is_ours(line)]
    return "".join(line[len(SET_ASIDE) :] if _is_set_aside(line) else line for line in kept)


def without_sshd_include(main: str) -> str:
    """Return an sshd_config as it was before this collection touched it, byte for byte."""
    return "".join(line for line in split_lines(main) if line != SSHD_INCLUDE)
