# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A NAS of any release, without a host."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.truenas.fake import FakeNas
from tests.truenas.managed import Managed

MakeNas = Callable[[str], FakeNas]


@pytest.fixture
def make_nas(tmp_path: Path) -> MakeNas:
    """Return a function that installs a NAS."""
    return lambda version: FakeNas(version, tmp_path)


@pytest.fixture
def manage(make_nas: MakeNas, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Managed]:
    """Return a function that installs a NAS which the collection manages."""
    return lambda version: Managed(make_nas(version), monkeypatch)
