# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files as an administrator, a distribution, a crash or an editor may have left them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from hypothesis import strategies as st

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    marks,
    paths,
)


@dataclass
class Counter:
    """How many examples were carried through."""

    tried: int = 0

    def __call__(self) -> None:
        self.tried += 1


_T = TypeVar("_T")


def attempt(code: str, function: Callable[..., _T], *arguments: Any, **named: Any) -> _T | None:
    """Return what a function returns, None when it refuses with this code; anything else is raised."""
    try:
        return function(*arguments, **named)
    except TwofactorError as error:
        if error.code != code:
            raise
        return None


JUNK = st.text(
    st.one_of(
        st.sampled_from("\t\r\f\v\x00\x1c\x85\u2028\udc80\udcff\\#[]=@\"' /*"),
        st.characters(codec="utf-8"),
    ),
    max_size=12,
)
"""Characters that some reader takes for the end of a line, bytes that are not UTF-8, and anything else."""
ENDS = st.sampled_from(["\n", "\n", "\n", "\n", "\n\n", "\r\n", "\f\n", " \n", "\\\n"])
BLANKS = st.sampled_from([" ", "\t", "  ", "\t\t ", "\f"])

MODULES = (
    *(
        "pam_unix.so",
        "pam_deny.so",
        "pam_permit.so",
        "pam_cap.so",
        "pam_env.so",
        "pam_rootok.so",
        "pam_ldap.so",
    ),
    *("pam_sepermit.so", "pam_ssh_add.so", "pam_nologin.so", "pam_oath.so", "/lib/security/pam_unix.so"),
)
CONTROLS = (
    *("required", "requisite", "sufficient", "optional", "include", "substack", "Required", "nonsense"),
    *("[success=1 default=ignore]", "[success=ok default=die]", "[success=done default=ignore]"),
    *(
        "[success=2 new_authtok_reqd=done default=bad]",
        "[default=bad success=ok user_unknown=ignore]",
        "[success=ok",
    ),
)
INCLUDES = ("common-auth", "system-auth", "password-auth", "twofactor", "su", "missing", "loops", "postlogin")
OTHERS = {
    "common-auth": (
        "auth\t[success=1 default=ignore]\tpam_unix.so nullok\nauth\trequisite\tpam_deny.so\n"
        "auth\trequired\tpam_permit.so\nauth\toptional\tpam_cap.so\n"
    ),
    "system-auth": "auth required pam_env.so\nauth sufficient pam_unix.so\nauth required pam_deny.so\n",
    "password-auth": (
        "auth required pam_env.so\nauth [success=1 default=ignore] pam_unix.so\n"
        "auth requisite pam_deny.so\nauth required pam_permit.so\n"
    ),
    "su": "auth sufficient pam_rootok.so\n@include common-auth\n",
    "loops": "@include loops\n",
    "postlogin": "auth optional pam_env.so\n",
}
"""PAM files that others include."""


def _joined(line: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    whole = st.builds(lambda parts, last: "".join(parts) + last, _lines(line), st.one_of(st.just(""), line))
    return st.one_of(
        whole, whole, whole, whole, st.builds("".join, st.lists(st.one_of(JUNK, line), max_size=6))
    )


def _lines(line: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.builds(lambda text, end: text + end, line, ENDS), max_size=10)


_PAM_TYPE = st.sampled_from(
    ["auth", "auth", "auth", "-auth", "AUTH", "account", "session", "password", "\fauth"]
)
_PAM_LINE = st.one_of(
    st.builds(
        lambda kind, blank, control, what, more: f"{kind}{blank}{control}{blank}{what}{more}",
        _PAM_TYPE,
        BLANKS,
        st.sampled_from(CONTROLS),
        st.one_of(st.sampled_from(MODULES), st.sampled_from(INCLUDES)),
        st.sampled_from(["", "", " nullok", " # a comment", " \\", " #\\", " [a b]"]),
    ),
    st.builds(lambda blank, name: f"@include{blank}{name}", BLANKS, st.sampled_from(INCLUDES)),
    st.sampled_from(["", "# a comment", "#%PAM-1.0", "@include common-auth", "@include common-auth"]),
    st.sampled_from(
        [
            marks.PAM_INCLUDE.rstrip("\n"),
            marks.PAM_INCLUDE.replace("\t", " ").rstrip("\n"),
            "auth substack twofactor",
            "auth include twofactor",
            "auth required pam_permit.so twofactor",
            "auth [success=done default=die] pam_permit.so twofactor # fleetauth.twofactor",
            "#auth\tinclude\ttwofactor",
        ]
    ),
    JUNK,
)
PAM_FILES = _joined(_PAM_LINE)

_PLAIN_CONTROLS = st.sampled_from(
    [
        *(
            "required",
            "requisite",
            "sufficient",
            "optional",
            "[success=1 default=ignore]",
            "[success=ok default=die]",
        ),
        *("[success=done default=ignore]", "[success=2 default=bad]", "[default=bad success=ok]"),
        *("[success=3 default=ignore]", "[success=ok default=ignore]", "[success=ok default=1]"),
    ]
)
PLAIN_PAM_FILES = st.lists(
    st.one_of(
        st.builds(
            lambda control, module: f"auth {control} {module}\n",
            _PLAIN_CONTROLS,
            st.sampled_from([m for m in MODULES if not m.startswith("/") and m != "pam_oath.so"]),
        ),
        st.builds(
            lambda how, name: f"@include {name}\n" if how == "@include" else f"auth {how} {name}\n",
            st.sampled_from(["@include", "include", "substack"]),
            st.sampled_from(["common-auth", "system-auth", "password-auth", "su", "postlogin"]),
        ),
        st.sampled_from(["# a comment\n", "account required pam_nologin.so\n"]),
    ),
    max_size=7,
).map("".join)
"""Whole lines only, whose outcome the tests can work out."""

_KEYWORDS = (
    *(
        "Include",
        "include",
        "Match",
        "UsePAM",
        "KbdInteractiveAuthentication",
        "PasswordAuthentication",
        "Port",
    ),
    *("AuthenticationMethods", "PermitRootLogin", "Subsystem", "AcceptEnv", "HostKey"),
)
_VALUES = (
    *(
        "yes",
        "no",
        "all",
        "User alice",
        "Group a,b Address 192.0.2.0/24",
        "/etc/ssh/sshd_config.d/*.conf",
        "*.conf",
    ),
    *(
        paths.SSHD_DROPIN,
        f'"{paths.SSHD_DROPIN}"',
        "sshd_config.d/0*.conf sshd_config.d/*",
        "/etc/other.d/*",
        '"',
    ),
    *(
        '"a b" /etc/ssh/sshd_config.d/[0-5]*.conf',
        "LANG LC_*",
        "",
        "sftp /usr/lib/openssh/sftp-server",
        "../ssh/./x*",
    ),
)
_SSHD_LINE = st.one_of(
    st.builds(
        lambda keyword, between, value, end: f"{keyword}{between}{value}{end}",
        st.sampled_from(_KEYWORDS),
        st.sampled_from([" ", "=", " = ", "\t", "  "]),
        st.sampled_from(_VALUES),
        st.sampled_from(["", "", " # why", " "]),
    ),
    st.sampled_from(
        ["", "# a comment", marks.SSHD_INCLUDE.rstrip("\n"), "Include /etc/ssh/sshd_config.d/*.conf"]
    ),
    JUNK,
)
SSHD_FILES = _joined(_SSHD_LINE)
DROPIN_NAMES = st.lists(
    st.sampled_from(
        [
            "00-twofactor.conf",
            "50-cloud-init.conf",
            "00-a.conf",
            "99-lab.conf",
            ".hidden.conf",
            "README",
            "0 b.conf",
        ]
    ),
    unique=True,
    max_size=4,
)

_HEX = st.binary(max_size=34).map(bytes.hex)
SEEDS = st.binary(min_size=16, max_size=32)
_TYPES = st.sampled_from(
    [
        *("HOTP/T30/6", "HOTP/T30/6", "HOTP/T60/8", "HOTP/T30", "HOTP/E/6", "HOTP/E", "HOTP", "HOTP/T60/7"),
        *("HOTP/T45/6", "TOTP/T30/6", "hotp/t30/6", "#HOTP", "HOTP/T30/9"),
    ]
)
_STATES = st.sampled_from(
    [
        "",
        "",
        "\t0\t264320\t2026-11-24T06:18:01L",
        "\t5",
        "\t-\t-",
        " 1 000000 2026-01-01T00:00:00L extra",
        "\r",
    ]
)
_TOKEN_LINE = st.one_of(
    st.builds(
        lambda kind, user, pin, seed, state, blank: f"{kind}{blank}{user}{blank}{pin}{blank}{seed}{state}",
        _TYPES,
        st.sampled_from(["alice"] * 8 + ["Alice", "bob", "аlice"]),
        st.sampled_from(["-", "-", "+", "1234"]),
        st.one_of(_HEX, _HEX.map(str.upper), st.sampled_from(["", "xyz", "abc", "00" * 20, "11" * 20])),
        _STATES,
        st.sampled_from(["\t", " ", "  ", "\t \t"]),
    ),
    st.sampled_from(["", "# a comment", "   "]),
)
TOKEN_FILES = st.one_of(
    _joined(_TOKEN_LINE), _joined(_TOKEN_LINE), _joined(st.one_of(_TOKEN_LINE, JUNK)), st.just("")
)


def good_token_files(user: str) -> st.SearchStrategy[str]:
    """Token files that pam_oath understands whole."""
    line = st.builds(
        lambda kind, seed, state: f"{kind}\t{user}\t-\t{seed.hex()}{state}\n",
        st.sampled_from(["HOTP/T30/6", "HOTP/T30/6", "HOTP/T60/8", "HOTP/E/6"]),
        SEEDS,
        st.sampled_from(["", "\t0\t264320\t2026-11-24T06:18:01L", "\t3\t755224\t2026-11-24T06:18:01L"]),
    )
    return st.lists(st.one_of(line, line, st.just("# a comment\n")), max_size=4).map("".join)


_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=6),
    st.sampled_from([[], {}, 10**400]),
)
ANY_JSON: st.SearchStrategy[Any] = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
)
BROKEN_JSON = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["", "{", "[" * 100_000, '{"a":' * 50_000, "NaN", "1e999", "9" * 5000, "\ufeff{}", '"\\ud800"']
    ),
)


@st.composite
def damaged(draw: st.DrawFn, data: dict[str, Any]) -> dict[str, Any]:
    """Return plain data of which something is missing, too much, or of another kind."""
    out: dict[str, Any] = {}
    for key, value in data.items():
        fate = draw(st.integers(0, 11))
        if fate == 0:
            continue
        if fate == 1:
            out[key] = draw(ANY_JSON)
        elif isinstance(value, dict):
            out[key] = draw(damaged(value))
        else:
            out[key] = value
    if draw(st.integers(0, 7)) == 0:
        out[draw(st.text(max_size=5))] = draw(ANY_JSON)
    return out


NAMES = st.sampled_from(["alice", "bob", "carol", "robot", "svc$", "a.b-c_d", "first@example.org"])
EXEMPT_NAMES = st.lists(NAMES, max_size=3, unique=True).map(tuple)
NETWORKS = st.lists(
    st.sampled_from(["192.0.2.0/24", "2001:db8::/32", "203.0.113.7"]), max_size=2, unique=True
).map(tuple)
