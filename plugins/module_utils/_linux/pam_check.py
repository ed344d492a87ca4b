# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real PAM conversation with a policy that is not in place yet.

Private to this collection: may change at any time. libpam is used through ctypes, with a folder of its own for its
service files (pam_start_confdir(3), Linux-PAM 1.4 or later) and a throw-away token, so that nothing of the host is
touched and no code of anybody is spent. See pam_start(3), pam_conv(3), pam_authenticate(3).
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import shutil
import tempfile
import time

from ansible_collections.fleetauth.twofactor.plugins.module_utils import _otp
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import pam, tokens
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import Policy

SERVICE = "twofactor-check"
_WHO = "root"
"""pam_faillock counts only accounts that exist, and this one always does."""
_SUCCESS = 0
_PROMPT_ECHO_OFF = 1
_PROMPT_ECHO_ON = 2
_PAM_FAIL_DELAY = 10
_TRIES = 3


class _Message(ctypes.Structure):
    _fields_ = (("style", ctypes.c_int), ("text", ctypes.c_char_p))


class _Response(ctypes.Structure):
    # A void pointer, since PAM frees what it points to and ctypes must not.
    _fields_ = (("text", ctypes.c_void_p), ("code", ctypes.c_int))


_ASK = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_int,
    ctypes.POINTER(ctypes.POINTER(_Message)),
    ctypes.POINTER(ctypes.POINTER(_Response)),
    ctypes.c_void_p,
)


_DELAY = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p)


class _Conversation(ctypes.Structure):
    _fields_ = (("ask", _ASK), ("data", ctypes.c_void_p))


def check_policy(policy: Policy) -> None:
    """Try what sshd's service asks after a key, for real: a valid code in, an invalid one, no token and no key out.

    Raises TwofactorError when PAM does not do that. Does nothing where libpam is too old to be asked this way.
    """
    libpam = load_libpam()
    if libpam is None:
        return
    folder = tempfile.mkdtemp(prefix="twofactor-", dir="/run")
    try:
        seed = _otp.random_seed()
        _write_service(folder, policy)
        line = tokens.new_line(_WHO, seed, policy.interval, policy.digits)
        _expect_right_code(libpam, folder, line, policy)
        _write(f"{folder}/tokens/{_WHO}.oath", tokens.render([line]))
        _expect(libpam, folder, _wrong_code(seed, policy), False, "a wrong code")
        _write(f"{folder}/tokens/{_WHO}.oath", tokens.render([line]))
        _expect(libpam, folder, _right_code(seed, policy), False, "a code without a key", key=False)
        os.unlink(f"{folder}/tokens/{_WHO}.oath")
        _expect(libpam, folder, _right_code(seed, policy), False, "a code of somebody who has no token")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def load_libpam() -> ctypes.CDLL | None:
    """Return libpam, None where it is too old to read service files from a folder."""
    try:
        libpam = ctypes.CDLL("libpam.so.0")
        return libpam if hasattr(libpam, "pam_start_confdir") else None
    except OSError:
        return None


def _write_service(folder: str, policy: Policy) -> None:
    os.mkdir(f"{folder}/tokens", 0o700)
    os.mkdir(f"{folder}/failures", 0o700)
    code = pam.code_lines(policy, tokens=f"{folder}/tokens", failures=f"{folder}/failures")
    lines = [*pam.after_key([], code), "auth requisite pam_deny.so"]
    _write(f"{folder}/{SERVICE}", "\n".join(lines) + "\n")
    _write(f"{folder}/other", "auth required pam_deny.so\n")


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(text)


def _right_code(seed: bytes, policy: Policy) -> str:
    """Return the present code, having waited if it is about to go: pam_oath must see the same step."""
    left = policy.interval - time.time() % policy.interval
    if left < 1:
        time.sleep(left)
    return _otp.totp(seed, time.time(), policy.interval, policy.digits)


def _wrong_code(seed: bytes, policy: Policy) -> str:
    """Return a code that is right for no step anywhere near."""
    now = _otp.step_of(time.time(), policy.interval)
    near = {_otp.hotp(seed, now + step, policy.digits) for step in range(-12, 13)}
    return next(c for c in (str(n).zfill(policy.digits) for n in range(100)) if c not in near)


def _expect_right_code(libpam: ctypes.CDLL, folder: str, line: tokens.TokenLine, policy: Policy) -> None:
    """Expect the right code to be accepted; on a busy host its step may be over before pam_oath looks."""
    for attempt in range(_TRIES):
        _write(f"{folder}/tokens/{_WHO}.oath", tokens.render([line]))
        try:
            _expect(libpam, folder, _right_code(line.seed, policy), True, "the right code")
            return
        except TwofactorError:
            shutil.rmtree(f"{folder}/failures", ignore_errors=True)
            os.mkdir(f"{folder}/failures", 0o700)
            if attempt == _TRIES - 1:
                raise


def _expect(  # noqa: PLR0913 - what is shown, and what is to come of it
    libpam: ctypes.CDLL, folder: str, code: str, accepted: bool, what: str, *, key: bool = True
) -> None:
    status = authenticate(libpam, folder, code, key=key)
    if (status == _SUCCESS) == accepted:
        return
    verb = "refused" if accepted else "accepted"
    raise TwofactorError(
        "pam_does_not_protect" if not accepted else "pam_shuts_out",
        f"Tried with a throw-away token, PAM {verb} {what} (status {status}), so the policy is not put in place.",
        "Check that pam_oath, pam_exec and pam_faillock are whole ('journalctl -t twofactor-check', the package "
        "manager's verify command).",
    )


def authenticate(libpam: ctypes.CDLL, folder: str, code: str, who: str = _WHO, *, key: bool = False) -> int:
    """Hold one conversation in which every question is answered with ``code``; return PAM's status.

    With ``key`` it is held as sshd does after it has accepted a key.

    A process of its own does that: a PAM module that is broken can bring down whoever loads it. It is then less than 0.
    """
    child = os.fork()
    if child == 0:
        status = 255
        try:
            status = _converse(libpam, folder, code, who, key)
        finally:
            os._exit(status)
    ended = os.waitpid(child, 0)[1]
    return os.WEXITSTATUS(ended) if os.WIFEXITED(ended) else -os.WTERMSIG(ended)


def _converse(libpam: ctypes.CDLL, folder: str, code: str, who: str, key: bool) -> int:
    libc = ctypes.CDLL(None)
    libc.calloc.restype = ctypes.c_void_p
    libc.strdup.restype = ctypes.c_void_p

    def answer(count: int, messages: object, responses: object, data: object) -> int:
        del data
        array = libc.calloc(count, ctypes.sizeof(_Response))
        replies = ctypes.cast(array, ctypes.POINTER(_Response))
        for index in range(count):
            if messages[index].contents.style in (_PROMPT_ECHO_OFF, _PROMPT_ECHO_ON):  # type: ignore[index]
                replies[index].text = libc.strdup(code.encode("ascii"))
        responses[0] = replies  # type: ignore[index]
        return _SUCCESS

    conversation = _Conversation(_ASK(answer), None)
    handle = ctypes.c_void_p()
    started = libpam.pam_start_confdir(
        SERVICE.encode(), who.encode(), ctypes.byref(conversation), folder.encode(), ctypes.byref(handle)
    )
    if started != _SUCCESS:
        return int(started)
    if key:
        libpam.pam_putenv(handle, b"SSH_AUTH_INFO_0=publickey of twofactor-check\n")
    # Without a delay function of our own PAM would sleep for seconds after a refusal, to slow down guessing.
    no_delay = _DELAY(lambda *dummy: None)
    libpam.pam_set_item(handle, _PAM_FAIL_DELAY, no_delay)
    status = int(libpam.pam_authenticate(handle, 0))
    libpam.pam_end(handle, status)
    return status
