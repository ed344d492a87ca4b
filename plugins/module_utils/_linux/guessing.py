# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is being guessed at: many invalid codes in a row, by pam_faillock's own count.

Pure code: it sees the host through a ``View``. Private to this collection: may change at any time. The count is
pam_faillock's (``struct tally`` in Linux-PAM, modules/pam_faillock/faillock.h). A valid code clears it, and so does the
first failure after a lock, so it never holds much more than ``max_failures``.
"""

from __future__ import annotations

import struct
import time

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import paths
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.plan import View
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import Policy

_RECORD = struct.Struct("=52sHHQ")
"""Source of the attempt, two bytes of padding, status bits, seconds since 1970."""
_DAY = 86400
_UNLIMITED = 5
"""Invalid codes in a row that are many where no limit says what is."""


def problems(view: View, policy: Policy, now: float) -> list[TwofactorError]:
    """Return a problem for each user who has shown as many invalid codes in a row as lock, within a day of ``now``."""
    many = policy.max_failures or _UNLIMITED
    found = []
    for user in view.names(paths.FAILURES):
        times = sorted(_failures(view.read(f"{paths.FAILURES}/{user}") or "", now))
        if len(times) >= many:
            found.append(_problem(user, times))
    return found


def _failures(tally: str, now: float) -> list[int]:
    """Return when the invalid codes of a day were shown, in seconds since 1970."""
    data = tally.encode("utf-8", "surrogateescape")
    whole = len(data) - len(data) % _RECORD.size
    times = [when for dummy, dummy, dummy, when in _RECORD.iter_unpack(data[:whole])]
    return [when for when in times if now - _DAY < when <= now + _DAY]


def _problem(user: str, times: list[int]) -> TwofactorError:
    last = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(times[-1]))
    return TwofactorError(
        "guessing",
        f"User '{user}' has shown {len(times)} invalid codes in a row, the last at {last}, and no valid one since.",
        "Ask the user. If it was somebody else, that one has the user's password or key: change it, and see "
        "'journalctl -g pam_faillock' for where the attempts came from.",
    )
