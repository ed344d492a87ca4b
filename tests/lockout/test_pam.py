# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PAM set against it: modules that are missing or broken, service files of another shape."""

from __future__ import annotations

import pytest

from tests.lockout.points import carried_out, refused, wanted
from tests.login.fleet import Host, Token

pytestmark = pytest.mark.starting_point


@pytest.fixture
def module(host: Host) -> str:
    """The path of pam_oath, of which root has a copy."""
    path = host.shell("find /lib/ /usr/lib/ -name pam_oath.so | head -n 1").strip()
    host.shell(f"cp -p {path} /root/pam_oath.so")
    return path


def test_pam_oath_is_missing(host: Host, module: str) -> None:
    host.shell(f"rm {module}")
    result = refused(host, "pam_module_missing", **wanted(Token()))
    assert "libpam-oath" in result["msg"]


def test_pam_oath_cannot_be_loaded(host: Host, module: str) -> None:
    host.shell(f"head -c 4096 /root/pam_oath.so > {module}")
    refused(host, "pam_shuts_out", **wanted(Token()))


def test_pam_oath_says_yes_to_everything(host: Host, module: str) -> None:
    host.shell(f"cp $(dirname {module})/pam_permit.so {module}")
    refused(host, "pam_does_not_protect", **wanted(Token()))


def test_pam_faillock_cannot_be_loaded(host: Host, module: str) -> None:
    faillock = f"$(dirname {module})/pam_faillock.so"
    host.shell(f": > {faillock}")
    refused(host, "pam_shuts_out", **wanted(Token()))
    # Without a limit failures are counted all the same, for the report.
    refused(host, "pam_shuts_out", **wanted(Token(), max_failures=0))


@pytest.mark.parametrize(
    ("command", "word"),
    [
        pytest.param("sed -i '/common-auth/d' /etc/pam.d/sshd", "no line that checks a password", id="no auth line"),
        pytest.param(": > /etc/pam.d/sshd", "no line that checks a password", id="empty"),
        pytest.param(
            "sed -i 's/^@include common-auth/auth sufficient pam_unix.so/' /etc/pam.d/sshd",
            "pam_unix.so",
            id="sufficient",
        ),
        pytest.param(
            "sed -i '1i auth sufficient pam_faillock.so authsucc' /etc/pam.d/common-auth", "common-auth", id="early end"
        ),
        pytest.param(
            "sed -i '1i auth include nothing-there' /etc/pam.d/sshd", "nothing-there", id="include that is missing"
        ),
        pytest.param(
            "sed -i 's/^@include common-auth/auth [success=2 default=ignore] pam_unix.so/' /etc/pam.d/sshd",
            "pam_unix.so",
            id="a jump over the code",
        ),
        pytest.param(
            "sed -i 's/pam_unix/pam_permit/' /etc/pam.d/common-auth", "without a password", id="no password"
        ),
    ],
)  # fmt: skip
def test_a_service_file_that_cannot_be_edited_safely(host: Host, command: str, word: str) -> None:
    host.shell(command)
    result = refused(host, "pam_service_unsafe", **wanted(Token()))
    assert word in result["msg"]


def test_another_service_with_no_auth_line(host: Host) -> None:
    host.shell("sed -i '/common-auth/d' /etc/pam.d/sudo")
    result = refused(host, "pam_service_unsafe", **wanted(Token(), services=["sudo"]))
    assert "/etc/pam.d/sudo" in result["msg"]


@pytest.mark.parametrize("other", ["pam_google_authenticator.so", "pam_oath.so", "pam_duo.so"])
def test_the_service_asks_for_another_code_already(host: Host, other: str) -> None:
    host.shell(f"echo 'auth optional {other} usersfile=/etc/users.oath' >> /etc/pam.d/sshd")
    result = refused(host, "other_code_module", **wanted(Token()))
    assert other in result["msg"]
    assert "sshd" in result["msg"]


def test_a_service_that_is_not_installed(host: Host) -> None:
    refused(host, "service_missing", **wanted(Token(), services=["gdm-password"]))


def test_ssh_among_the_services(host: Host) -> None:
    refused(host, "service_is_ssh", **wanted(Token(), services=["sshd"]))


def test_a_file_without_a_newline_at_its_end(host: Host) -> None:
    host.shell("head -c -1 /etc/pam.d/sshd > /root/sshd; cat /root/sshd > /etc/pam.d/sshd")
    carried_out(host, Token())


def test_the_policy_file_is_somebody_else_s(host: Host) -> None:
    host.shell("echo 'auth required pam_permit.so' > /etc/pam.d/twofactor")
    carried_out(host, Token())
