# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users who are guessed at, from pam_faillock's own files."""

from __future__ import annotations

import struct

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import guessing, paths
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import Policy
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._linux.fakes import FakeHost

NOW = 1_800_000_000


def tally(*ago: int, valid: bool = True) -> bytes:
    """Return a file as pam_faillock writes it, with failures so many seconds ago."""
    return b"".join(struct.pack("=52sHHQ", b"\xff203.0.113.5", 0, int(valid), NOW - one) for one in ago)


def problems(data: bytes, policy: Policy) -> list[str]:
    host = FakeHost()
    host.texts[f"{paths.FAILURES}/alice"] = data.decode("utf-8", "surrogateescape")
    return [problem.message for problem in guessing.problems(host, policy, NOW)]


@pytest.mark.parametrize(
    ("data", "policy", "many"),
    [
        (b"", Policy(), False),
        (tally(1, 2, 3, 4), Policy(), False),
        (tally(5, 4, 3, 2, 1), Policy(), True),
        (tally(5, 4, 3, 2, 1, valid=False), Policy(), True),
        (tally(90000, 4, 3, 2, 1), Policy(), False),
        (tally(5, 4, 3, 2, 1)[:-1], Policy(), False),
        (tally(2, 1), Policy(max_failures=2), True),
        (tally(4, 3, 2, 1), Policy(max_failures=0), False),
        (tally(5, 4, 3, 2, 1), Policy(max_failures=0), True),
        (b"rubbish" * 1000, Policy(), False),
    ],
)
def test_as_many_invalid_codes_as_lock_are_told_for_a_day(data: bytes, policy: Policy, many: bool) -> None:
    assert bool(problems(data, policy)) is many


def test_user_number_and_time_are_told() -> None:
    (message,) = problems(tally(60, 30, 7200), Policy(max_failures=3))

    assert message.startswith(
        "User 'alice' has shown 3 invalid codes in a row, the last at 2027-01-15T07:59:30Z"
    )
