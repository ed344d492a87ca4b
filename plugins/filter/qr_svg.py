# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter qr_svg; documented in qr_svg.yml."""

from __future__ import annotations

from typing import Any, Callable

from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._filter import as_filter
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._qr import qr_svg


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return what Ansible asks for."""
        return {"qr_svg": as_filter(qr_svg)}
