# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time servers of a NAS, keyed by address, and its clock.

Private to this collection: may change at any time. As on Linux, servers that this collection has not added stay: an
administrator's own, and those that TrueNAS comes with.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Outcome
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import (
    Refused,
    TwofactorError,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import audit
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.clock import Clock, read_clock
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import NtpChange
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas import (
    describe,
    middleware,
    notes,
    repair,
    snapshot,
    wire,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.middleware import (
    Call,
    Middleware,
)

_NO_NTS = "nts: TrueNAS cannot have time sources prove who they are; it takes their word for the time."


@dataclass
class NtpPlan:
    """The calls to make, in order; ``ours`` are the servers that this collection has added, afterwards."""

    calls: list[Call] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    ours: tuple[str, ...] = ()


def plan_ntp(change: NtpChange, present: list[dict[str, Any]], ours: tuple[str, ...]) -> NtpPlan:
    """Return what ``change`` means for the servers that ``system.ntpserver.query`` has returned."""
    addresses = [str(entry["address"]) for entry in present]
    plan = NtpPlan(before=addresses, after=addresses, ours=ours)
    if change.servers is None and change.pools is None:
        return plan
    wanted = list(dict.fromkeys([*(change.servers or ()), *(change.pools or ())]))
    there = {_key(address) for address in addresses}
    missing = [address for address in wanted if _key(address) not in there]
    keep = {_key(address) for address in wanted}
    going = _surplus(present, keep, {_key(address) for address in ours})
    plan.calls = [_create(address, force=change.force) for address in missing]
    plan.calls += [
        Call("system.ntpserver.delete", (entry["id"],), f"no {entry['address']}") for entry in going
    ]
    gone = {entry["id"] for entry in going}
    plan.after = [str(e["address"]) for e in present if e["id"] not in gone] + missing
    plan.ours = tuple(address for address in ours if _key(address) in keep) + tuple(missing)
    return plan


def _key(address: str) -> str:
    return address.rstrip(".").casefold()


def _surplus(present: list[dict[str, Any]], keep: set[str], ours: set[str]) -> list[dict[str, Any]]:
    """Return the entries to take away: ours that are no longer wanted, and wanted ones that are there twice."""
    seen: set[str] = set()
    going = []
    for entry in sorted(present, key=lambda one: int(one["id"])):
        key = _key(str(entry["address"]))
        if (key in ours and key not in keep) or (key in keep and key in seen):
            going.append(entry)
        seen.add(key)
    return going


def _create(address: str, *, force: bool) -> Call:
    data: dict[str, object] = {"address": address, "iburst": True}
    if force:
        data["force"] = True
    return Call("system.ntpserver.create", (data,), f"time from {address}", repeatable=False, answers=(dict,))


def set_ntp(nas: Middleware, change: NtpChange, check_mode: bool) -> Outcome:
    """Give the NAS its time servers, and wait until its clock is right.

    Raises TwofactorError when a server does not answer (unless forced) or the clock is not synchronised in time.
    """
    noted = notes.read()
    present = middleware.rows(nas.read("system.ntpserver.query"), "system.ntpserver.query")
    plan = plan_ntp(change, present, noted.ntp)
    if noted.unfinished:
        dummy, found = snapshot.release_of(nas, nas.read("system.version"))
        plan.calls += repair.calls(noted.unfinished, found.release)
    outcome = Outcome(changed=bool(plan.calls), warnings=[_NO_NTS] if change.nts else [])
    if plan.calls:
        outcome.before["servers"], outcome.after["servers"] = plan.before, plan.after
    if check_mode:
        outcome.result["clock"] = asdict(read_clock())
        return outcome
    if plan.calls:
        audit.log("ntp", servers=",".join(plan.after))
        _carry_out(nas, plan, noted)
    outcome.result["clock"] = asdict(_wait(change))
    return outcome


def _carry_out(nas: Middleware, plan: NtpPlan, noted: notes.Notes) -> None:
    """Add and take away servers; what may be ours is noted before, so that it is known after a broken run."""
    maybe_ours = tuple(dict.fromkeys([*noted.ntp, *plan.ours]))
    meanwhile = replace(noted.while_changing(*repair.TIME), ntp=maybe_ours)
    done: list[Call] = []
    try:
        with notes.in_mind(meanwhile, replace(noted, ntp=maybe_ours)):
            for call in plan.calls:
                nas.change(call)
                done.append(call)
    except TwofactorError as error:
        raise describe.cut_short(_explained(error), done) from None
    notes.write(replace(noted, ntp=plan.ours, unfinished=()))


def _explained(error: TwofactorError) -> TwofactorError:
    """Say what can be done about a server that TrueNAS has probed in vain."""
    if not isinstance(error, wire.ApiError) or "ntpserver_create.address" not in error.attributes:
        return error
    remedy = "Check that it can be reached, or set force: true to take it all the same."
    return Refused([TwofactorError("ntp_refused", reason.message, remedy) for reason in error.reasons])


def _wait(change: NtpChange) -> Clock:
    """Wait until the clock is synchronised and near enough; with ``wait`` 0 ask once and accept anything."""
    deadline = time.monotonic() + change.wait
    while True:
        clock = read_clock()
        if change.wait <= 0 or (clock.synchronised and abs(clock.offset or 0.0) <= change.max_offset):
            return clock
        if time.monotonic() > deadline:
            break
        time.sleep(0.5)
    state = f"is off by {clock.offset:.3f} s" if clock.offset is not None else "is not synchronised"
    raise TwofactorError(
        "clock_unsynchronised",
        f"The clock of this NAS {state} after {change.wait:.0f} s; codes would be refused.",
        "Check that its time servers can be reached ('chronyc sources' on the host, 'ntpq -p' before 23.10).",
    )
