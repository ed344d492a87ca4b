# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The methods, one module for each namespace of the middleware."""

from __future__ import annotations

import importlib

MODULES = (
    *("api_key", "auth", "auth_twofactor", "core", "group", "ntpserver", "security", "service", "ssh"),
    *("stand_in", "system", "user", "user_twofactor"),
)


def load() -> None:
    """Import every module, whereby its methods become known."""
    for name in MODULES:
        importlib.import_module(f"{__name__}.{name}")
