from __future__ import annotations

import time
from pathlib import Path

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import clock, units
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.clock import Clock
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import Ran
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import NtpChange

GOOD = "C0A80A01,192.168.10.1,3,1795416000.1,{},0.0,0.0002,-7.4,0.0,0.04,0.001,0.0002,64.2,Normal\n"
LOCAL = "7F7F0101,7F7F0101,10,1795416000.1,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,64.0,Normal"
NONE = "00000000,,0,0.0,0.000000000,0.0,0.0,-7.4,0.0,0.0,1.0,1.0,0.0,Not synchronised"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD.format("-0.000123"), Clock(True, 0.000123, "192.168.10.1", "chrony")),
        (GOOD.format("12.5"), Clock(True, -12.5, "192.168.10.1", "chrony")),
        (GOOD.format("0.0,0.25").replace(",0.25,0.0", ",0.25"), Clock(True, 0.25, "192.168.10.1", "chrony")),
        (GOOD.format("-0.5,0.25").replace(",0.25,0.0", ",0.25"), Clock(True, 0.5, "192.168.10.1", "chrony")),
        (GOOD.format("0.1,-12").replace(",-12,0.0", ",-12"), Clock(True, -12.0, "192.168.10.1", "chrony")),
        (GOOD.format("0.000000000"), Clock(True, 0.0, "192.168.10.1", "chrony")),
        (GOOD.format("0.1").replace("Normal", "Not synchronised"), Clock(False, None, "", "chrony")),
        (GOOD.format("0.1").replace("Normal", "Insert second"), Clock(True, -0.1, "192.168.10.1", "chrony")),
        (LOCAL, Clock(False, None, "", "chrony")),
        (LOCAL.lower(), Clock(False, None, "", "chrony")),
        (NONE, Clock(False, None, "", "chrony")),
        ("", Clock(False, None, "", "chrony")),
        ("506 Cannot talk to daemon\n", Clock(False, None, "", "chrony")),
    ],
)
def test_tracking(text: str, expected: Clock) -> None:
    found = clock.parse_tracking(text)

    assert found == expected
    assert str(found.offset) != "-0.0"


def test_clock_from_chrony_or_from_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Ran(0, GOOD.format("0.5"), "")
    monkeypatch.setattr(clock, "find_program", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(clock, "run", lambda _command: answer)
    monkeypatch.setattr(clock, "_kernel_synchronised", lambda: True)
    assert clock.read_clock() == Clock(True, -0.5, "192.168.10.1", "chrony")

    answer = Ran(1, "", "506 Cannot talk to daemon")
    assert clock.read_clock() == Clock(True, None, "", "kernel")

    monkeypatch.setattr(clock, "find_program", lambda _name: None)
    assert clock.read_clock() == Clock(True, None, "", "kernel")


def test_kernel_answers() -> None:
    assert clock._kernel_synchronised() in (True, False)


@pytest.mark.parametrize(
    ("change", "rows"),
    [
        (
            NtpChange(servers=("ntp1.example.org", "192.0.2.1")),
            ["server ntp1.example.org iburst", "server 192.0.2.1 iburst"],
        ),
        (NtpChange(pools=("pool.example.org",), nts=True), ["pool pool.example.org iburst nts"]),
        (NtpChange(servers=("2001:db8::1",), pools=("b",)), ["server 2001:db8::1 iburst", "pool b iburst"]),
        (NtpChange(servers=()), []),
    ],
)
def test_sources(change: NtpChange, rows: list[str]) -> None:
    assert clock.render_sources(change) == "\n".join(["# Written by fleetauth.twofactor.", *rows, ""])


@pytest.mark.parametrize("name", ["a b", "a\nmakestep 1 -1", "", "-x", "a,b", "a iburst", "a#b"])
def test_source_that_is_more_than_a_name_is_refused(name: str) -> None:
    for change in (NtpChange(servers=("good", name)), NtpChange(pools=(name,))):
        with pytest.raises(TwofactorError) as caught:
            clock.set_ntp(change, check_mode=True)
        assert caught.value.code == "bad_ntp_source"


@pytest.mark.parametrize(
    ("config", "folder"),
    [
        (
            "pool x iburst\nsourcedir /run/chrony-dhcp\nsourcedir /etc/chrony/sources.d\n",
            "/etc/chrony/sources.d",
        ),
        ("  sourcedir\t/etc/chrony.d # comment", "/etc/chrony.d"),
        ("#sourcedir /etc/chrony/sources.d\n", None),
        ("sourcedir /run/chrony-dhcp\n", None),
        ("sourcedir\n", None),
        ("confdir /etc/chrony/conf.d\n", None),
        ("", None),
    ],
)
def test_folder_of_sources(config: str, folder: str | None) -> None:
    assert clock.source_folder(config) == folder


class Chrony:
    """A host with chrony whose files are below a folder."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str = "") -> None:
        self.config = tmp_path / "chrony.conf"
        self.sources = tmp_path / "sources.d" / "twofactor.sources"
        self.config.write_text(config or f"sourcedir {self.sources.parent}\n")
        self.commands: list[str] = []
        self.unit = ("loaded", "active", "enabled")
        self.unmet = ""
        self.starts_as = "active"
        self.tracking = GOOD.format("0.001")
        self.fails = ""
        monkeypatch.setattr(clock, "_CONFIGS", (str(tmp_path / "missing"), str(self.config)))
        monkeypatch.setattr(clock, "_DEFAULT_SOURCEDIR", str(self.sources.parent))
        for module in (clock, units):
            monkeypatch.setattr(module, "find_program", lambda name: name)
            monkeypatch.setattr(module, "run", self.run)
        monkeypatch.setattr(time, "sleep", lambda _seconds: None)

    def run(self, command: list[str], timeout: float = 20.0) -> Ran:
        words = " ".join(command)
        if "tracking" in words:
            return Ran(0, self.tracking, "")
        if " show " in words:
            keys = (
                "LoadState",
                "ActiveState",
                "UnitFileState",
                "ConditionResult",
                "ConditionTimestampMonotonic",
            )
            state = self.unit if "chrony.service" in words else ("not-found", "inactive", "")
            conditions = ("no", "1143918361") if self.unmet else ("yes", "0")
            return Ran(0, "".join(f"{key}={value}\n" for key, value in zip(keys, state + conditions)), "")
        if " status " in words:
            return Ran(3, f"  Condition: start condition failed\n   └─ {self.unmet} was not met\n", "")
        self.commands.append(words)
        if self.fails and self.fails in words:
            return Ran(1, "", f"no {words}")
        if words in ("systemctl start chrony.service", "systemctl restart chrony.service") and not self.unmet:
            self.unit = (self.unit[0], self.starts_as, "enabled")
        return Ran(0, "", "")


@pytest.fixture
def chrony(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Chrony:
    return Chrony(tmp_path, monkeypatch)


def test_sources_are_written_once(chrony: Chrony) -> None:
    change = NtpChange(servers=("192.0.2.1",))
    predicted = clock.set_ntp(change, check_mode=True)
    assert not chrony.sources.exists()
    assert chrony.commands == []

    done = clock.set_ntp(change, check_mode=False)
    assert done == predicted
    assert done.changed
    assert chrony.sources.read_text() == clock.render_sources(change)
    assert chrony.sources.stat().st_mode & 0o777 == 0o644
    assert chrony.commands == ["chronyc reload sources"]

    again = clock.set_ntp(change, check_mode=False)
    assert (again.changed, chrony.commands) == (False, ["chronyc reload sources"])
    assert again.result == {
        "clock": {"synchronised": True, "offset": -0.001, "source": "192.168.10.1", "daemon": "chrony"}
    }


def test_options_not_given_stay(chrony: Chrony) -> None:
    clock.set_ntp(NtpChange(servers=("a",), pools=("p",)), check_mode=False)
    clock.set_ntp(NtpChange(servers=("b",)), check_mode=False)
    assert chrony.sources.read_text().split("\n")[1:3] == ["server b iburst", "pool p iburst"]

    assert not clock.set_ntp(NtpChange(), check_mode=False).changed


def test_configuration_that_reads_no_folder_gets_one(chrony: Chrony) -> None:
    chrony.config.write_text("pool x iburst")
    change = NtpChange(pools=("p",))
    clock.set_ntp(change, check_mode=False)

    assert (
        chrony.config.read_text()
        == f"pool x iburst\nsourcedir {chrony.sources.parent} # fleetauth.twofactor\n"
    )
    assert chrony.commands == ["systemctl enable chrony.service", "systemctl restart chrony.service"]
    assert not clock.set_ntp(change, check_mode=False).changed


@pytest.mark.parametrize("unit", [("loaded", "inactive", "enabled"), ("loaded", "active", "disabled")])
def test_chrony_is_started_and_enabled(chrony: Chrony, unit: tuple[str, str, str]) -> None:
    chrony.unit = unit
    assert clock.set_ntp(NtpChange(), check_mode=True).changed
    assert chrony.commands == []

    assert clock.set_ntp(NtpChange(), check_mode=False).changed
    assert chrony.commands == ["systemctl enable chrony.service", "systemctl start chrony.service"]


def test_chrony_that_does_not_start(chrony: Chrony) -> None:
    chrony.unit = ("loaded", "inactive", "disabled")
    chrony.fails = "start"
    with pytest.raises(
        TwofactorError, match=r"'systemctl start chrony\.service' failed: no systemctl start chrony"
    ) as caught:
        clock.set_ntp(NtpChange(), check_mode=False)
    assert caught.value.code == "chrony_start"


@pytest.mark.parametrize(
    ("tracking", "why"), [(NONE, "is not synchronised"), (GOOD.format("-11.0"), "is off by 11.000 s")]
)
def test_clock_that_does_not_become_right(
    chrony: Chrony, monkeypatch: pytest.MonkeyPatch, tracking: str, why: str
) -> None:
    chrony.tracking = tracking
    assert clock.set_ntp(NtpChange(wait=0), check_mode=False).result["clock"] is not None

    now = iter(range(0, 1000, 20))
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    with pytest.raises(TwofactorError, match=why) as caught:
        clock.set_ntp(NtpChange(wait=60), check_mode=False)
    assert caught.value.code == "clock_unsynchronised"


def test_clock_that_becomes_right_is_waited_for(chrony: Chrony, monkeypatch: pytest.MonkeyPatch) -> None:
    chrony.tracking = NONE
    monkeypatch.setattr(time, "sleep", lambda _seconds: setattr(chrony, "tracking", GOOD.format("0.1")))

    assert clock.set_ntp(NtpChange(wait=60), check_mode=False).result["clock"]["synchronised"]  # type: ignore[index]


def test_host_without_chrony(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "find_program", lambda _name: None)
    change = NtpChange(servers=("a",))
    with pytest.raises(TwofactorError) as caught:
        clock.set_ntp(change, check_mode=False)
    assert caught.value.code == "chrony_missing"

    predicted = clock.set_ntp(change, check_mode=True)
    assert predicted.changed
    assert predicted.after == {"/etc/chrony/sources.d/twofactor.sources": clock.render_sources(change)}
    assert not clock.set_ntp(NtpChange(), check_mode=True).changed


def test_chrony_that_a_condition_keeps_from_running(chrony: Chrony, monkeypatch: pytest.MonkeyPatch) -> None:
    chrony.unit = ("loaded", "inactive", "enabled")
    chrony.unmet = "ConditionCapability=CAP_SYS_TIME"
    for check_mode in (False, True):
        outcome = clock.set_ntp(NtpChange(wait=0), check_mode=check_mode)
        assert not outcome.changed
        assert "ConditionCapability=CAP_SYS_TIME is not met" in outcome.warnings[0]


def test_chrony_that_ends_at_once(chrony: Chrony) -> None:
    chrony.unit = ("loaded", "inactive", "enabled")
    chrony.starts_as = "inactive"
    with pytest.raises(TwofactorError, match=r"chrony\.service does not run") as caught:
        clock.set_ntp(NtpChange(), check_mode=False)
    assert caught.value.code == "chrony_start"
