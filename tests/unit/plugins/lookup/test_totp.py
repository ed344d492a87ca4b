"""A code from the store, as a template asks for it."""

from __future__ import annotations

import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyotp
import pytest
from ansible.errors import AnsibleLookupError
from ansible.parsing.vault import VaultSecret

from ansible_collections.fleetauth.twofactor.plugins.lookup.totp import NO_CODE, LookupModule
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils import _spent
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._book import FLEET, Book, Entry
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._control_path import control_path
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._store import Store
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._vault import Vault

A, B = "A" * 32, "B" * 32
NOW = 1795518005.0
SECRETS = [("default", VaultSecret(b"word"))]


class Lookup(LookupModule):
    """The lookup, with options that come from here instead of from Ansible's configuration."""

    def set_options(self, task_keys: Any = None, var_options: Any = None, direct: Any = None) -> None:
        self._given = {
            "for_connection": False,
            "port": None,
            "control_path": "",
            **var_options["options"],
            **direct,
        }

    def get_option(self, option: str, hostvars: Any = None) -> Any:
        return self._given[option]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    book = Book({(FLEET, "ansible"): Entry(A), ("web2", "ansible"): Entry(B, digits=8, interval=60)})
    Store(str(tmp_path / "store.yml"), Vault(SECRETS)).write(book)
    monkeypatch.setattr(_spent.time, "time", lambda: NOW)
    return tmp_path


def look(folder: Path, *names: str, host: str = "web1", secrets: Any = SECRETS, **options: Any) -> str:
    plugin = Lookup(
        loader=SimpleNamespace(_vault=SimpleNamespace(secrets=secrets)),
        templar=SimpleNamespace(template=lambda text: text),
    )
    given = {
        "store": str(folder / "store.yml"),
        "spent": str(folder / "spent"),
        "host": f"{host}.example.com",
        "remote_user": "ansible",
        "control_path_dir": str(folder),
    }
    (code,) = plugin.run(list(names), {"inventory_hostname": host, "options": given}, **options)
    return code


def test_a_code_that_an_app_would_show(folder: Path) -> None:
    assert look(folder) == pyotp.TOTP(A).at(int(NOW))
    assert look(folder, "ansible", host="web2") == pyotp.TOTP(B, digits=8, interval=60).at(int(NOW))
    assert look(folder, host="web3", for_connection=True) == pyotp.TOTP(A).at(int(NOW))


def test_with_a_connection_the_store_stays_closed(folder: Path) -> None:
    path = control_path("", str(folder), "web1.example.com", None, "ansible")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        assert look(folder, for_connection=True, secrets=None) == NO_CODE
        assert look(folder) == pyotp.TOTP(A).at(int(NOW)), "a task gets a code all the same"


def test_before_the_user_is_enrolled(folder: Path) -> None:
    assert look(folder, "dora", for_connection=True) == NO_CODE
    assert NO_CODE, "empty would tell Ansible to switch questions off"
    with pytest.raises(AnsibleLookupError, match="no secret of 'dora'"):
        look(folder, "dora")


@pytest.mark.parametrize(
    ("names", "secrets", "options", "words"),
    [
        (("a", "b"), SECRETS, {}, "no one user"),
        ((), SECRETS, {"remote_user": None}, "no one user"),
        ((), None, {}, "no vault password"),
        ((), None, {"for_connection": True}, "no vault password"),
        ((), SECRETS, {"spent": "/proc/none"}, "No code can be made"),
        ((), SECRETS, {"for_connection": True, "control_path": "%%C"}, "only ssh knows"),
    ],
)
def test_errors_are_ansibles(folder: Path, names: Any, secrets: Any, options: Any, words: str) -> None:
    with pytest.raises(AnsibleLookupError, match=words):
        look(folder, *names, secrets=secrets, **options)
