"""The connection that is looked for is the one that Ansible would use."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from ansible.plugins.connection.ssh import Connection

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._control_path import control_path, is_open


@pytest.mark.parametrize(("port", "user"), [(None, None), (22, "ansible"), (2222, None)])
def test_named_as_ansible_names_it(port: int | None, user: str | None) -> None:
    theirs = Connection._create_control_path("192.0.2.1", port, user) % {"directory": "/cp"}
    assert control_path("", "/cp", "192.0.2.1", port, user) == theirs


def test_a_path_of_ones_own() -> None:
    assert control_path("%(directory)s/web1", "~/cp", "h", None, None) == os.path.expanduser("~/cp/web1")
    assert control_path("~/web1", "/cp", "h", None, None) == os.path.expanduser("~/web1")


@pytest.mark.parametrize("template", ["%(directory)s/%%C", "/cp/%%h", "/cp/%h", "%(else)s", "/cp/%"])
def test_what_only_ssh_knows_is_refused(template: str) -> None:
    with pytest.raises(TwofactorError, match="only ssh knows"):
        control_path(template, "/cp", "h", None, None)


def test_open_is_what_somebody_serves(tmp_path: Path) -> None:
    path = tmp_path / "s"
    assert not is_open(str(path))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        assert is_open(str(path))
    assert path.exists()
    assert not is_open(str(path)), "left by one that was killed"
    assert not is_open(str(tmp_path / ("x" * 200)))
