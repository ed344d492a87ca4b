# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What twofactor_info says of a NAS that was set up by hand; and the versions between the eight."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.login.fleet import PASSWORD
from tests.login_truenas.nas import Nas

BETWEEN = {
    "24.10.0": "24.10",
    "25.04.0": "25.04",
    "25.04.1": "25.04",
    "26.0.0-BETA.1": "26.0",
    "26.0.0": "26.0",
    "27.0.0-MASTER-20261120-093012": "26.0",
}
"""Versions that do something else than the later ones of their release, and the image for each."""


def _problems(nas: Nas) -> list[str]:
    result = nas.module("twofactor_info")
    assert not result["failed"], result["printed"]
    return [problem["code"] for problem in result["twofactor"]["problems"]]


def test_on_with_nobody_enrolled(nas: Nas) -> None:
    if not nas.per_user:
        pytest.skip("switching on makes the secret")
    nas.midclt("auth.twofactor.update", {"enabled": True, "services": {"ssh": True}})
    assert "nobody_enrolled" in _problems(nas)
    assert nas.protect()["changed"]
    assert _problems(nas) == []


def test_an_interval_that_pam_cannot_read(nas: Nas) -> None:
    if nas.release == "26.0":
        pytest.skip("refused by TrueNAS itself")
    if nas.release in ("22.02", "22.12", "23.10"):
        nas.midclt("auth.twofactor.update", {"interval": 45})
    if nas.per_user:
        options = [{"interval": 45}] if nas.release != "23.10" else []
        nas.midclt("user.renew_2fa_secret", "root", *options)
    nas.midclt("auth.twofactor.update", {"enabled": True, "services": {"ssh": True}})
    assert "interval_unusable" in _problems(nas)


def test_api_keys_let_in_without_a_code(nas: Nas) -> None:
    if not nas.per_user:
        pytest.skip("not told by this release")
    nas.protect()
    keys = (
        {"name": "backups"}
        if nas.release in ("23.10", "24.04", "24.10")
        else {"name": "backups", "username": "root"}
    )
    nas.midclt("api_key.create", keys)
    assert _problems(nas) == ["api_keys_bypass"]


def test_a_clock_that_differs_from_the_controllers(nas: Nas) -> None:
    told = nas.ansible("twofactor_info")["twofactor"]
    assert told["clock"]["controller_offset"] == 0
    assert told["clock"]["servers"]
    nas.stand_in("fault", "clock", "offset=-90")
    off = nas.ansible("twofactor_info")["twofactor"]
    assert -91 < off["clock"]["controller_offset"] < -80
    assert [problem["code"] for problem in off["problems"]] == ["clock_differs"]


@pytest.fixture
def between(nas: Nas, request: pytest.FixtureRequest) -> Iterator[Nas]:
    """A NAS of a version between the eight."""
    version = str(request.param)
    if BETWEEN[version] != nas.release:
        pytest.skip(f"the image for {version} is another one")
    before = nas.midclt("system.version").removeprefix("TrueNAS-").removeprefix("SCALE-")
    nas.stand_in("release", version)
    yield nas
    nas.stand_in("release", before)


@pytest.mark.parametrize("between", BETWEEN, indirect=True)
def test_a_version_between(between: Nas) -> None:
    assert [entry["name"] for entry in between.protect()["secrets"]] == ["root", "alice"]
    listed = between.shell("cat /etc/users.oath")
    assert "root" in listed
    assert "alice" in listed
    assert between.ssh("root", code=between.token().code(), password=PASSWORD)
    assert _problems(between) == []
    between.stand_in("forget")
    assert not between.protect()["changed"]
    assert between.changes() == []
    between.module("twofactor", state="disabled")
    on = between.module("twofactor", state="enabled")
    assert on["changed"], on["printed"]
    assert not between.ssh("root", password=PASSWORD)
    assert between.ssh("root", code=between.token().code(), password=PASSWORD)
