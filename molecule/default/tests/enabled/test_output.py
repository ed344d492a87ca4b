"""What Ansible prints and the hosts log while secrets change, with everything on that makes both talk."""

from __future__ import annotations

import base64
import functools
import json
import time

import pyotp
import pytest
from testinfra.host import Host

from ansible_collections.fleetauth.twofactor.molecule.default.tests.fleet import converge

SECRETS = [pyotp.random_base32() for _ in range(4)]
"""New ones for each run: dave is enrolled, and renewed when the tests run again."""


def forms_of(secret: str) -> list[str]:
    """Return what a secret looks like in the places that it passes through, in lower case."""
    seed = base64.b32decode(secret)
    code = pyotp.TOTP(secret).now()
    return [
        text.lower()
        for text in (secret, seed.hex(), base64.b64encode(seed).decode(), repr(seed), f'"{code}"')
    ]


@functools.cache
def output_of_renewal(*arguments: str) -> str:
    """Give dave new secrets, and return all that Ansible says."""
    dave = {"name": "dave", "secret": SECRETS[0], "backup_secret": SECRETS[1]}
    variables = {"twofactor_users": [dave], "twofactor_renewal": f"at-{time.time()}"}
    done = converge("-vvv", "--diff", "--extra-vars", json.dumps(variables), *arguments)
    assert done.returncode == 0, done.stdout[-4000:]
    # One change, and outside of check mode its confirmation.
    assert "changed=0 " not in done.stdout
    return done.stdout


@pytest.mark.parametrize("arguments", [["--check"], []], ids=["check mode", "real"])
def test_nothing_secret_is_printed(arguments: list[str]) -> None:
    output = output_of_renewal(*arguments)

    assert "dave" in output
    for secret in SECRETS[:2]:
        assert [form for form in forms_of(secret) if form in output.lower()] == []


def test_nothing_secret_is_printed_when_the_module_refuses() -> None:
    users = [{"name": "nosuchuser", "secret": SECRETS[2]}, {"name": "dave", "secret": SECRETS[3] + "1"}]
    done = converge("-vvv", "--diff", "--extra-vars", json.dumps({"twofactor_users": users}))

    assert done.returncode != 0
    assert "secret of user 'dave' is not base32" in done.stdout
    for secret in SECRETS[2:]:
        assert [form for form in forms_of(secret) if form in done.stdout.lower()] == []


def test_nothing_secret_is_logged_on_the_host(host: Host) -> None:
    output_of_renewal()
    journal = host.check_output("journalctl --no-pager -o cat").lower()

    assert 'added="dave"' in journal or 'renewed="dave"' in journal
    for secret in SECRETS:
        assert [form for form in forms_of(secret) if form in journal] == []
