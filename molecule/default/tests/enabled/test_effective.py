"""What the hosts do once the second factor is on, asked of sshd and PAM themselves."""

from __future__ import annotations

import pytest
from testinfra.host import Host

from ansible_collections.fleetauth.twofactor.molecule.default.tests.fleet import (
    Codes,
    accepts,
    settings_for,
)

KEY_AND_CODE = "publickey,keyboard-interactive:pam"


@pytest.mark.parametrize("user", ["alice", "bob", "nobody"])
def test_sshd_asks_for_key_and_code(host: Host, user: str) -> None:
    settings = settings_for(host, user)

    assert settings["authenticationmethods"] == KEY_AND_CODE
    assert settings["usepam"] == "yes"
    assert settings["kbdinteractiveauthentication"] == "yes"
    assert settings["passwordauthentication"] == "no"


@pytest.mark.parametrize("user", ["ansible", "robot"])
def test_sshd_lets_automation_in_with_its_key(host: Host, user: str) -> None:
    assert settings_for(host, user)["authenticationmethods"] == "publickey"


def test_running_sshd_has_read_it(host: Host) -> None:
    """Ask the one that listens, which tells what it would take from somebody without any key."""
    # testinfra itself comes by ssh and takes its exit status 255 for a lost connection.
    done = host.run(
        "! ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "
        "-o PreferredAuthentications=none alice@127.0.0.1"
    )

    assert "Permission denied (publickey)" in done.stderr


def test_code_is_accepted_once(host: Host) -> None:
    alice = Codes(host, "alice")
    code = alice.right()

    assert not accepts(host, "sshd", "alice", alice.wrong(), key=True)
    assert accepts(host, "sshd", "alice", code, key=True)
    assert not accepts(host, "sshd", "alice", code, key=True)


def test_code_without_a_key_is_refused(host: Host) -> None:
    assert not accepts(host, "sshd", "alice", Codes(host, "alice").right())


def test_backup_device_is_accepted(host: Host) -> None:
    assert accepts(host, "sshd", "bob", Codes(host, "bob", "backup_secret").right(), key=True)


def test_password_alone_is_refused(host: Host) -> None:
    assert not accepts(host, "sshd", "carol", "carols-password")


def test_sudo_asks_for_password_and_code(host: Host) -> None:
    carol = Codes(host, "carol")

    assert not accepts(host, "sudo", "carol", "carols-password", carol.wrong())
    assert not accepts(host, "sudo", "carol", "wrong-password", carol.right())
    assert accepts(host, "sudo", "carol", "carols-password", carol.right())


@pytest.mark.parametrize("user", ["ansible", "robot"])
def test_sudo_asks_automation_for_no_code(host: Host, user: str) -> None:
    host.run_expect([0], "echo %s | chpasswd", f"{user}:{user}s-password")

    assert accepts(host, "sudo", user, f"{user}s-password")


def test_user_without_token_is_refused(host: Host) -> None:
    assert not accepts(host, "sshd", "nobody", "000000", key=True)


def test_tokens_are_for_root_alone(host: Host) -> None:
    folder = host.file("/var/lib/twofactor/tokens")

    assert (folder.user, folder.mode) == ("root", 0o700)
    for name in folder.listdir():
        token = host.file(f"{folder.path}/{name}")
        assert (token.user, token.group, token.mode) == ("root", "root", 0o600)


def test_clock_is_synchronised(host: Host) -> None:
    assert host.service("chrony").is_running
    assert host.service("chrony").is_enabled
    assert host.run("chronyc waitsync 1").rc == 0
