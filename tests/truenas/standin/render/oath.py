# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/etc/users.oath and the PAM files that ask for a code."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..totp import hex_of

USERS_OATH = "/etc/users.oath"


@dataclass(frozen=True)
class Token:
    """One line of users.oath."""

    user: str
    secret: str
    digits: int
    interval: int


def users_oath(tokens: Iterable[Token]) -> str:
    """Return the file for pam_oath. It has no state: writing it anew makes used codes valid again."""
    return "".join(
        f"HOTP/T{token.interval}/{token.digits}\t{token.user}\t-\t{hex_of(token.secret)}\n"
        for token in tokens
    )


_SSHD = """\
# PAM configuration for the Secure Shell service

@include common-auth
{code}account    required     pam_nologin.so
@include common-account
session [success=ok ignore=ignore module_unknown=ignore default=bad]        pam_selinux.so close
session    required     pam_loginuid.so
session    optional     pam_keyinit.so force revoke
@include common-session
session    required     pam_limits.so
session    required     pam_env.so
session [success=ok ignore=ignore module_unknown=ignore default=bad]        pam_selinux.so open
@include common-password
"""


def pam_sshd(code: bool, window: int) -> str:
    """Return /etc/pam.d/sshd."""
    line = f"auth required pam_oath.so usersfile={USERS_OATH} window={window}\n"
    return _SSHD.format(code=line if code else "")


def pam_web(code: bool, window: int) -> str:
    """Return /etc/pam.d/truenas, which the web interface and the API ask (26.0 and later)."""
    control = "[success=ok user_unknown=ignore default=die]"
    line = f"auth {control} pam_oath.so usersfile={USERS_OATH} window={window}\n"
    return f"# PAM configuration for the API\n\n@include common-auth\n{line if code else ''}@include common-account\n"
