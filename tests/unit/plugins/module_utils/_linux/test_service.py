from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    daemon,
    paths,
    service,
    sshd_check,
    units,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import Ran
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import SshdChange
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._linux.conftest import Root

DENIED = "# Written by fleetauth.twofactor.\nPermitRootLogin no\n"
DROPIN = "/etc/ssh/sshd_config.d/01-twofactor-root.conf"


class Systemd:
    """Units by name: loaded, active and enabled or not."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.units = {"ssh.service": ("active", "enabled")}
        self.commands: list[str] = []
        self.fails = False
        for module in (service, units):
            monkeypatch.setattr(module, "find_program", lambda name: name)
        monkeypatch.setattr(units, "run", self.run)

    def run(self, command: list[str], timeout: float = 20.0) -> Ran:
        if command[1] == "show":
            active, enabled = self.units.get(command[-1], ("inactive", ""))
            load = "loaded" if command[-1] in self.units else "not-found"
            return Ran(0, f"LoadState={load}\nActiveState={active}\nUnitFileState={enabled}\n", "")
        self.commands.append(" ".join(command))
        if self.fails:
            return Ran(1, "", "masked")
        self.units[command[-1]] = ("active", "enabled")
        return Ran(0, "", "")


@pytest.fixture
def systemd(root: Root, monkeypatch: pytest.MonkeyPatch) -> Systemd:
    monkeypatch.setattr(sshd_check, "check_root", lambda *_arguments: None)
    return Systemd(monkeypatch)


@pytest.mark.parametrize(
    ("root_login", "current", "expected"),
    [
        (None, None, None),
        (None, DENIED, DENIED),
        ("unmanaged", DENIED, None),
        ("denied", None, DENIED),
        ("allowed", DENIED, DENIED.replace(" no", " yes")),
    ],
)
def test_dropin_for_root(root_login: str | None, current: str | None, expected: str | None) -> None:
    assert service.render_root_dropin(root_login, current) == expected


def test_root_login_is_set_once_and_taken_back(root: Root, systemd: Systemd) -> None:
    change = SshdChange(root_login="denied")
    pristine = root.state()
    predicted = service.set_sshd(change, check_mode=True)
    assert (root.state(), root.reloads) == (pristine, 0)

    assert service.set_sshd(change, check_mode=False) == predicted
    assert root.texts()[DROPIN] == DENIED
    assert not service.set_sshd(change, check_mode=False).changed
    assert not service.set_sshd(SshdChange(), check_mode=False).changed
    assert root.reloads == 1

    assert service.set_sshd(SshdChange(root_login="unmanaged"), check_mode=False).changed
    assert root.state() == pristine


@pytest.mark.parametrize("before", [None, DENIED])
def test_configuration_that_sshd_refuses_is_not_written(
    root: Root, systemd: Systemd, monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    if before:
        root.put(DROPIN, before)
    state = root.state()

    def refuse(*_arguments: Any) -> None:
        raise TwofactorError("sshd_config_invalid", "no")

    monkeypatch.setattr(sshd_check, "check_root", refuse)
    for check_mode in (True, False):
        with pytest.raises(TwofactorError):
            service.set_sshd(SshdChange(root_login="allowed"), check_mode=check_mode)
    assert (root.state(), root.reloads) == (state, 0)


@pytest.mark.parametrize("before", [None, DENIED])
def test_what_sshd_does_not_read_is_taken_back(
    root: Root, systemd: Systemd, monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    if before:
        root.put(DROPIN, before)
    state = root.state()

    def refuse() -> None:
        raise TwofactorError("sshd_reload", "sshd did not read its configuration")

    monkeypatch.setattr(daemon, "reload_sshd", refuse)
    with pytest.raises(TwofactorError):
        service.set_sshd(SshdChange(root_login="allowed"), check_mode=False)
    assert root.state() == state


def test_roots_login_is_looked_at_in_each_run(
    root: Root, systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something that outranks the drop-in may have come since."""
    asked: list[str] = []
    monkeypatch.setattr(sshd_check, "check_root", lambda *arguments: asked.append(arguments[-1]))
    for root_login in ("denied", "denied", None, "unmanaged", "unmanaged", "allowed"):
        service.set_sshd(SshdChange(root_login=root_login), check_mode=False)
    assert asked == ["no", "no", "", "yes"]


@pytest.mark.parametrize(
    ("units", "commands"),
    [
        ({"ssh.service": ("active", "enabled")}, []),
        ({"sshd.service": ("active", "enabled")}, []),
        ({"ssh.service": ("inactive", "disabled"), "ssh.socket": ("active", "enabled")}, []),
        (
            {"ssh.service": ("inactive", "disabled")},
            ["systemctl enable ssh.service", "systemctl start ssh.service"],
        ),
        (
            {"sshd.service": ("active", "disabled")},
            ["systemctl enable sshd.service", "systemctl start sshd.service"],
        ),
        (
            {"ssh.service": ("inactive", "disabled"), "ssh.socket": ("inactive", "enabled")},
            ["systemctl enable ssh.socket", "systemctl start ssh.socket"],
        ),
    ],
)
def test_service_is_started_and_enabled(
    systemd: Systemd, units: dict[str, tuple[str, str]], commands: list[str]
) -> None:
    systemd.units = units
    predicted = service.set_sshd(SshdChange(), check_mode=True)
    assert systemd.commands == []

    assert service.set_sshd(SshdChange(), check_mode=False) == predicted
    assert predicted.changed is bool(commands)
    assert systemd.commands == commands


def test_service_that_is_left_as_it_is(systemd: Systemd) -> None:
    systemd.units = {}

    assert not service.set_sshd(SshdChange(running=False), check_mode=False).changed


def test_service_that_does_not_start(systemd: Systemd) -> None:
    systemd.units = {}
    systemd.fails = True
    with pytest.raises(TwofactorError, match=r"enable ssh\.service' failed: masked") as caught:
        service.set_sshd(SshdChange(), check_mode=False)
    assert caught.value.code == "sshd_start"


def test_host_without_sshd(root: Root, systemd: Systemd) -> None:
    root.at(paths.SSHD_CONFIG).unlink()
    with pytest.raises(TwofactorError) as caught:
        service.set_sshd(SshdChange(root_login="denied"), check_mode=False)
    assert caught.value.code == "sshd_missing"

    predicted = service.set_sshd(SshdChange(root_login="denied"), check_mode=True)
    assert predicted.changed
    assert list(predicted.after.values()) == [DENIED]
    assert not service.set_sshd(SshdChange(root_login="unmanaged"), check_mode=True).changed
