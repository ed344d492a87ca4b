# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From nothing to codes, renewed, off and on again: on every release, with real logins."""

from __future__ import annotations

from typing import Any

import pytest

from tests.login.fleet import PASSWORD
from tests.login_truenas.nas import Nas


@pytest.mark.essential
def test_check_mode_on_a_virgin_nas_changes_nothing(nas: Nas) -> None:
    result = nas.protect("--check", "--diff")
    assert result["changed"]
    assert "secrets" not in result
    assert nas.changes() == []
    nas.shell("test ! -e /data/fleetauth-twofactor.json")


@pytest.mark.essential
def test_password_and_code_let_in_and_nothing_less(nas: Nas) -> None:
    result = nas.protect()
    assert [entry["name"] for entry in result["secrets"]] == nas.people
    assert result["users"]["added"] == nas.people
    for entry in result["secrets"]:
        assert entry["secret"] == nas.secret(entry["name"])
        assert entry["secret"] in entry["uri"]
    code = nas.token().code()
    login = nas.ssh("root", code=code, password=PASSWORD)
    assert login, login.output
    assert len(login.prompts) == 2
    assert login.asked_code
    assert not nas.ssh("root", code=code, password=PASSWORD), "the same code again"
    assert not nas.ssh("root", code="000000", password=PASSWORD)
    assert not nas.ssh("root", code=nas.token().code(1), password="wrong")
    by_key = nas.ssh("root", key=True)
    assert by_key
    assert not by_key.prompts


@pytest.mark.essential
def test_again_nothing_changes_and_few_calls_say_so(nas: Nas) -> None:
    nas.protect()
    secret = nas.secret("root")
    nas.stand_in("forget")
    result = nas.protect()
    assert not result["changed"]
    assert "secrets" not in result
    assert nas.changes() == []
    assert len(nas.calls()) <= 5
    assert nas.secret("root") == secret


def test_no_secret_is_anywhere_but_where_it_was_asked_for(nas: Nas) -> None:
    result = nas.protect("--diff", "-v")
    secrets = [entry["secret"] for entry in result["secrets"]]
    info = nas.module("twofactor_info")
    journal = nas.shell("journalctl --no-pager -t twofactor -o cat")
    assert "changed" in journal
    for secret in secrets:
        assert secret not in info["printed"] + journal
        assert secret not in "".join(called.text for called in nas.calls())
        assert secret not in nas.shell("cat /data/fleetauth-twofactor.json")
        # In the result, as the secret and in the URI, and nowhere else.
        assert result["printed"].count(secret) == 2


@pytest.mark.essential
def test_a_renewal_replaces_the_secret_once_per_word(nas: Nas) -> None:
    nas.protect()
    old = nas.token()
    users = [{"name": "root"}]
    renewal = {"users": users, "state": "renewed", "renewal": "2026-Q4", "return_secrets": True}
    first = nas.apply(secrets=renewal)
    assert first["users"]["renewed"] == ["root"]
    assert first["secrets"][0]["secret"] == nas.secret("root") != old.secret
    assert not nas.ssh("root", code=old.code(), password=PASSWORD)
    assert nas.ssh("root", code=nas.token().code(), password=PASSWORD)
    nas.stand_in("forget")
    again = nas.apply(secrets=renewal)
    assert not again["changed"]
    assert nas.changes() == []
    assert nas.apply(secrets={**renewal, "renewal": "2027-Q1"})["changed"]


@pytest.mark.essential
def test_off_and_on_again_keeps_the_secrets(nas: Nas) -> None:
    nas.midclt("ssh.update", {"passwordauth": True})
    nas.protect(guard=nas.per_user)  # in 22.x the other accounts' passwords are shut out
    secret = nas.secret("root")
    off = nas.module("twofactor", state="disabled", reason="phones lost")
    assert off["changed"], off["printed"]
    assert not nas.settings()["enabled"]
    login = nas.ssh("root", password=PASSWORD)
    assert login
    assert not login.asked_code
    assert 'why="phones lost"' in nas.shell("journalctl -q --no-pager -t twofactor -n 1 -o cat")
    assert not nas.module("twofactor", state="disabled")["changed"]
    on = nas.module("twofactor", state="enabled", guard=nas.per_user)
    assert on["changed"], on["printed"]
    assert nas.secret("root") == secret
    assert not nas.ssh("root", password=PASSWORD)
    assert nas.ssh("root", code=nas.token().code(), password=PASSWORD)


def test_ssh_alone_off_and_on(nas: Nas) -> None:
    nas.protect()
    assert nas.module("twofactor_ssh", state="disabled")["changed"]
    assert nas.settings()["enabled"]
    assert nas.settings()["services"] == {"ssh": False}
    assert "pam_oath" not in nas.shell("cat /etc/pam.d/sshd")
    assert nas.module("twofactor_ssh", state="enabled")["changed"]
    assert nas.settings()["services"] == {"ssh": True}
    assert not nas.module("twofactor_ssh", state="enabled")["changed"]


def test_other_settings_do_not_touch_ssh(nas: Nas) -> None:
    nas.protect()
    assert nas.module("twofactor", window=2)["changed"]
    assert nas.settings()["services"] == {"ssh": True}
    assert nas.ssh("root", code=nas.token().code(), password=PASSWORD)


def test_taking_a_secret_away(nas: Nas) -> None:
    nas.protect()
    gone: dict[str, Any] = {"users": [{"name": nas.people[-1]}], "state": "absent"}
    while_on = nas.module("twofactor_secret", **gone)
    if nas.release in ("25.10", "26.0"):
        assert while_on["users"]["removed"] == ["alice"]
    else:
        assert while_on["failed"]
        assert while_on["reasons"][0]["code"] in ("removal_impossible", "removal_while_enabled")
    nas.module("twofactor", state="disabled")
    while_off = nas.module("twofactor_secret", **gone)
    if nas.per_user:
        assert not while_off["failed"], while_off["printed"]
        assert not nas.secret("alice")
    else:
        assert while_off["reasons"][0]["code"] == "removal_impossible"


@pytest.mark.essential
def test_the_report_of_a_healthy_nas(nas: Nas) -> None:
    nas.protect(policy={})
    report = nas.module("twofactor_info")["twofactor"]
    assert report["platform"] == "truenas"
    assert nas.release in report["version"]
    assert report["state"] == "enabled"
    assert report["ssh"] == {
        "state": "enabled",
        "methods": ["password_and_code", "key"],
        "root_login": "yes",
        "running": True,
    }
    enrolled = {user["name"]: user for user in report["users"] if user["enrolled"]}
    assert sorted(enrolled) == sorted(nas.people)
    assert (enrolled["root"]["digits"], enrolled["root"]["interval"]) == (6, 30)
    assert report["clock"]["synchronised"]
    assert report["problems"] == []


def test_the_ssh_service_and_roots_password(nas: Nas) -> None:
    nas.midclt("service.update", "ssh", {"enable": False})
    first = nas.module("twofactor_sshd", root_login="allowed")
    assert first["changed"], first["printed"]
    nas.stand_in("forget")
    assert not nas.module("twofactor_sshd", root_login="allowed")["changed"]
    assert len(nas.calls()) <= 5
    denied = nas.module("twofactor_sshd", root_login="denied")
    assert denied["changed"]
    assert not nas.ssh("root", password=PASSWORD)
    assert nas.ssh("root", key=True)


def test_a_stopped_ssh_service_is_started(nas: Nas) -> None:
    verb = ["service.control", "STOP"] if nas.release in ("25.10", "26.0") else ["service.stop"]
    nas.midclt(*verb, "ssh")
    nas.shell("for i in $(seq 50); do systemctl is-active -q ssh || break; sleep 0.1; done")
    nas.stand_in("forget")
    checked = nas.module("twofactor_sshd", "--check")
    assert checked["changed"], checked["printed"]
    assert nas.changes() == []
    result = nas.module("twofactor_sshd")
    assert result["changed"], result["printed"]
    nas.shell("systemctl is-active -q ssh")
