# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our lines in files that belong to others; that they come out as they went in is with what puts them in."""

from __future__ import annotations

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import marks, pam
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import Policy
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._linux.fakes import COMMON_AUTH

DEBIAN_FILES = {"common-auth": COMMON_AUTH}


@pytest.mark.parametrize(
    ("line", "is_ours"),
    [
        ("auth substack twofactor\n", True),
        ("auth   substack\ttwofactor # rewritten by somebody's editor\r\n", True),
        ("  auth substack twofactor\n", True),
        ("auth substack twofactor2\n", False),
        ("#auth substack twofactor\n", False),
        ("account substack twofactor\n", False),
    ],
)
def test_our_line_is_found_when_somebody_has_changed_its_blanks(line: str, is_ours: bool) -> None:
    content = "@include common-auth\n" + line

    assert (marks.without_pam_include(content) == "@include common-auth\n") is is_ours


@pytest.mark.parametrize(
    "line",
    [
        "auth required pam_permit.so twofactor",
        "auth [success=done default=die]\tpam_permit.so  twofactor\r",
        "auth required pam_faillock.so preauth dir=/var/lib/twofactor/failures",
        "auth [success=5 default=ignore] pam_succeed_if.so quiet user in alice # fleetauth.twofactor",
        "auth [success=ignore default=5] pam_exec.so quiet /bin/sh -c [exit 1] twofactor",
    ],
)
def test_each_line_of_the_stack_is_known_as_ours(line: str) -> None:
    assert marks.without_pam_include(f"{line}\n@include common-auth\n{line}\n") == "@include common-auth\n"


@pytest.mark.parametrize(
    "line",
    [
        "auth required pam_succeed_if.so quiet user != twofactor",
        "auth optional pam_exec.so /usr/local/sbin/twofactor",
        "auth optional pam_exec.so /opt/twofactor/notify twofactor",
        "account required pam_permit.so twofactor",
    ],
)
def test_line_of_an_administrator_who_uses_our_name_stays(line: str) -> None:
    assert marks.without_pam_include(line + "\n") == line + "\n"


@pytest.mark.parametrize("content", ["", "@include common-auth\n", marks.PAM_INCLUDE])
def test_no_password_alone_where_no_code_follows_one(content: str) -> None:
    assert marks.with_password_alone(content, of_root=True) == content


def test_only_our_own_line_of_sshd_goes() -> None:
    other = "Include /etc/ssh/sshd_config.d/00-twofactor.conf\n"

    assert marks.without_sshd_include(marks.SSHD_INCLUDE + other) == other


@pytest.mark.parametrize("of_root", [True, False])
def test_file_in_between_needs_no_more_room(of_root: bool) -> None:
    content = "# PAM for SSH\n@include common-auth\naccount required pam_nologin.so\n"
    asking = pam.with_ssh_stack(content, Policy(), (), DEBIAN_FILES.get)
    between = marks.with_password_alone(asking, of_root=of_root)

    assert len(between) < len(asking)
    assert marks.without_pam_include(between) == content
