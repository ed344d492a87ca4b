# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge between Ansible and what its filters call; here our errors become Ansible's.

Private to this collection: may change at any time.
"""

from __future__ import annotations

import functools
from typing import Any, Callable

from ansible.errors import AnsibleTemplatePluginError

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError


def as_filter(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``function`` with our errors turned into Ansible's."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except TwofactorError as error:
            raise AnsibleTemplatePluginError(str(error)) from None

    return call
