"""ansible-vault with the secrets that Ansible was given."""

from __future__ import annotations

import pytest
from ansible.parsing.vault import VaultSecret

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._vault import Vault

ONE, TWO = VaultSecret(b"one"), VaultSecret(b"two")


def header(data: bytes) -> bytes:
    return data.split(b"\n", 1)[0]


def test_first_secret_is_taken_and_its_label_written() -> None:
    assert header(Vault([("default", ONE), ("team", TWO)]).encrypt(b"x", "p")) == b"$ANSIBLE_VAULT;1.1;AES256"
    assert header(Vault([("team", TWO)]).encrypt(b"x", "p")) == b"$ANSIBLE_VAULT;1.2;AES256;team"


def test_what_opened_a_file_closes_it() -> None:
    data = Vault([("team", TWO)]).encrypt(b"x", "p")
    vault = Vault([("default", ONE), ("team", TWO)])
    assert vault.decrypt(data, "p") == b"x"

    again = vault.encrypt(b"y", "p")
    assert header(again) == header(data)
    assert Vault([("team", TWO)]).decrypt(again, "p") == b"y"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"version: 1\n", "store_not_encrypted"),
        (b"$ANSIBLE_VAULT;1.1;AES256\n3131\n", "store_damaged"),
        (b"$ANSIBLE_VAULT\n", "store_damaged"),
        (Vault([("default", TWO)]).encrypt(b"x", "p"), "vault_password_wrong"),
    ],
)
def test_what_cannot_be_opened(data: bytes, code: str) -> None:
    with pytest.raises(TwofactorError) as caught:
        Vault([("default", ONE)]).decrypt(data, "/there")
    assert caught.value.code == code
    assert "/there" in str(caught.value)


def test_no_secret() -> None:
    for call in (lambda: Vault([]).encrypt(b"x", "p"), Vault.of(None).refuse_without_secret):
        with pytest.raises(TwofactorError, match="no vault password"):
            call()
