# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""user.* and group.*: accounts, their passwords, and who may do what."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.truenas.fake import FakeNas, Refused
from tests.truenas.standin.passwords import is_right
from tests.truenas.standin.releases import RELEASES

MakeNas = Callable[[str], FakeNas]
PER_USER = [version for version in RELEASES if not version.startswith("22")]
every = pytest.mark.parametrize("version", RELEASES)


def _shadow(nas: FakeNas, name: str) -> str:
    lines = nas.machine.files["/etc/shadow"].splitlines()
    return next(line.split(":")[1] for line in lines if line.startswith(f"{name}:"))


@every
def test_a_new_user_is_an_account(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    alice = nas.create("alice", home="/mnt/tank/alice", shell="/usr/bin/bash")
    assert alice["local"] is True
    uid = 1000 if version < "23" else 3000
    assert f"alice:x:{uid}:{uid}:alice:/mnt/tank/alice:/usr/bin/bash\n" in nas.machine.files["/etc/passwd"]
    assert f"alice:x:{uid}:\n" in nas.machine.files["/etc/group"]
    assert is_right("secret words", _shadow(nas, "alice"))
    assert nas.machine.homes["/mnt/tank/alice"] == (uid, uid)
    assert nas.machine.modes["/etc/shadow"] == 0o640


@every
def test_a_password_changes(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    alice = nas.create("alice")
    nas.call("user.update", alice["id"], {"password": "other words"})
    assert is_right("other words", _shadow(nas, "alice"))
    nas.call("user.update", alice["id"], {"locked": True})
    assert _shadow(nas, "alice").startswith("!$6$")
    nas.call("user.update", alice["id"], {"locked": False, "password_disabled": True})
    assert _shadow(nas, "alice") == "*"


@every
def test_what_create_and_update_return(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    plain = {"username": "bob", "full_name": "Bob", "password": "x", "group_create": True}
    created = nas.call("user.create", plain)
    updated = nas.call("user.update", nas.user("bob")["id"], {"full_name": "Robert"})
    if version < "25":
        assert created == updated == nas.user("bob")["id"]
    else:
        assert created["username"] == "bob"
        assert updated["full_name"] == "Robert"


@every
def test_users_that_cannot_be(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    for extra, attribute in (
        ({"username": "root"}, "username"),
        ({"username": "a b"}, "username"),
        ({"password": ""}, "password"),
        ({"group_create": False}, "group"),
        ({"groups": [99]}, "groups"),
        ({"home": "/tmp/x"}, "home"),
        ({"shell": "/bin/false"}, "shell"),
        ({"sshpubkey": "ssh-ed25519 AAAA"}, "sshpubkey"),
        ({"colour": "red"}, "colour"),
    ):
        with pytest.raises(Refused, match=rf"user_create\.{attribute}: "):
            nas.create("alice", **extra)
    with pytest.raises(Refused, match=r"user_create\.full_name: "):
        nas.call("user.create", {"username": "alice", "password": "x", "group_create": True})
    assert nas.call("user.query", [["username", "=", "alice"]]) == []
    with pytest.raises(Refused, match="User 99 does not exist"):
        nas.call("user.update", 99, {"full_name": "x"})


@every
def test_keys_lie_in_the_home(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    alice = nas.create("alice", home="/mnt/tank/alice", sshpubkey="ssh-ed25519 AAAA")
    assert nas.machine.files["/mnt/tank/alice/.ssh/authorized_keys"] == "ssh-ed25519 AAAA\n"
    assert alice["sshpubkey"] == "ssh-ed25519 AAAA\n"
    nas.call("user.update", alice["id"], {"sshpubkey": None})
    assert nas.user("alice")["sshpubkey"] is None


@pytest.mark.parametrize("version", PER_USER)
def test_ssh_password_of_a_user_is_in_the_settings_of_sshd(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    nas.call("ssh.update", {"passwordauth": True})
    alice = nas.create("alice", ssh_password_enabled=True)
    assert 'Match User "alice"\n' in nas.machine.files["/etc/ssh/sshd_config"]
    nas.machine.units.clear()
    nas.call("user.update", alice["id"], {"full_name": "Alice"})
    assert nas.machine.units == []
    nas.call("user.update", alice["id"], {"ssh_password_enabled": False})
    assert nas.machine.units == ["reload ssh.service"]
    assert "alice" not in nas.machine.files["/etc/ssh/sshd_config"]
    nas.call("user.update", 1, {"ssh_password_enabled": True})
    assert "PermitRootLogin yes\n" in nas.machine.files["/etc/ssh/sshd_config"]


@pytest.mark.parametrize("version", PER_USER)
def test_nobody_without_a_secret_changes_the_own_account(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    alice = nas.create("alice")
    nas.call("auth.twofactor.update", {"enabled": True})
    nas.call("user.update", alice["id"], {"full_name": "Alice"})
    with pytest.raises(Refused, match=r"user_update\.renew_twofactor_secret: Two-factor authentication is"):
        nas.call("user.update", 1, {"full_name": "Root"})
    nas.enroll("root")
    nas.call("user.update", 1, {"full_name": "Root"})


@every
def test_the_last_administrator(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    if version < "25.04.2":
        nas.call("user.update", 1, {"locked": True})
        return
    with pytest.raises(Refused, match=r"user_update\.locked"):
        nas.call("user.update", 1, {"locked": True})
    admins = nas.call("group.query", [["group", "=", "builtin_administrators"]], {"get": True})
    nas.create("boss", groups=[admins["id"]])
    nas.call("user.update", 1, {"locked": True})


@every
def test_who_may_call(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    groups = nas.call("group.query", [["group", "=", "builtin_administrators"]])
    plain = nas.create("alice")
    nas.session = nas.dispatcher.session(plain["uid"])
    if version < "22.12":
        with pytest.raises(Refused, match="Not authenticated"):
            nas.call("system.version")
        return
    assert "TrueNAS" in nas.call("system.version")
    with pytest.raises(Refused, match="Not authorized"):
        nas.call("auth.twofactor.update", {"enabled": True})
    nas.session = nas.dispatcher.session(0)
    nas.create("boss", groups=[groups[0]["id"]])
    nas.session = nas.dispatcher.session(nas.user("boss")["uid"])
    assert nas.call("auth.twofactor.update", {"enabled": True})["enabled"]


@pytest.mark.parametrize("version", [version for version in PER_USER if version >= "24"])
def test_a_user_renews_the_own_secret_only(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    nas.session = nas.dispatcher.session(nas.create("alice")["uid"])
    assert nas.enroll("alice")["username"] == "alice"
    with pytest.raises(Refused, match=r"\[EPERM\] root: currently authenticated credential may not renew"):
        nas.enroll("root")


def test_filters(make_nas: MakeNas) -> None:
    nas = make_nas("25.10.6")
    for name in ("alice", "bob"):
        nas.create(name)
    names = [["username", "in", ["alice", "bob"]]]
    assert nas.call("user.query", names, {"select": ["username"]}) == [
        {"username": "alice"},
        {"username": "bob"},
    ]
    assert nas.call("user.query", names, {"count": True}) == 2
    assert (
        nas.call("user.query", [["builtin", "=", False], ["username", "!=", "bob"]])[0]["username"] == "alice"
    )
    newest = nas.call("user.query", names, {"order_by": ["-uid"], "limit": 1})
    assert newest[0]["username"] == "bob"
    either = [["OR", [["username", "=", "alice"], ["uid", "=", 0]]]]
    assert len(nas.call("user.query", either)) == 2
    assert nas.call("user.query", [["group.bsdgrp_group", "^", "ali"]])[0]["username"] == "alice"
    with pytest.raises(Refused, match="MatchNotFound"):
        nas.call("user.query", [["username", "=", "nobody"]], {"get": True})
    with pytest.raises(Refused, match="Invalid operation"):
        nas.call("user.query", [["username", "like", "x"]])


def test_a_user_goes(make_nas: MakeNas) -> None:
    nas = make_nas("25.10.6")
    alice = nas.create("alice")
    nas.call("user.delete", alice["id"])
    assert "alice" not in nas.machine.files["/etc/passwd"] + nas.machine.files["/etc/group"]
    with pytest.raises(Refused, match="built-in"):
        nas.call("user.delete", 1)
