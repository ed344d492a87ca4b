from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    marks,
    pam,
    paths,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import Exempt, Policy
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._linux.fakes import (
    COMMON_AUTH,
    DEBIAN,
    FakeHost,
    Known,
    Login,
    every_having,
    pam_lets_in,
)

OURS = marks.PAM_INCLUDE
SSHD = DEBIAN["/etc/pam.d/sshd"]
ON = Policy(state="enabled")


def reader(**texts: str):  # type: ignore[no-untyped-def]
    """Return a reader of PAM files with common-auth and ``texts``; an underscore stands for a hyphen."""
    there = {"common-auth": COMMON_AUTH, **{name.replace("_", "-"): text for name, text in texts.items()}}
    return there.get


read = reader()

# Lines as files have them: whole ones of every kind, and anything else.
LINES = st.one_of(
    st.sampled_from(
        [
            "@include common-auth",
            "auth substack common-auth",
            "AUTH include common-auth",
            "-auth [success=1 default=ignore] pam_unix.so nullok",
            "auth required pam_unix.so \\",
            "auth optional pam_deny.so # sufficient",
            "auth sideways pam_env.so",
            "account required pam_unix.so",
            "# comment \\",
            "#twofactor",
            "auth\tsubstack\ttwo\tfactor",
            "",
        ]
    ),
    st.text(st.characters(exclude_characters="\n"), max_size=20),
).filter(lambda line: not marks._is_ours(line))
FILES = st.builds(
    lambda lines, newline, last: newline.join(lines) + last,
    st.lists(LINES, max_size=8),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["", "\n", "\r\n", "\n\n"]),
)


def with_ours(content: str, service: str) -> str:
    """Return a service file with our lines: those that sshd has, or those of every other service."""
    return (
        pam.with_ssh_stack(content, ON, (), read)
        if service == "sshd"
        else pam.with_include(content, service, read)
    )


@given(FILES, st.sampled_from(["sshd", "svc"]))
@example("\x0c# a form feed, which ends no line\n@include common-auth\n", "sshd")
@example("# here is a \u2028 separator\n@include common-auth", "svc")
@example("# here is a \u2028 separator\n@include common-auth", "sshd")
@settings(max_examples=200)
def test_without_include_gives_back_what_with_include_got(content: str, service: str) -> None:
    assert marks.without_pam_include(content) == content
    try:
        changed = with_ours(content, service)
    except TwofactorError:
        assume(False)

    assert marks.without_pam_include(changed) == content
    assert with_ours(changed, service) == changed
    assert pam.is_included(changed) is (service != "sshd")
    assert pam.asks_code(changed) is (service == "sshd")
    without_comments = re.sub(r"[ \t]+# fleetauth.twofactor", "", changed)
    assert marks.without_pam_include(without_comments) == content


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("@include common-auth\n", "@include common-auth\n" + OURS),
        ("@include common-auth", "@include common-auth\n" + OURS.rstrip("\n")),
        ("\x0c\n@include common-auth\nauth a b\n", "\x0c\n@include common-auth\n" + OURS + "auth a b\n"),
        (
            "auth required pam_unix.so\nauth required pam_sss.so\n",
            "auth required pam_unix.so\nauth required pam_sss.so\n" + OURS,
        ),
        (
            "auth\trequired\t/lib/security/pam_unix.so\naccount include common-auth\n",
            "auth\trequired\t/lib/security/pam_unix.so\n" + OURS + "account include common-auth\n",
        ),
    ],
)  # fmt: skip
def test_line_stands_right_after_the_last_password_check(content: str, expected: str) -> None:
    assert pam.with_include(content, "svc", read) == expected


def test_password_check_of_sshd_stays_where_it_is_between_ours() -> None:
    lines = pam.with_ssh_stack(SSHD, ON, (), read).split("\n")
    primary = lines.index("@include common-auth")
    ours = [number for number, line in enumerate(lines) if line.endswith("# fleetauth.twofactor")]

    assert primary not in ours
    assert ours == [*range(1, primary), *range(primary + 1, ours[-1] + 1)]
    assert lines[ours[0]].startswith(
        "auth [success=ignore default=5] pam_exec.so quiet /bin/sh -c [case $SSH_"
    )
    assert len([number for number in ours[1:] if number < primary]) == 5


def test_sshd_with_a_jump_into_what_is_asked_after_a_key_is_refused() -> None:
    """Over what is asked next, which is fine where that is the password."""
    content = "auth [default=2] pam_a.so\nauth required pam_b.so\n@include common-auth\n"

    with pytest.raises(TwofactorError, match="jump into the lines for a key at 'pam_a") as caught:
        pam.with_ssh_stack(content, ON, (), read)
    assert caught.value.code == "pam_service_unsafe"


@pytest.mark.parametrize(
    "content",
    [
        "@include common-auth\nauth required pam_group.so\n@include common-account\n",
        "auth [success=1 default=ignore] pam_a.so\nauth required pam_b.so\n@include common-auth\n",
        "auth required pam_sepermit.so\nauth substack common-auth\nauth include postlogin\n",
    ],
)
def test_sshd_with_more_demands(content: str) -> None:
    files = reader(common_account="account required pam_unix.so\n", postlogin="session optional pam_x.so\n")
    changed = pam.with_ssh_stack(content, ON, (), files)

    assert marks.without_pam_include(changed) == content


@pytest.mark.parametrize("before", ["", "auth required pam_permit.so\n"])
@pytest.mark.parametrize("policy", [ON, Policy(unenrolled="allow"), Policy(max_failures=0)])
def test_policy_file_that_is_cut_short_lets_nobody_in_who_was_not(policy: Policy, before: str) -> None:
    """At each of its lines; those of sshd's service are written with it in one."""
    whole = pam.render_policy(policy, ("carol",))
    host = FakeHost().enrol("alice")
    host.texts[paths.ENROLLED] = "alice\n"
    host.texts["/etc/pam.d/sudo"] = pam.with_include(before + DEBIAN["/etc/pam.d/sudo"], "sudo", read)

    def let_in(text: str) -> set[tuple[str, Known]]:
        texts = {**host.texts, paths.PAM_POLICY: text}
        every = itertools.product(("alice", "bob", "carol"), every_having())
        return {(user, has) for user, has in every if pam_lets_in(texts, Login("sudo", user, has))}

    by_whole = let_in(whole)
    assert {("alice", frozenset({"password", "code"})), ("carol", frozenset({"password"}))} <= by_whole
    assert let_in("") == let_in("# nothing\n") == set()
    for end in range(len(whole)):
        assert let_in(whole[:end]) <= by_whole, whole[:end]


@pytest.mark.parametrize("policy", [ON, Policy(unenrolled="allow"), Policy(max_failures=0)])
@pytest.mark.parametrize("user", ["alice", "bob", "carol"])
@pytest.mark.parametrize("has", every_having())
def test_who_is_let_off_by_ssh_still_shows_the_first_factor(policy: Policy, user: str, has: Known) -> None:
    """Alice is enrolled, bob is not, carol has a bypass; a key is one that sshd has accepted."""
    host = FakeHost().enrol("alice")
    host.texts[paths.ENROLLED] = "alice\n"
    host.texts["/etc/pam.d/sshd"] = pam.with_ssh_stack(SSHD, policy, ("carol",), read)
    let_off = user == "carol" or (user == "bob" and policy.unenrolled == "allow")
    second = let_off or (user == "alice" and "code" in has)

    assert pam_lets_in(host.texts, Login("sshd", user, has)) is (second and bool(has & {"key", "password"}))


def test_long_list_of_users_is_several_lines() -> None:
    """PAM cuts a line of more than 1,023 characters in two, and refuses everybody for what is then no line."""
    names = [f"user{number}" for number in range(500)]
    text = pam.render_policy(Policy(exempt=Exempt(users=tuple(names))), names)

    assert max(map(len, text.split("\n"))) < 1000
    assert sorted(re.findall(r"user\d+", text)) == sorted(names * 2)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("account required pam_unix.so\n", id="no password check"),
        pytest.param("", id="empty"),
        pytest.param("auth sufficient pam_unix.so\n", id="the password itself suffices"),
        pytest.param("auth optional pam_unix.so\n", id="the password does not matter"),
        pytest.param("auth [success=ok default=ignore] pam_unix.so\n", id="a wrong one does not matter"),
        pytest.param("auth sufficient pam_ssh_agent_auth.so\n@include common-auth\n", id="sufficient before"),
        pytest.param("AUTH Sufficient pam_wheel.so trust\n@include common-auth\n", id="in capitals"),
        pytest.param("auth [success=done default=ignore] pam_x.so\n@include common-auth\n", id="done"),
        pytest.param("auth [ default = done ] pam_x.so\n@include common-auth\n", id="done with blanks"),
        pytest.param("auth include ends-early\nauth required pam_unix.so\n", id="in an included file"),
        pytest.param("auth include outer\nauth required pam_unix.so\n", id="two files down"),
        pytest.param("auth include loop\nauth required pam_unix.so\n", id="a file that includes itself"),
        pytest.param("@include missing\n@include common-auth\n", id="an included file is missing"),
        pytest.param("auth [success=1 default=ignore] pam_unix.so\nauth requisite pam_deny.so\n", id="jump"),
        pytest.param(
            "auth [success=2 default=ignore] pam_unix.so\nauth [success=1 default=ignore] pam_ldap.so\n"
            "auth requisite pam_deny.so\nauth required pam_permit.so\n",
            id="two jumps, as in common-auth",
        ),
        pytest.param("auth [success=5 default=ignore] pam_x.so\n@include common-auth\n", id="jump over include"),
        pytest.param("auth [success=2 default=ignore] pam_x.so\nauth substack common-auth\n", id="over substack"),
        pytest.param("auth \\\n sufficient pam_x.so\n@include common-auth\n", id="hidden by a continued line"),
        pytest.param("auth required pam_unix.so \\\n nullok\n", id="continued password check"),
        pytest.param("auth include continued\nauth required pam_unix.so\n", id="continued in an included file"),
    ],
)  # fmt: skip
def test_refuses_what_could_succeed_without_a_code(content: str) -> None:
    files = reader(
        ends_early="auth sufficient pam_fprintd.so\n",
        outer="auth include ends-early\n",
        loop="auth include loop\n",
        continued="auth \\\nsufficient pam_fprintd.so\n",
    )

    with pytest.raises(TwofactorError) as caught:
        pam.with_include(content, "svc", files)
    assert caught.value.code == "pam_service_unsafe"
    assert "/etc/pam.d/svc" in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(DEBIAN["/etc/pam.d/su"], id="root may su without anything"),
        pytest.param("auth substack ends-early\n@include common-auth\n", id="a substack cannot end the stack"),
        pytest.param("@include common-auth\nauth sufficient pam_x.so\n", id="sufficient after the code"),
        pytest.param("@include common-auth\nauth required pam_x.so \\\n quiet\n", id="continued after it"),
        pytest.param("# a comment \\\n@include common-auth\n", id="a comment does not continue"),
    ],
)  # fmt: skip
def test_accepts_what_comes_to_the_code(content: str) -> None:
    changed = pam.with_include(content, "svc", reader(ends_early="auth sufficient pam_x.so\n"))

    assert OURS in changed


CONTROLS = st.sampled_from(
    ["required", "requisite", "optional", "[success=ok default=bad]", "[success=1 default=ignore]", "sufficient",
     "[success=2 default=ignore]", "[success=done default=die]", "[default=1]", "[success=ok default=2]"]
)  # fmt: skip
STACKS = st.lists(
    st.one_of(
        st.builds(
            "auth {} {}".format,
            CONTROLS,
            st.sampled_from(["pam_unix.so", "pam_ldap.so", "pam_deny.so", "pam_permit.so", "pam_cap.so"]),
        ),
        st.sampled_from(["@include common-auth", "auth substack common-auth", "auth include common-auth"]),
    ),
    min_size=1,
    max_size=5,
).map("\n".join)


@given(STACKS, st.sampled_from(["svc", "sshd"]))
@settings(max_examples=300, suppress_health_check=[HealthCheck.filter_too_much])
def test_password_never_gets_past_the_code(stack: str, service: str) -> None:
    host = FakeHost().enrol("alice")
    host.texts[paths.PAM_POLICY] = pam.render_policy(ON)
    try:
        changed = with_ours(stack, service)
    except TwofactorError:
        assume(False)

    def lets_in(text: str, *has: str) -> bool:
        return pam_lets_in({**host.texts, f"/etc/pam.d/{service}": text}, Login(service, has=frozenset(has)))

    assert not lets_in(changed)
    assert not lets_in(changed, "password")
    assert lets_in(changed, "password", "code") >= lets_in(stack, "password")
    assert lets_in(changed, "code") <= lets_in(stack)
    assert service == "svc" or not lets_in(changed, "key")


@pytest.mark.parametrize("service", ["sudo", "su", "cockpit"])
@pytest.mark.parametrize("has", every_having())
def test_debian_services_ask_for_password_and_code(service: str, has: Known) -> None:
    host = FakeHost().enrol("alice")
    host.texts[paths.PAM_POLICY] = pam.render_policy(ON)
    path = paths.service_file(service)
    host.texts[path] = pam.with_include(host.texts[path], service, read)

    assert pam_lets_in(host.texts, Login(service, has=has)) == ({"password", "code"} <= has)


@pytest.mark.parametrize(
    ("policy", "login", "lets_in"),
    [
        (ON, Login("sudo", "carol", frozenset({"password"})), False),
        (Policy(state="enabled", unenrolled="allow"), Login("sudo", "carol", frozenset({"password"})), True),
        (Policy(state="enabled", unenrolled="allow"), Login("sudo", "alice", frozenset({"password"})), False),
        (Policy(state="enabled", unenrolled="allow"), Login("sudo", "carol"), False),
        (
            Policy(exempt=Exempt(users=("bob", "carol"))),
            Login("sudo", "carol", frozenset({"password"})),
            True,
        ),
        (
            Policy(exempt=Exempt(users=("bob", "carol"))),
            Login("sshd", "carol", frozenset({"password"})),
            False,
        ),
        (Policy(exempt=Exempt(users=("carol",))), Login("sshd", "carol", frozenset({"key"})), False),
        (Policy(exempt=Exempt(users=("bob",))), Login("sudo", "carol", frozenset({"password"})), False),
        (
            Policy(exempt=Exempt(groups=("staff", "ops"))),
            Login("sudo", "carol", frozenset({"password"}), groups=("ops",)),
            True,
        ),
        (
            Policy(exempt=Exempt(groups=("staff", "ops"))),
            Login("sshd", "carol", frozenset({"password"}), groups=("ops",)),
            False,
        ),
        (Policy(max_failures=0), Login("sudo", "alice", frozenset({"password", "code"})), True),
        (Policy(max_failures=0), Login("sudo", "alice", frozenset({"password"})), False),
    ],
)
def test_who_is_let_in_without_a_code(policy: Policy, login: Login, lets_in: bool) -> None:
    host = FakeHost().enrol("alice")
    host.texts[paths.PAM_POLICY] = pam.render_policy(policy)
    host.texts[paths.ENROLLED] = "alice\n"
    host.texts["/etc/pam.d/sudo"] = pam.with_include(host.texts["/etc/pam.d/sudo"], "sudo", read)
    host.texts["/etc/pam.d/sshd"] = pam.with_ssh_stack(SSHD, policy, (), read)

    assert pam_lets_in(host.texts, login) is lets_in


def test_list_of_the_enrolled_that_is_missing_lets_nobody_in() -> None:
    host = FakeHost()
    host.texts[paths.PAM_POLICY] = pam.render_policy(Policy(unenrolled="allow"))
    host.texts["/etc/pam.d/sudo"] = pam.with_include(DEBIAN["/etc/pam.d/sudo"], "sudo", read)

    assert not pam_lets_in(host.texts, Login("sudo", "carol", frozenset({"password"})))


def test_policy_file() -> None:
    limit = (
        "conf=/dev/null deny=5 unlock_time=60 fail_interval=900 even_deny_root root_unlock_time=60 "
        "dir=/var/lib/twofactor/failures"
    )
    tokens = "usersfile=/var/lib/twofactor/tokens/${USER}.oath"
    assert pam.render_policy(Policy(window=2, digits=8)).split("\n")[1:] == [
        f"auth [success=ignore ignore=ignore default=die] pam_faillock.so preauth silent {limit}",
        f"auth [success=1 default=bad] pam_oath.so {tokens} window=2 digits=8",
        f"auth [default=die] pam_faillock.so authfail {limit}",
        f"auth [success=ignore ignore=ignore default=die] pam_faillock.so authsucc {limit}",
        "auth required pam_permit.so twofactor",
        "auth [success=1 default=die] pam_permit.so twofactor",
        "",
    ]


def test_policy_file_without_a_limit_and_with_every_exemption() -> None:
    policy = Policy(
        window=0,
        max_failures=0,
        unenrolled="allow",
        exempt=Exempt(users=("backup", "ansible"), groups=("robots",), networks=("192.0.2.0/24",)),
    )
    table = "accessfile=/etc/twofactor/exempt_networks"
    enrolled = "item=user sense=deny file=/var/lib/twofactor/enrolled onerr=fail quiet"
    assert pam.render_policy(policy).split("\n")[1:5] == [
        f"auth [success=7 default=ignore] pam_listfile.so {enrolled}",
        "auth [auth_err=6 default=ignore] pam_succeed_if.so quiet user notin ansible:backup",
        "auth [auth_err=5 default=ignore] pam_succeed_if.so quiet user notingroup robots",
        f"auth [success=4 default=ignore] pam_access.so {table} noaudit nodefgroup",
    ]
    assert pam.render_policy(policy).count("conf=/dev/null deny=0 ") == 3


def test_failures_are_forgotten_no_earlier_than_the_lock_ends() -> None:
    assert "unlock_time=3600 fail_interval=3600 " in pam.render_policy(Policy(unlock_after=3600))


def test_exempt_networks() -> None:
    assert pam.render_exempt_networks(("192.0.2.0/24", "2001:db8::/32")).split("\n")[1:] == [
        "+:ALL:192.0.2.0/24",
        "+:ALL:2001:db8::/32",
        "-:ALL:ALL",
        "",
    ]


@pytest.mark.parametrize(
    ("content", "covered"),
    [
        (DEBIAN["/etc/pam.d/su-l"], True),
        ("auth substack su\n", True),
        ("@include common-auth\n", False),
        ("account include su\n", False),
        ("", False),
    ],
)
def test_service_is_covered_by_one_that_it_includes(content: str, covered: bool) -> None:
    assert pam.is_covered_by(content, "su-l", ["su", "su-l"], read) is covered


@pytest.mark.parametrize(
    "before", ["auth sufficient pam_x.so\n", "auth [success=2 default=ignore] pam_x.so\n", "auth \\\n"]
)
def test_service_that_could_end_before_the_covered_one_is_refused(before: str) -> None:
    with pytest.raises(TwofactorError) as caught:
        pam.is_covered_by(before + "auth include su\n", "su-l", ["su"], read)
    assert caught.value.code == "pam_service_unsafe"


def test_auth_lines() -> None:
    content = (
        "#auth required pam_no.so\n-auth\t[success=1  default=ignore]\tpam_unix.so a b\n"
        "session required pam_no.so\n  @include common-auth\nauth Include system-auth\nauth required\n"
    )
    lines = [(line.number, line.control, line.what, line.stack) for line in pam.auth_lines(content)]

    assert lines == [
        (1, "[success=1  default=ignore]", "pam_unix.so", ""),
        (3, "@include", "", "common-auth"),
        (4, "include", "system-auth", "system-auth"),
    ]
