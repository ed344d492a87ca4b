# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only the lab has: the log of calls, and faults."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.truenas.fake import FakeNas, Refused

MakeNas = Callable[[str], FakeNas]


def _calls(nas: FakeNas) -> list[dict[str, Any]]:
    return [json.loads(line) for line in nas.calls.read_text().splitlines()]


def _fault(nas: FakeNas, fault: str, **settings: Any) -> None:
    nas.nas.faults.write([{"fault": fault, **settings}])


def test_calls_are_counted(make_nas: MakeNas) -> None:
    nas = make_nas("25.10.6")
    nas.call("auth.twofactor.config")
    nas.call("auth.twofactor.update", {"window": 1})
    nas.call("auth.twofactor.update", {"window": 1})
    for arguments in ([{"window": -1}], [1, 2]):
        with pytest.raises(Refused):
            nas.call("auth.twofactor.update", *arguments)
    with pytest.raises(Refused):
        nas.call("no.such.method")
    nas.call("stand_in.enterprise", True)
    short = [(call["method"], call["changing"], call["changed"], call["result"]) for call in _calls(nas)]
    assert short == [
        ("auth.twofactor.config", False, False, "success"),
        ("auth.twofactor.update", True, True, "success"),
        ("auth.twofactor.update", True, False, "success"),
        ("auth.twofactor.update", True, False, "validation"),
        ("auth.twofactor.update", True, False, "error"),
        ("no.such.method", False, False, "error"),
    ]
    assert _calls(nas)[3]["error"].startswith("[EINVAL] auth_twofactor_update.window")


def test_no_secret_is_in_the_log(make_nas: MakeNas) -> None:
    nas = make_nas("25.10.6")
    nas.create("alice", password="the password of alice")
    nas.enroll("alice")
    nas.call("auth.login", "root", "a wrong password", "987654")
    data = {"mechanism": "PASSWORD_PLAIN", "username": "root", "password": "another wrong password"}
    nas.call("auth.login_ex", data)
    text = nas.calls.read_text()
    secret = nas.call("stand_in.secret", "alice")
    for hidden in ("the password of alice", "a wrong password", "987654", "another wrong password", secret):
        assert hidden not in text
    assert '"username": "alice"' in text


def test_a_failed_call_changes_nothing(make_nas: MakeNas) -> None:
    nas = make_nas("25.10.6")
    _fault(nas, "disk_full")
    with pytest.raises(Refused, match="database or disk is full"):
        nas.call("auth.twofactor.update", {"enabled": True})
    assert nas.call("auth.twofactor.config")["enabled"] is False
    _fault(nas, "disk_full", where="etc", times=1)
    with pytest.raises(Refused, match=r"\[Errno 28\] No space left on device"):
        nas.call("auth.twofactor.update", {"enabled": True})
    assert nas.call("auth.twofactor.config")["enabled"] is True, "the database came first"
    assert nas.call("auth.twofactor.update", {"window": 3})["window"] == 3


def test_slow(make_nas: MakeNas, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    nas = make_nas("25.10.6")
    _fault(nas, "slow", methods=["auth.*"], seconds=60)
    nas.call("auth.twofactor.config")
    nas.call("system.version")
    assert slept == [60]
    _fault(nas, "slow", seconds=5, when="after", times=1)
    nas.call("system.version")
    nas.call("system.version")
    assert slept == [60, 5]


def test_restart(make_nas: MakeNas) -> None:
    nas = make_nas("25.10.6")
    _fault(nas, "restart", methods=["auth.twofactor.update"], seconds=3, times=1, when="after")
    nas.call("auth.twofactor.config")
    assert nas.ended == []
    nas.call("auth.twofactor.update", {"window": 1})
    assert nas.ended == [3]


@pytest.mark.parametrize(
    ("fault", "stdout"),
    [("rubbish", "<html>"), ("login", "Failed to login:  Invalid username or password\n"), ("answer", "odd")],
)
def test_answers_that_are_none(make_nas: MakeNas, fault: str, stdout: str) -> None:
    nas = make_nas("25.10.6")
    _fault(nas, fault, **({"stdout": "odd", "status": 3} if fault == "answer" else {}))
    raw = nas.answer("auth.twofactor.update", {"enabled": True})["raw"]
    assert raw["stdout"].startswith(stdout)
    assert raw["status"] == (3 if fault == "answer" else 0)
    assert _calls(nas)[-1]["result"] == "fault"
    nas.nas.faults.write([])
    assert nas.call("auth.twofactor.config")["enabled"] is False


def test_errors_on_demand(make_nas: MakeNas) -> None:
    nas = make_nas("25.10.6")
    _fault(nas, "error", methods=["ssh.config"], reason="No luck", errno=16)
    with pytest.raises(Refused, match=r"\[EBUSY\] No luck"):
        nas.call("ssh.config")


def test_jobs_that_fail_or_never_end(make_nas: MakeNas) -> None:
    nas = make_nas("25.10.6")
    _fault(nas, "job_fails", reason="It broke", times=1)
    job = nas.job("service.control", "STOP", "ssh")
    assert (job["state"], job["error"]) == ("FAILED", "[EFAULT] It broke")
    assert "ssh.service" in nas.machine.running
    _fault(nas, "job_hangs")
    number = nas.call("service.control", "STOP", "ssh")
    running = nas.call("core.get_jobs", [["id", "=", number]])[0]
    assert (running["state"], running["time_finished"]) == ("RUNNING", None)
    assert nas.call("core.get_jobs", [["state", "in", ["FAILED", "SUCCESS"]]], {"count": True}) == 1


def test_a_job_that_takes_long(make_nas: MakeNas, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    nas = make_nas("25.10.6")
    _fault(nas, "job_slow", seconds=9)
    assert nas.job("service.control", "STOP", "ssh")["result"] is True
    assert slept == [9]


def test_a_release_nobody_knows_and_a_clock_that_is_wrong(make_nas: MakeNas) -> None:
    nas = make_nas("26.0.0-BETA.3")
    right = nas.call("system.info")["datetime"]["$date"]
    nas.nas.faults.write([{"fault": "version", "version": "31.04.1"}, {"fault": "clock", "offset": -300}])
    assert nas.call("system.version") == "TrueNAS-31.04.1"
    info = nas.call("system.info")
    assert info["version"] == "31.04.1"
    assert 290_000 < right - info["datetime"]["$date"] < 310_000


def test_a_misspelt_fault_is_no_silent_one(make_nas: MakeNas) -> None:
    nas = make_nas("25.10.6")
    _fault(nas, "slwo")
    with pytest.raises(Refused, match="slwo"):
        nas.call("system.version")


def test_versions(make_nas: MakeNas) -> None:
    assert make_nas("22.02.4").call("system.version") == "TrueNAS-SCALE-22.02.4"


def test_the_database_outlives_the_middleware(make_nas: MakeNas) -> None:
    nas = make_nas("25.10.6")
    nas.create("alice")
    nas.enroll("alice")
    secret = nas.call("stand_in.secret", "alice")
    nas.start("25.10.6")
    assert nas.call("stand_in.secret", "alice") == secret
    assert (nas.folder / "state.json").stat().st_mode & 0o777 == 0o600
