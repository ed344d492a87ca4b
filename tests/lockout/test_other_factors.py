# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that ask for another second factor already, or cannot ask for one at all."""

from __future__ import annotations

import pytest

from tests.lockout.points import refused, wanted
from tests.login.fleet import Host, Token

pytestmark = pytest.mark.starting_point


@pytest.mark.parametrize(
    ("file", "line", "word"),
    [
        pytest.param("sshd", "auth required pam_u2f.so cue", "pam_u2f.so", id="U2F"),
        pytest.param(
            "common-auth", "auth required pam_radius_auth.so", "pam_radius_auth.so", id="an included file"
        ),
        pytest.param(
            "sshd",
            "auth required pam_python.so /lib/security/privacyidea_pam.py",
            "privacyidea",
            id="a script",
        ),
    ],
)
def test_the_service_asks_for_another_factor(host: Host, file: str, line: str, word: str) -> None:
    host.shell(f"echo '{line}' >> /etc/pam.d/{file}")
    result = refused(host, "other_code_module", **wanted(Token()))
    assert word in result["msg"]


def test_the_directory_prompts_for_two_factors(host: Host) -> None:
    host.shell("mkdir -p /etc/sssd/conf.d; echo '[prompting/2fa]' > /etc/sssd/conf.d/prompts.conf")
    host.shell("echo 'auth optional pam_sss.so' >> /etc/pam.d/common-auth")
    result = refused(host, "other_code_module", **wanted(Token()))
    assert "pam_sss.so" in result["msg"]


@pytest.mark.parametrize("guard", [True, False])
def test_a_service_that_cannot_ask(host: Host, guard: bool) -> None:
    """Its program answers the question for the code with the password, so everybody would be shut out."""
    host.shell("cp /etc/pam.d/sudo /etc/pam.d/proxmox-ve-auth")
    options = wanted(Token(), services=["proxmox-ve-auth"])
    result = refused(host, "service_cannot_ask", **options, guard=guard)
    assert "'proxmox-ve-auth'" in result["msg"]
