# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host does by itself: at boot, and when the time of something is over.

Private to this collection: may change at any time. Nobody is there to see an error.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    agent,
    audit,
    bypass,
    daemon,
    emergency,
    files,
    lock,
    paths,
    pending,
    secrets,
    token_lock,
    transaction,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.files import read_text
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import Host
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.platform import LinuxPlatform

_TRY_AGAIN = 30.0
"""Seconds after which what a pending change or a fault stood in the way of is tried again."""


def after_boot(platform: LinuxPlatform) -> None:
    """Take back what was under way when the machine went down, and end bypasses that are over.

    A boot does not wait for this for ever, so that it is tried again later if it is not done by then.
    """
    if any(os.path.lexists(path) for path in (paths.ORIGINALS, paths.PENDING, paths.DISABLING, paths.BYPASS)):
        with contextlib.suppress(TwofactorError, OSError):
            agent.arm(agent.BOOT_LIMIT + _TRY_AGAIN, "expire")
    token_lock.clear_after_boot()
    with _tried_again(), lock.one_at_a_time():
        emergency.finish()
        if transaction.recover(daemon.reload_sshd):
            audit.log("reverted", why="the machine went down in the middle of the change")
        pending.revert_if(pending.always, "the machine went down before it was confirmed")
    expire(platform)


def expire(platform: LinuxPlatform, come: float | None = None) -> None:
    """Take back what was cut short or not confirmed in time, end what is over, and arm the next end.

    ``come`` is an end that has come by the time that has passed (seconds since 1970), whatever the clock says.
    """
    with _tried_again():
        with lock.one_at_a_time():
            emergency.finish()
            if transaction.recover(daemon.reload_sshd):
                audit.log("reverted", why="the change was cut short")
            pending.revert_if(pending.is_overdue, "nobody confirmed it in time")
            _bring_forward(come)
        end = _end_what_is_over(platform)
    if end is not None:
        agent.arm_end(end)


def _bring_forward(come: float | None) -> None:
    """Have bypasses end now whose end has come although the clock, set back since, does not say so."""
    now = time.time()
    if come is None or come <= now:
        return
    there = bypass.parse(read_text(paths.BYPASS))
    ended = there.ended_by(come, now)
    if ended != there:
        files.replace(paths.BYPASS, bypass.render(ended) or "", 0o600)


def _end_what_is_over(platform: LinuxPlatform) -> float | None:
    """End bypasses, and secrets before, whose time is over; return when the next one ends."""
    before = bypass.parse(read_text(paths.BYPASS))
    running = before.running()
    ends = secrets.overlap_ends(Host())
    now = time.time()
    if before.host is not None and running.host is None:
        platform.apply(
            Change(policy={"state": "enabled", "reason": "the bypass is over"}, guard=False), False
        )
    elif before != running or any(end <= now for end in ends):
        platform.apply(Change(guard=False), False)
    bypass_end = running.next_end()
    later = [end for end in ends if end > now] + ([] if bypass_end is None else [bypass_end])
    return min(later, default=None)


@contextlib.contextmanager
def _tried_again() -> Iterator[None]:
    """Have what fails here tried again later: nobody is there to see the error, and the host would stay as it is."""
    try:
        yield
    except (TwofactorError, OSError):
        agent.arm(_TRY_AGAIN, "expire")
        raise
