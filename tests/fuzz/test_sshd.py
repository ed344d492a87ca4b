# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sshd's configuration: our Include put in and taken out again, and a copy staged for a check."""

from __future__ import annotations

import pytest
from hypothesis import given

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    lines,
    marks,
    paths,
    sshd,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import Exempt, SshPolicy
from tests.fuzz import shapes
from tests.fuzz.shapes import Counter

FOLDER = "/etc/ssh/sshd_config.d"


@pytest.mark.weight(3)
@given(text=shapes.SSHD_FILES, names=shapes.DROPIN_NAMES)
def test_an_sshd_config_round_trip(counter: Counter, text: str, names: list[str]) -> None:
    clean = marks.without_sshd_include(text)
    if marks.SSHD_INCLUDE not in text:
        assert clean == text
    result = sshd.with_include(text)
    assert marks.without_sshd_include(result) == clean
    assert sshd.with_include(result) == result
    assert result.endswith(clean)
    assert sshd.reads_dropin_first(result, [f"{FOLDER}/{name}" for name in names])
    counter()


@pytest.mark.weight(2)
@given(text=shapes.SSHD_FILES, names=shapes.DROPIN_NAMES)
def test_a_staged_copy_loses_nothing(counter: Counter, text: str, names: list[str]) -> None:
    there = [f"{FOLDER}/{name}" for name in names]
    sshd.reads_dropin_first(text, there)
    for staged in (None, "/run/x/dropin.conf"):
        copy = sshd.staged_main(
            text, {paths.SSHD_DROPIN: staged}, lambda pattern: there if pattern.endswith("*.conf") else []
        )
        left = iter(lines.split_lines(copy))
        for line in lines.split_lines(text):
            if "nclude" not in line:
                assert line in left, f"{line!r} is lost"
        assert f"Include {paths.SSHD_DROPIN}\n" not in copy
    counter()


@given(
    text=shapes.SSHD_FILES, users=shapes.EXEMPT_NAMES, groups=shapes.EXEMPT_NAMES, networks=shapes.NETWORKS
)
def test_what_sshd_says_can_be_read(
    counter: Counter, text: str, users: tuple[str, ...], groups: tuple[str, ...], networks: tuple[str, ...]
) -> None:
    effective = sshd.parse_effective(text)
    for exempt in (True, False):
        sshd.differences(effective, sshd.expected(SshPolicy(), is_exempt=exempt))
    sshd.methods_of(effective.get("authenticationmethods", ""))
    dropin = sshd.render_dropin(SshPolicy(), Exempt(users, groups, networks))
    assert dropin.count("Match ") == 1 + bool(users) + bool(groups) + bool(networks)
    counter()
