from __future__ import annotations

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import units
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import Ran


def _systemctl(monkeypatch: pytest.MonkeyPatch, shown: str, status: str = "") -> None:
    def run(command: list[str], timeout: float = 20.0) -> Ran:
        if "status" in command:
            return Ran(3, status, "")
        loaded = "loaded" if command[-1] == "sshd.service" else "not-found"
        return Ran(0, f"LoadState={loaded}\n{shown}", "")

    monkeypatch.setattr(units, "run", run)
    monkeypatch.setattr(units, "find_program", lambda name: name)


def test_second_name_of_a_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    _systemctl(monkeypatch, "ActiveState=active\nUnitFileState=static\n")

    found = units.read_unit(("ssh.service", "sshd.service"))
    assert (found.name, found.active, found.enabled, found.unmet) == ("sshd.service", True, True, "")
    assert units.read_unit(("ssh.service", "none.service")) == units.Unit("ssh.service")


_REFUSED = "ActiveState=inactive\nUnitFileState=enabled\nConditionResult=no\nConditionTimestampMonotonic=12\n"


@pytest.mark.parametrize(
    ("shown", "status", "unmet"),
    [
        (_REFUSED, "└─ ConditionPathExists=/x y was not met\n", "ConditionPathExists=/x y"),
        (_REFUSED, "", "a condition of the unit"),
        (_REFUSED.replace("=12", "=0"), "", ""),
        (_REFUSED.replace("=no", "=yes"), "", ""),
        (_REFUSED.replace("inactive", "active"), "", ""),
    ],
)
def test_condition_that_is_not_met(
    monkeypatch: pytest.MonkeyPatch, shown: str, status: str, unmet: str
) -> None:
    _systemctl(monkeypatch, shown, status)

    assert units.read_unit(("sshd.service",)).unmet == unmet
