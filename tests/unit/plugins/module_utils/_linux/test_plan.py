from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import Refused, TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    marks,
    pam,
    paths,
    policy_file,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.plan import Step, make_plan
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import (
    Declared,
    Exempt,
    Policy,
    SecretsChange,
    SshPolicy,
    UserSecret,
)
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._linux.fakes import (
    DEBIAN,
    KEYS_ONLY,
    PASSWORD_ALLOWED,
    SEEDS,
    FakeHost,
    Login,
    every_having,
    folder_of,
    pam_lets_in,
    ssh_lets_in,
    takes_passwords,
)

ON = {"state": "enabled"}
KEY = {"state": "enabled", "methods": ("key_and_code",)}
PASSWORD = {"state": "enabled", "methods": ("password_and_code",)}
EITHER = {"state": "enabled", "methods": ("password_and_code", "key")}
BOTH = {"state": "enabled", "methods": ("key_and_code", "password_and_code")}
OFF = {"state": "disabled"}
WAYS = {"off": OFF, "key": KEY, "password": PASSWORD, "either": EITHER, "both": BOTH}


def change(
    policy: dict[str, Any] | None = None, ssh: dict[str, Any] | None = None, *users: UserSecret, **more: Any
) -> Change:
    secrets = SecretsChange(users=users, **more) if users or more else None
    return Change(policy=policy, ssh=ssh, secrets=secrets)


def user(name: str, seed: bytes | None = None) -> UserSecret:
    return UserSecret(name, seed or SEEDS[name])


def code_of(wanted: Change, host: FakeHost) -> str:
    before = dict(host.texts)
    with pytest.raises(TwofactorError) as caught:
        make_plan(wanted, host)
    assert host.texts == before
    return caught.value.code


def steps_of(wanted: Change, host: FakeHost) -> list[str]:
    return [step.name for step in make_plan(wanted, host).steps if step.name != "command"]


# In what order: at no instant is a door open that is shut before and after, or shut that is open before and after.

ADMINISTRATORS = {
    "Debian": PASSWORD_ALLOWED,
    "root with password": {**PASSWORD_ALLOWED, "permitrootlogin": "yes"},
    "no root": {**PASSWORD_ALLOWED, "permitrootlogin": "no"},
    "keyboard-interactive": {"passwordauthentication": "yes", "kbdinteractiveauthentication": "yes"},
    "keys only": KEYS_ONLY,
    "keys only, root too": {**KEYS_ONLY, "permitrootlogin": "yes"},
}
TRANSITIONS = [(before, after) for before, after in itertools.permutations(WAYS, 2)]


def opened(host: FakeHost, own: dict[str, str]) -> dict[tuple[str, frozenset[str]], bool]:
    """Return who gets in by SSH with what, for somebody enrolled, somebody who is not, and root."""
    return {
        (name, has): ssh_lets_in(host.texts, own, name, has)
        for name in ("alice", "carol", "root")
        for has in every_having()
        if not (name == "carol" and "code" in has)
    }


def wrong_instants(
    host: FakeHost, steps: list[Step], own: dict[str, str]
) -> list[tuple[str, str, list[str], bool]]:
    """Return each instant at which somebody is let in or shut out who is not so before and after."""
    before = opened(host, own)
    instants = []
    for step in steps:
        for one in step.changes:
            host.carry_out([Step(step.name, (one,))])
            if one.path == paths.service_file("sshd") or one.path == paths.PAM_POLICY:
                instants.append((step.name, opened(host, own)))  # PAM reads its files at each login
        instants.append((step.name, opened(host, own)))  # sshd reads its own when it is told to
    after = opened(host, own)
    return [
        (name, login[0], sorted(login[1]), then[login])
        for name, then in instants
        for login in before
        if before[login] == after[login] != then[login]
    ]


@pytest.mark.parametrize("own", list(ADMINISTRATORS.values()), ids=list(ADMINISTRATORS))
@pytest.mark.parametrize(("before", "after"), TRANSITIONS)
def test_no_hole_and_no_shut_door_on_the_way(own: dict[str, str], before: str, after: str) -> None:
    for root_before, root_after in itertools.product(["unmanaged", "allowed", "denied"], repeat=2):
        host = FakeHost(takes=takes_passwords(own)).enrol("alice", "root")
        host.converge(change(ON, {**WAYS[before], "root_login": root_before}))
        plan = make_plan(change(ssh={**WAYS[after], "root_login": root_after}), host)

        assert wrong_instants(host, plan.steps, own) == [], (root_before, root_after)


@pytest.mark.parametrize("own", list(ADMINISTRATORS.values()), ids=list(ADMINISTRATORS))
@pytest.mark.parametrize("way", ["key", "password", "either", "both"])
@pytest.mark.parametrize("unenrolled", ["deny", "allow"])
def test_no_hole_and_no_shut_door_when_the_whole_is_switched(
    own: dict[str, str], way: str, unenrolled: str
) -> None:
    host = FakeHost(takes=takes_passwords(own)).enrol("alice", "root")
    host.converge(change({**ON, "unenrolled": unenrolled}, {**WAYS[way], "root_login": "allowed"}))
    off = make_plan(change(OFF), host)
    assert wrong_instants(host, off.steps, own) == []

    on = make_plan(change(ON), host)
    assert wrong_instants(host, on.steps, own) == []


@pytest.mark.parametrize("way", ["key", "password", "either", "both"])
@pytest.mark.parametrize(("before", "after"), [("deny", "allow"), ("allow", "deny")])
def test_no_hole_and_no_shut_door_when_the_unenrolled_are_let_in_or_not(
    way: str, before: str, after: str
) -> None:
    host = FakeHost().enrol("alice", "root")
    host.converge(change({**ON, "unenrolled": before}, WAYS[way]))
    plan = make_plan(change({"unenrolled": after}), host)

    assert plan.steps
    assert wrong_instants(host, plan.steps, PASSWORD_ALLOWED) == []


@pytest.mark.parametrize(("service", "path"), [("sudo", "sudo"), ("su-l", "su"), ("cockpit", "cockpit")])
@pytest.mark.parametrize("unenrolled", ["deny", "allow"])
def test_who_loses_the_token_is_not_shut_out_in_between(service: str, path: str, unenrolled: str) -> None:
    host = FakeHost().enrol("alice", "bob")
    host.converge(change({**ON, "services": ("sudo", "su", "cockpit"), "unenrolled": unenrolled}))
    login = Login(service, "alice", frozenset({"password", "code"}))
    assert pam_lets_in(host.texts, login)
    plan = make_plan(change(None, None, UserSecret("alice"), state="absent"), host)
    for step in plan.steps:
        host.carry_out([step])
        assert pam_lets_in(host.texts, login) or unenrolled == "deny"


@pytest.mark.parametrize("own", list(ADMINISTRATORS.values()), ids=list(ADMINISTRATORS))
@pytest.mark.parametrize(
    ("way", "enough"),
    [
        (KEY, [{"key", "code"}]),
        (PASSWORD, [{"password", "code"}]),
        (EITHER, [{"password", "code"}, {"key"}]),
        (BOTH, [{"password", "code"}, {"key", "code"}]),
    ],
)
def test_what_is_enough(own: dict[str, str], way: dict[str, Any], enough: list[set[str]]) -> None:
    host = FakeHost().enrol("alice", "root")
    host.converge(change(ON, {**way, "root_login": "allowed", "exempt_users": ("bob",)}))

    for has in every_having():
        for name in ("alice", "root"):
            assert ssh_lets_in(host.texts, own, name, has) == any(words <= has for words in enough)
        assert ssh_lets_in(host.texts, own, "carol", has) == ({"key"} in enough and "key" in has)
        assert ssh_lets_in(host.texts, own, "bob", has) == ("key" in has)


def test_order_of_a_whole_change() -> None:
    host = FakeHost(stale=(f"{paths.TOKENS}/bob.oath.lock",)).enrol("bob")
    host.texts[f"{paths.TOKENS}/bob.oath.lock"] = ""
    wanted = change({**ON, "services": ("sudo",), "exempt_networks": ("192.0.2.1",)}, KEY, user("alice"))

    assert steps_of(wanted, host) == (
        ["leftovers", "tokens", "policy", "services", "ssh service", "sshd", "ssh service", "declared"]
    )
    host.converge(wanted)
    assert steps_of(change(OFF), host) == [
        "services",
        "ssh service",
        "sshd",
        "ssh service",
        "policy",
        "declared",
    ]


def test_no_step_that_is_not_needed() -> None:
    host = FakeHost()
    del host.texts["/etc/pam.d/cockpit"]

    assert steps_of(change(ON, EITHER), host) == ["policy", "ssh service", "sshd", "ssh service", "declared"]
    host.converge(change(ON, EITHER))
    for way in (PASSWORD, KEY, BOTH):
        assert steps_of(change(ssh=way), host) == ["sshd", "declared"]
        host.converge(change(ssh=way))
    assert steps_of(change({"window": 2}), host) == ["policy", "ssh service", "declared"]
    assert steps_of(change({"reason": "audit"}), host) == ["declared"]


def test_policy_stands_before_services_include_it_and_until_none_does() -> None:
    host = FakeHost()
    for wanted in (change({**ON, "services": ("sudo", "su")}, PASSWORD), change(OFF)):
        for step in make_plan(wanted, host).steps:
            for one in step.changes:
                host.carry_out([Step(step.name, (one,))])
                asking = any(pam.is_included(text) for path, text in host.texts.items() if "pam.d" in path)
                assert not asking or paths.PAM_POLICY in host.texts


# The second run finds nothing to do; off gives everything back.

LISTS = st.lists(st.sampled_from(["alice", "bob", "carol"]), max_size=2, unique=True).map(tuple)
POLICIES = st.fixed_dictionaries(
    {"state": st.sampled_from(["enabled", "disabled"])},
    optional={
        "window": st.integers(0, 10),
        "services": st.lists(st.sampled_from(["sudo", "su", "cockpit", "other"]), max_size=3).map(tuple),
        "unenrolled": st.sampled_from(["deny", "allow"]),
        "max_failures": st.integers(0, 100),
        "unlock_after": st.integers(1, 86400),
        "exempt_users": LISTS,
        "exempt_groups": LISTS,
        "exempt_networks": st.sampled_from([(), ("192.0.2.1",), ("192.0.2.0/24", "2001:db8::/32")]),
        "reason": st.sampled_from(["", "rollout"]),
    },
)
SSH = st.fixed_dictionaries(
    {},
    optional={
        "state": st.sampled_from(["enabled", "disabled"]),
        "methods": st.sampled_from([way["methods"] for way in (KEY, PASSWORD, EITHER, BOTH)]),
        "root_login": st.sampled_from(["allowed", "denied", "unmanaged"]),
        "exempt_users": LISTS,
        "exempt_groups": LISTS,
        "exempt_networks": st.sampled_from([(), ("198.51.100.7",)]),
    },
)
CHANGES = st.builds(
    lambda policy, ssh, names, exclusive: change(
        policy, ssh, *[user(name) for name in names], exclusive=exclusive
    ),
    st.none() | POLICIES,
    st.none() | SSH,
    LISTS,
    st.booleans(),
)
MAINS = [
    DEBIAN[paths.SSHD_CONFIG],
    "UsePAM yes\nMatch User x\n\tPasswordAuthentication no",
    "Include sshd_config.d/*.conf other/*.conf\r\n",
    "",
]
BESIDE = {
    "/etc/ssh/sshd_config.d/00-aaa.conf": "Port 22\n",
    "/etc/ssh/sshd_config.d/50-x.conf": "UsePAM no\n",
}


def is_off_for(wanted: Change, host: FakeHost) -> bool:
    """Tell whether SSH is to be on while the whole is off."""
    declared = policy_file.parse(host.read(paths.POLICY))
    state = (wanted.policy or {}).get("state", declared.policy.state)
    return (
        state == "disabled"
        and (wanted.ssh or {}).get("state", declared.ssh.state) == "enabled"
        and bool(wanted.ssh)
    )


@given(
    st.lists(CHANGES, min_size=1, max_size=3),
    st.sampled_from(MAINS),
    st.sets(st.sampled_from(sorted(BESIDE))),
    st.sampled_from(["", "users", "all"]),
)
@settings(max_examples=150)
def test_second_run_changes_nothing_and_off_gives_everything_back(
    changes: list[Change], main: str, beside: set[str], takes: str
) -> None:
    host = FakeHost(takes=takes)
    host.texts.update({path: BESIDE[path] for path in beside}, **{paths.SSHD_CONFIG: main})
    pristine = folder_of(host.texts, "/etc/pam.d/", "/etc/ssh/")
    for wanted in changes:
        if wanted.ssh is not None and is_off_for(wanted, host):
            assert code_of(wanted, host) == "twofactor_off"
            continue
        host.converge(wanted)
        assert make_plan(wanted, host).steps == []
        assert make_plan(Change(), host).steps == []
    host.converge(change(OFF))

    assert folder_of(host.texts, "/etc/pam.d/", "/etc/ssh/") == pristine
    tokens = folder_of(host.texts, paths.TOKENS)
    assert make_plan(change(OFF), host).steps == []
    host.converge(change(ON))
    assert folder_of(host.texts, paths.TOKENS) == tokens


def test_host_that_nobody_configured_gets_no_file() -> None:
    for wanted in (Change(), change({}, {}), change(OFF), change(None, OFF)):
        assert make_plan(wanted, FakeHost()).steps == []


def test_login_between_runs_changes_nothing() -> None:
    host = FakeHost()
    wanted = change(ON, PASSWORD, user("alice"))
    host.converge(wanted)
    path = paths.token_file("alice")
    host.texts[path] = host.texts[path][:-1] + "\t0\t264320\t2026-11-24T06:18:01L\n"

    assert make_plan(wanted, host).steps == []


@pytest.mark.parametrize(
    "path",
    [
        paths.PAM_POLICY,
        paths.SSHD_DROPIN,
        "/etc/pam.d/sshd",
        "/etc/pam.d/sudo",
        paths.SSHD_CONFIG,
        paths.ENROLLED,
    ],
)
@pytest.mark.parametrize("way", [KEY, PASSWORD, EITHER])
def test_what_somebody_changed_is_put_back(path: str, way: dict[str, Any]) -> None:
    host = FakeHost(takes=False)
    host.texts[paths.SSHD_CONFIG] = "UsePAM yes\n"
    wanted = change({**ON, "services": ("sudo",), "unenrolled": "allow"}, way, user("alice"))
    host.converge(wanted)
    good = dict(host.texts)
    host.texts[path] = {**DEBIAN, paths.SSHD_CONFIG: "UsePAM yes\n"}.get(path, "rubbish\n")
    host.converge(wanted)

    assert host.texts == good


# Options that are not given stay; what is declared comes back on.


def test_options_not_given_stay() -> None:
    host = FakeHost()
    host.converge(change({**ON, "window": 3, "exempt_users": ("bob",)}, {**KEY, "root_login": "allowed"}))
    host.converge(change({"max_failures": 7}, {"methods": ("password_and_code",)}))
    declared = policy_file.parse(host.texts[paths.POLICY])

    assert declared == Declared(
        Policy(state="enabled", window=3, max_failures=7, exempt=Exempt(users=("bob",))),
        SshPolicy(state="enabled", methods=("password_and_code",), root_login="allowed"),
    )


def test_off_and_on_again_is_as_before() -> None:
    host = FakeHost()
    host.converge(change({**ON, "services": ("sudo",)}, EITHER, user("alice")))
    on = dict(host.texts)
    host.converge(change(OFF))
    host.converge(change(ON))

    assert host.texts == on


def test_plan_says_what_it_touches() -> None:
    host = FakeHost()
    plan = host.converge(change(ON, KEY))

    assert plan.changed
    assert plan.touches_sshd
    assert plan.dropin == host.texts[paths.SSHD_DROPIN]
    assert host.converge(change(OFF)).dropin is None
    assert not make_plan(change({"window": 2}), host).touches_sshd


def test_modes_of_new_files() -> None:
    plan = make_plan(change({**ON, "exempt_networks": ("192.0.2.1",)}, KEY, user("alice")), FakeHost())
    modes = {one.path: one.mode for step in plan.steps for one in step.changes}

    assert modes[paths.PAM_POLICY] == modes[paths.EXEMPT_NETWORKS] == 0o644
    assert {modes[path] for path in (paths.SSHD_DROPIN, paths.POLICY, paths.token_file("alice"))} == {0o600}


def test_sshd_config_gets_an_include_only_where_it_lacks_one() -> None:
    host = FakeHost()
    host.converge(change(ON, KEY))
    assert host.texts[paths.SSHD_CONFIG] == DEBIAN[paths.SSHD_CONFIG]

    host.texts["/etc/ssh/sshd_config.d/00-aaa.conf"] = "UsePAM no\n"
    host.converge(Change())
    assert host.texts[paths.SSHD_CONFIG] == marks.SSHD_INCLUDE + DEBIAN[paths.SSHD_CONFIG]

    del host.texts["/etc/ssh/sshd_config.d/00-aaa.conf"]
    host.converge(Change())
    assert host.texts[paths.SSHD_CONFIG] == DEBIAN[paths.SSHD_CONFIG]


def test_exempt_networks_are_written_and_taken_away() -> None:
    host = FakeHost()
    host.converge(change({**ON, "exempt_networks": ("192.0.2.0/24",)}))
    assert "+:ALL:192.0.2.0/24\n" in host.texts[paths.EXEMPT_NETWORKS]

    host.converge(change({"exempt_networks": ()}))
    assert paths.EXEMPT_NETWORKS not in host.texts


def test_list_of_the_enrolled_follows_the_tokens() -> None:
    host = FakeHost()
    host.converge(change({**ON, "unenrolled": "allow"}, None, user("alice"), user("bob")))
    assert host.texts[paths.ENROLLED] == "alice\nbob\n"

    host.converge(change(None, None, user("carol"), exclusive=True))
    assert host.texts[paths.ENROLLED] == "carol\n"

    host.converge(change({"unenrolled": "deny"}))
    assert paths.ENROLLED not in host.texts


# Services.


def covered(host: FakeHost) -> list[str]:
    return [
        name for name in host.names(paths.PAM_FOLDER) if pam.is_included(host.texts[paths.service_file(name)])
    ]


def test_web_console_is_covered_when_no_service_is_named() -> None:
    host = FakeHost()
    host.converge(change(ON))
    assert covered(host) == ["cockpit"]

    del host.texts["/etc/pam.d/cockpit"]
    assert make_plan(Change(), host).steps == []


def test_services_that_are_no_longer_named_lose_the_line() -> None:
    host = FakeHost()
    host.converge(change({**ON, "services": ("sudo", "su")}))
    host.converge(change({"services": ("su",)}))
    assert covered(host) == ["su"]

    host.converge(change({"services": ()}))
    assert covered(host) == []


def test_second_name_of_a_service_is_covered_with_it() -> None:
    host = FakeHost().enrol("alice")
    host.converge(change({**ON, "services": ("sudo", "su")}))

    assert covered(host) == ["su", "sudo", "sudo-i"]
    for name in ("sudo", "sudo-i", "su", "su-l"):
        assert not pam_lets_in(host.texts, Login(name, has=frozenset({"password"})))
        assert pam_lets_in(host.texts, Login(name, has=frozenset({"password", "code"})))
    assert pam_lets_in(host.texts, Login("su-l", is_uid_0=True))


def test_second_name_that_is_not_installed_is_no_matter() -> None:
    host = FakeHost()
    del host.texts["/etc/pam.d/sudo-i"]
    host.converge(change({**ON, "services": ("sudo",)}))

    assert covered(host) == ["sudo"]


@pytest.mark.parametrize("name", ["gdm-password", "twofactor", "../ssh/sshd_config", "./sudo", "SUDO", ""])
def test_service_that_is_not_there_is_refused(name: str) -> None:
    host = FakeHost()
    host.texts[paths.PAM_POLICY] = "stale\n"
    host.texts["/etc/pam.d/./sudo"] = host.texts["/etc/pam.d/../ssh/sshd_config"] = "@include common-auth\n"

    assert code_of(change({**ON, "services": ("sudo", name)}), host) == "service_missing"


def test_every_missing_service_is_named_at_once() -> None:
    with pytest.raises(Refused) as caught:
        make_plan(change({**ON, "services": ("a", "sudo", "b")}), FakeHost())
    assert [reason.code for reason in caught.value.reasons] == ["service_missing"] * 2


def test_ssh_is_not_one_of_the_services() -> None:
    assert code_of(change({**ON, "services": ("sshd",)}), FakeHost()) == "service_is_ssh"


def test_common_stack_itself_is_refused() -> None:
    assert code_of(change({**ON, "services": ("common-auth",)}), FakeHost()) == "pam_service_unsafe"


# What is refused.


def test_ssh_alone_is_refused_while_the_whole_is_off() -> None:
    host = FakeHost()
    assert code_of(change(None, KEY), host) == "twofactor_off"

    host.converge(change(ON, KEY))
    host.converge(change({**OFF, "reason": "phones lost"}))
    with pytest.raises(TwofactorError, match="phones lost"):
        make_plan(change(None, KEY), host)


@pytest.mark.parametrize(
    ("policy", "ssh", "code"),
    [
        (ON, {"methods": ("key_and_code", "key")}, "methods_conflict"),
        (ON, {"methods": ("key",)}, "methods_without_code"),
        ({**ON, "exempt_users": ("a b",)}, None, "bad_user_name"),
        (ON, {**KEY, "exempt_groups": ("a,b",)}, "bad_user_name"),
        (ON, {**KEY, "exempt_networks": ("192.0.2.1/24",)}, "bad_network"),
    ],
)
def test_bad_options(policy: dict[str, Any], ssh: dict[str, Any], code: str) -> None:
    assert code_of(change(policy, ssh), FakeHost()) == code


@pytest.mark.parametrize("path", [paths.SSHD_CONFIG, "/etc/pam.d/sshd"])
def test_host_without_sshd(path: str) -> None:
    host = FakeHost()
    del host.texts[path]

    assert code_of(change(ON, KEY), host) == "sshd_missing"
    assert "policy" in steps_of(change(ON), host)


def test_damaged_policy_file() -> None:
    host = FakeHost()
    host.texts[paths.POLICY] = "{"

    assert code_of(change(ON), host) == "policy_file_broken"


# New digits and intervals, while apps show the old ones.


@pytest.mark.parametrize("kind", [{"digits": 8}, {"interval": 60}])
def test_new_kind_of_code_strands_nobody(kind: dict[str, int]) -> None:
    host = FakeHost()
    host.converge(change(ON, None, user("alice"), user("bob")))
    new = {name: bytes([99]) + SEEDS[name][1:] for name in ("alice", "bob")}

    assert code_of(change({**kind}), host) == "settings_strand_users"
    assert code_of(change({**kind}, None, user("alice"), user("bob")), host) == "settings_strand_users"
    one = change({**kind}, None, user("alice", new["alice"]), state="renewed", renewal="w")
    assert code_of(one, host) == "settings_strand_users"
    both = change({**kind}, None, *[UserSecret(n, s) for n, s in new.items()], state="renewed", renewal="w")
    plan = host.converge(both)
    assert plan.secrets.renewed == ["alice", "bob"]
    assert make_plan(both, host).steps == []


def test_new_kind_of_code_for_users_who_leave_or_come() -> None:
    host = FakeHost()
    host.converge(change(ON, None, user("alice")))
    wanted = change({"digits": 8}, None, user("bob"), exclusive=True)

    assert host.converge(wanted).secrets.removed == ["alice"]
    assert host.texts[paths.token_file("bob")].startswith("HOTP/T30/8\t")


def test_backup_device_is_stranded_too() -> None:
    host = FakeHost()
    backup = UserSecret("alice", SEEDS["alice"], SEEDS["bob"])
    host.converge(change(ON, None, backup))

    assert (
        code_of(change({"digits": 7}, None, replace(backup, seed=SEEDS["carol"])), host)
        == "settings_strand_users"
    )


def test_stranded_users_are_named_but_not_by_the_hundred() -> None:
    names = [f"user{number:03}" for number in range(200)]
    host = FakeHost(users=tuple(names))
    host.converge(change(ON, None, *[UserSecret(name, name.encode() * 3) for name in names]))

    with pytest.raises(TwofactorError, match=r"user000, .*, user004 and 195 more"):
        make_plan(change({"digits": 8}), host)


def test_policy_file_that_was_lost_can_be_declared_again() -> None:
    host = FakeHost()
    host.converge(change({**ON, "digits": 8}, None, user("alice")))
    del host.texts[paths.POLICY]

    assert steps_of(change({**ON, "digits": 8}), host) == ["declared"]
    assert code_of(change({**ON, "digits": 7}), host) == "settings_strand_users"
