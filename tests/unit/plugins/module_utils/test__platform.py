from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils import _platform


def test_linux_is_the_platform_where_nothing_of_truenas_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_platform, "_TRUENAS_MARKS", (str(tmp_path / "midclt"),))

    assert _platform.current_platform().name == "linux"


def test_one_mark_is_enough_for_truenas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "freenas-v1.db").touch()
    monkeypatch.setattr(
        _platform, "_TRUENAS_MARKS", (str(tmp_path / "midclt"), str(tmp_path / "freenas-v1.db"))
    )

    assert _platform.current_platform().name == "truenas"
