# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clock: reported as it is, and waited for."""

from __future__ import annotations

import pytest

from tests.login.fleet import Host


@pytest.fixture
def clock_host(host: Host) -> Host:
    """A host whose chrony has no source yet."""
    host.shell("rm -f /etc/chrony/sources.d/*; systemctl restart chrony")
    return host


def test_unsynchronised_then_synchronised(clock_host: Host) -> None:
    report = clock_host.module("twofactor_info")["twofactor"]
    assert report["clock"]["synchronised"] is False
    assert "clock_unsynchronised" in [problem["code"] for problem in report["problems"]]
    assert clock_host.module("twofactor_ntp", "--check", servers=["clock"])["changed"]
    result = clock_host.module("twofactor_ntp", servers=["clock"])
    assert result["changed"]
    assert result["clock"]["synchronised"] is True
    assert abs(result["clock"]["offset"]) < 1
    assert not clock_host.module("twofactor_ntp", servers=["clock"])["changed"]
    report = clock_host.module("twofactor_info")["twofactor"]
    assert report["clock"]["synchronised"] is True
    assert isinstance(report["clock"]["offset"], float)
    assert "clock_unsynchronised" not in [problem["code"] for problem in report["problems"]]


def test_a_server_that_does_not_answer(clock_host: Host) -> None:
    address = clock_host.address.rsplit(".", 1)[0] + ".250"
    result = clock_host.module("twofactor_ntp", servers=[address], wait=3)
    assert result["failed"]
    assert "not synchronised" in result["msg"]
    assert "chronyc sources" in result["msg"]


def test_without_chrony_running_the_kernel_is_asked(clock_host: Host) -> None:
    clock_host.shell("systemctl stop chrony")
    report = clock_host.module("twofactor_info")["twofactor"]
    assert report["clock"]["daemon"] == "kernel"
    result = clock_host.module("twofactor_ntp", servers=["clock"])
    assert result["changed"]
    assert result["clock"]["daemon"] == "chrony"


def test_a_server_name_that_is_none(clock_host: Host) -> None:
    result = clock_host.module("twofactor_ntp", servers=["clock iburst"])
    assert result["failed"]
    assert "clock iburst" in result["msg"]


@pytest.mark.parametrize("skew", [40, -40])
def test_a_clock_that_is_off(clock_host: Host, clock: Host, skew: int) -> None:
    """Clocks are the machine's, so it is the time server that is set wrong, for its own process."""
    drop_in = (
        "[Service]\nEnvironment=LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1 "
        f"FAKETIME={skew:+d}s FAKETIME_DONT_FAKE_MONOTONIC=1\n"
    )
    clock.shell(
        "cat > /etc/systemd/system/chrony.service.d/skew.conf; systemctl daemon-reload; systemctl restart chrony",
        stdin=drop_in,
    )
    result = clock_host.module("twofactor_ntp", servers=["clock"], wait=12)
    assert result["failed"]
    assert "off by" in result["msg"]
    report = clock_host.module("twofactor_info")["twofactor"]
    assert report["clock"]["offset"] == pytest.approx(-skew, abs=1), "positive is ahead of the right time"
    assert "clock_off" in [problem["code"] for problem in report["problems"]]
