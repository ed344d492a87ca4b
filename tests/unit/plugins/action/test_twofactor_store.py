"""The action's options are those that its documentation has."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ansible_collections.fleetauth.twofactor.plugins.action.twofactor_store import ARGS
from ansible_collections.fleetauth.twofactor.plugins.modules.twofactor_store import DOCUMENTATION

DOCUMENTED: dict[str, Any] = yaml.safe_load(DOCUMENTATION)["options"]


@pytest.mark.parametrize("name", sorted(DOCUMENTED.keys() | ARGS.keys()))
def test_option_is_as_documented(name: str) -> None:
    said = {key: value for key, value in DOCUMENTED[name].items() if key != "description"}

    assert said == ARGS[name]


def test_no_option_holds_a_secret() -> None:
    assert not [name for name in ARGS if "secret" in name]
