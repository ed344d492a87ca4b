from __future__ import annotations

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import ssh_report
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.ssh_report import Answer
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.sshd_check import SOMEWHERE, Visitor
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import Declared, Policy, SshPolicy

KEY_AND_CODE, PASSWORD_AND_CODE = "publickey,keyboard-interactive:pam", "keyboard-interactive:pam"


def declared(*methods: str) -> Declared:
    return Declared(Policy(state="enabled"), SshPolicy(state="enabled", methods=methods))


KEY = declared("key_and_code")


@pytest.mark.parametrize(
    ("ways", "of", "is_asked"),
    [
        (KEY_AND_CODE, KEY, True),
        (f"{KEY_AND_CODE} publickey", KEY, False),
        (f"{KEY_AND_CODE} {PASSWORD_AND_CODE}", KEY, False),
        ("any", KEY, False),
        ("publickey", KEY, False),
        (f"{PASSWORD_AND_CODE} {KEY_AND_CODE}", declared("key_and_code", "password_and_code"), True),
        (f"{PASSWORD_AND_CODE} publickey", declared("password_and_code", "key"), True),
        (f"{KEY_AND_CODE} {PASSWORD_AND_CODE}", Declared(), True),
        (f"{KEY_AND_CODE} publickey", Declared(), False),
    ],
)
def test_each_way_in_is_one_that_was_declared(ways: str, of: Declared, is_asked: bool) -> None:
    answer = Answer(Visitor("alice", SOMEWHERE, False), {"usepam": "yes", "authenticationmethods": ways})
    assert ssh_report.is_asked(answer, of) is is_asked


@pytest.mark.parametrize(
    ("settings", "is_asked"),
    [
        ({}, True),
        ({"usepam": "no"}, False),
        ({"pamservicename": "sshd"}, True),
        ({"pamservicename": "own"}, False),
    ],
)
def test_pam_is_asked_by_its_usual_name(settings: dict[str, str], is_asked: bool) -> None:
    answer = Answer(
        Visitor("alice", SOMEWHERE, False),
        {"usepam": "yes", "authenticationmethods": KEY_AND_CODE, **settings},
    )
    assert ssh_report.is_asked(answer, KEY) is is_asked


@pytest.mark.parametrize(("ways", "is_asked"), [("publickey", True), ("any", False), ("password", False)])
def test_exempt_comes_with_a_key_alone(ways: str, is_asked: bool) -> None:
    answer = Answer(Visitor("robot", SOMEWHERE, True), {"usepam": "yes", "authenticationmethods": ways})
    assert ssh_report.is_asked(answer, KEY) is is_asked
