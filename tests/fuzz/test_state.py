# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this collection keeps on a host as JSON: read back as it was, or refused, whatever has become of it."""

from __future__ import annotations

import base64
import json
import math
import os
from dataclasses import asdict
from typing import Any, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    bypass,
    emergency,
    files,
    journal,
    paths,
    pending,
    policy_file,
    secrets,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import (
    Declared,
    Exempt,
    Policy,
    SshPolicy,
)
from tests.fuzz import shapes
from tests.fuzz.shapes import Counter, attempt

_EXEMPT = st.builds(Exempt, shapes.EXEMPT_NAMES, shapes.EXEMPT_NAMES, shapes.NETWORKS)
_MAYBE = st.none() | shapes.EXEMPT_NAMES
_DECLARED = st.builds(
    Declared,
    st.builds(
        Policy,
        state=st.sampled_from(["enabled", "disabled"]),
        digits=st.sampled_from([6, 7, 8]),
        interval=st.sampled_from([30, 60]),
        window=st.integers(0, 10),
        services=st.none()
        | st.lists(st.sampled_from(["sudo", "su", "cockpit", "login"]), unique=True).map(tuple),
        unenrolled=st.sampled_from(["deny", "allow"]),
        max_failures=st.integers(0, 100),
        unlock_after=st.integers(1, 86400),
        exempt=_EXEMPT,
        reason=st.text(max_size=10),
    ),
    st.builds(
        SshPolicy,
        state=st.sampled_from(["enabled", "disabled"]),
        methods=st.sampled_from([("key_and_code",), ("password_and_code",), ("password_and_code", "key")]),
        root_login=st.sampled_from(["allowed", "denied", "unmanaged"]),
        exempt_users=_MAYBE,
        exempt_groups=_MAYBE,
        exempt_networks=st.none() | shapes.NETWORKS,
        reason=st.text(max_size=10),
    ),
)


@pytest.mark.weight(2)
@given(declared=_DECLARED)
def test_a_policy_comes_back_as_it_was(counter: Counter, declared: Declared) -> None:
    text = policy_file.render(declared)
    assert policy_file.parse(text) == declared
    assert policy_file.render(policy_file.parse(text)) == text
    counter()


@st.composite
def _policy_texts(draw: st.DrawFn) -> str:
    if draw(st.integers(0, 4)) == 0:
        return draw(shapes.BROKEN_JSON)
    data = json.loads(policy_file.render(draw(_DECLARED)))
    text = json.dumps(draw(shapes.damaged(data)))
    return text[: draw(st.integers(0, len(text)))] if draw(st.integers(0, 7)) == 0 else text


@pytest.mark.weight(3)
@given(text=_policy_texts())
def test_a_damaged_policy(counter: Counter, text: str) -> None:
    emergency._disabled(text, "phones lost")
    declared = attempt("policy_file_broken", policy_file.parse, text)
    if declared is not None:
        assert policy_file.parse(policy_file.render(declared)) == declared
        assert {declared.policy.state, declared.ssh.state} <= {"enabled", "disabled"}
        assert declared.policy.digits in (6, 7, 8)
        assert declared.policy.interval in (30, 60)
        assert 0 <= declared.policy.window <= 10
    counter()


_BYPASS = st.builds(bypass.Bypass, st.floats(1e9, 3e9), st.text(max_size=8), shapes.NAMES)
_BYPASSES = st.builds(
    bypass.Bypasses, st.none() | _BYPASS, st.dictionaries(shapes.NAMES, _BYPASS, max_size=3)
)


@st.composite
def _bypass_texts(draw: st.DrawFn) -> str:
    if draw(st.integers(0, 4)) == 0:
        return draw(shapes.BROKEN_JSON)
    data = json.loads(bypass.render(draw(_BYPASSES)) or "{}")
    return json.dumps(draw(shapes.damaged(data)))


@pytest.mark.weight(2)
@given(text=_bypass_texts(), good=_BYPASSES)
def test_bypasses(counter: Counter, text: str, good: bypass.Bypasses) -> None:
    rendered = bypass.render(good)
    assert bypass.parse(rendered) == good
    assert bypass.render(bypass.parse(rendered)) == rendered
    found = attempt("bypass_file_broken", bypass.parse, text)
    if found is not None:
        found.running(2e9)
        end = found.next_end()
        assert end is None or math.isfinite(end)
        assert all(len(name.split()) == 1 and ":" not in name for name in found.users)
        assert bypass.parse(bypass.render(found)) == found
    counter()


@given(
    text=st.one_of(
        shapes.BROKEN_JSON, shapes.ANY_JSON.map(json.dumps), st.just('{"alice": {"renewal": "2026-Q4"}}')
    )
)
def test_renewal_words(counter: Counter, text: str) -> None:
    words = attempt("users_file_broken", secrets.read_entries, text)
    if words is not None:
        assert secrets.read_entries(secrets.render_entries(words)) == words
    counter()


class _Disk:
    """Files in a dictionary, in place of those that the journal reads and writes."""

    def __init__(self, patched: pytest.MonkeyPatch) -> None:
        self.there: dict[str, tuple[str, int]] = {}
        patched.setattr(journal, "read_text", self.read)
        patched.setattr(journal, "_original", self._original)
        patched.setattr(pending, "read_text", self.read)
        patched.setattr(files, "replace", self._replace)
        patched.setattr(files, "remove", lambda path: self.there.pop(path, None))
        patched.setattr(files, "sync_folder", lambda folder: None)
        patched.setattr(os, "chmod", self._chmod)
        patched.setattr(os, "chown", self._chown)

    def read(self, path: str) -> str | None:
        return self.there.get(path, (None, 0))[0]

    def _original(self, path: str) -> dict[str, Any] | None:
        if path not in self.there:
            return None
        text, mode = self.there[path]
        data = base64.b64encode(text.encode("utf-8", "surrogateescape")).decode()
        return {"data": data, "mode": mode, "uid": 0, "gid": 0}

    def _replace(self, path: str, text: str, mode: int) -> None:
        text.encode("utf-8", "surrogateescape")
        self.there[path] = (text, self.there.get(path, ("", mode))[1])

    def _chmod(self, path: str, mode: int) -> None:
        self.there[path] = (self.there[path][0], mode & 0o7777)

    def _chown(self, path: str, uid: int, gid: int) -> None:
        assert max(uid, gid) >= 0


_BYTES = st.one_of(
    st.binary(max_size=40), shapes.PAM_FILES.map(lambda text: text.encode("utf-8", "surrogateescape"))
)
_FILES = st.dictionaries(
    st.sampled_from(
        [
            *(
                "/etc/pam.d/sshd",
                "/etc/pam.d/sudo",
                paths.PAM_POLICY,
                paths.SSHD_DROPIN,
                paths.SSHD_CONFIG,
                paths.POLICY,
            ),
            *(
                paths.token_file("alice"),
                paths.token_file("bob"),
                paths.USERS,
                paths.ENROLLED,
                paths.EXEMPT_NETWORKS,
            ),
        ]
    ),
    st.none() | st.tuples(_BYTES, st.sampled_from([0o600, 0o644, 0o640])),
    min_size=1,
    max_size=8,
)


def _journal(old: dict[str, Any]) -> journal.Journal:
    def entry(one: Any) -> dict[str, Any] | None:
        data = one and {"data": base64.b64encode(one[0]).decode(), "mode": one[1], "uid": 0, "gid": 0}
        return data or None

    return journal.Journal(
        {path: entry(one) for path, one in old.items()}, deadline=5.0, boot_id="b", by="root"
    )


@pytest.mark.weight(2)
@given(old=_FILES, new=_FILES)
def test_a_journal_puts_everything_back(counter: Counter, old: dict[str, Any], new: dict[str, Any]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        disk = _Disk(patched)
        journal.write(_journal(old))
        for path, one in new.items():
            if one is not None and not path.startswith(paths.TOKENS):
                disk.there[path] = (one[0].decode("utf-8", "surrogateescape"), one[1])
        read = journal.read(paths.ORIGINALS)
        assert read == _journal(old)
        journal.put_back(read.files, lambda: None)
        for path, one in old.items():
            expected = one and (one[0].decode("utf-8", "surrogateescape"), one[1])
            assert disk.there.get(path) == expected
    counter()


@st.composite
def _journal_texts(draw: st.DrawFn) -> str:
    if draw(st.integers(0, 4)) == 0:
        return draw(shapes.BROKEN_JSON)
    return json.dumps(draw(shapes.damaged(asdict(_journal(draw(_FILES))))))


@pytest.mark.weight(2)
@given(text=_journal_texts())
def test_a_damaged_journal(counter: Counter, text: str) -> None:
    with pytest.MonkeyPatch.context() as patched:
        disk = _Disk(patched)
        disk.there[paths.PENDING] = disk.there[paths.ORIGINALS] = disk.there[paths.REVERTED] = (text, 0o600)
        _refused(pending._refuse_reverted, "change_reverted")
        _refused(pending.refuse_second, "change_pending", "journal_broken")
        found = attempt("journal_broken", journal.read, paths.PENDING)
        if found is not None:
            pending.is_overdue(found)
            pending.seconds_left(found)
            journal.put_back(found.files, lambda: None)
    counter()


def _refused(check: Callable[[], None], *codes: str) -> None:
    with pytest.raises(TwofactorError) as caught:
        check()
    assert caught.value.code in codes
