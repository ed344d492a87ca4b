# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is effective on a NAS, and what is wrong with it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.clock import Clock
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas import later
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.platform import TruenasPlatform
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._result import accepted, documented
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._truenas.conftest import Nas
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._truenas.conversation import (
    CONTROL,
    ONE_SECRET,
    PER_USER,
    SEED,
    VERSIONS,
    Line,
    call,
    config,
    people,
    refused,
    ssh_config,
    user,
)

Talks = Callable[..., TruenasPlatform]
ADMIN = {"roles": ["FULL_ADMIN"]}
NO_METHOD = refused("[ENOMETHOD] Method does not exist")


def _conversation(release: str, *users: dict[str, Any], keys: object = None, **settings: Any) -> list[Line]:
    secret = {"secret": SEED} if release in ONE_SECRET and settings.get("enabled") else {}
    stig = settings.pop("stig", False)
    interval = settings.pop("interval", None)
    more = {"interval": interval} if interval else {}
    security = (
        call("system.security.config", says={"enable_gpos_stig": stig})
        if release in ("25.04", *CONTROL)
        else call("system.security.config", prints=NO_METHOD)
    )
    name = VERSIONS.get(release, release)
    return [
        call("system.info", says={"version": name, "datetime": {"$date": 1767225600500}, "license": None}),
        config(release if release in VERSIONS else "26.0", **settings, **secret, **more),
        people(*users),
        ssh_config(rootlogin=True) if release in ONE_SECRET else ssh_config(passwordauth=True),
        call(
            "service.query",
            [["service", "=", "ssh"]],
            says=[{"service": "ssh", "enable": True, "state": "RUNNING"}],
        ),
        call("system.ntpserver.query", says=[{"id": 1, "address": "ntp1"}]),
        call("api_key.query", says=keys or []),
        security,
    ]


def _codes(report: dict[str, object]) -> list[str]:
    return [problem["code"] for problem in report["problems"]]  # type: ignore[attr-defined]


@pytest.mark.parametrize("release", VERSIONS)
def test_a_healthy_nas(release: str, nas: Nas, talks: Talks) -> None:
    nas.lists("root")
    root = user(1, "root", enrolled=True, ssh=True, **ADMIN)
    report = talks(_conversation(release, root, user(2, "bob"), enabled=True, ssh=True)).info()
    assert report["problems"] == []
    assert report["platform"] == "truenas"
    assert report["version"] == VERSIONS[release]
    assert report["state"] == "enabled"
    assert report["ssh"] == {
        "state": "enabled",
        "methods": ["password_and_code", "key"],
        "root_login": "yes",
        "running": True,
    }
    assert [(entry["name"], entry["enrolled"], entry["digits"]) for entry in report["users"]] == [  # type: ignore[attr-defined]
        ("root", True, 6)
    ]
    clock = report["clock"]
    assert clock["now"] == 1767225600.5  # type: ignore[index]
    assert clock["servers"] == ["ntp1"]  # type: ignore[index]
    answer = {"twofactor": json.loads(json.dumps(report))}
    assert accepted(answer, documented("twofactor_info")) == answer, "the controller takes no other"
    shown = json.dumps(report)
    assert SEED not in shown
    assert "BEGIN" not in shown
    assert "$6$" not in shown


@pytest.mark.parametrize("release", VERSIONS)
def test_a_virgin_nas(release: str, nas: Nas, talks: Talks) -> None:
    report = talks(_conversation(release, user(1, "root", **ADMIN))).info()
    assert report["state"] == "disabled"
    assert report["problems"] == []


def test_people_who_cannot_log_in_and_people_who_need_no_code(nas: Nas, talks: Talks) -> None:
    nas.lists("alice")
    users = [user(1, "root", **ADMIN), user(2, "alice", enrolled=True), user(3, "bob", ssh=True)]
    report = talks(_conversation("25.10", *users, enabled=True, ssh=True, keys=[{"name": "backup"}])).info()
    assert _codes(report) == ["user_shut_out", "unenrolled_allowed", "api_keys_bypass"]
    texts = [problem["message"] for problem in report["problems"]]  # type: ignore[attr-defined]
    assert "bob" in texts[0]
    assert "root" in texts[1]
    assert "backup" in texts[2]


def test_a_revoked_key_opens_nothing(nas: Nas, talks: Talks) -> None:
    nas.lists("root")
    root = user(1, "root", enrolled=True, **ADMIN)
    keys = [{"name": "old", "revoked": True}]
    assert _codes(talks(_conversation("25.10", root, enabled=True, keys=keys)).info()) == []


@pytest.mark.parametrize("release", VERSIONS)
@pytest.mark.parametrize("closed", [{"password_disabled": True}, {"locked": True}, {"unixhash": "*"}])
def test_a_root_without_a_usable_password_is_not_let_in_by_one(
    release: str, closed: dict[str, Any], nas: Nas, talks: Talks
) -> None:
    nas.lists("root")
    root = user(1, "root", enrolled=True, ssh=True, **closed)
    report = talks(_conversation(release, root, enabled=True, ssh=True)).info()
    assert report["ssh"]["root_login"] == "without-password"  # type: ignore[index]


def test_nobody_enrolled(nas: Nas, talks: Talks) -> None:
    assert _codes(talks(_conversation("25.10", user(1, "root"), enabled=True)).info()) == ["nobody_enrolled"]


def test_a_stale_users_oath(nas: Nas, talks: Talks) -> None:
    report = talks(_conversation("25.04", user(1, "root", enrolled=True), enabled=True)).info()
    assert _codes(report) == ["users_oath_stale"]


@pytest.mark.parametrize("release", CONTROL)
def test_a_users_interval_that_pam_cannot_read(release: str, nas: Nas, talks: Talks) -> None:
    nas.lists("root", interval=45)
    report = talks(_conversation(release, user(1, "root", enrolled=True), enabled=True)).info()
    assert _codes(report) == ["interval_unusable"]


def test_a_systems_interval_that_pam_cannot_read(nas: Nas, talks: Talks) -> None:
    report = talks(_conversation("23.10", user(1, "root"), interval=45)).info()
    assert _codes(report) == ["interval_unusable"]


@pytest.mark.parametrize("release", PER_USER)
def test_a_user_of_a_directory_is_found_where_pam_has_the_secret(
    release: str, nas: Nas, talks: Talks
) -> None:
    nas.lists("CORP\\carol", digits=8)
    report = talks(_conversation(release, user(1, "root"), enabled=True, ssh=True)).info()
    assert _codes(report) == []
    (carol,) = report["users"]  # type: ignore[misc]
    assert (carol["name"], carol["enrolled"], carol["digits"]) == ("CORP\\carol", True, 8)


def test_what_only_private_methods_would_tell(nas: Nas, talks: Talks) -> None:
    assert _codes(talks(_conversation("25.10", user(1, "root", enrolled=True))).info()) == ["private_methods"]


def test_stig_mode(nas: Nas, talks: Talks) -> None:
    nas.lists("root")
    root = user(1, "root", enrolled=True)
    report = talks(_conversation("25.10", root, enabled=True, stig=True, keys=[{"name": "k"}])).info()
    assert _codes(report) == ["stig"]


def test_a_release_that_is_not_known(nas: Nas, talks: Talks) -> None:
    report = talks(_conversation("TrueNAS-28.0.0", user(1, "root"))).info()
    assert _codes(report) == ["release_unknown"]


def test_what_is_refused_is_left_out_and_told(nas: Nas, talks: Talks) -> None:
    lines = _conversation("25.10", user(1, "root"))
    lines[6] = call("api_key.query", prints=refused("[EACCES] no"))
    assert _codes(talks(lines).info()) == ["not_readable"]


@pytest.mark.parametrize(
    ("clock", "code"),
    [
        (Clock(False, None, "", "kernel"), "clock_unsynchronised"),
        (Clock(True, -25.0, "192.0.2.1", "chrony"), "clock_off"),
    ],
)
def test_the_clock(clock: Clock, code: str, nas: Nas, talks: Talks) -> None:
    nas.clock = clock
    assert _codes(talks(_conversation("25.10", user(1, "root"))).info()) == [code]


def test_a_bypass_whose_end_does_not_come_about(nas: Nas, talks: Talks) -> None:
    later.arm(later.BYPASS, later.Later(time.time() - 600, by="root", reason="restore"))
    os.rename(later.path(later.BYPASS), later.path(later.BYPASS, "begun"))
    assert _codes(talks(_conversation("25.10", user(1, "root"))).info()) == ["bypass_overdue"]


@pytest.mark.parametrize(("pam", "code"), [(True, "ssh_still_asking"), (False, "ssh_not_asking")])
def test_files_that_are_not_as_the_settings_have_it(pam: bool, code: str, nas: Nas, talks: Talks) -> None:
    nas.lists("root")
    nas.ssh_asks(pam)
    root = user(1, "root", enrolled=True)
    report = talks(_conversation("25.10", root, enabled=True, ssh=not pam)).info()
    assert _codes(report) == [code]
    assert report["ssh"]["state"] == ("enabled" if pam else "disabled")  # type: ignore[index]
