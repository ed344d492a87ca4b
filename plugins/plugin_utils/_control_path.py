# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether Ansible has a connection to a host open that its next task will use (ControlPersist of ssh_config(5)).

Private to this collection: may change at any time.
"""

from __future__ import annotations

import hashlib
import os
import socket

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError


def control_path(template: str, folder: str, host: str, port: int | None, user: str | None) -> str:
    """Return the socket of a host's connection, as Ansible's ssh plugin names it.

    ``template`` is its setting control_path, empty for the name that it makes from host, port and user.
    """
    folder = os.path.expanduser(folder)
    if not template:
        digest = hashlib.sha1(f"{host}-{port}-{user}".encode(), usedforsecurity=False).hexdigest()
        return os.path.join(folder, digest[:10])
    try:
        path = template % {"directory": folder}
    except (ValueError, KeyError, TypeError):
        path = "%"
    if "%" in path:
        raise TwofactorError(
            "control_path",
            f"Where Ansible keeps its connections cannot be told from '{template}', in which only ssh knows what "
            "some words stand for.",
            "Leave ansible_control_path out, or give one with the host's name in it.",
        )
    return os.path.expanduser(path)


def is_open(path: str) -> bool:
    """Tell whether somebody serves that socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        try:
            client.connect(path)
        except OSError:
            return False
        return True
