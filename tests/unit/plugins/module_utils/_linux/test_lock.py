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


def test_lock_is_where_only_root_can_hold_it() -> None:
    assert os.path.dirname(paths.LOCK) == "/run"
