"""Users from the store, as a template asks for them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleLookupError
from ansible.parsing.vault import VaultSecret

from ansible_collections.fleetauth.twofactor.plugins.lookup.secret import LookupModule
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._book import FLEET, Book, Entry
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._store import Store
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._vault import Vault

A, B = "A" * 32, "B" * 32
SECRETS = [("default", VaultSecret(b"word"))]


class Lookup(LookupModule):
    """The lookup, with options that come from here instead of from Ansible's configuration."""

    def set_options(self, task_keys: Any = None, var_options: Any = None, direct: Any = None) -> None:
        self._given = {"store": var_options["twofactor_store"], "host": None, **direct}

    def get_option(self, option: str, hostvars: Any = None) -> Any:
        return self._given[option]


def look(store: Path, *names: str, secrets: Any = SECRETS, **options: Any) -> list[dict[str, Any]]:
    plugin = Lookup(loader=SimpleNamespace(_vault=SimpleNamespace(secrets=secrets)))
    return plugin.run(list(names), {"inventory_hostname": "web1", "twofactor_store": str(store)}, **options)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    book = Book({(FLEET, "alice"): Entry(A), ("web2", "alice"): Entry(B), (FLEET, "bob"): Entry(B)})
    Store(str(tmp_path / "store.yml"), Vault(SECRETS)).write(book)
    return tmp_path / "store.yml"


def test_everybody_or_some(store: Path) -> None:
    assert look(store) == [{"name": "alice", "secret": A}, {"name": "bob", "secret": B}]
    assert look(store, "bob") == [{"name": "bob", "secret": B}]
    assert look(store, "alice", host="web2") == [{"name": "alice", "secret": B}]


@pytest.mark.parametrize(
    ("names", "secrets", "words"),
    [
        (("dora",), SECRETS, "no secret of 'dora'"),
        ((), [], "no vault password"),
        ((), None, "no vault password"),
    ],
)
def test_errors_are_ansibles(store: Path, names: tuple[str, ...], secrets: Any, words: str) -> None:
    with pytest.raises(AnsibleLookupError, match=words):
        look(store, *names, secrets=secrets)


def test_path_of_the_store_may_be_a_template(store: Path) -> None:
    plugin = Lookup(
        loader=SimpleNamespace(_vault=SimpleNamespace(secrets=SECRETS)),
        templar=SimpleNamespace(template=lambda text: text.replace("{{ folder }}", str(store.parent))),
    )
    found = plugin.run(["bob"], {"inventory_hostname": "web1", "twofactor_store": "{{ folder }}/store.yml"})
    assert found == [{"name": "bob", "secret": B}]
