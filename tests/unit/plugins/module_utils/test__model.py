from __future__ import annotations

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import Refused, TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import (
    Declared,
    Exempt,
    Policy,
    SecretsChange,
    SshPolicy,
    UserSecret,
    check_exempt,
    check_methods,
    check_user_name,
    end_of,
)


@pytest.mark.parametrize(
    "name", ["alice", "a", "_apt", "Alice.B", "svc-1", "host$", "alice@example.org", "1st", ".x", "a+b"]
)
def test_names_of_accounts(name: str) -> None:
    check_user_name(name)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a/b", "../x", "a:b", "a b", "a\tb", "a\nb", "alice\n", "-a", "a,b", "a*", "a?", "!a", "a$b", "$",
     "a\\b", "a#b", "a'b", 'a"b', "ä", "a\0b", "%g", "@g", "${USER}", "a]"],
)  # fmt: skip
def test_names_that_would_mean_something_else(name: str) -> None:
    with pytest.raises(TwofactorError) as caught:
        check_user_name(name)
    assert caught.value.code == "bad_user_name"


@pytest.mark.parametrize(
    "network", ["192.0.2.1", "192.0.2.0/24", "0.0.0.0/0", "2001:db8::/32", "2001:DB8::1", "::ffff:192.0.2.1"]
)
def test_networks(network: str) -> None:
    check_exempt(Exempt(networks=(network,)))


@pytest.mark.parametrize(
    "network",
    [
        "192.0.2.1/24",
        "192.0.2.0/33",
        "192.0.2.0/255.255.255.0",
        "192.0.2.0/0.0.0.255",
        "192.0.2.*",
        "192.0.2.0/24,198.51.100.0/24",
        "192.0.2.0/24\n+:ALL:ALL",
        "fe80::1%eth0",
        "fe80::1%\nMatch all",
        "!192.0.2.1",
        "example.org",
        " 192.0.2.1",
        "",
        "1",
    ],
)
def test_what_pam_or_sshd_would_not_read_as_one_network(network: str) -> None:
    with pytest.raises(TwofactorError) as caught:
        check_exempt(Exempt(networks=(network,)))
    assert caught.value.code == "bad_network"
    assert "\n" not in str(caught.value)


def test_every_bad_exemption_is_named_at_once() -> None:
    with pytest.raises(Refused) as caught:
        check_exempt(Exempt(users=("a:b", "fine"), groups=("c d",), networks=("x",)))
    assert [reason.code for reason in caught.value.reasons] == [
        "bad_user_name",
        "bad_user_name",
        "bad_network",
    ]


@pytest.mark.parametrize("methods", [("key_and_code",), ("password_and_code",), ("password_and_code", "key")])
def test_methods_that_go_together(methods: tuple[str, ...]) -> None:
    check_methods(methods)
    check_methods(methods[::-1])


@pytest.mark.parametrize(
    ("methods", "code"),
    [
        (("key_and_code", "key"), "methods_conflict"),
        (("key_and_code", "password_and_code", "key"), "methods_conflict"),
        (("key",), "methods_without_code"),
        ((), "methods_without_code"),
        (("password",), "methods_without_code"),
    ],
)
def test_methods_that_do_not(methods: tuple[str, ...], code: str) -> None:
    for order in (methods, methods[::-1]):
        with pytest.raises(TwofactorError) as caught:
            check_methods(order)
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("policy", "ssh", "asks"),
    [("enabled", "enabled", True), ("enabled", "disabled", False), ("disabled", "enabled", False)],
)
def test_ssh_asks_while_both_switches_are_on(policy: str, ssh: str, asks: bool) -> None:
    assert Declared(Policy(state=policy), SshPolicy(state=ssh)).ssh_asks() is asks


def test_only_the_whole_switched_off_is_the_emergency() -> None:
    assert Change(policy={"state": "disabled"}).is_disable
    assert not Change(policy={"state": "enabled"}).is_disable
    assert not Change(policy={"digits": 6}).is_disable
    assert not Change(ssh={"state": "disabled"}).is_disable


def test_exemptions_are_empty_or_not() -> None:
    assert not Exempt()
    assert Exempt(users=("a",))
    assert Exempt(groups=("a",))
    assert Exempt(networks=("192.0.2.1",))


def test_seeds_do_not_show() -> None:
    user = UserSecret("alice", seed=b"S" * 20, backup_seed=b"B" * 20)

    for shown in (
        repr(user),
        str(user),
        repr(SecretsChange(users=(user,))),
        repr(Change(secrets=SecretsChange(users=(user,)))),
    ):
        assert "alice" in shown
        assert "SSS" not in shown
        assert "BBB" not in shown


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-12-31", 1_798_761_600),
        ("2026-12-31T18:00:00Z", 1_798_740_000),
        ("2026-12-31T18:00:00+01:00", 1_798_736_400),
        ("2026-12-31 18:00+01:00", 1_798_736_400),
    ],
)
def test_ends(text: str, seconds: int) -> None:
    assert end_of(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2026-02-31",
        "20261231",
        "20261231T180000+01:00",
        "2026-12-31T18:00:00.5Z",
        "2026-12-31\n",
        "2026-12-31T18:00:00",
        "9999-12-31",
        "1969-01-01",
    ],
)
def test_what_is_no_end(text: str) -> None:
    with pytest.raises(TwofactorError) as caught:
        end_of(text)
    assert caught.value.code == "bad_date"
