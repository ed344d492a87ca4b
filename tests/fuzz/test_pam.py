# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PAM service files: the code line put in and taken out again, and who gets in with it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    lines,
    marks,
    pam,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import Exempt, Policy
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._linux.fakes import (
    Login,
    pam_lets_in,
)
from tests.fuzz import shapes
from tests.fuzz.shapes import Counter, attempt

ON = Policy(state="enabled")


def _survives(text: str, before: str) -> None:
    """Assert that every line of ``before`` is still there in ``text``, in order, byte for byte."""
    left = iter(lines.split_lines(text))
    for line in lines.split_lines(before):
        wanted = line.rstrip("\n")
        assert any(found.rstrip("\n") == wanted for found in left), f"{line!r} is lost"


def _with_ours(text: str, service: str, readable: dict[str, str]) -> str | None:
    if service == "sshd":
        return attempt("pam_service_unsafe", pam.with_ssh_stack, text, ON, ("carol",), readable.get)
    return attempt("pam_service_unsafe", pam.with_include, text, service, readable.get)


@pytest.mark.weight(3)
@given(
    text=shapes.PAM_FILES,
    service=st.sampled_from(["sshd", "service"]),
    others=st.dictionaries(st.sampled_from(shapes.INCLUDES), shapes.PAM_FILES, max_size=2),
)
def test_a_service_file_round_trip(counter: Counter, text: str, service: str, others: dict[str, str]) -> None:
    assert "".join(lines.split_lines(text)) == text
    clean = marks.without_pam_include(text)
    if "twofactor" not in text:
        assert clean == text
    readable = {**shapes.OTHERS, **others}
    result = _with_ours(text, service, readable)
    if result is not None:
        assert pam.asks_code(result) if service == "sshd" else pam.is_included(result)
        assert marks.without_pam_include(result) == clean
        assert marks.without_pam_include(marks.with_password_alone(result, of_root=True)) == clean
        assert _with_ours(result, service, readable) == result
        _survives(result, clean)
    counter()


@pytest.mark.weight(2)
@given(text=shapes.PAM_FILES, covered=st.sets(st.sampled_from(shapes.INCLUDES)))
def test_any_file_can_be_read(counter: Counter, text: str, covered: set[str]) -> None:
    found = pam.auth_lines(text)
    assert [line.number for line in found] == sorted({line.number for line in found})
    attempt("pam_service_unsafe", pam.is_covered_by, text, "service", covered, shapes.OTHERS.get)
    counter()


@pytest.mark.weight(3)
@given(text=shapes.PLAIN_PAM_FILES, service=st.sampled_from(["sshd", "svc"]))
def test_nobody_gets_past_the_code(counter: Counter, text: str, service: str) -> None:
    others = {f"/etc/pam.d/{name}": content for name, content in shapes.OTHERS.items()}
    policy = {"/etc/pam.d/twofactor": pam.render_policy(ON)}
    alone = {**others, f"/etc/pam.d/{service}": text}
    result = _with_ours(text, service, shapes.OTHERS)
    if result is None:
        counter()
        return
    asking = {
        **others,
        **policy,
        f"/etc/pam.d/{service}": result,
        "/var/lib/twofactor/tokens/alice.oath": "x",
    }
    alone_with = [frozenset[str](), frozenset({"password"})]
    for has in [*alone_with, frozenset({"key"})] if service == "sshd" else alone_with:
        assert not pam_lets_in(asking, Login(service, "alice", has)), has
    if not pam_lets_in(alone, Login(service, "alice", frozenset())):
        assert not pam_lets_in(asking, Login(service, "alice", frozenset({"code"}))), "a code alone is enough"
    if pam_lets_in(alone, Login(service, "alice", frozenset({"password"}))):
        assert pam_lets_in(asking, Login(service, "alice", frozenset({"password", "code"})))
    counter()


@given(
    users=shapes.EXEMPT_NAMES,
    groups=shapes.EXEMPT_NAMES,
    networks=shapes.NETWORKS,
    let_off=shapes.EXEMPT_NAMES,
    failures=st.integers(0, 100),
    unenrolled=st.sampled_from(["deny", "allow"]),
)
def test_a_policy_is_whole_lines(
    counter: Counter,
    users: tuple[str, ...],
    groups: tuple[str, ...],
    networks: tuple[str, ...],
    let_off: tuple[str, ...],
    failures: int,
    unenrolled: str,
) -> None:
    exempt = Exempt(users, groups, networks)
    text = pam.render_policy(Policy(exempt=exempt, max_failures=failures, unenrolled=unenrolled), let_off)
    assert len(pam.auth_lines(text)) == len(text.splitlines()) - 1
    assert text.count("pam_oath.so") == 1
    assert not pam.is_included(text)
    counter()
