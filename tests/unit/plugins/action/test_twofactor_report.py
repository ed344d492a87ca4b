"""The action's options are those that its documentation has."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ansible_collections.fleetauth.twofactor.plugins.action.twofactor_report import ARGS, _result
from ansible_collections.fleetauth.twofactor.plugins.modules.twofactor_report import DOCUMENTATION
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._answer import answer
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._report import report
from tests.status import sample

DOCUMENTED: dict[str, Any] = yaml.safe_load(DOCUMENTATION)["options"]


@pytest.mark.parametrize("name", sorted(DOCUMENTED.keys() | ARGS.keys()))
def test_option_is_as_documented(name: str) -> None:
    said = {key: value for key, value in DOCUMENTED[name].items() if key != "description"}

    assert said == ARGS[name]


@pytest.mark.parametrize(
    ("result", "failing"),
    [
        (sample.host(), []),
        (sample.host(clock=sample.clock(3.0)), ["warning"]),
        (sample.UNREACHABLE, ["error", "warning"]),
    ],
)
def test_what_makes_it_fail(result: dict[str, Any], failing: list[str]) -> None:
    found = report([answer("web1", result)], sample.MADE, "")
    assert [one for one in ARGS["fail_on"]["choices"] if _result(found, [], one)["failed"]] == failing
    assert _result(found, ["/srv/report/index.html"], "never")["msg"].endswith("; see /srv/report")
