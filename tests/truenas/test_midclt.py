# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""midclt: its arguments, its output, its exit status, release by release."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.truenas.fake import FakeNas
from tests.truenas.standin import midclt
from tests.truenas.standin.defaults import ROOT_PASSWORD
from tests.truenas.standin.releases import RELEASES
from tests.truenas.standin.wire import ConnectionLost

MakeNas = Callable[[str], FakeNas]
every = pytest.mark.parametrize("version", RELEASES)


class Shell:
    """Runs midclt on a NAS and keeps what it printed."""

    def __init__(
        self, nas: FakeNas, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.nas, self._capsys = nas, capsys
        release = nas.folder / "release"
        release.write_text(nas.nas.release.version + "\n")
        monkeypatch.setattr(midclt, "RELEASE", release)
        monkeypatch.setattr(midclt, "POLL", 0.01)
        shell = self

        class Connection:
            def __init__(self, timeout: float) -> None:
                shell.timeout = timeout
                if shell.trouble and not isinstance(shell.trouble, (TimeoutError, ConnectionLost)):
                    raise shell.trouble
                self._session = nas.dispatcher.session(0)

            def call(self, method: str, *params: Any) -> dict[str, Any]:
                if shell.trouble:
                    raise shell.trouble
                # As over the socket, what is no JSON does not get through.
                answer = nas.dispatcher.call(self._session, method, json.loads(json.dumps(params)))
                result: dict[str, Any] = json.loads(json.dumps(answer))
                return result

        self.timeout = 0.0
        self.trouble: Exception | None = None
        monkeypatch.setattr(midclt, "Connection", Connection)

    def __call__(self, *words: str) -> tuple[int, str, str]:
        try:
            status = midclt.main(list(words))
        except SystemExit as end:
            status = int(str(end.code))
        out, err = self._capsys.readouterr()
        return status, out, err


@pytest.fixture
def shell(
    make_nas: MakeNas, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], Shell]:
    """Return a function that gives the midclt of a release."""
    return lambda version: Shell(make_nas(version), monkeypatch, capsys)


@every
def test_how_results_are_printed(shell: Callable[[str], Shell], version: str) -> None:
    run = shell(version)
    assert run("call", "system.version") == (0, run.nas.nas.release.full_name + "\n", "")
    assert run("call", "system.ready") == (0, "True\n", "")
    assert run("call", "service.started", "nfs") == (0, "False\n", "")
    assert json.loads(run("call", "auth.twofactor.config")[1])["enabled"] is False
    assert run("call", "user.query", '[["username", "=", "root"]]', '{"count": true}') == (0, "1\n", "")
    if version >= "23":
        assert run("call", "user.unset_2fa_secret", "root") == (0, "null\n", "")
    assert '"datetime": {"$date": ' in run("call", "system.info")[1]


@every
def test_arguments_are_json_if_they_can_be(shell: Callable[[str], Shell], version: str) -> None:
    run = shell(version)
    run("call", "auth.login", "root", "123456")
    assert json.loads(run.nas.calls.read_text().splitlines()[-1])["result"] == "validation"
    assert run("call", "auth.login", "root", '"123456"') == (0, "False\n", "")


@every
def test_errors(shell: Callable[[str], Shell], version: str) -> None:
    run = shell(version)
    status, out, err = run("call", "auth.twofactor.update", '{"window": -1, "enabled": 3}')
    assert (status, out) == (1, "")
    lines = err.splitlines()
    # The order is that of the settings, not of the words.
    assert {line.split(":")[0] for line in lines[:2]} == {
        "[EINVAL] auth_twofactor_update.window",
        "[EINVAL] auth_twofactor_update.enabled",
    }
    assert ("Traceback (most recent call last):" in lines) == (version < "25")
    assert (len(lines) == 2) == (version >= "25")
    status, out, err = run("call", "service.start" if version < "26" else "core.job_abort", "99")
    assert (status, out) == (1, "")
    assert err.startswith("[E")
    assert "middlewared.service_exception.CallError: [E" in err
    status, out, err = run("call", "no.such")
    assert (status, out) == (1, "")
    assert (err == "Method does not exist\n") == (version >= "25")


@every
def test_login_that_fails(shell: Callable[[str], Shell], version: str) -> None:
    run = shell(version)
    said = (0, "Failed to login:  Invalid username or password\n", "")
    assert run("-U", "root", "-P", "wrong", "call", "system.version") == said
    assert run("-U", "root", "-P", ROOT_PASSWORD, "call", "system.ready") == (0, "True\n", "")
    if version >= "23":
        run.nas.enroll("root")
    run.nas.call("auth.twofactor.update", {"enabled": True, "services": {"ssh": True}})
    status, out, _ = run("-U", "root", "-P", ROOT_PASSWORD, "call", "system.version")
    expected = "Two-factor authentication is required" if version >= "26" else "Invalid username or password"
    assert status == 0
    assert out.startswith(f"Failed to login:  {expected}")


@every
def test_where_quiet_goes(shell: Callable[[str], Shell], version: str) -> None:
    run = shell(version)
    before, after = run("-q", "call", "no.such"), run("call", "-q", "no.such")
    right, wrong = (after, before) if version >= "25.10" else (before, after)
    assert right == (1, "", "")
    assert wrong[0] == 2


@every
def test_the_option_for_jobs(shell: Callable[[str], Shell], version: str) -> None:
    run = shell(version)
    if version < "25.04":
        assert run("call", "-j", "system.version")[0] == 2, "the option takes the method for its value"
        return
    if version < "25.10":
        return
    status, out, _ = run("call", "service.control", "STOP", "ssh")
    assert (status, out) == (0, "1\n")
    assert run("call", "-j", "service.control", "START", "ssh") == (0, "True\n", "")
    run.nas.nas.faults.write([{"fault": "job_fails", "reason": "It broke"}])
    status, out, err = run("call", "-j", "service.control", "START", "ssh")
    assert (status, out) == (1, "")
    assert err.startswith("[EFAULT] It broke\nTraceback")


@every
def test_other_commands(shell: Callable[[str], Shell], version: str) -> None:
    run = shell(version)
    assert run("ping") == (0, "pong\n", "")
    assert run("waitready")[0] == (0 if version < "25.10" else 2)
    assert run("call")[0] == 2
    assert run("dance")[0] == 2


@every
def test_a_payload_on_standard_input(
    shell: Callable[[str], Shell], version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = shell(version)
    monkeypatch.setattr("sys.stdin", io.StringIO('{"window": 2}'))
    status, out, _ = run("call", "auth.twofactor.update", "-")
    assert status == (0 if version >= "26" else 1)
    if version >= "26":
        assert json.loads(out)["window"] == 2


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (FileNotFoundError(), "Failed to run middleware call. Daemon not running?"),
        (ConnectionRefusedError(), "Failed to run middleware call. Daemon not running?"),
        (TimeoutError(), "Call timeout"),
        (ConnectionLost(), "Connection closed"),
    ],
)
def test_a_daemon_in_trouble(shell: Callable[[str], Shell], trouble: Exception, words: str) -> None:
    run = shell("25.10.6")
    run.trouble = trouble
    assert run("-t", "7", "call", "system.version") == (1, "", words + "\n")
    assert run.timeout == 7


def test_faults_come_out_as_they_are(shell: Callable[[str], Shell]) -> None:
    run = shell("25.10.6")
    run.nas.nas.faults.write([{"fault": "answer", "stdout": "{", "stderr": "oh\n", "status": 4}])
    assert run("call", "system.version") == (4, "{", "oh\n")


def test_a_key_from_a_file(shell: Callable[[str], Shell]) -> None:
    run = shell("26.0.0-BETA.3")
    key = run.nas.call("api_key.create", {"name": "k", "username": "root"})["key"]
    file = run.nas.folder / "key"
    file.write_text(key + "\n")
    assert run("-U", "root", "-K", str(file), "call", "system.ready") == (0, "True\n", "")
    assert run("-K", str(file), "call", "system.ready")[0] == 2
    file.write_text("1-wrong")
    said = run("-U", "root", "-K", str(file), "call", "system.ready")
    assert said == (0, "Failed to login:  Invalid API key\n", "")
