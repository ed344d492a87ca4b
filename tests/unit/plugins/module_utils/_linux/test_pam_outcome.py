# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.pam_outcome import (
    Step,
    lets_everybody_pass,
)

UNIX = Step("[success=1 default=ignore]", "pam_unix.so")
DENY = Step("requisite", "pam_deny.so")
PERMIT = Step("required", "pam_permit.so")
DEBIAN = (UNIX, DENY, PERMIT)
RHEL = (
    Step("required", "pam_env.so"),
    Step("required", "pam_faildelay.so"),
    Step("[default=1 ignore=ignore success=ok]", "pam_usertype.so"),
    Step("[default=1 ignore=ignore success=ok]", "pam_localuser.so"),
    Step("sufficient", "pam_unix.so"),
    Step("[default=1 ignore=ignore success=ok]", "pam_usertype.so"),
    Step("sufficient", "pam_sss.so"),
    Step("required", "pam_deny.so"),
)
SSSD = (
    Step("[success=2 default=ignore]", "pam_unix.so"),
    Step("[success=1 default=ignore]", "pam_sss.so"),
    DENY,
    PERMIT,
)
FINGERPRINT = (Step("[success=2 default=ignore]", "pam_fprintd.so"), *DEBIAN)
LOCKED_OUT = (
    Step("requisite", "pam_faillock.so"),
    UNIX,
    Step("[default=die]", "pam_faillock.so"),
    Step("sufficient", "pam_faillock.so"),
    DENY,
    PERMIT,
)


@pytest.mark.parametrize(
    "steps",
    [
        DEBIAN,
        RHEL,
        SSSD,
        FINGERPRINT,
        LOCKED_OUT,
        (Step("required", "pam_unix.so"), PERMIT),
        (Step("requisite", "pam_unix.so"),),
        (PERMIT, Step("required", stack=DEBIAN)),
        (Step("optional", "pam_warn.so"), *DEBIAN),
        (Step("[success=ok default=bad]", "pam_unix.so"), Step("[default=done]", "pam_permit.so")),
    ],
)
def test_stack_that_refuses_without_a_password(steps: tuple[Step, ...]) -> None:
    assert not lets_everybody_pass(steps)


@pytest.mark.parametrize(
    "steps",
    [
        (),
        (PERMIT,),
        (Step("[success=1 default=ignore]", "pam_permit.so"), DENY, PERMIT),
        (Step("[success=3 default=ignore]", "pam_permit.so"), *DEBIAN),
        (UNIX, PERMIT),
        (Step("optional", "pam_unix.so"), PERMIT),
        (Step("[success=ok default=ignore]", "pam_unix.so"), Step("optional", "pam_deny.so")),
        (Step("sufficient", "pam_localuser.so"), *DEBIAN),
        (Step("[success=2 default=ignore]", "pam_succeed_if.so"), *DEBIAN),
        (Step("[default=reset]", "pam_unix.so"), PERMIT),
        (Step("required", stack=(UNIX, PERMIT)),),
        (Step("required", stack=(PERMIT,)), Step("optional", "pam_unix.so")),
    ],
)
def test_stack_that_lets_users_pass_who_show_nothing(steps: tuple[Step, ...]) -> None:
    assert lets_everybody_pass(steps)


def test_unknown_control_word_refuses() -> None:
    """As PAM itself takes it: every result of the module is an error."""
    assert not lets_everybody_pass((Step("mandatory", "pam_permit.so"), PERMIT))
