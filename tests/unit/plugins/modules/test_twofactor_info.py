from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.mark.parametrize("check_mode", [False, True])
def test_info_changes_nothing(run: Callable[..., dict[str, Any]], check_mode: bool) -> None:
    result = run("twofactor_info", check_mode)

    assert (result["changed"], result["twofactor"]) == (False, {"state": "enabled"})
