"""After the emergency command the hosts are as they were, but for the tokens, which are kept."""

from __future__ import annotations

from testinfra.host import Host

from ansible_collections.fleetauth.twofactor.molecule.default.tests.fleet import (
    Codes,
    accepts,
    settings_for,
)


def test_configuration_is_as_before(host: Host) -> None:
    assert (
        host.check_output("list-configuration")
        == host.file("/root/configuration-before").content_string.strip()
    )


def test_sshd_asks_for_nothing_more(host: Host) -> None:
    settings = settings_for(host, "alice")

    assert settings["authenticationmethods"] == "any"
    assert settings["passwordauthentication"] == "yes"


def test_password_is_enough_again(host: Host) -> None:
    assert accepts(host, "sshd", "alice", "alices-password")
    assert accepts(host, "sudo", "alice", "alices-password")
    assert not accepts(host, "sshd", "alice", Codes(host, "alice").right())


def test_tokens_are_kept(host: Host) -> None:
    assert {"alice.oath", "bob.oath", "carol.oath"} <= set(host.file("/var/lib/twofactor/tokens").listdir())


def test_reason_is_logged(host: Host) -> None:
    assert "phones lost" in host.check_output("journalctl --no-pager -t twofactor -o cat")
