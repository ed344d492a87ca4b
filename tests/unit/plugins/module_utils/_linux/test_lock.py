# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One change of a host at a time."""

from __future__ import annotations

import os

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import lock, paths
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._linux.conftest import Root


def test_second_change_is_kept_out(root: Root) -> None:
    with lock.one_at_a_time():
        with pytest.raises(TwofactorError) as caught, lock.one_at_a_time(-1.0):
            pass
        assert caught.value.code == "change_running"
        with lock.one_at_a_time(-1.0, insist=False):
            pass
    with lock.one_at_a_time(-1.0):
        pass


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_nobody_else_can_hold_the_lock(root: Root, umask: int) -> None:
    root.put(paths.LOCK, "", 0o644)
    before = os.umask(umask)
    try:
        for dummy in range(2):
            with lock.one_at_a_time():
                assert root.at(paths.LOCK).stat().st_mode & 0o777 == 0o600
            os.unlink(paths.LOCK)
    finally:
        os.umask(before)


def test_lock_that_cannot_be_had_holds_up_only_what_insists(root: Root) -> None:
    root.at(paths.LOCK).mkdir(parents=True)
    done = []
    with lock.one_at_a_time(insist=False):
        done.append("emergency")
    assert done
    with pytest.raises(OSError), lock.one_at_a_time():
        pass


def test_lock_is_where_only_root_can_hold_it() -> None:
    assert os.path.dirname(paths.LOCK) == "/run"
