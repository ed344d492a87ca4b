# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twice is once, check mode tells the truth, and nothing is left half done."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.login.fleet import Host, Token

FOLDERS = ("/etc", "/var/lib/twofactor")


def _wanted(methods: list[str]) -> dict[str, Any]:
    return {
        "secrets": {"users": [{"name": "alice", "secret": Token().secret}]},
        "policy": {
            "state": "enabled",
            "services": ["sudo", "login"],
            "exempt_users": ["ansible"],
            "exempt_groups": ["exempted"],
            "exempt_networks": ["203.0.113.0/24"],
        },
        "ssh": {"state": "enabled", "methods": methods, "root_login": "allowed"},
    }


@pytest.mark.parametrize("methods", [["password_and_code"], ["key_and_code"]])
def test_check_mode_predicts_the_run(host: Host, methods: list[str]) -> None:
    wanted = _wanted(methods)
    before = host.files("/etc", "/var/lib/twofactor")
    predicted = host.apply("--check", "--diff", **wanted)
    assert host.files("/etc", "/var/lib/twofactor") == before
    assert not host.shell("find /run /tmp -maxdepth 1 -name 'twofactor-*'").strip()
    assert predicted["changed"]
    done = host.apply("--diff", **wanted)
    assert done["changed"]
    assert _comparable(predicted) == _comparable(done)
    after = host.files(*FOLDERS)
    assert host.apply("--check", "--diff", **wanted)["changed"] is False
    assert host.apply("--diff", **wanted)["changed"] is False
    assert host.files(*FOLDERS) == after
    for state in ("disabled", "enabled"):
        predicted = host.module("twofactor", "--check", "--diff", state=state)
        done = host.module("twofactor", "--diff", state=state)
        assert predicted["changed"]
        assert _comparable(predicted) == _comparable(done)
        assert not host.module("twofactor", "--check", state=state)["changed"]
    assert host.files(*FOLDERS) == after


def _comparable(result: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in result.items() if key not in ("printed", "invocation")}


def test_options_not_given_are_left_alone(host: Host) -> None:
    host.apply(**_wanted(["key_and_code"]))
    host.module("twofactor", window=0)
    policy = json.loads(host.shell("cat /etc/twofactor/policy.json"))["policy"]
    assert policy["window"] == 0
    assert policy["services"] == ["sudo", "login"]
    assert policy["exempt"]["users"] == ["ansible"]
    assert "window=0" in host.shell("cat /etc/pam.d/twofactor")


def test_from_one_way_in_to_another_and_back(host: Host) -> None:
    before = host.files("/etc/pam.d", "/etc/ssh")
    host.apply(**_wanted(["key_and_code"]))
    with_key = host.files("/etc/pam.d", "/etc/ssh")
    host.module("twofactor_ssh", methods=["password_and_code"])
    with_password = host.files("/etc/pam.d", "/etc/ssh")
    drop_in = "/etc/ssh/sshd_config.d/00-twofactor.conf"
    assert with_password[drop_in] != with_key[drop_in]
    host.module("twofactor_ssh", methods=["key_and_code"])
    assert host.files("/etc/pam.d", "/etc/ssh") == with_key
    host.module("twofactor_ssh", state="disabled")
    host.module("twofactor", services=[])
    host.module("twofactor", state="disabled")
    assert host.files("/etc/pam.d", "/etc/ssh") == before


def test_a_hand_edit_is_reported_and_repaired(host: Host) -> None:
    host.shell("cp -a /etc/pam.d /root/")
    host.apply(**_wanted(["key_and_code"]))
    after = host.files("/etc/pam.d", "/etc/ssh")
    host.shell("cp /root/pam.d/sudo /root/pam.d/sshd /etc/pam.d/")
    report = host.module("twofactor_info")["twofactor"]
    codes = {problem["code"] for problem in report["problems"]}
    assert {"service_not_covered", "ssh_not_asking"} <= codes
    assert report["ssh"]["state"] == "disabled"
    assert host.apply(**_wanted(["key_and_code"]))["changed"]
    assert host.files("/etc/pam.d", "/etc/ssh") == after


def test_modes_and_owners(host: Host) -> None:
    host.apply(**_wanted(["key_and_code"]))
    files = host.files("/etc/pam.d", "/etc/ssh/sshd_config.d", "/etc/twofactor", "/var/lib/twofactor")
    modes = {path: " ".join(facts.split()[:2]) for path, facts in files.items()}
    assert modes["/etc/pam.d/twofactor"] == "644 root:root"
    assert modes["/etc/ssh/sshd_config.d/00-twofactor.conf"] == "600 root:root"
    assert modes["/etc/twofactor/policy.json"] == "600 root:root"
    assert modes["/var/lib/twofactor/tokens/alice.oath"] == "600 root:root"
    assert modes["/etc/pam.d/sudo"] == "644 root:root"
    folders = host.shell("stat -c '%a %n' /var/lib/twofactor /var/lib/twofactor/tokens")
    assert folders.split() == ["700", "/var/lib/twofactor", "700", "/var/lib/twofactor/tokens"]
    assert not host.shell("find /etc /var/lib/twofactor -name '*.twofactor-new' -o -name '*.oath.*'").strip()


def test_the_log_says_who_and_why(host: Host) -> None:
    wanted = _wanted(["key_and_code"])
    wanted["policy"]["reason"] = 'audit "Q4"'
    host.apply(**wanted)
    log = host.shell("journalctl -q --no-pager -t twofactor -n 1 -o cat")
    assert 'by="ansible"' in log
    assert f'from="{host.address.rsplit(".", 1)[0]}.' in log
    assert "added" in log
    assert '\\"Q4\\"' in log


def test_exclusive_takes_the_others_away(host: Host) -> None:
    users = [{"name": name, "secret": Token().secret} for name in ("alice", "bob", "carol")]
    host.module("twofactor_secret", users=users)
    result = host.module("twofactor_secret", users=users[:1], exclusive=True)
    assert result["users"]["removed"] == ["bob", "carol"]
    assert not host.module("twofactor_secret", users=users[:1], exclusive=True)["changed"]
    gone = host.module("twofactor_secret", users=[{"name": "alice"}], state="absent")
    assert gone["users"]["removed"] == ["alice"]
    assert not host.module("twofactor_secret", users=[{"name": "alice"}], state="absent")["changed"]
