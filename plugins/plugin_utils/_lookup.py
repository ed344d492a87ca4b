# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge between Ansible and its lookups.

Private to this collection: may change at any time.
"""

from __future__ import annotations

from typing import Any


def plain_option(plugin: Any, name: str) -> str:
    """Return an option of a lookup as text, empty when not set.

    What comes from a variable of the inventory may be a template still, such as C({{ inventory_dir }}/store.yml).
    """
    value = plugin.get_option(name)
    templar = getattr(plugin, "_templar", None)
    if value is None or templar is None:
        return "" if value is None else str(value)
    return str(templar.template(value))
