from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import guard
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.guard import (
    Account,
    Facts,
    OwnLogin,
    Situation,
    SshFacts,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import (
    Declared,
    Exempt,
    Policy,
    SshPolicy,
)

ANSIBLE = Account("ansible", ("ansible", "robots"), has_password=False, has_key=True)
ALICE = Account("alice", ("alice",), has_password=True, has_key=True)
ROOT = Account("root", ("root",), has_password=True, has_key=True)
OWN = OwnLogin("ansible", "192.0.2.7")
FINE = Facts((ANSIBLE, ALICE), SshFacts(), synchronised=True, clock_offset=0.1, own=OWN)
OFF = Situation(Declared(), frozenset())
ON = Policy(state="enabled", exempt=Exempt(users=("ansible",)))
KEY = SshPolicy(state="enabled")
PASSWORD = SshPolicy(state="enabled", methods=("password_and_code",))
GOOD = Situation(Declared(ON, KEY), frozenset({"alice"}))
"""A change that shuts nobody out: Ansible is exempt and has a key, Alice has a key and a token."""


def after(
    policy: Policy = ON,
    ssh: SshPolicy = KEY,
    enrolled: tuple[str, ...] = ("alice",),
    services: tuple[str, ...] = (),
) -> Situation:
    return Situation(Declared(policy, ssh), frozenset(enrolled), services)


def codes(wanted: Situation = GOOD, facts: Facts = FINE, before: Situation = OFF, **more: Any) -> list[str]:
    return [reason.code for reason in guard.reasons(before, wanted, facts, **more)]


def people(*accounts: Account, **more: Any) -> Facts:
    return replace(FINE, accounts=accounts, **more)


def test_good_change_has_no_reason_against_it() -> None:
    assert codes() == []
    assert codes(after(ssh=PASSWORD)) == []
    assert (
        codes(after(ssh=replace(PASSWORD, methods=("password_and_code", "key")), enrolled=("alice",))) == []
    )


@pytest.mark.parametrize(
    "wanted", [after(Policy()), after(Policy(), KEY, ()), Situation(Declared(), frozenset())]
)
def test_what_takes_it_off_is_never_held_up(wanted: Situation) -> None:
    facts = replace(FINE, synchronised=False, broken_tokens={"alice": "x"}, other_modules={"sshd": "y"})
    assert codes(wanted, facts) == []


def test_every_reason_is_said_at_once_each_with_a_sentence_and_a_remedy() -> None:
    facts = Facts(
        (ANSIBLE, ALICE),
        SshFacts(),
        synchronised=False,
        own=OWN,
        broken_tokens={"bob": "The token file of user 'bob' is rubbish."},
        other_modules={"sshd": "pam_duo.so"},
    )
    found = guard.reasons(OFF, after(Policy(state="enabled"), KEY, ("bob",)), facts)

    assert [reason.code for reason in found] == [
        "clock_unsynchronised",
        "token_file_broken",
        "other_code_module",
        "user_shut_out",
        "user_shut_out",
        "own_account_shut_out",
        "nobody_could_log_in",
    ]
    for reason in found:
        assert reason.message.endswith(".")
        assert reason.remedy.endswith(".")


def test_what_is_wrong_with_the_host_as_it_is_counts_only_when_more_is_asked_for() -> None:
    facts = replace(FINE, synchronised=False, broken_tokens={"alice": "x."}, other_modules={"sshd": "y"})

    assert codes(GOOD, facts, GOOD) == ["clock_unsynchronised", "token_file_broken", "other_code_module"]
    assert codes(GOOD, facts, GOOD, tightens=False) == []
    nobody = replace(GOOD, enrolled=frozenset[str]())
    assert codes(nobody, facts, GOOD, tightens=False) == ["nobody_enrolled", "user_shut_out"]


# The clock.


@pytest.mark.parametrize(
    ("synchronised", "offset", "expected"),
    [
        (False, None, ["clock_unsynchronised"]),
        (False, 0.0, ["clock_unsynchronised"]),
        (True, 40.0, ["clock_off"]),
        (True, -10.5, ["clock_off"]),
        (True, 10.0, []),
        (True, None, []),
    ],
)
def test_clock(synchronised: bool, offset: float | None, expected: list[str]) -> None:
    assert codes(facts=replace(FINE, synchronised=synchronised, clock_offset=offset)) == expected


def test_clock_that_is_off_is_said_with_its_sign() -> None:
    (reason,) = guard.reasons(OFF, GOOD, replace(FINE, clock_offset=40.0))
    assert "+40.0 s" in reason.message


# Tokens.


@pytest.mark.parametrize(
    ("enrolled", "unenrolled", "expected"),
    [
        ((), "deny", ["nobody_enrolled", "user_shut_out"]),
        ((), "allow", []),
        (("alice",), "deny", []),
    ],
)
def test_nobody_enrolled(enrolled: tuple[str, ...], unenrolled: str, expected: list[str]) -> None:
    assert codes(after(replace(ON, unenrolled=unenrolled), enrolled=enrolled)) == expected


def test_broken_token_counts_only_while_its_user_stays_enrolled() -> None:
    facts = replace(FINE, broken_tokens={"bob": "The token file of user 'bob' holds no device."})

    assert codes(after(enrolled=("alice", "bob")), facts) == ["token_file_broken"]
    assert codes(facts=facts) == []


def test_way_that_asks_nobody_is_a_reason_against_more() -> None:
    way = TwofactorError("cockpit_other_way", "Cockpit lets users in with a ticket.", "Close it.")
    facts = replace(FINE, other_ways=(way,))

    assert guard.reasons(OFF, GOOD, facts) == [way]
    assert guard.reasons(GOOD, GOOD, facts, tightens=False) == []
    assert guard.reasons(GOOD, after(Policy()), facts) == []


def test_service_that_asks_for_another_code_already() -> None:
    facts = replace(FINE, other_modules={"sudo": "pam_google_authenticator.so"})
    (reason,) = guard.reasons(OFF, GOOD, facts)

    assert reason.code == "other_code_module"
    assert "'sudo'" in reason.message
    assert "pam_google_authenticator.so" in reason.remedy


# Users who would be shut out.

NO_KEY = replace(ALICE, has_key=False)
NO_PASSWORD = replace(ALICE, has_password=False)


@pytest.mark.parametrize(
    ("wanted", "account", "why"),
    [
        pytest.param(after(enrolled=("bob",)), ALICE, "no token and is not exempt", id="not enrolled"),
        pytest.param(after(), NO_KEY, "it has no key", id="no key"),
        pytest.param(after(ssh=PASSWORD), NO_PASSWORD, "it has no password", id="no password"),
        pytest.param(
            after(replace(ON, exempt=Exempt(users=("ansible", "alice")))), NO_KEY, "exempt.*needs a key", id="exempt"
        ),
        pytest.param(
            after(replace(ON, exempt=Exempt(users=("ansible",), groups=("alice",))), enrolled=("bob",)),
            NO_KEY,
            "exempt.*needs a key",
            id="exempt by group",
        ),
        pytest.param(
            after(replace(ON, unenrolled="allow"), enrolled=()), NO_KEY, "it has no key", id="let in without a token"
        ),
    ],
)  # fmt: skip
def test_user_who_would_be_shut_out_of_ssh(wanted: Situation, account: Account, why: str) -> None:
    (reason,) = guard.reasons(OFF, wanted, people(ANSIBLE, account))

    assert reason.code == "user_shut_out"
    assert "'alice' can log in by SSH today" in reason.message
    assert re.search(why, reason.message)


@pytest.mark.parametrize(
    ("account", "ssh"),
    [
        pytest.param(Account("carol"), SshFacts(), id="neither key nor password"),
        pytest.param(
            Account("carol", has_password=True), SshFacts(passwords=False), id="a password sshd takes not"
        ),
        pytest.param(
            Account("carol", has_password=True, has_key=True), SshFacts(deny_users=("carol",)), id="denied"
        ),
        pytest.param(replace(ROOT, has_key=False), SshFacts(), id="root's password"),
        pytest.param(ROOT, SshFacts(root_login="no"), id="root not let in at all"),
    ],
)
def test_who_cannot_log_in_today_is_not_shut_out(account: Account, ssh: SshFacts) -> None:
    assert codes(facts=people(ANSIBLE, ALICE, account, ssh=ssh)) == []


def test_whose_tokens_are_taken_away_on_purpose_is_not_a_reason() -> None:
    bob = replace(ALICE, name="bob", groups=("bob",))
    facts = people(ANSIBLE, ALICE, bob)
    before = after(enrolled=("alice", "bob"))

    assert codes(GOOD, facts, before) == ["user_shut_out"]
    assert codes(GOOD, facts, before, leaving=["bob"]) == []


def test_who_was_shut_out_before_is_no_reason_now() -> None:
    bob = Account("bob", (), has_password=True, has_key=True)
    assert (
        codes(replace(GOOD, enrolled=frozenset({"alice", "carol"})), people(ANSIBLE, ALICE, bob), GOOD) == []
    )


def test_methods_that_change_shut_out_who_lacks_the_other_thing() -> None:
    assert codes(after(ssh=PASSWORD), people(ANSIBLE, NO_PASSWORD), GOOD) == ["user_shut_out"]
    assert codes(GOOD, people(ANSIBLE, NO_KEY), after(ssh=PASSWORD)) == ["user_shut_out"]


@pytest.mark.parametrize(
    ("root_login", "own", "expected"),
    [
        ("unmanaged", "without-password", ["user_shut_out"]),
        ("unmanaged", "prohibit-password", ["user_shut_out"]),
        ("unmanaged", "yes", []),
        ("allowed", "without-password", []),
        ("denied", "yes", []),
        ("unmanaged", "no", []),
    ],
)
def test_root_with_a_token(root_login: str, own: str, expected: list[str]) -> None:
    wanted = after(ssh=replace(KEY, root_login=root_login), enrolled=("alice", "root"))
    facts = people(ANSIBLE, ALICE, ROOT, ssh=SshFacts(root_login=own))
    assert codes(wanted, facts) == expected
    assert guard.advice(OFF, wanted, facts) == []


@pytest.mark.parametrize("ssh", [KEY, PASSWORD])
@pytest.mark.parametrize(
    ("root_login", "own", "account", "enrolled", "is_advised"),
    [
        pytest.param("unmanaged", "prohibit-password", ROOT, True, True, id="nobody has decided"),
        pytest.param("unmanaged", "forced-commands-only", ROOT, True, True, id="nor here"),
        pytest.param("unmanaged", "prohibit-password", ROOT, False, False, id="no token"),
        pytest.param("unmanaged", "no", ROOT, True, False, id="sshd keeps it out"),
        pytest.param("denied", "prohibit-password", ROOT, True, False, id="denied"),
        pytest.param("allowed", "prohibit-password", ROOT, True, False, id="allowed"),
        pytest.param("unmanaged", "yes", ROOT, True, False, id="sshd lets it in"),
        pytest.param("unmanaged", "prohibit-password", Account("root"), True, False, id="nothing to log in with"),
    ],
)  # fmt: skip
def test_root_that_could_not_use_its_token(
    ssh: SshPolicy, root_login: str, own: str, account: Account, enrolled: bool, is_advised: bool
) -> None:
    """Root comes in neither before nor after, so it is not shut out; but a token is there to be used."""
    wanted = after(
        ssh=replace(ssh, root_login=root_login), enrolled=("alice", *(["root"] if enrolled else []))
    )
    facts = people(ANSIBLE, ALICE, account, ssh=SshFacts(root_login=own))
    before = Situation(Declared(ON, replace(ssh, root_login="unmanaged")), frozenset({"alice"}))
    (sentence, *rest) = guard.advice(before, wanted, facts) or [""]
    assert (bool(sentence), rest) == (is_advised, [])
    if is_advised:
        assert own in sentence
        assert codes(wanted, facts, before) == []
        assert guard.advice(before, replace(wanted, declared=Declared(ON)), facts) == []


def test_root_that_is_exempt_needs_no_code_so_prohibit_password_is_fine() -> None:
    wanted = after(replace(ON, exempt=Exempt(users=("ansible", "root"))))

    assert codes(wanted, people(ANSIBLE, ALICE, ROOT)) == []


def test_root_that_is_denied_on_purpose_is_not_shut_out_by_accident() -> None:
    denied = after(ssh=replace(KEY, root_login="denied"))
    assert codes(denied, people(ANSIBLE, ALICE, ROOT)) == []
    assert codes(denied, people(ANSIBLE, ALICE, ROOT, own=OwnLogin("root", "192.0.2.7"))) == [
        "own_account_shut_out"
    ]
    without_ssh = after(ssh=SshPolicy(root_login="denied"), enrolled=(), services=("sudo",))
    assert "user_shut_out" in codes(without_ssh, people(ANSIBLE, ROOT))


def test_why_root_is_shut_out() -> None:
    wanted = after(enrolled=("alice", "root"))
    (reason,) = guard.reasons(OFF, wanted, people(ANSIBLE, ALICE, ROOT))
    assert "root_login: allowed" in reason.message
    assert "root_login: denied" in reason.remedy


@pytest.mark.parametrize(
    ("policy", "account", "expected"),
    [
        (ON, Account("bob", has_password=True), ["user_shut_out"]),
        (ON, Account("bob"), []),
        (replace(ON, unenrolled="allow"), Account("bob", has_password=True), []),
        (replace(ON, exempt=Exempt(users=("bob",))), Account("bob", has_password=True), []),
        (replace(ON, exempt=Exempt(groups=("staff",))), Account("bob", ("staff",), has_password=True), []),
    ],
)
def test_services_besides_ssh(policy: Policy, account: Account, expected: list[str]) -> None:
    wanted = after(policy, SshPolicy(), services=("cockpit", "sudo"))
    found = guard.reasons(OFF, wanted, people(ANSIBLE, ALICE, account, ssh=SshFacts(passwords=False)))

    assert [reason.code for reason in found] == expected
    for reason in found:
        assert "'bob' has a password and no token, and could no longer use cockpit, sudo" in reason.message


def test_only_services_that_are_new_count() -> None:
    bob = Account("bob", has_password=True)
    before = after(ON, SshPolicy(), services=("sudo",))
    facts = people(ANSIBLE, ALICE, bob)

    assert codes(before, facts, before) == []
    (reason,) = guard.reasons(before, replace(before, services=("cockpit", "sudo")), facts)
    assert "no longer use cockpit." in reason.message


# Ansible itself, and a way in that is sure.


SHUT_OUT = ["user_shut_out", "own_account_shut_out", "nobody_verified"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        pytest.param(after(), [], id="exempt"),
        pytest.param(after(replace(ON, exempt=Exempt(groups=("robots",)))), [], id="exempt by group"),
        pytest.param(after(Policy(state="enabled"), replace(KEY, exempt_users=("ansible",))), [], id="for SSH"),
        pytest.param(after(ON, replace(KEY, exempt_users=("x",))), SHUT_OUT, id="SSH has its own"),
        pytest.param(after(replace(ON, exempt=Exempt(groups=("robot",)))), SHUT_OUT, id="group that is not there"),
        pytest.param(after(replace(ON, exempt=Exempt(networks=("192.0.2.0/24",)))), [], id="by network"),
        pytest.param(
            after(replace(ON, exempt=Exempt(networks=("198.51.100.0/24",)))), SHUT_OUT[:2], id="another network"
        ),
        pytest.param(after(Policy(state="enabled"), enrolled=("alice", "ansible")), ["nobody_verified"], id="enrolled"),
        pytest.param(
            after(Policy(state="enabled"), replace(PASSWORD, methods=("password_and_code", "key"))), [], id="key"
        ),
        pytest.param(after(Policy(state="enabled"), SshPolicy()), [], id="not for SSH"),
    ],
)  # fmt: skip
def test_the_account_that_ansible_came_in_with(wanted: Situation, expected: list[str]) -> None:
    assert codes(wanted) == expected


def test_network_that_is_exempt_helps_who_comes_from_it_only() -> None:
    """Whether another account is used from there is not known."""
    bob = replace(ALICE, name="bob", groups=())
    wanted = after(replace(ON, exempt=Exempt(networks=("192.0.2.0/24",))))
    (reason,) = guard.reasons(OFF, wanted, people(ANSIBLE, ALICE, bob))
    assert (reason.code, "'bob'" in reason.message) == ("user_shut_out", True)

    console = after(wanted.declared.policy, SshPolicy(), services=("sudo",))
    (reason,) = guard.reasons(OFF, console, people(replace(ANSIBLE, has_password=True)))
    assert "no longer use sudo" in reason.message


def test_own_account_is_named_with_its_address() -> None:
    found = guard.reasons(OFF, after(replace(ON, exempt=Exempt())), FINE)
    own = next(reason for reason in found if reason.code == "own_account_shut_out")

    assert "'ansible' from 192.0.2.7" in own.message


def test_exempt_account_without_a_key_has_no_way_back() -> None:
    keyless = replace(ANSIBLE, has_key=False)
    assert codes(facts=people(keyless, ALICE)) == ["own_account_shut_out", "nobody_verified"]


def test_own_account_that_is_not_listed_has_no_way_back() -> None:
    assert "own_account_shut_out" in codes(facts=people(ALICE))


def test_ansible_that_did_not_come_by_ssh_is_not_shut_out() -> None:
    assert codes(after(Policy(state="enabled")), people(ALICE, own=None, verified=frozenset({"alice"}))) == []


@pytest.mark.parametrize(
    ("networks", "address", "is_exempt"),
    [
        (("198.51.100.0/24", "192.0.2.7"), "192.0.2.7", True),
        (("2001:db8::/32",), "2001:db8::1", True),
        (("2001:db8::/32",), "192.0.2.7", False),
        (("0.0.0.0/0",), "fe80::1%eth0", False),
        (("0.0.0.0/0",), "UNKNOWN", False),
        ((), "192.0.2.7", False),
    ],
)
def test_own_address(networks: tuple[str, ...], address: str, is_exempt: bool) -> None:
    wanted = after(Policy(state="enabled", exempt=Exempt(networks=networks)), enrolled=("alice",))
    facts = replace(people(ALICE), own=OwnLogin("ansible", address), verified=frozenset({"alice"}))

    assert ("own_account_shut_out" not in codes(wanted, facts)) is is_exempt


NOBODY_EXEMPT = after(Policy(state="enabled"), enrolled=("alice", "ansible"))


@pytest.mark.parametrize(
    ("wanted", "facts", "before", "expected"),
    [
        pytest.param(NOBODY_EXEMPT, FINE, OFF, ["nobody_verified"], id="nobody has shown a code"),
        pytest.param(NOBODY_EXEMPT, replace(FINE, verified=frozenset({"alice"})), OFF, [], id="alice has"),
        pytest.param(
            NOBODY_EXEMPT, replace(FINE, verified=frozenset({"bob"})), OFF, ["nobody_verified"], id="one who is gone"
        ),
        pytest.param(
            NOBODY_EXEMPT,
            replace(FINE, verified=frozenset({"alice"}), ssh=SshFacts(allow_users=("ansible",))),
            OFF,
            ["nobody_verified"],
            id="the only verified one may not come",
        ),
        pytest.param(NOBODY_EXEMPT, FINE, NOBODY_EXEMPT, [], id="it is on already"),
        pytest.param(after(replace(ON, unenrolled="allow"), enrolled=()), FINE, OFF, [], id="a rollout"),
    ],
)  # fmt: skip
def test_somebody_must_be_sure_to_get_in(
    wanted: Situation, facts: Facts, before: Situation, expected: list[str]
) -> None:
    assert codes(wanted, facts, before) == expected


@pytest.mark.parametrize("own", [None, OWN])
def test_nobody_could_log_in(own: OwnLogin | None) -> None:
    facts = people(Account("alice"), own=own)
    assert "nobody_could_log_in" in codes(facts=facts)
    by_network = after(replace(ON, exempt=Exempt(networks=("192.0.2.7",))))
    assert ("nobody_could_log_in" in codes(by_network, facts)) is (own is None)


# Who sshd lets come.


@pytest.mark.parametrize(
    ("ssh", "comes"),
    [
        (SshFacts(), True),
        (SshFacts(allow_users=("bob", "alice")), True),
        (SshFacts(allow_users=("bob",)), False),
        (SshFacts(allow_users=("al*",)), True),
        (SshFacts(allow_users=("alice@192.0.2.*",)), True),
        (SshFacts(deny_users=("alice",)), False),
        (SshFacts(deny_users=("a?ice",), allow_users=("alice",)), False),
        (SshFacts(allow_groups=("staff",)), True),
        (SshFacts(allow_groups=("admins",)), False),
        (SshFacts(deny_groups=("st*",)), False),
        (SshFacts(allow_users=("alice",), allow_groups=("admins",)), False),
    ],
)
def test_who_may_come_at_all(ssh: SshFacts, comes: bool) -> None:
    assert ssh.lets_come(Account("alice", ("alice", "staff"))) is comes
