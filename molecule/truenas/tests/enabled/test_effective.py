"""What a NAS does once the second factor is on: logins, with what stands on the sheets."""

from __future__ import annotations

import pytest
from testinfra.host import Host

from ansible_collections.fleetauth.twofactor.molecule.truenas.tests.fleet import (
    call,
    device,
    log_in,
    people,
    sheet,
)
from ansible_collections.fleetauth.twofactor.tests.login.fleet import PASSWORD


def test_settings(host: Host) -> None:
    settings = call(host, "auth.twofactor.config")

    assert (settings["enabled"], settings["services"], settings["window"]) == (True, {"ssh": True}, 1)


def test_password_and_code_of_the_sheet_let_root_in_once(host: Host) -> None:
    code = device(host, "root").code()
    login = log_in(host, "root", password=PASSWORD, code=code)

    assert login, login.output
    assert (login.asked_password, login.asked_code) == (True, True)
    assert not log_in(host, "root", password=PASSWORD, code=code)
    assert not log_in(host, "root", password=PASSWORD, code="000000")
    assert not log_in(host, "root", password=PASSWORD)


def test_a_key_is_never_asked(host: Host) -> None:
    login = log_in(host, "root", key=True)

    assert login
    assert not login.prompts


def test_alice_is_let_in_where_she_can_have_a_secret(host: Host) -> None:
    if "alice" not in people(host):
        pytest.skip("this release has one secret, root's")
    login = log_in(host, "alice", password="alices-password", code=device(host, "alice").code())

    assert login, login.output


def test_sheets_say_that_there_is_one_secret(host: Host) -> None:
    for user in people(host):
        assert device(host, user).secret == host.check_output("stand-in secret %s", user)
        assert "both devices now" in sheet(host, user)
        assert f"iXsystems: login codes of {user}" in sheet(host, user)


def test_clock_is_synchronised(host: Host) -> None:
    assert host.run("chronyc waitsync 1").rc == 0
    assert [server["address"] for server in call(host, "system.ntpserver.query")][-1] == "timeserver"
