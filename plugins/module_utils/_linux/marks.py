# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What marks our lines in files that belong to others, and how those files are without them.

Pure code. Private to this collection: may change at any time. All that the emergency needs to know of PAM and sshd.
"""

from __future__ import annotations

import re

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import paths
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.lines import split_lines

PAM_MARK = "# fleetauth.twofactor"
"""Ends each of our lines in a service file."""
PAM_INCLUDE = f"auth\tinclude\ttwofactor\t{PAM_MARK}\nauth\trequired\tpam_deny.so twofactor\t{PAM_MARK}\n"
"""The policy's last line jumps over the refusal, so that a policy that is cut short or empty refuses (pam.d(5))."""

SSHD_INCLUDE = f"Include {paths.SSHD_DROPIN} # fleetauth.twofactor\n"
"""Put on top of an sshd_config that would otherwise read something else before the drop-in."""
_OURS = re.compile(
    r"\s*auth\s+(?:(?:include|substack)\s+twofactor(?:\s|$)"
    r"|.*(?:/var/lib/twofactor/|(?:\]|pam_permit\.so|pam_deny\.so)\s+twofactor(?:\s|$)|#\s*fleetauth\.twofactor))"
)
"""Our lines are known without their comment, too: pam_permit and pam_deny ignore the word that they are given."""
_KEY_IS_ENOUGH = "auth [success=done "
"""Begins the last of our lines before the password; those after it ask for the code that follows a password."""


def _is_ours(line: str) -> bool:
    """Tell whether a line is ours, also when somebody has changed its blanks or taken its comment away."""
    return bool(_OURS.match(line))


def without_pam_include(content: str) -> str:
    """Return a service file as it was before this collection touched it, byte for byte."""
    lines = split_lines(content)
    kept = [line for line in lines if not _is_ours(line)]
    if kept and _is_ours(lines[-1]) and not lines[-1].endswith("\n"):
        kept[-1] = kept[-1].removesuffix("\n")  # the file ended there, without a newline
    return "".join(kept)


def with_password_alone(content: str, *, of_root: bool) -> str:
    """Return sshd's service file such that a password is enough, for the moment in which sshd changes.

    Of root it is enough with ``of_root`` only. After a key the code is asked for as before. It is no longer than
    ``content``, so that it fits on a full disk: failures are not forgotten after a valid code for that moment.
    """
    lines = split_lines(content)
    ours = [number for number, line in enumerate(lines) if _is_ours(line)]
    ends = [number for number in ours if lines[number].startswith(_KEY_IS_ENOUGH)]
    after = [number for number in ours if ends and number > ends[0]]
    if not after:
        return content
    kept = [lines[number] for number in after if " authsucc " not in lines[number]]
    module = "pam_permit.so twofactor" if of_root else "pam_succeed_if.so quiet uid ne 0"
    skip = f"auth [success={len(kept) - 1} default=ignore] {module} {PAM_MARK}\n"
    return "".join([*lines[: after[0]], skip, *kept, *lines[after[-1] + 1 :]])


def without_sshd_include(main: str) -> str:
    """Return an sshd_config as it was before this collection touched it, byte for byte."""
    return "".join(line for line in split_lines(main) if line != SSHD_INCLUDE)
