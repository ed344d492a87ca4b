# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a NAS does later by itself, and changes that wait to be confirmed."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change
from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.host import Ran
from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import BypassChange
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas import later
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.later import BYPASS, PENDING, Later
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.platform import TruenasPlatform
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._truenas.conftest import Nas
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._truenas.conversation import (
    DOWN,
    LOST,
    ONE_SECRET,
    SEED,
    VERSIONS,
    Line,
    call,
    config,
    hangs,
    people,
    refused,
    settings,
    ssh_config,
    user,
    version,
)

Talks = Callable[..., TruenasPlatform]
ON = [["auth.twofactor.update", {"enabled": True}], ["user.update", 1, {"ssh_password_enabled": False}]]


def _later(seconds: float = 60.0) -> Later:
    return Later(time.time() + seconds, ON, by="o'neil", reason="restore")


@pytest.fixture
def tools(nas: Nas, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs that write down how they were called; midclt fails as often as the file ``busy`` has lines."""
    folder = nas.folder / "bin"
    folder.mkdir()
    busy = '[ -s "$0.busy" ] && { sed -i 1d "$0.busy"; exit 1; }'
    for name in ("midclt", "logger", "systemctl", "sleep"):
        program = folder / name
        program.write_text(f'#!/bin/sh\n{busy}\necho {name} "$@" >> {nas.folder}/ran\n', encoding="ascii")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return nas.folder / "ran"


def _run(kind: str) -> int:
    return subprocess.run(["/bin/sh", later.path(kind, "sh")], check=False).returncode


@pytest.mark.parametrize("kind", [PENDING, BYPASS])
def test_armed_it_is_on_the_disk_and_in_systemd(kind: str, nas: Nas) -> None:
    wanted = _later()
    assert later.arm(kind, wanted) == []
    assert later.read(kind) == wanted
    assert os.stat(later.path(kind)).st_mode & 0o777 == 0o600
    assert sorted(path.name for path in (nas.folder / "units").iterdir()) == [
        f"fleetauth-twofactor-{kind}.service",
        f"fleetauth-twofactor-{kind}.timer",
    ]
    assert nas.ran[-1] == f"systemctl start fleetauth-twofactor-{kind}.timer"
    assert f"fleetauth-twofactor-{kind}.service" in nas.ran[-2]
    # Only what has to outlive a restart is started again by one.
    assert (f"fleetauth-twofactor-{kind}.timer" in nas.ran[-2]) == (kind == BYPASS)


def test_a_bypass_ends_by_the_calendar_and_a_wait_by_the_clock_since_now(nas: Nas) -> None:
    assert "OnCalendar=2026-11-24 10:00:01 UTC\n" in later.timer_unit(BYPASS, Later(1795514400.2))
    assert "OnActiveSec=" in later.timer_unit(PENDING, _later())


@pytest.mark.parametrize("kind", [PENDING, BYPASS])
def test_disarmed_nothing_is_left(kind: str, nas: Nas) -> None:
    later.arm(kind, _later())
    assert later.disarm(kind)
    assert not later.disarm(kind)
    assert list((nas.folder / "units").iterdir()) == []
    assert list((nas.folder / "data").iterdir()) == []


def test_where_systemd_does_not_take_it(nas: Nas) -> None:
    nas.systemctl_works = False
    with pytest.raises(TwofactorError) as caught:
        later.arm(PENDING, _later())
    assert caught.value.code == "cannot_arm"
    assert later.read(PENDING) is None


def test_where_etc_cannot_be_written(nas: Nas) -> None:
    (nas.folder / "units").write_text("in the way", encoding="ascii")
    assert "restart" in later.arm(BYPASS, _later())[0]
    assert "--runtime" in nas.ran[-2]


def test_the_script_takes_back_and_cleans_up(nas: Nas, tools: Path) -> None:
    later.arm(PENDING, _later())
    assert _run(PENDING) == 0
    ran = tools.read_text(encoding="ascii").splitlines()
    assert ran[0] == 'midclt call auth.twofactor.update {"enabled": true}'
    assert ran[1] == 'midclt call user.update 1 {"ssh_password_enabled": false}'
    assert ran[2].startswith("logger -t twofactor -p authpriv.notice -- reverted why=")
    assert 'made_by="o\'neil"' in ran[2]
    assert later.read(PENDING) is None
    assert later.was_reverted()
    assert list((nas.folder / "units").iterdir()) == []


def test_the_script_waits_for_the_middleware(nas: Nas, tools: Path) -> None:
    (nas.folder / "bin" / "midclt.busy").write_text("1\n2\n3\n", encoding="ascii")
    later.arm(PENDING, _later())
    assert _run(PENDING) == 0
    ran = tools.read_text(encoding="ascii").splitlines()
    assert [line for line in ran if line.startswith("sleep")] == ["sleep 5"] * 2


def test_a_call_that_is_refused_holds_up_no_other(nas: Nas, tools: Path) -> None:
    """TrueNAS may refuse to change root's account for as long as the second factor is enabled."""
    state = nas.folder / "state"
    midclt = nas.folder / "bin" / "midclt"
    midclt.write_text(
        f"""#!/bin/sh
[ "$2" = auth.twofactor.update ] && {{ echo disabled > {state}; exit 0; }}
[ -e {state} ] && echo "$@" >> {nas.folder}/ran
""",
        encoding="ascii",
    )
    calls = [
        ["user.update", 1, {"ssh_password_enabled": False}],
        ["auth.twofactor.update", {"enabled": False}],
    ]
    later.arm(PENDING, Later(time.time() + 60, calls, by="root"))
    assert _run(PENDING) == 0
    assert 'call user.update 1 {"ssh_password_enabled": false}' in tools.read_text(encoding="ascii")
    assert later.was_reverted()


def test_the_script_gives_up_some_time_and_a_restart_tries_again(nas: Nas, tools: Path) -> None:
    (nas.folder / "bin" / "midclt").write_text("#!/bin/sh\nexit 1\n", encoding="ascii")
    later.arm(PENDING, _later())
    assert _run(PENDING) == 1
    assert not later.was_reverted()
    assert os.path.exists(later.path(PENDING, "sh"))
    assert (nas.folder / "units" / "fleetauth-twofactor-pending.service").exists()


def test_a_script_that_was_cut_short_goes_on_at_the_next_start(nas: Nas, tools: Path) -> None:
    later.arm(PENDING, _later())
    os.rename(later.path(PENDING), later.path(PENDING, "begun"))
    assert _run(PENDING) == 0
    assert later.was_reverted()


def test_a_confirmation_that_comes_first_wins(nas: Nas, tools: Path) -> None:
    later.arm(PENDING, _later())
    text = Path(later.path(PENDING, "sh")).read_text(encoding="utf-8")
    later.disarm(PENDING)
    assert subprocess.run(["/bin/sh", "-c", text], check=False).returncode == 0
    assert not tools.exists()


def test_a_bypass_that_is_not_over_is_left_by_a_restart(nas: Nas, tools: Path) -> None:
    later.arm(BYPASS, _later(60))
    assert _run(BYPASS) == 0
    assert not tools.exists()
    later.arm(BYPASS, _later(-5))
    assert _run(BYPASS) == 0
    assert "bypass is over" in tools.read_text(encoding="ascii")
    assert later.read(BYPASS) is None


# A change that waits


def _enabling(release: str, talks: Talks, *more: object) -> TruenasPlatform:
    secret = {"secret": SEED} if release in ONE_SECRET else {}
    return talks(
        version(release),
        config(release, **secret),
        people(user(1, "root", enrolled=True)),
        ssh_config(rootlogin=False),
        call(
            "auth.twofactor.update",
            {"enabled": True, "window": 1, "services": {"ssh": True}},
            says=settings(release, enabled=True, ssh=True),
        ),
        *more,
    )


def _change(**more: object) -> Change:
    return Change(
        policy={"state": "enabled", "window": 1}, ssh={"state": "enabled"}, confirm_within=60, **more
    )  # type: ignore[arg-type]


BACK = ["auth.twofactor.update", {"enabled": False, "window": 0, "services": {"ssh": False}}]


@pytest.mark.parametrize("release", VERSIONS)
def test_a_change_waits_and_knows_the_way_back(release: str, nas: Nas, talks: Talks) -> None:
    nas.lists("root")
    outcome = _enabling(release, talks).apply(_change(), False)
    assert outcome.result["pending"] == {"confirm_within": 60}
    waiting = later.read(PENDING)
    assert waiting is not None
    # Compared as data: what was an entry of a mapping may come in any order.
    assert waiting.calls == [BACK]


def test_the_way_back_of_everything(nas: Nas, talks: Talks) -> None:
    nas.lists("root")
    platform = _enabling(
        "25.10",
        talks,
        call("user.update", 1, {"ssh_password_enabled": True}, says=1),
        call("ssh.update", {"passwordauth": True}, says={}),
    )
    change = Change(
        policy={"state": "enabled", "window": 1},
        ssh={"state": "enabled", "root_login": "allowed"},
        confirm_within=60,
    )
    platform.apply(change, False)
    waiting = later.read(PENDING)
    assert waiting is not None
    assert waiting.calls == [
        ["ssh.update", {"passwordauth": False}],
        ["user.update", 1, {"ssh_password_enabled": False}],
        BACK,
    ]


def test_a_second_change_is_refused(nas: Nas, talks: Talks) -> None:
    later.arm(PENDING, _later())
    with pytest.raises(TwofactorError) as caught:
        talks().apply(Change(policy={"window": 2}), False)
    assert caught.value.code == "change_pending"


def test_confirmed_it_stands(nas: Nas, talks: Talks) -> None:
    later.arm(PENDING, _later())
    assert talks().settle(True, True).changed
    assert talks().settle(True, False).changed
    assert not talks().settle(True, False).changed
    assert nas.logged[-1][0] == "confirmed"


def test_it_is_not_confirmed_over_the_same_connection(nas: Nas, talks: Talks) -> None:
    later.arm(PENDING, Later(time.time() + 60, ON, connection=nas.connection))
    with pytest.raises(TwofactorError) as caught:
        talks().settle(True, False)
    assert caught.value.code == "confirm_same_connection"


def test_reverted_on_request(nas: Nas, talks: Talks) -> None:
    later.arm(PENDING, _later())
    platform = talks(
        call("auth.twofactor.update", {"enabled": True}, says={}),
        call("user.update", 1, {"ssh_password_enabled": False}, says=1),
    )
    assert platform.settle(False, False).changed
    assert later.read(PENDING) is None


def test_too_late(nas: Nas, talks: Talks, tools: Path) -> None:
    later.arm(PENDING, _later())
    _run(PENDING)
    with pytest.raises(TwofactorError) as caught:
        talks().settle(True, False)
    assert caught.value.code == "change_reverted"


def test_a_change_that_fails_does_not_wait(nas: Nas, talks: Talks) -> None:
    platform = talks(
        version("25.10"),
        config("25.10"),
        people(user(1, "root", enrolled=True)),
        ssh_config(),
        call(
            "auth.twofactor.update",
            {"enabled": True},
            prints=refused("[EINVAL] auth_twofactor_update.enabled: no"),
        ),
    )
    with pytest.raises(TwofactorError):
        platform.apply(Change(policy={"state": "enabled"}, confirm_within=60), False)
    assert later.read(PENDING) is None


@pytest.mark.parametrize("trouble", [LOST, DOWN, "hangs"])
def test_a_change_of_unknown_end_keeps_its_way_back(trouble: Ran | str, nas: Nas, talks: Talks) -> None:
    method, update = "auth.twofactor.update", {"enabled": True}
    lines = [hangs(method, update)] if trouble == "hangs" else [call(method, update, prints=trouble)] * 32  # type: ignore[arg-type]
    platform = talks(
        version("25.10"), config("25.10"), people(user(1, "root", enrolled=True)), ssh_config(), lines
    )
    with pytest.raises(TwofactorError) as caught:
        platform.apply(Change(policy={"state": "enabled"}, confirm_within=60), False)
    assert "takes the settings back by itself in" in str(caught.value)
    waiting = later.read(PENDING)
    assert waiting is not None
    assert waiting.calls == [[method, {"enabled": False}]]


def _refused_in_the_middle(talks: Talks, *more: Line) -> TruenasPlatform:
    """Return a platform that enables the second factor and refuses to open root's door after that."""
    return talks(
        version("25.10"),
        config("25.10", ssh=True),
        people(user(1, "root", enrolled=True)),
        ssh_config(),
        call("auth.twofactor.update", {"enabled": True}, says={}),
        call(
            "user.update", 1, {"ssh_password_enabled": True}, prints=refused("[EINVAL] user_update.home: no")
        ),
        list(more),
    )


@pytest.mark.parametrize("confirm_within", [0.0, 60.0])
def test_a_change_that_is_refused_in_the_middle_is_taken_back(
    confirm_within: float, nas: Nas, talks: Talks
) -> None:
    platform = _refused_in_the_middle(talks, call("auth.twofactor.update", {"enabled": False}, says={}))
    change = Change(policy={"state": "enabled"}, ssh={"root_login": "allowed"}, confirm_within=confirm_within)
    with pytest.raises(TwofactorError) as caught:
        platform.apply(change, False)
    assert caught.value.code == "truenas_refused"
    assert "user_update.home: no" in str(caught.value)
    assert "This has been taken back: the second factor itself." in str(caught.value)
    assert later.read(PENDING) is None
    assert nas.logged[-1][1]["failed"] == "truenas_refused"


@pytest.mark.parametrize("confirm_within", [0.0, 60.0])
def test_what_cannot_be_taken_back_is_told_and_tried_again_by_the_nas(
    confirm_within: float, nas: Nas, talks: Talks
) -> None:
    no = refused("[EFAULT] busy")
    platform = _refused_in_the_middle(talks, call("auth.twofactor.update", {"enabled": False}, prints=no))
    change = Change(policy={"state": "enabled"}, ssh={"root_login": "allowed"}, confirm_within=confirm_within)
    with pytest.raises(TwofactorError) as caught:
        platform.apply(change, False)
    assert "This could not be taken back: the second factor itself. " in str(caught.value)
    assert "busy" in str(caught.value)
    assert ("takes the settings back by itself in" in str(caught.value)) == bool(confirm_within)
    assert (later.read(PENDING) is not None) == bool(confirm_within)


def test_a_revert_that_is_refused_goes_on_waiting(nas: Nas, talks: Talks) -> None:
    later.arm(PENDING, _later())
    update, no = ("user.update", 1, {"ssh_password_enabled": False}), refused("[EFAULT] busy")
    platform = talks(
        call("auth.twofactor.update", {"enabled": True}, says={}),
        call(*update, prints=no),
        call(*update, prints=no),
    )
    with pytest.raises(TwofactorError) as caught:
        platform.settle(False, False)
    assert caught.value.code == "revert_incomplete"
    assert later.read(PENDING) is not None
    again = talks(
        call("auth.twofactor.update", {"enabled": True}, says={}),
        call(*update, prints=no),
        call(*update, says=1),
    )
    assert again.settle(False, False).changed
    assert later.read(PENDING) is None


def test_secrets_alone_do_not_wait(nas: Nas, talks: Talks) -> None:
    platform = talks(
        version("25.10"),
        config("25.10"),
        people(user(1, "root"), user(2, "bob", enrolled=True)),
        ssh_config(),
        call("user.unset_2fa_secret", "bob", says=None),
    )
    from ansible_collections.fleetauth.twofactor.plugins.module_utils._model import SecretsChange, UserSecret

    change = Change(secrets=SecretsChange("absent", (UserSecret("bob"),)), confirm_within=60)
    assert "pending" not in platform.apply(change, False).result


# A bypass


def _off(lasts: str = "") -> Change:
    return Change(policy={"state": "disabled", "reason": "restore"}, lasts=lasts)


def test_off_for_a_while(nas: Nas, talks: Talks) -> None:
    update = call("auth.twofactor.update", {"enabled": False}, says=settings("25.10"))
    assert talks(config("25.10", enabled=True), update).apply(_off("2h"), False).changed
    bypass = later.read(BYPASS)
    assert bypass is not None
    assert bypass.calls == [["auth.twofactor.update", {"enabled": True}]]
    assert bypass.until == pytest.approx(time.time() + 7200, abs=5)
    assert not talks(config("25.10")).apply(_off("2h"), False).changed, "it keeps its end"
    assert talks(config("25.10")).apply(_off(), False).changed, "for good"
    assert later.read(BYPASS) is None


def test_an_emergency_ends_what_waits(nas: Nas, talks: Talks) -> None:
    later.arm(PENDING, _later())
    update = call("auth.twofactor.update", {"enabled": False}, says=settings("25.10"))
    talks(config("25.10", enabled=True), update).apply(_off(), False)
    assert later.read(PENDING) is None


def test_off_also_where_it_cannot_come_back(nas: Nas, talks: Talks) -> None:
    nas.systemctl_works = False
    update = call("auth.twofactor.update", {"enabled": False}, says=settings("25.10"))
    outcome = talks(config("25.10", enabled=True), update).apply(_off("2h"), False)
    assert "not come back on by itself" in outcome.warnings[0]


def test_switching_on_ends_a_bypass(nas: Nas, talks: Talks) -> None:
    nas.lists("root")
    later.arm(BYPASS, _later())
    _enabling("25.10", talks).apply(
        Change(policy={"state": "enabled", "window": 1}, ssh={"state": "enabled"}), False
    )
    assert later.read(BYPASS) is None


def test_no_single_user_is_let_off(nas: Nas, talks: Talks) -> None:
    with pytest.raises(TwofactorError) as caught:
        talks().apply(Change(bypass=BypassChange(("alice",), lasts="1h")), False)
    assert caught.value.code == "bypass_impossible"
