# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What midclt prints, as data."""

from __future__ import annotations

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas import wire

TRACE = "Traceback (most recent call last):\n  File x, line 1\nmiddlewared.CallError: [EFAULT] no\n"


@pytest.mark.parametrize("name", ["alice", "123456", "true", "null", '{"a": 1}', "o'neil", "zoë"])
def test_every_argument_is_json(name: str) -> None:
    import json

    words = wire.command("midclt", "user.renew_2fa_secret", (name, {"interval": 30}))
    assert words[:3] == ["midclt", "call", "user.renew_2fa_secret"]
    assert [json.loads(word) for word in words[3:]] == [name, {"interval": 30}]


@pytest.mark.parametrize(
    ("out", "value"),
    [
        ("True\n", True),
        ("False\n", False),
        ("null\n", None),
        ("42\n", 42),
        ('{"a": [1, null, true]}\n', {"a": [1, None, True]}),
        ("TrueNAS-25.10.6\n", "TrueNAS-25.10.6"),
        ("otpauth://totp/x?secret=A\n", "otpauth://totp/x?secret=A"),
        ('{"datetime": {"$date": 1767225600500}}\n', {"datetime": 1767225600.5}),
        ('{"groups": {"$set": [1, 2]}}\n', {"groups": [1, 2]}),
        ("", ""),
    ],
)
def test_answers_are_taken_for_what_they_are(out: str, value: object) -> None:
    found = wire.value(out)
    assert found == value
    assert type(found) is type(value)


def _refusal(err: str) -> wire.ApiError:
    with pytest.raises(wire.ApiError) as caught:
        wire.answer("auth.twofactor.update", 1, "", err)
    return caught.value


def test_several_validation_errors_are_told_together() -> None:
    error = _refusal(
        "[EINVAL] auth_twofactor_update.window: Should be greater than or equal to 0\n"
        "[EINVAL] auth_twofactor_update.otp_digits: Field was not expected\n"
        "[['auth_twofactor_update.window', 'Should be greater', 22]]\n"
    )
    assert error.attributes == {"auth_twofactor_update.window", "auth_twofactor_update.otp_digits"}
    assert len(error.reasons) == 2
    assert "(2) TrueNAS refused auth.twofactor.update: auth_twofactor_update.otp_digits: Field" in str(error)


@pytest.mark.parametrize(
    ("err", "sentence"),
    [
        (f"[EFAULT] Please disable it first\n{TRACE}", "Please disable it first"),
        (f"Please enable it first.\n{TRACE}", "Please enable it first."),
        (f"bob: may not renew\nfor this user.\n{TRACE}", "bob: may not renew for this user."),
        (TRACE, "[EFAULT] no"),
        ("", "it gave no reason"),
    ],
)
def test_a_refusal_is_its_sentence_without_the_trace(err: str, sentence: str) -> None:
    error = _refusal(err)
    assert sentence in error.message
    assert "Traceback" not in str(error)
    assert "File x" not in str(error)


@pytest.mark.parametrize(
    ("err", "attribute"),
    [
        (
            "[EINVAL] 2fa_configuration_options.interval: Should be greater\n",
            "2fa_configuration_options.interval",
        ),
        ("[EINVAL] query-filters.0: Invalid filter\n", "query-filters.0"),
        ("2fa_configuration_options.otp_digits: no\n", "2fa_configuration_options.otp_digits"),
        ("[EFAULT] 192.0.2.1: Connection timed out\n", ""),
        ("[EFAULT] 1.5: no\n", ""),
    ],
)
def test_an_attribute_may_begin_with_a_digit_and_have_a_hyphen(err: str, attribute: str) -> None:
    error = _refusal(err)
    assert error.attributes == {attribute}
    assert error.about_arguments == bool(attribute)


@pytest.mark.parametrize(
    "err",
    [
        "[ENOMETHOD] Method 'version' not found in 'system'\n",
        "Method does not exist\n",
        "[EINVAL] Method not found\n",
    ],
)
def test_a_method_that_a_release_does_not_have(err: str) -> None:
    assert _refusal(err).no_method


def test_a_failed_login_is_one_although_it_exits_with_0() -> None:
    with pytest.raises(TwofactorError) as caught:
        wire.answer("system.version", 0, "Failed to login:  Invalid username or password\n", "")
    assert caught.value.code == "middleware_login"


def test_a_command_line_that_midclt_does_not_understand() -> None:
    with pytest.raises(TwofactorError) as caught:
        wire.answer("x.y", 2, "", "usage: midclt [-h]\nmidclt: error: unrecognized arguments: -q\n")
    assert caught.value.code == "midclt_usage"


@pytest.mark.parametrize(
    ("status", "err", "trouble"),
    [
        (1, "Failed to run middleware call. Daemon not running?\n", "down"),
        (1, "[ECONNABORTED] Unexpected closure of remote connection\n", "lost"),
        (1, "Connection closed\n", "lost"),
        (
            1,
            "Traceback (most recent call last):\nConnectionResetError: [Errno 104] Connection reset by peer\n",
            "lost",
        ),
        (1, "WebSocket connection closed with code=1006, reason=None\n", "lost"),
        (1, "Call timeout\n", "timeout"),
        (1, "[EINVAL] user_update.home: connection closed is no folder\n", ""),
        (1, "[EFAULT] no\n", ""),
        (0, "", ""),
    ],
)
def test_trouble_with_the_connection(status: int, err: str, trouble: str) -> None:
    assert wire.connection_trouble(status, err) == trouble


def test_what_was_printed_as_an_answer_is_in_no_error() -> None:
    error = _refusal("")
    with pytest.raises(wire.ApiError) as caught:
        wire.answer("user.provisioning_uri", 1, "otpauth://totp/x?secret=SEED", "[EFAULT] no\n")
    assert "SEED" not in str(caught.value) + str(error)
