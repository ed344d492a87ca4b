# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host does by itself."""

from __future__ import annotations

import errno
import time
from dataclasses import replace

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import (
    agent,
    bypass,
    files,
    journal,
    paths,
    pending,
    unattended,
)
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.bypass import Bypass, Bypasses
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.platform import LinuxPlatform
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import BypassChange
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._linux.conftest import Root
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._linux.fakes import (
    ENROL,
    KEY,
    ON,
    WHOLE,
)


def test_after_a_boot_everything_under_way_is_taken_back(
    root: Root, platform: LinuxPlatform, armed: list[tuple[float, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    pristine = root.state("/etc/pam.d", "/etc/ssh")
    unattended.after_boot(platform)
    assert root.logged == []

    platform.apply(replace(WHOLE, confirm_within=3600.0), check_mode=False)
    unattended.after_boot(platform)
    assert root.state("/etc/pam.d", "/etc/ssh") == pristine
    assert root.logged[-1][0] == "reverted"

    with monkeypatch.context() as killed:
        killed.setattr(journal, "forget", lambda _path: None)
        platform.apply(WHOLE, check_mode=False)
    unattended.after_boot(platform)
    assert root.state("/etc/pam.d", "/etc/ssh") == pristine
    assert "middle of the change" in str(root.logged[-1][1]["why"])


def test_what_was_cut_short_is_taken_back_by_the_timer_too(
    root: Root, platform: LinuxPlatform, armed: list[tuple[float, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    pristine = root.state("/etc/pam.d", "/etc/ssh")
    with monkeypatch.context() as killed:
        killed.setattr(journal, "keep_as_pending", lambda: None)
        platform.apply(replace(WHOLE, confirm_within=60.0), check_mode=False)
    assert root.state("/etc/pam.d", "/etc/ssh") != pristine
    unattended.expire(platform)
    assert root.state("/etc/pam.d", "/etc/ssh") == pristine
    assert root.logged[-1] == ("reverted", {"why": "the change was cut short"})


@pytest.mark.parametrize("by", ["expire", "after_boot"])
def test_what_cannot_be_taken_back_now_is_tried_again(
    root: Root,
    platform: LinuxPlatform,
    armed: list[tuple[float, str]],
    monkeypatch: pytest.MonkeyPatch,
    by: str,
) -> None:
    pristine = root.state("/etc/pam.d", "/etc/ssh")
    platform.apply(replace(WHOLE, confirm_within=60.0), check_mode=False)
    monkeypatch.setattr(pending, "is_overdue", lambda _entry: True)
    armed.clear()

    def full(*_words: object, **_more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(files, "replace", full)
        with pytest.raises(OSError, match="No space"):
            getattr(unattended, by)(platform)
    # A boot that takes too long is ended, so that another try is arranged before it begins.
    assert armed == [(75, "expire")] * (by == "after_boot") + [(30, "expire")]
    unattended.expire(platform)
    assert root.state("/etc/pam.d", "/etc/ssh") == pristine


def test_what_is_not_overdue_is_left_by_the_timer(
    root: Root, platform: LinuxPlatform, armed: list[tuple[float, str]]
) -> None:
    platform.apply(replace(WHOLE, confirm_within=3600.0), check_mode=False)
    changed = root.state("/etc/pam.d", "/etc/ssh")
    unattended.expire(platform)
    assert root.state("/etc/pam.d", "/etc/ssh") == changed


def test_bypass_of_a_user_ends_and_the_next_end_is_armed(
    root: Root, platform: LinuxPlatform, armed: list[tuple[float, str]]
) -> None:
    platform.apply(Change(ON, KEY, ENROL), check_mode=False)
    platform.apply(Change(bypass=BypassChange(("root",), lasts="1h", reason="r")), check_mode=False)
    let_off = "user notin root"
    assert let_off in root.texts()["/etc/pam.d/twofactor"], root.texts()["/etc/pam.d/twofactor"]
    there = bypass.parse(root.texts()["/var/lib/twofactor/bypass.json"])
    armed.clear()
    unattended.expire(platform)
    assert armed == [(3600, "expire")]
    assert let_off in root.texts()["/etc/pam.d/twofactor"]

    over = Bypasses(None, {"root": replace(there.users["root"], until=time.time() - 1)})
    root.put(paths.BYPASS, bypass.render(over) or "")
    unattended.expire(platform)
    assert let_off not in root.texts()["/etc/pam.d/twofactor"]
    assert "/var/lib/twofactor/bypass.json" not in root.texts()
    assert armed == [(3600, "expire")]


def test_secrets_before_end_and_the_next_end_is_armed(
    root: Root, platform: LinuxPlatform, armed: list[tuple[float, str]]
) -> None:
    platform.apply(Change(ON, KEY, ENROL), check_mode=False)
    old = ENROL.users[0]
    until = float(int(time.time()) + 3600)
    renewed = replace(old, seed=bytes(range(20)), previous_seed=old.seed, previous_until=until)
    platform.apply(Change(secrets=replace(ENROL, users=(renewed,))), check_mode=False)
    assert armed == [(pytest.approx(3600, abs=5), "expire")]
    path = "/var/lib/twofactor/tokens/root.oath"
    both = root.texts()[path]
    unattended.expire(platform)
    assert armed == [(pytest.approx(3600, abs=5), "expire")] * 2
    assert root.texts()[path] == both

    mark = "until " + time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(until))
    root.put(path, both.replace(mark, "until 2026-01-01T00:00:00Z"))
    unattended.expire(platform)
    assert root.texts()[path] == both[: both.index("#")]
    assert root.logged[-1][1]["ended"] == "root"
    assert armed == [(pytest.approx(3600, abs=5), "expire")] * 2


def test_an_end_that_something_stands_in_the_way_of_is_tried_again(
    root: Root, platform: LinuxPlatform, armed: list[tuple[float, str]]
) -> None:
    platform.apply(Change(ON, KEY, ENROL), check_mode=False)
    path = "/var/lib/twofactor/tokens/root.oath"
    mark = "# accepted beside the present secret until 2026-01-01T00:00:00Z\n"
    root.put(path, root.texts()[path] + mark + f"HOTP/T30/6\troot\t-\t{bytes(range(20)).hex()}\n")
    waiting = Change({"window": 2}, confirm_within=60.0)
    root.put(path, root.texts()[path].replace("2026-01-01", "2999-01-01"))
    platform.apply(waiting, check_mode=False)
    root.put(path, root.texts()[path].replace("2999-01-01", "2026-01-01"))
    armed.clear()
    with pytest.raises(TwofactorError, match="waits to be confirmed"):
        unattended.expire(platform)
    assert armed == [(30, "expire")]
    assert mark in root.texts()[path]


def test_bypass_of_the_host_ends(root: Root, platform: LinuxPlatform, armed: list[tuple[float, str]]) -> None:
    platform.apply(Change(ON, KEY, ENROL), check_mode=False)
    enforced = root.state("/etc/pam.d", "/etc/ssh")
    platform.apply(Change({"state": "disabled", "reason": "restore"}, lasts="2h"), check_mode=False)
    assert armed == [(7200, "expire")]
    unattended.expire(platform)
    assert "/etc/pam.d/twofactor" not in root.texts()

    root.put(paths.BYPASS, bypass.render(Bypasses(Bypass(time.time() - 1, "restore", "root"))) or "")
    unattended.expire(platform)
    assert root.state("/etc/pam.d", "/etc/ssh") == enforced
    event, details = root.logged[-1]
    assert (event, details["why"]) == ("changed", "the bypass is over")
    assert "/var/lib/twofactor/bypass.json" not in root.texts()


@pytest.mark.parametrize("who", ["the host", "root"])
def test_bypass_ends_after_its_time_though_the_clock_has_been_set_back(
    root: Root, platform: LinuxPlatform, armed: list[tuple[float, str]], who: str
) -> None:
    platform.apply(Change(ON, KEY, ENROL), check_mode=False)
    enforced = root.state("/etc/pam.d", "/etc/ssh")
    month = 30 * 86400.0
    if who == "root":
        platform.apply(Change(bypass=BypassChange(("root",), lasts="1h", reason="r")), check_mode=False)
        ahead = Bypasses(None, {"root": Bypass(time.time() + month, "r")})
    else:
        platform.apply(Change({"state": "disabled", "reason": "restore"}, lasts="2h"), check_mode=False)
        ahead = Bypasses(Bypass(time.time() + month, "restore", "root"))
    root.put(paths.BYPASS, bypass.render(ahead) or "")
    unattended.expire(platform)
    assert root.state("/etc/pam.d", "/etc/ssh") != enforced, "a look in between ends nothing"
    come = time.time() + month
    unattended.expire(platform, come)
    assert root.state("/etc/pam.d", "/etc/ssh") == enforced
    assert "/var/lib/twofactor/bypass.json" not in root.texts()


def test_end_that_has_come_leaves_later_ones(
    root: Root, platform: LinuxPlatform, armed: list[tuple[float, str]]
) -> None:
    platform.apply(Change(ON, KEY, ENROL), check_mode=False)
    platform.apply(Change(bypass=BypassChange(("root",), lasts="1h", reason="r")), check_mode=False)
    unattended.expire(platform, time.time() + 1800)
    assert "user notin root" in root.texts()["/etc/pam.d/twofactor"]


def test_locks_of_before_the_boot_go(
    root: Root, platform: LinuxPlatform, armed: list[tuple[float, str]]
) -> None:
    platform.apply(Change(ON, KEY, ENROL), check_mode=False)
    token = root.texts()["/var/lib/twofactor/tokens/root.oath"]
    for name in ("root.oath.lock", "root.oath.new"):
        root.put(f"{paths.TOKENS}/{name}", "")
    unattended.expire(platform)
    assert "/var/lib/twofactor/tokens/root.oath.lock" in root.texts(), "a login may hold it"
    unattended.after_boot(platform)
    assert {path: text for path, text in root.texts().items() if "tokens/" in path} == {
        "/var/lib/twofactor/tokens/root.oath": token
    }


def test_boot_does_its_work_also_where_nothing_can_be_arranged_for_later(
    root: Root, platform: LinuxPlatform, armed: list[tuple[float, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    pristine = root.state("/etc/pam.d", "/etc/ssh")
    platform.apply(replace(WHOLE, confirm_within=3600.0), check_mode=False)

    def refuse(*_words: object) -> None:
        raise TwofactorError("cannot_arm", "no timer")

    monkeypatch.setattr(agent, "arm", refuse)
    unattended.after_boot(platform)
    assert root.state("/etc/pam.d", "/etc/ssh") == pristine
