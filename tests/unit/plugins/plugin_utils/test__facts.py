# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No fact of a host takes the place of what the inventory declares."""

from __future__ import annotations

from typing import Any

import pytest
from ansible import constants

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._facts import refuse_overriding


@pytest.mark.parametrize("name", ["twofactor_users", "twofactor_x", "ntp_servers", "sshd_root_login"])
def test_a_fact_of_ours_is_refused(name: str) -> None:
    with pytest.raises(TwofactorError) as caught:
        refuse_overriding({"ansible_facts": {"distribution": "Debian", name: ["paul"]}})
    assert caught.value.code == "fact_overrides"
    assert f"'{name}'" in caught.value.message
    assert "paul" not in str(caught.value)


def test_what_controls_a_terminal_is_not_shown() -> None:
    with pytest.raises(TwofactorError) as caught:
        refuse_overriding({"ansible_facts": {"twofactor_\x1b[2J\n" + "x" * 500: 1}})
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "variables",
    [
        None,
        {},
        {"ansible_facts": None},
        {"ansible_facts": {"discovered_interpreter_python": "/usr/bin/python3", "mytwofactor_users": 1}},
        {"twofactor_users": []},
    ],
)
def test_other_facts_are_nothing_to_us(variables: Any) -> None:
    refuse_overriding(variables)


def test_facts_that_become_no_variables_harm_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants.config, "get_config_value", lambda name: False)
    refuse_overriding({"ansible_facts": {"twofactor_users": []}})
