# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a host in one call, and what came of it.

Private to this collection: may change at any time. Apart from the other words of this collection, since the emergency
needs these two and a host takes its time over each class.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import (
        BypassChange,
        SecretsChange,
    )


@dataclass(frozen=True)
class Change:
    """All that one call asks of a host. Options that were not given are not in the mappings.

    ``guard`` refuses what would shut somebody out, or would only look like protection. ``wipe_secrets`` allows new
    digits or another interval where that takes every user's secret away (TrueNAS 23.10). ``confirm_within`` are
    seconds after which the host takes the change back unless it is confirmed, 0 for never; ``lasts`` is how long
    (such as 2h) the second factor stays off, empty for as long as nobody switches it on.
    """

    policy: dict[str, object] | None = None
    ssh: dict[str, object] | None = None
    secrets: SecretsChange | None = None
    bypass: BypassChange | None = None
    guard: bool = True
    wipe_secrets: bool = False
    confirm_within: float = 0.0
    lasts: str = ""

    @property
    def is_disable(self) -> bool:
        """Tell whether this takes the second factor off, the change that must always work."""
        return self.policy is not None and self.policy.get("state") == "disabled"


@dataclass
class Outcome:
    """What came of a change. ``before`` and ``after`` are for the diff and hold no secret."""

    changed: bool = False
    before: dict[str, object] = field(default_factory=dict)
    after: dict[str, object] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    result: dict[str, object] = field(default_factory=dict)
