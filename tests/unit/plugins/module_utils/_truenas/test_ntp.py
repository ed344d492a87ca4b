# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time servers, keyed by address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.clock import Clock
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import NtpChange
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas import notes
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.platform import TruenasPlatform
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._truenas.conftest import Nas
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._truenas.conversation import (
    Line,
    call,
    refused,
)

Talks = Callable[..., TruenasPlatform]
DEBIAN = [f"{n}.debian.pool.ntp.org" for n in range(3)]


def _query(*addresses: str) -> Line:
    rows = [{"id": number, "address": address, "iburst": True} for number, address in enumerate(addresses, 1)]
    return call("system.ntpserver.query", says=rows)


def _create(address: str, **more: Any) -> Line:
    arguments = {"address": address, "iburst": True, **more}
    return call("system.ntpserver.create", arguments, says={"id": 99, **arguments})


def test_a_server_is_added_and_the_others_stay(nas: Nas, talks: Talks) -> None:
    outcome = talks(_query(*DEBIAN), _create("ntp1")).set_ntp(NtpChange(servers=("ntp1",)), False)
    assert outcome.changed
    assert outcome.after["servers"] == [*DEBIAN, "ntp1"]
    assert outcome.result["clock"] == {
        "synchronised": True,
        "offset": 0.001,
        "source": "192.0.2.1",
        "daemon": "chrony",
    }
    assert nas.noted.ntp == ("ntp1",)
    assert nas.logged[0][0] == "ntp"


def test_again_one_call_and_no_change(nas: Nas, talks: Talks) -> None:
    outcome = talks(_query(*DEBIAN, "NTP1.")).set_ntp(NtpChange(servers=("ntp1",)), False)
    assert not outcome.changed
    assert nas.logged == []


def test_check_mode(nas: Nas, talks: Talks) -> None:
    outcome = talks(_query()).set_ntp(NtpChange(servers=("ntp1",), pools=("pool.example",)), True)
    assert outcome.after["servers"] == ["ntp1", "pool.example"]
    assert nas.noted == notes.Notes()


def test_ours_that_are_no_longer_named_go_and_what_is_named_twice_is_there_once(
    nas: Nas, talks: Talks
) -> None:
    notes.write(notes.Notes(ntp=("old", "ntp1")))
    platform = talks(
        _query("theirs", "old", "ntp1", "ntp1"),
        _create("ntp2"),
        call("system.ntpserver.delete", 2, says=True),
        call("system.ntpserver.delete", 4, says=True),
    )
    outcome = platform.set_ntp(NtpChange(servers=("ntp1", "ntp2")), False)
    assert outcome.after["servers"] == ["theirs", "ntp1", "ntp2"]
    assert nas.noted.ntp == ("ntp1", "ntp2")


def test_an_empty_list_takes_ours_away(nas: Nas, talks: Talks) -> None:
    notes.write(notes.Notes(ntp=("ntp1",)))
    platform = talks(_query("theirs", "ntp1"), call("system.ntpserver.delete", 2, says=True))
    assert platform.set_ntp(NtpChange(servers=()), False).after["servers"] == ["theirs"]
    assert nas.noted.ntp == ()


def test_nothing_named_is_nothing_changed(nas: Nas, talks: Talks) -> None:
    assert not talks(_query(*DEBIAN)).set_ntp(NtpChange(), False).changed


def test_force_only_when_asked(nas: Nas, talks: Talks) -> None:
    talks(_query(), _create("ntp1", force=True)).set_ntp(NtpChange(servers=("ntp1",), force=True), False)


def test_a_server_that_does_not_answer(nas: Nas, talks: Talks) -> None:
    sentence = '[EINVAL] ntpserver_create.address: Server could not be reached. Check "Force" to continue regardless.'
    platform = talks(
        _query(),
        _create("ntp1"),
        call("system.ntpserver.create", {"address": "ntp2", "iburst": True}, prints=refused(sentence)),
    )
    with pytest.raises(TwofactorError) as caught:
        platform.set_ntp(NtpChange(servers=("ntp1", "ntp2")), False)
    assert caught.value.code == "ntp_refused"
    assert "set force: true" in str(caught.value)
    assert "done before: time from ntp1" in str(caught.value)
    assert nas.noted.ntp == ("ntp1", "ntp2")


def test_nts_is_a_warning(nas: Nas, talks: Talks) -> None:
    outcome = talks(_query("ntp1")).set_ntp(NtpChange(servers=("ntp1",), nts=True), False)
    assert outcome.warnings[0].startswith("nts: ")


@pytest.mark.parametrize("clock", [Clock(False, None, "", "chrony"), Clock(True, 30.0, "x", "chrony")])
def test_a_clock_that_does_not_come_right(clock: Clock, nas: Nas, talks: Talks) -> None:
    nas.clock = clock
    with pytest.raises(TwofactorError) as caught:
        talks(_query("ntp1")).set_ntp(NtpChange(wait=0.1), False)
    assert caught.value.code == "clock_unsynchronised"
    assert talks(_query("ntp1")).set_ntp(NtpChange(wait=0), False).result["clock"]
