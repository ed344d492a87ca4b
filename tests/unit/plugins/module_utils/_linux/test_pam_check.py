from __future__ import annotations

import ctypes
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils import _otp
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import pam_check, tokens
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import Policy

SUCCESS, AUTH_ERR, USER_UNKNOWN = 0, 7, 10
NOW = 1_700_000_020.0  # ten seconds into a step
SEED = b"S" * 20


class Pam:
    """Stands in for libpam: answers by the token file that it finds, unless told otherwise."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder / "run"
        self.codes: list[str] = []
        self.keys: list[bool] = []
        self.files: dict[str, str] = {}
        self.answers: list[int] = []
        self.slept = 0.0
        monkeypatch.setattr(pam_check, "load_libpam", lambda: self)
        monkeypatch.setattr(pam_check, "authenticate", self.authenticate)
        monkeypatch.setattr(pam_check.tempfile, "mkdtemp", self.mkdtemp)
        monkeypatch.setattr(pam_check.time, "time", lambda: NOW + self.slept)
        monkeypatch.setattr(pam_check.time, "sleep", self.sleep)
        monkeypatch.setattr(_otp, "random_seed", lambda: SEED)

    def mkdtemp(self, **named: str) -> str:
        assert named["dir"] == "/run"
        self.folder.mkdir(mode=0o700)
        return str(self.folder)

    def sleep(self, seconds: float) -> None:
        self.slept += seconds

    def authenticate(self, libpam: Any, folder: str, code: str, *, key: bool) -> int:
        assert libpam is self
        self.keys.append(key)
        self.codes.append(code)
        found = [path for path in self.folder.rglob("*") if path.is_file()]
        self.files.update({str(path.relative_to(self.folder)): path.read_text() for path in found})
        if self.answers:
            return self.answers.pop(0)
        token = self.folder / "tokens" / "root.oath"
        if not token.exists() or not key:
            return USER_UNKNOWN
        (line,) = tokens.parse(token.read_text(), "root")
        right = _otp.totp(line.seed, NOW + self.slept, line.interval, line.digits)
        return SUCCESS if code == right else AUTH_ERR


@pytest.fixture
def libpam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pam:
    return Pam(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    "policy",
    [
        Policy(state="enabled"),
        Policy(state="enabled", digits=8, interval=60),
        Policy(state="enabled", window=0),
    ],
)
def test_right_code_wrong_code_and_a_stranger_are_tried(libpam: Pam, policy: Policy) -> None:
    pam_check.check_policy(policy)
    right, wrong, keyless, stranger = libpam.codes

    assert libpam.keys == [True, True, False, True]
    assert right == keyless == stranger == _otp.totp(SEED, NOW, policy.interval, policy.digits)
    assert wrong != right
    assert len(wrong) == policy.digits
    assert not libpam.folder.exists()


def test_files_are_private_and_the_token_is_a_fresh_one(libpam: Pam) -> None:
    pam_check.check_policy(Policy(state="enabled"))

    assert libpam.files["tokens/root.oath"] == f"HOTP/T30/6\troot\t-\t{SEED.hex()}\n"
    code = libpam.files[pam_check.SERVICE]
    assert f"usersfile={libpam.folder}/tokens/" in code
    assert f"dir={libpam.folder}/failures" in code
    assert "/var/lib/twofactor" not in code
    assert code.startswith(
        "auth [success=ignore default=5] pam_exec.so quiet /bin/sh -c [case $SSH_AUTH_INFO_0 "
    )
    assert code.endswith("\nauth requisite pam_deny.so\n")
    assert "pam_deny" in libpam.files["other"]


@pytest.mark.parametrize(
    ("answers", "code", "words"),
    [
        ([AUTH_ERR] * 3, "pam_shuts_out", "refused the right code .status 7"),
        ([28] * 3, "pam_shuts_out", "status 28"),
        ([SUCCESS, SUCCESS], "pam_does_not_protect", "accepted a wrong code"),
        ([SUCCESS, AUTH_ERR, SUCCESS], "pam_does_not_protect", "accepted a code without a key"),
        (
            [SUCCESS, AUTH_ERR, AUTH_ERR, SUCCESS],
            "pam_does_not_protect",
            "accepted a code of somebody who has no token",
        ),
    ],
)
def test_pam_that_does_otherwise(libpam: Pam, answers: list[int], code: str, words: str) -> None:
    libpam.answers = answers
    with pytest.raises(TwofactorError) as caught:
        pam_check.check_policy(Policy(state="enabled"))

    assert caught.value.code == code
    assert re.search(words, caught.value.message)
    assert caught.value.remedy
    assert not libpam.folder.exists()
    assert SEED.hex() not in str(caught.value)


@pytest.mark.parametrize("busy", [1, 2])
def test_right_code_whose_step_was_over_before_pam_looked_is_tried_again(libpam: Pam, busy: int) -> None:
    libpam.answers = [AUTH_ERR] * busy
    pam_check.check_policy(Policy(state="enabled"))
    assert len(libpam.codes) == busy + 4


def test_code_that_is_about_to_go_is_not_used(libpam: Pam) -> None:
    libpam.slept = 19.5  # half a second before the step ends
    pam_check.check_policy(Policy(state="enabled"))

    assert libpam.slept == pytest.approx(20.0)
    assert libpam.codes[0] == _otp.totp(SEED, NOW + 20, 30, 6)


@pytest.mark.parametrize("digits", [6, 7, 8])
def test_wrong_code_is_right_for_no_step_that_any_window_reaches(digits: int, libpam: Pam) -> None:
    wrong = pam_check._wrong_code(SEED, Policy(digits=digits))
    step = _otp.step_of(NOW, 30)
    assert wrong not in {_otp.hotp(SEED, step + near, digits) for near in range(-10, 11)}


def test_libpam_that_is_too_old_is_not_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pam_check, "load_libpam", lambda: None)
    monkeypatch.setattr(pam_check.tempfile, "mkdtemp", lambda **_named: pytest.fail("nothing to do"))
    pam_check.check_policy(Policy(state="enabled"))


def test_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_name: str) -> ctypes.CDLL:
        raise OSError("libpam.so.0: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    assert pam_check.load_libpam() is None
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    assert pam_check.load_libpam() is None


REAL = pam_check.load_libpam()
_FORKS = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
"""The process that runs the tests may have threads; that of a module has none."""


@_FORKS
def test_module_that_brings_its_process_down(monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_arguments: object) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return SUCCESS

    for function, status in ((die, -signal.SIGKILL), (lambda *_arguments: 7, 7), (lambda *_arguments: 0, 0)):
        monkeypatch.setattr(pam_check, "_converse", function)
        assert pam_check.authenticate(None, "/nowhere", "123456") == status  # type: ignore[arg-type]


@_FORKS
@pytest.mark.skipif(REAL is None, reason="this machine's libpam reads service files from no other folder")
@pytest.mark.parametrize(
    ("lines", "code", "accepted"),
    [
        ("auth required pam_permit.so", "123456", True),
        ("auth required pam_deny.so", "123456", False),
        ("auth required pam_no_such_module.so", "123456", False),
        ("account required pam_permit.so", "123456", False),
        ("auth required pam_exec.so quiet expose_authtok {script}", "123456", True),
        ("auth required pam_exec.so quiet expose_authtok {script}", "654321", False),
    ],
)
def test_real_conversation(tmp_path: Path, lines: str, code: str, accepted: bool) -> None:
    """Without pam_oath, which not every machine has; on real hosts it is tried with each change."""
    script = tmp_path / "ask"
    script.write_text("#!/bin/sh\ntest \"$(tr -d '\\0')\" = 123456\n")
    script.chmod(0o700)
    (tmp_path / pam_check.SERVICE).write_text(lines.format(script=script) + "\n")
    (tmp_path / "other").write_text("auth required pam_deny.so\n")
    assert REAL is not None

    assert (pam_check.authenticate(REAL, str(tmp_path), code) == SUCCESS) is accepted


@_FORKS
@pytest.mark.skipif(REAL is None, reason="this machine's libpam reads service files from no other folder")
def test_real_conversation_without_a_service(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("auth required pam_deny.so\n")
    assert REAL is not None
    assert pam_check.authenticate(REAL, str(tmp_path), "123456") != SUCCESS
