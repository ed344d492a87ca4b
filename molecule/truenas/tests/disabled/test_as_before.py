"""After the emergency command a password is enough again, and every secret is kept."""

from __future__ import annotations

from testinfra.host import Host

from ansible_collections.fleetauth.twofactor.molecule.truenas.tests.fleet import (
    ONE_SECRET,
    call,
    device,
    log_in,
    name_of,
    people,
)
from ansible_collections.fleetauth.twofactor.tests.login.fleet import PASSWORD


def test_the_second_factor_is_off(host: Host) -> None:
    settings = call(host, "auth.twofactor.config")

    assert settings["enabled"] is False
    assert settings["services"] == {"ssh": True}
    assert not host.file("/etc/pam.d/sshd").contains("pam_oath")


def test_password_is_enough_again(host: Host) -> None:
    if not call(host, "ssh.config")["passwordauth"]:
        # 22.12 has one switch for the passwords of all accounts, which was off before and is left alone.
        assert name_of(host) == ONE_SECRET
        assert not log_in(host, "root", password=PASSWORD)
        return
    login = log_in(host, "root", password=PASSWORD)

    assert login, login.output
    assert not login.asked_code


def test_secrets_are_kept(host: Host) -> None:
    for user in people(host):
        assert device(host, user).secret == host.check_output("stand-in secret %s", user)


def test_reason_is_logged(host: Host) -> None:
    assert "phones lost" in host.check_output("journalctl --no-pager -t twofactor -o cat")
