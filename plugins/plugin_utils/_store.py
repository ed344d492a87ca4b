# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The secret store: one file on the controller, encrypted as a whole by ansible-vault.

Private to this collection: may change at any time. What is in clear is in memory only: the new text is encrypted before
its first byte is written, into a new file that then takes the place of the old one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._beside import beside_inventory
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._book import Book, parse, render
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._vault import Vault

NAME = "twofactor_store.yml"
PATIENCE = 60.0
"""Seconds to wait for another run: a thousand sheets take about as long."""


def path_of(store: str, variables: dict[str, Any]) -> str:
    """Return the path of the store: as given, or beside the inventory."""
    return beside_inventory(store or NAME, variables, "store")


class Store:
    """The store at ``path``, read and written with the vault secrets that Ansible was given."""

    def __init__(self, path: str, vault: Vault) -> None:
        self.path = path
        self._vault = vault

    def read(self) -> Book:
        """Return what is in the store, nothing when there is no file.

        Raises TwofactorError when it cannot be read; it is never taken for empty then.
        """
        self._vault.refuse_without_secret()
        try:
            with open(self.path, "rb") as stream:
                data = stream.read()
        except FileNotFoundError:
            return Book()
        return parse(self._vault.decrypt(data, self.path), self.path)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep a second run out while one reads, changes and writes.

        The lock is on the folder, so that no lock file stays behind; it goes with the process, however that ends.
        """
        folder = os.path.dirname(self.path)
        if not os.path.isdir(folder):
            raise TwofactorError(
                "store_where", f"There is no folder {folder}.", "Create it, or give another 'store'."
            )
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._wait_for(descriptor)
            self._remove_half_written()
            yield
        finally:
            os.close(descriptor)

    def _wait_for(self, descriptor: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TwofactorError(
                        "store_busy",
                        f"Another run has been changing {self.path} for {PATIENCE:.0f} seconds.",
                        "Wait for it to end, and run again.",
                    ) from None
                time.sleep(0.05)

    def write(self, book: Book) -> None:
        """Replace the store as a whole. Call it while ``locked``."""
        folder, name = os.path.split(self.path)
        data = self._vault.encrypt(render(book).encode(), self.path)
        try:
            descriptor, new = tempfile.mkstemp(prefix=f".{name}.", suffix=".new", dir=folder)  # mode 0600
            try:
                with os.fdopen(descriptor, "wb") as stream:
                    stream.write(data)
                    stream.flush()
                    os.fsync(stream.fileno())
                os.rename(new, self.path)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(new)
                raise
            _sync_folder(folder)
        except OSError as error:
            raise TwofactorError(
                "store_not_written",
                f"{self.path} could not be written: {error.strerror}. It is as it was.",
                "Mend that, and run again.",
            ) from None

    def _remove_half_written(self) -> None:
        """Remove what a killed run left: encrypted, but not to be kept for ever."""
        folder, name = os.path.split(self.path)
        for entry in os.listdir(folder):
            if entry.startswith(f".{name}.") and entry.endswith(".new"):
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(folder, entry))


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
