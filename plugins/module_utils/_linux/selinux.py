# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SELinux type of the folder of tokens.

Private to this collection: may change at any time. sshd and the other services write replay state there, which
the reference policy lets them do to ``var_auth_t`` (the type of pam_google_authenticator's folder too) and not to
``var_lib_t``. What is made inside a folder takes its type over.
"""

from __future__ import annotations

import contextlib
import os

_MOUNTED = "/sys/fs/selinux/enforce"
_ATTRIBUTE = "security.selinux"
_LABEL = b"system_u:object_r:var_auth_t:s0\0"


def label_for_authentication(folder: str) -> None:
    """Give a folder the type that services may write to when they authenticate; nothing where SELinux is off.

    A policy without that type refuses it, and the folder then stays as it is.
    """
    if not os.path.exists(_MOUNTED):
        return
    with contextlib.suppress(OSError):
        if os.getxattr(folder, _ATTRIBUTE).split(b":")[2:3] != [b"var_auth_t"]:
            os.setxattr(folder, _ATTRIBUTE, _LABEL)
