# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A clock that would make right codes fail."""

from __future__ import annotations

import pytest

from tests.lockout.points import carried_out, protects, refused, wanted
from tests.login.fleet import PASSWORD, Host, Token

pytestmark = pytest.mark.starting_point


def _skew(server: Host, host: Host, seconds: int) -> None:
    """Set the time server wrong, for its own process: clocks are the machine's."""
    drop_in = (
        "[Service]\nEnvironment=LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1 "
        f"FAKETIME={seconds:+d}s FAKETIME_DONT_FAKE_MONOTONIC=1\n"
    )
    server.shell(
        "mkdir -p /etc/systemd/system/chrony.service.d; cat > /etc/systemd/system/chrony.service.d/skew.conf; "
        "systemctl daemon-reload; systemctl restart chrony",
        stdin=drop_in,
    )
    host.shell(
        "systemctl restart chrony; for i in $(seq 40); do sleep 0.5; "
        "chronyc waitsync 1 0 0 1 >/dev/null 2>&1 && break; done; chronyc -c tracking"
    )


def _without_source(host: Host) -> None:
    host.shell("rm -f /etc/chrony/sources.d/*; systemctl restart chrony")


@pytest.mark.parametrize("skew", [-40, 40], ids=["ahead", "behind"])
def test_a_clock_that_is_off_by_40_seconds(host: Host, clock: Host, skew: int) -> None:
    _skew(clock, host, skew)
    result = refused(host, "clock_off", **wanted(Token()))
    assert f"off by {'+' if skew < 0 else '-'}" in result["msg"]
    assert "clock_off" in [
        problem["code"] for problem in host.module("twofactor_info")["twofactor"]["problems"]
    ]


def test_a_clock_that_is_off_by_a_little(host: Host, clock: Host) -> None:
    _skew(clock, host, 4)
    carried_out(host, Token())


def test_a_clock_that_is_not_synchronised(host: Host, clock: Host) -> None:
    _without_source(host)
    refused(host, "clock_unsynchronised", **wanted(Token()))


def test_a_clock_that_loses_its_source_later(host: Host, clock: Host) -> None:
    """What helps a user, or asks for less, is not held up by the clock."""
    token = Token()
    host.apply(**wanted(token))
    _without_source(host)
    refused(host, "clock_unsynchronised", module="twofactor", window=0)
    renewed = Token()
    users = [{"name": "alice", "secret": renewed.secret}]
    result = host.module("twofactor_secret", state="renewed", renewal="lost", users=users)
    assert result["changed"], result["printed"]
    protects(host, renewed)
    assert host.module("twofactor_bypass", users=["alice"], lasts="1h", reason="phone lost")["changed"]
    assert host.ssh("alice", key=True)
    assert host.module("twofactor_ssh", state="disabled", guard=True)["changed"]
    assert host.module("twofactor", state="disabled", reason="time server lost")["changed"]
    assert host.ssh("alice", password=PASSWORD)


def test_a_condition_of_its_unit_keeps_chrony_from_running(host: Host) -> None:
    """As in a container: systemctl says that it has started the unit, and nothing runs."""
    drop_in = "/etc/systemd/system/chrony.service.d/never.conf"
    host.shell(
        f"printf '[Unit]\nConditionPathExists=/nowhere\n' > {drop_in}; systemctl daemon-reload; systemctl stop chrony"
    )
    for check_mode in (False, False, True):
        result = host.module("twofactor_ntp", *(["--check"] if check_mode else []), wait=0)
        assert not result["failed"], result["printed"]
        assert not result["changed"]
        assert "ConditionPathExists=/nowhere is not met" in result["printed"]

    host.shell(f"rm {drop_in}; systemctl daemon-reload")
    result = host.module("twofactor_ntp", wait=30)
    assert result["changed"]
    assert result["clock"]["daemon"] == "chrony"
    assert not host.module("twofactor_ntp", wait=30)["changed"]
