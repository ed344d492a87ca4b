# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-vault, with the secrets that Ansible itself was given: --vault-id, a password file, a prompt.

Private to this collection: may change at any time. Of Ansible's loader only its vault is used.
"""

from __future__ import annotations

from typing import Any

from ansible import constants
from ansible.errors import AnsibleError
from ansible.parsing.vault import (
    AnsibleVaultError,
    VaultLib,
    is_encrypted,
    match_encrypt_secret,
)

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError

_DEFAULT_LABEL = "default"


class Vault:
    """Encrypts and decrypts. What is written again keeps the secret and the vault id that it was read with."""

    def __init__(self, secrets: list[tuple[str, Any]] | None) -> None:
        self._secrets = list(secrets or [])
        self._opened_with: tuple[str, Any] | None = None

    @classmethod
    def of(cls, loader: Any) -> Vault:
        """Return the vault of Ansible's own loader."""
        return cls(getattr(getattr(loader, "_vault", None), "secrets", None))

    def refuse_without_secret(self) -> None:
        """Raise TwofactorError when Ansible was given no vault secret."""
        if not self._secrets:
            raise TwofactorError(
                "no_vault_secret",
                "Ansible was given no vault password, and the store is never written in clear.",
                "Use --vault-id, --vault-password-file or --ask-vault-pass, or set vault_password_file in ansible.cfg.",
            )

    def decrypt(self, data: bytes, path: str) -> bytes:
        """Return the plain text of ``data``, the content of ``path``."""
        if not is_encrypted(data):
            raise TwofactorError(
                "store_not_encrypted",
                f"{path} is not encrypted with ansible-vault, so it is not taken for the store.",
                "If it is the store, encrypt it with 'ansible-vault encrypt' and renew the secrets in it, which lay in "
                "clear; if not, give another 'store'.",
            )
        try:
            plain, name, secret = VaultLib(self._secrets).decrypt_and_get_vault_id(data)
            has_label = b";1.2;" in data.split(b"\n", 1)[0]
            self._opened_with = (name if has_label else _DEFAULT_LABEL, secret)
            return bytes(plain)
        except (AnsibleError, ValueError) as error:
            raise _unreadable(path, error) from None

    def encrypt(self, plain: bytes, path: str) -> bytes:
        """Return ``plain`` encrypted with the secret that opened the file, or else the one that Ansible would take."""
        self.refuse_without_secret()
        try:
            label, secret = self._opened_with or match_encrypt_secret(
                self._secrets, constants.config.get_config_value("DEFAULT_VAULT_ENCRYPT_IDENTITY")
            )
        except AnsibleError as error:
            raise TwofactorError(
                "vault_id_unknown",
                f"{path} cannot be encrypted: {error}",
                "Name a vault id that Ansible was given in vault_encrypt_identity.",
            ) from None
        shown = None if label == _DEFAULT_LABEL else label
        return bytes(VaultLib(self._secrets).encrypt(plain, secret=secret, vault_id=shown))


def _unreadable(path: str, error: Exception) -> TwofactorError:
    if isinstance(error, AnsibleVaultError) and "no vault secrets were found that could decrypt" in str(
        error
    ):
        return TwofactorError(
            "vault_password_wrong",
            f"No vault password that Ansible was given opens {path}.",
            "Give the one that it was written with. Nothing has been changed.",
        )
    return TwofactorError(
        "store_damaged",
        f"{path} is damaged: ansible-vault cannot read it.",
        "Bring it back from a copy. Nothing has been changed.",
    )
