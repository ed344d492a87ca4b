# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PAM service files in the shape that the RHEL family has them, since no such host was at hand to run on."""

from __future__ import annotations

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    marks,
    pam,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import Policy
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._linux.fakes import (
    Known,
    Login,
    every_having,
    pam_lets_in,
)

STACK = """\
auth        required                                     pam_env.so
auth        required                                     pam_faildelay.so delay=2000000
auth        sufficient                                   pam_unix.so nullok
auth        required                                     pam_deny.so
account     required                                     pam_unix.so
"""
FILES = {
    "password-auth": STACK,
    "system-auth": STACK,
    "postlogin": "session optional pam_umask.so silent\n",
}
SSHD = """\
#%PAM-1.0
auth       substack     password-auth
auth       include      postlogin
account    required     pam_sepermit.so
account    include      password-auth
session    required     pam_selinux.so close
"""
COCKPIT = """\
#%PAM-1.0
# this MUST be first in the "auth" stack
auth       required     pam_sepermit.so
auth       substack     password-auth
auth       include      postlogin
auth       optional     pam_ssh_add.so
account    required     pam_nologin.so
"""
SU = """\
#%PAM-1.0
auth            required        pam_env.so
auth            sufficient      pam_rootok.so
auth            substack        system-auth
auth            include         postlogin
"""
SUDO = """\
#%PAM-1.0
auth       include      system-auth
account    include      system-auth
"""


@pytest.mark.parametrize(("service", "content"), [("cockpit", COCKPIT), ("su", SU)])
def test_code_comes_right_after_the_password(service: str, content: str) -> None:
    changed = pam.with_include(content, service, FILES.get)
    lines = changed.splitlines()
    primary = next(number for number, line in enumerate(lines) if "substack" in line and "-auth" in line)

    assert pam.is_included(lines[primary + 1])
    assert marks.without_pam_include(changed) == content
    assert pam.with_include(changed, service, FILES.get) == changed


@pytest.mark.parametrize("has", every_having())
def test_ssh_asks_for_key_or_password_and_code(has: Known) -> None:
    changed = pam.with_ssh_stack(SSHD, Policy(), (), FILES.get)
    texts = {f"/etc/pam.d/{name}": text for name, text in FILES.items()}
    texts |= {"/etc/pam.d/sshd": changed, "/var/lib/twofactor/tokens/alice.oath": ""}

    assert marks.without_pam_include(changed) == SSHD
    assert pam_lets_in(texts, Login("sshd", has=has)) == ("code" in has and len(has) > 1)


def test_sudo_ends_at_the_right_password_there_and_is_refused() -> None:
    with pytest.raises(TwofactorError, match=r"can succeed at 'pam_unix\.so'"):
        pam.with_include(SUDO, "sudo", FILES.get)
