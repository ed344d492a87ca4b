# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts that take the place of what the inventory declares.

Private to this collection: may change at any time. Facts are a host's own answers, of this run or from a cache, and
Ansible lets them outrank the inventory. No fact has the name of one of this collection's variables by accident.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible import constants

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils import _printable

_PREFIXES = ("twofactor_", "ntp_", "sshd_")
_SHOWN = 60
_config: Any = constants.config


def refuse_overriding(variables: Any) -> None:
    """Raise TwofactorError when a fact of the host has the name of a variable of this collection."""
    facts = (variables or {}).get("ansible_facts")
    if not isinstance(facts, Mapping):
        return
    names = [str(name) for name in facts if str(name).startswith(_PREFIXES)]
    if names and _config.get_config_value("INJECT_FACTS_AS_VARS"):
        raise TwofactorError(
            "fact_overrides",
            f"A fact that this host has told is called '{_printable.one_line(names[0][:_SHOWN])}', and outranks the "
            "variable of that name in the inventory.",
            "Find out what runs as Python on the host. Clear the fact cache, and set inject_facts_as_vars = false.",
        )
