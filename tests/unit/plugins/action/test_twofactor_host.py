# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets that a host makes are on sheets, and in no result."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.action.twofactor_host import ActionModule

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
URI = f"otpauth://totp/iXsystems:root-nas1%40TrueNAS?secret={SECRET}&issuer=iXsystems&digits=8&period=60"


class Host:
    """What the module would be told, and would say."""

    def __init__(self, secrets: list[dict[str, Any]]) -> None:
        self.given: dict[str, Any] = {}
        self.context = SimpleNamespace(no_log=False)
        self.unshown: bool | None = None
        self._secrets = secrets

    def execute(self, module_args: dict[str, Any], **more: Any) -> dict[str, Any]:
        self.given = module_args
        self.unshown = self.context.no_log
        shown = module_args.get("secrets", {}).get("return_secrets")
        return {"changed": True, **({"secrets": self._secrets} if shown else {})}


def run(host: Host, inventory: Path | None, **arguments: Any) -> dict[str, Any]:
    task = SimpleNamespace(
        args=arguments, async_val=0, check_mode=False, diff=False, _ansible_internal_redirect_list=[]
    )
    connection = SimpleNamespace(
        has_native_async=False, _shell=SimpleNamespace(tmpdir=None), _play_context=host.context
    )
    context: Any = SimpleNamespace(check_mode=False, diff=False)
    none: Any = None
    action = ActionModule(task, connection, context, none, none, none)  # type: ignore[arg-type]
    action._execute_module = host.execute  # type: ignore[method-assign]
    action._remove_tmp_path = lambda path: None  # type: ignore[method-assign]
    sources = [str(inventory)] if inventory else []
    variables = {"inventory_hostname": "nas1", "ansible_inventory_sources": sources}
    return action.run(task_vars=variables)


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    path = tmp_path / "hosts.yml"
    path.touch()
    return path


def test_a_secret_of_a_nas_is_on_a_sheet_alone(inventory: Path) -> None:
    host = Host([{"name": "root", "secret": SECRET, "uri": URI}])
    result = run(host, inventory, secrets={"users": [{"name": "root"}]}, sheets={"formats": ["html", "txt"]})

    folder = inventory.parent / "twofactor_sheets"
    assert result["sheets"] == {"folder": str(folder), "written": ["root"]}
    assert SECRET not in json.dumps(result)
    assert host.given["secrets"]["return_secrets"] is True
    assert "sheets" not in host.given
    page = (folder / "root~nas1.html").read_text()
    assert " ".join(SECRET[i : i + 4] for i in range(0, 32, 4)) in page
    assert "8 digits, every 60 seconds" in page
    assert "root-nas1@TrueNAS" in page
    assert "both devices now" in page
    assert "for nas1." in page
    assert (folder / "root~nas1.txt").stat().st_mode & 0o777 == 0o600


def test_the_connection_does_not_show_an_answer_with_secrets_in_it(inventory: Path) -> None:
    host = Host([{"name": "root", "secret": SECRET, "uri": URI}])
    run(host, inventory, secrets={"users": [{"name": "root"}]}, sheets={})

    assert host.unshown is True
    assert host.context.no_log is False, "what comes after is shown again"


def test_any_other_answer_is_shown(inventory: Path) -> None:
    host = Host([])
    run(host, inventory, secrets={"users": [{"name": "alice", "secret": SECRET}]}, sheets={})

    assert host.unshown is False


def test_a_secret_of_a_linux_host(inventory: Path) -> None:
    host = Host([{"name": "alice", "secret": SECRET, "digits": 7, "interval": 30}])
    run(host, inventory, secrets={"users": [{"name": "alice"}]}, sheets={"issuer": "Fleet"})

    page = (inventory.parent / "twofactor_sheets" / "alice~nas1.html").read_text()
    assert "alice@nas1" in page
    assert "7 digits, every 30 seconds" in page
    assert "both devices now" not in page


@pytest.mark.parametrize(
    "secrets",
    [
        None,
        {"users": [{"name": "root"}], "state": "absent"},
        {"users": [{"name": "root", "secret": SECRET}]},
    ],
)
def test_nothing_is_asked_of_a_controller_that_has_nothing_to_write(secrets: dict[str, Any] | None) -> None:
    host = Host([])
    given = {"secrets": secrets} if secrets else {"policy": {"window": 1}}
    result = run(host, None, **given, sheets={})

    assert host.given == given
    assert "sheets" not in result


def test_without_sheets_it_is_the_module_alone(inventory: Path) -> None:
    secrets = {"users": [{"name": "root"}], "return_secrets": True}
    made = [{"name": "root", "secret": SECRET, "uri": URI}]

    assert run(Host(made), inventory, secrets=secrets)["secrets"] == made


@pytest.mark.parametrize("where", ["", "/proc/none/sheets"])
def test_what_cannot_be_written_is_refused_before_anything_is_done(where: str) -> None:
    host = Host([])
    result = run(host, None, secrets={"users": [{"name": "root"}]}, sheets={"folder": where})

    assert result["failed"]
    assert result["reasons"][0]["code"] == ("sheet_not_written" if where else "store_where")
    assert host.given == {}


def test_a_module_that_fails_has_no_sheets(inventory: Path) -> None:
    host = Host([])
    host.execute = lambda **dummy: {"failed": True}  # type: ignore[method-assign]
    result = run(host, inventory, secrets={"users": [{"name": "root"}]}, sheets={})

    assert result == {"failed": True}


def test_switching_off_is_never_refused_for_a_sheet() -> None:
    host = Host([])
    given = {"secrets": {"users": [{"name": "root"}]}, "policy": {"state": "disabled"}}

    assert not run(host, None, **given, sheets={}).get("failed")
    assert host.given == given


def test_a_sheet_that_cannot_be_written_after_all_says_what_to_do(
    inventory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
    from ansible_collections.fleetauth.twofactor.plugins.plugin_utils import _folder

    def full(*dummy: object) -> None:
        raise TwofactorError("sheet_not_written", "The disk is full.")

    monkeypatch.setattr(_folder, "write", full)
    host = Host([{"name": "root", "secret": SECRET, "uri": URI}])
    result = run(host, inventory, secrets={"users": [{"name": "root"}]}, sheets={})

    assert result["failed"]
    assert "nobody has seen: root. Mend that, and renew" in result["msg"]
    assert SECRET not in json.dumps(result)
