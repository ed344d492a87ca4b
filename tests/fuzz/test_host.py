# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole host with files of any shape: planned, carried out, planned again, and taken off."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    marks,
    paths,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.plan import make_plan
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import (
    SecretsChange,
    UserSecret,
)
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._linux.fakes import (
    DEBIAN,
    FakeHost,
)
from tests.fuzz import shapes
from tests.fuzz.shapes import Counter

_FILES = st.fixed_dictionaries(
    {},
    optional={
        "/etc/pam.d/sshd": shapes.PAM_FILES | st.just(DEBIAN["/etc/pam.d/sshd"]),
        "/etc/pam.d/sudo": shapes.PAM_FILES,
        paths.SSHD_CONFIG: shapes.SSHD_FILES,
        "/etc/ssh/sshd_config.d/50-cloud-init.conf": shapes.SSHD_FILES,
        paths.token_file("alice"): shapes.good_token_files("alice") | shapes.TOKEN_FILES,
        paths.token_file("bob"): shapes.good_token_files("bob"),
    },
)
_METHODS = st.sampled_from([("key_and_code",), ("password_and_code",), ("password_and_code", "key")])
_CHANGES = st.builds(
    lambda methods, services, seed, window: Change(
        policy={"state": "enabled", "window": window, **({} if services is None else {"services": services})},
        ssh={"state": "enabled", "methods": methods},
        secrets=SecretsChange(users=(UserSecret("alice", seed),)) if seed else None,
    ),
    _METHODS,
    st.sampled_from([None, ("sudo",), ("su", "sudo"), ()]),
    st.none() | shapes.SEEDS,
    st.integers(0, 10),
)


@pytest.mark.weight(3)
@given(texts=_FILES, changes=st.lists(_CHANGES, min_size=1, max_size=2))
def test_on_and_off_again(counter: Counter, texts: dict[str, str], changes: list[Change]) -> None:
    host = FakeHost({**DEBIAN, **texts})
    before = dict(host.texts)
    for change in changes:
        try:
            steps = make_plan(change, host).steps
        except TwofactorError:
            continue
        host.carry_out(steps)
        assert not make_plan(change, host).changed, "a second run changes nothing"
    host.carry_out(make_plan(Change(policy={"state": "disabled"}), host).steps)
    for path, text in host.texts.items():
        if path.startswith(paths.PAM_FOLDER) and path in before:
            assert text in (before[path], marks.without_pam_include(before[path]))
        if path == paths.SSHD_CONFIG:
            assert text in (before[path], marks.without_sshd_include(before[path]))
        if path == "/etc/ssh/sshd_config.d/50-cloud-init.conf":
            assert text == before[path]
    assert paths.SSHD_DROPIN not in host.texts
    assert paths.PAM_POLICY not in host.texts
    assert set(before) <= set(host.texts), "nothing is lost"
    counter()
