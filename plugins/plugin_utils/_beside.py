# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where files of the controller lie: beside the inventory, unless somebody says otherwise.

Private to this collection: may change at any time.
"""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError


def beside_inventory(path: str, variables: dict[str, Any], option: str) -> str:
    """Return a path; a relative one starts at the folder of the inventory.

    An inventory that is a folder has the file beside it, since Ansible would take a file inside for one more inventory.
    ``option`` is what the path can be given with, for the error when there is no such place.
    """
    path = os.path.expanduser(path)
    if os.path.isabs(path):
        return path
    sources = [str(source) for source in variables.get("ansible_inventory_sources") or []]
    files = [source for source in sources if os.path.exists(source)]
    if not files:
        raise TwofactorError(
            f"{option}_where",
            f"There is no inventory file or folder that the {option} could lie beside.",
            f"Give its path with '{option}', or in the variable {_VARIABLES[option]}.",
        )
    return os.path.join(os.path.dirname(os.path.abspath(files[0])), path)


_VARIABLES = {"store": "twofactor_store", "folder": "twofactor_report_folder"}
