from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    marks,
    paths,
    sshd,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import Exempt, Policy, SshPolicy

FOLDER = "/etc/ssh/sshd_config.d"
OURS = paths.SSHD_DROPIN
KEY = SshPolicy(state="enabled", methods=("key_and_code",))
PASSWORD = SshPolicy(state="enabled", methods=("password_and_code",))


@pytest.mark.parametrize(
    ("methods", "value"),
    [
        (("key_and_code",), "publickey,keyboard-interactive:pam"),
        (("password_and_code",), "keyboard-interactive:pam"),
        (("password_and_code", "key"), "keyboard-interactive:pam publickey"),
        (("key", "password_and_code"), "keyboard-interactive:pam publickey"),
    ],
)
def test_authentication_methods(methods: tuple[str, ...], value: str) -> None:
    assert sshd.authentication_methods(methods) == value
    assert set(sshd.methods_of(value)) == set(methods)


def test_ways_in_that_have_no_word_are_left_out() -> None:
    assert sshd.methods_of("any") == []
    assert sshd.methods_of("publickey,password publickey") == ["key"]


def test_dropin_for_key_and_code() -> None:
    assert sshd.render_dropin(KEY, Exempt()).split("\n")[1:] == [
        "UsePAM yes",
        "KbdInteractiveAuthentication yes",
        "Match all",
        "    AuthenticationMethods publickey,keyboard-interactive:pam",
        "    KbdInteractiveAuthentication yes",
        "    PasswordAuthentication no",
        "    PubkeyAuthentication yes",
        "",
    ]


def test_dropin_with_exemptions_and_root() -> None:
    ssh = SshPolicy(methods=("password_and_code",), root_login="allowed")
    exempt = Exempt(
        users=("ansible", "backup"), groups=("robots",), networks=("192.0.2.0/24", "2001:db8::/32")
    )
    key_alone = ["    AuthenticationMethods publickey", "    PubkeyAuthentication yes"]

    assert sshd.render_dropin(ssh, exempt).split("\n")[3:] == [
        "Match User ansible,backup",
        *key_alone,
        "Match Group robots",
        *key_alone,
        "Match Address 192.0.2.0/24,2001:db8::/32",
        *key_alone,
        "Match all",
        "    AuthenticationMethods keyboard-interactive:pam",
        "    KbdInteractiveAuthentication yes",
        "    PasswordAuthentication no",
        "    PermitRootLogin yes",
        "",
    ]


@pytest.mark.parametrize(("root_login", "line"), [("allowed", "yes"), ("denied", "no"), ("unmanaged", None)])
def test_root_login_is_left_alone_while_unmanaged(root_login: str, line: str | None) -> None:
    text = sshd.render_dropin(SshPolicy(root_login=root_login), Exempt())

    assert (f"PermitRootLogin {line}" in text) is (line is not None)
    assert ("PermitRootLogin" in text) is (line is not None)


# What is read before what.

IN_FOLDER = "Include /etc/ssh/sshd_config.d/*.conf\n"


@pytest.mark.parametrize(
    ("main", "beside", "is_first"),
    [
        pytest.param(IN_FOLDER, [], True, id="Debian"),
        pytest.param("\n# comment\n\t" + IN_FOLDER, ["50-cloud-init.conf"], True, id="after comments"),
        pytest.param(IN_FOLDER, ["00-aaa.conf"], False, id="another file sorts before ours"),
        pytest.param(IN_FOLDER, ["0-x.conf"], False, id="a hyphen sorts before a digit"),
        pytest.param(IN_FOLDER, ["00-aaa.conf.bak", ".00.conf"], True, id="files that glob does not find"),
        pytest.param('include "/etc/ssh/sshd_config.d/*.conf"', [], True, id="quoted"),
        pytest.param("Include=/etc/ssh/sshd_config.d/*.conf", [], True, id="with an equals sign"),
        pytest.param("Include = sshd_config.d/*.conf # x", [], True, id="relative"),
        pytest.param("INCLUDE sshd_config.d/[0-4]*.conf", ["50-x.conf"], True, id="a character class"),
        pytest.param(f"Include {OURS}\n", ["00-aaa.conf"], True, id="by name"),
        pytest.param("Include sshd_config.d/5*.conf sshd_config.d/*.conf", [], True, id="first pattern finds none"),
        pytest.param("Include sshd_config.d/5*.conf sshd_config.d/*.conf", ["50-x.conf"], False, id="another first"),
        pytest.param("Include sshd_config.d/5*.conf\n" + IN_FOLDER, ["50-x.conf"], False, id="another line first"),
        pytest.param("", [], False, id="empty"),
        pytest.param("UsePAM yes\n", [], False, id="no Include"),
        pytest.param("UsePAM yes\n" + IN_FOLDER, [], False, id="after another setting"),
        pytest.param("X11Forwarding yes\n" + IN_FOLDER, [], False, id="after a keyword with digits"),
        pytest.param('"UsePAM" no\n' + IN_FOLDER, [], False, id="after a keyword in quotes"),
        pytest.param("UsePAM=yes\n" + IN_FOLDER, [], False, id="after one with an equals sign"),
        pytest.param("Match all\n" + IN_FOLDER, [], False, id="inside Match"),
        pytest.param("#" + IN_FOLDER, [], False, id="commented out"),
        pytest.param("Include /etc/ssh/own/*.conf\n" + IN_FOLDER, [], False, id="another folder first"),
        pytest.param("Include /etc/ssh/own/*.conf sshd_config.d/*.conf", [], False, id="in the same line"),
        pytest.param("Include /etc/ssh/*.conf\n", [], False, id="a wildcard does not match a slash"),
        pytest.param("Include sshd_config.d/*.config\n", [], False, id="no pattern that finds ours"),
        pytest.param("Include /etc/ssh//sshd_config.d/./*.conf\n", [], True, id="another spelling of the folder"),
    ],
)  # fmt: skip
def test_dropin_is_read_first(main: str, beside: list[str], is_first: bool) -> None:
    assert sshd.reads_dropin_first(main, [f"{FOLDER}/{name}" for name in beside]) is is_first


@given(st.text(max_size=60), st.sets(st.sampled_from(["0-x.conf", "00-aaa.conf", "50-x.conf"])))
def test_include_on_top_makes_it_first_whatever_follows(main: str, beside: set[str]) -> None:
    assert sshd.reads_dropin_first(sshd.with_include(main), [f"{FOLDER}/{name}" for name in beside])


PIECES = st.sampled_from(
    ["Include sshd_config.d/*.conf", "UsePAM yes", " ", "\n", "\r\n", "\r", "\x0c", "#", "\u2028"]
)


@given(st.lists(st.one_of(PIECES, st.text(max_size=5)), max_size=12).map("".join))
def test_without_include_gives_back_what_with_include_got(main: str) -> None:
    changed = sshd.with_include(main)

    assert marks.without_sshd_include(main) == main
    assert marks.without_sshd_include(changed) == main
    assert sshd.with_include(changed) == changed


# The main file as it is checked, with the drop-in elsewhere.


def expand(*existing: str) -> Any:
    """Return a glob over ``existing`` paths, as glob(7) has it."""
    return lambda pattern: sorted(path for path in existing if sshd._matches(path, pattern))


@pytest.mark.parametrize(
    ("main", "existing", "expected"),
    [
        pytest.param("UsePAM yes\n", [], "UsePAM yes\n", id="no Include"),
        pytest.param(IN_FOLDER, [], "Include /run/x\n", id="ours is new"),
        pytest.param(IN_FOLDER, [OURS], "Include /run/x\n", id="ours is there"),
        pytest.param(
            IN_FOLDER,
            [f"{FOLDER}/50-x.conf", f"{FOLDER}/00-a.conf"],
            f"Include {FOLDER}/00-a.conf\nInclude /run/x\nInclude {FOLDER}/50-x.conf\n",
            id="in the place where glob has ours",
        ),
        pytest.param(
            'Include "/etc/ssh/other dir/*.conf" sshd_config.d/*.conf\nUsePAM yes',
            ["/etc/ssh/other dir/a.conf"],
            'Include "/etc/ssh/other dir/a.conf"\nInclude /run/x\nUsePAM yes',
            id="a folder with a blank",
        ),
        pytest.param(
            "Match User a\n  Include own/*.conf\nMatch all\n",
            ["/etc/ssh/own/b.conf"],
            "Match User a\nInclude /etc/ssh/own/b.conf\nMatch all\n",
            id="inside Match",
        ),
        pytest.param("Include /nowhere/*.conf\nUsePAM yes\n", [], "UsePAM yes\n", id="nothing found"),
        pytest.param("Include /etc/ssh/*.conf\n", [OURS], "", id="ours is not found by this one"),
        pytest.param("#\x0cInclude sshd_config.d/*.conf\n", [], "#\x0cInclude sshd_config.d/*.conf\n", id="comment"),
        pytest.param(sshd.with_include("UsePAM yes\n"), [], "Include /run/x\nUsePAM yes\n", id="our own line"),
    ],
)  # fmt: skip
def test_staged_main(main: str, existing: list[str], expected: str) -> None:
    assert sshd.staged_main(main, {OURS: "/run/x"}, expand(*existing)) == expected


def test_staged_main_without_our_dropin() -> None:
    main = sshd.with_include(IN_FOLDER)

    staged = sshd.staged_main(main, {OURS: None}, expand(OURS, f"{FOLDER}/50-x.conf"))
    assert staged == f"Include {FOLDER}/50-x.conf\n"


def test_staged_main_with_two_dropins_one_of_which_is_new() -> None:
    staged = {OURS: None, paths.SSHD_ROOT_DROPIN: "/run/root"}
    there = expand(OURS, f"{FOLDER}/00-a.conf", f"{FOLDER}/50-x.conf")
    assert sshd.staged_main(IN_FOLDER, staged, there) == (
        f"Include {FOLDER}/00-a.conf\nInclude /run/root\nInclude {FOLDER}/50-x.conf\n"
    )


# What sshd says.


def test_effective_settings() -> None:
    methods = "authenticationmethods publickey,keyboard-interactive:pam"
    text = f"port 22\nUsePAM yes\n{methods}\nallowusers ann\nallowusers bob@192.0.2.*\n\n"

    assert sshd.parse_effective(text) == {
        "port": "22",
        "usepam": "yes",
        "authenticationmethods": "publickey,keyboard-interactive:pam",
        "allowusers": "ann bob@192.0.2.*",
    }


@pytest.mark.parametrize("methods", [("key_and_code",), ("password_and_code",), ("password_and_code", "key")])
@pytest.mark.parametrize("root_login", ["allowed", "denied", "unmanaged"])
def test_what_is_expected_is_what_the_dropin_says(methods: tuple[str, ...], root_login: str) -> None:
    ssh = SshPolicy(methods=methods, root_login=root_login)
    # Some settings stand before Match as well as in it; sshd -T says each of them once.
    own = "\n".join(dict.fromkeys(line.strip() for line in sshd.render_dropin(ssh, Exempt()).split("\n")))

    assert sshd.differences(sshd.parse_effective(own), sshd.expected(ssh, is_exempt=False)) == []


def test_exempt_are_expected_to_come_in_with_a_key_alone() -> None:
    assert sshd.expected(KEY, is_exempt=True)["authenticationmethods"] == "publickey"


def test_differences_name_setting_and_values() -> None:
    effective = {"usepam": "no", "authenticationmethods": "any", "kbdinteractiveauthentication": "YES"}

    assert sshd.differences(effective, sshd.expected(PASSWORD, is_exempt=False)) == [
        "usepam is 'no' and not 'yes'",
        "authenticationmethods is 'any' and not 'keyboard-interactive:pam'",
        "passwordauthentication is '' and not 'no'",
    ]


def test_exemptions_of_the_host_hold_for_ssh_unless_it_has_its_own() -> None:
    policy = Policy(exempt=Exempt(users=("ansible",), groups=("robots",), networks=("192.0.2.1",)))

    assert SshPolicy().exempt(policy) == policy.exempt
    assert SshPolicy(exempt_users=()).exempt(policy) == Exempt(groups=("robots",), networks=("192.0.2.1",))
