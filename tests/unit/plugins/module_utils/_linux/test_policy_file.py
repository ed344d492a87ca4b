from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import policy_file
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import (
    Declared,
    Exempt,
    Policy,
    SshPolicy,
)

WORDS = st.lists(st.text(max_size=8), max_size=3).map(tuple)
DECLARED = st.builds(
    Declared,
    st.builds(
        Policy,
        state=st.sampled_from(["enabled", "disabled"]),
        digits=st.sampled_from([6, 7, 8]),
        services=st.none() | WORDS,
        exempt=st.builds(Exempt, WORDS, WORDS, WORDS),
        reason=st.text(max_size=20),
    ),
    st.builds(SshPolicy, methods=WORDS, exempt_users=st.none() | WORDS, exempt_networks=st.none() | WORDS),
)


@given(DECLARED)
def test_round_trip(declared: Declared) -> None:
    assert policy_file.parse(policy_file.render(declared)) == declared


def test_no_file_is_the_defaults() -> None:
    assert policy_file.parse(None) == Declared()


def test_words_of_a_newer_version_are_ignored() -> None:
    data = json.loads(policy_file.render(Declared(Policy(digits=8))))
    data["policy"]["colour"] = data["ssh"]["colour"] = data["policy"]["exempt"]["colour"] = data["more"] = {
        "x": 1
    }

    assert policy_file.parse(json.dumps(data)) == Declared(Policy(digits=8))


def test_words_that_an_older_version_did_not_write_have_their_default() -> None:
    assert policy_file.parse('{"policy": {"digits": 7}, "ssh": {}}') == Declared(Policy(digits=7))


def damaged(section: str, name: str, value: Any) -> str:
    data = json.loads(policy_file.render(Declared()))
    data[section][name] = value
    return json.dumps(data)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        "{}",
        '"policy"',
        '{"policy": {}}',
        '{"policy": [], "ssh": {}}',
        '{"policy": {}, "ssh": null}',
        '{"policy": {"exempt": null}, "ssh": {}}',
        policy_file.render(Declared())[:-20],
        damaged("policy", "digits", "8"),
        damaged("policy", "digits", None),
        damaged("policy", "window", True),
        damaged("policy", "state", ["enabled"]),
        damaged("policy", "services", "sshd"),
        damaged("policy", "services", [1]),
        damaged("policy", "exempt", {"users": "alice"}),
        damaged("ssh", "methods", "key"),
        damaged("ssh", "exempt_users", {"a": 1}),
    ],
)
def test_damage_is_said_and_not_guessed_over(text: str) -> None:
    with pytest.raises(TwofactorError) as caught:
        policy_file.parse(text)
    assert caught.value.code == "policy_file_broken"
    assert "/etc/twofactor/policy.json" in caught.value.message


def test_file_is_readable_and_stable() -> None:
    text = policy_file.render(Declared(Policy(state="enabled", services=("sudo",))))

    assert text == policy_file.render(policy_file.parse(text))
    assert text.endswith("}\n")
    assert '"services": [\n      "sudo"\n    ]' in text
