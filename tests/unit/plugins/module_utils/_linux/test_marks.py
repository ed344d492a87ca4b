# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our lines in files that belong to others; that they come out as they went in is with what puts them in."""

from __future__ import annotations

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import marks


@pytest.mark.parametrize(
    ("line", "is_ours"),
    [
        ("auth substack twofactor\n", True),
        ("auth   substack\ttwofactor # rewritten by somebody's editor\r\n", True),
        ("  auth substack twofactor", True),
        ("auth substack twofactor2\n", False),
        ("#auth substack twofactor\n", False),
        ("account substack twofactor\n", False),
    ],
)
def test_our_line_is_found_when_somebody_has_changed_its_blanks(line: str, is_ours: bool) -> None:
    content = "@include common-auth\n" + line

    assert (marks.without_pam_include(content) == "@include common-auth\n") is is_ours


def test_a_line_set_aside_comes_back() -> None:
    aside = "#twofactor# @include common-auth\nauth\tsubstack\ttwofactor\t# fleetauth.twofactor\n"

    assert marks.skips_password(aside)
    assert marks.without_pam_include(aside) == "@include common-auth\n"
    assert not marks.skips_password("# twofactor: @include common-auth\n")


def test_only_our_own_line_of_sshd_goes() -> None:
    other = "Include /etc/ssh/sshd_config.d/00-twofactor.conf\n"

    assert marks.without_sshd_include(marks.SSHD_INCLUDE + other) == other
