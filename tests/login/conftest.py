# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Debian 12 and a Debian 13 host for each login test, restored from a snapshot.

FLEETAUTH_KEEP=1 leaves the hosts running for a look around; `tests/lab/lab down` ends them.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.login.fleet import PASSWORD, Host, lab_name
from tests.support.pool import SYNCHRONIZE, Pool, Recipe, accounts, lend, note_failure

LAB_NAME = lab_name("login")
IMAGES = ("debian12", "debian13")
RECIPE = Recipe(
    f"""
    {accounts("alice", "bob", "carol", "dave", "robot")}
    echo 'root:{PASSWORD}' | chpasswd
    groupadd exempted
    {SYNCHRONIZE}
    # What the packages have brought, for tests that put it back.
    mkdir -m 700 /root/baseline
    cp -a /etc/pam.d /etc/ssh /root/baseline/
    """
)


@pytest.fixture(scope="session")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """Have a lab whose hosts have the packages that the roles install."""
    with Pool(LAB_NAME, RECIPE, tmp_path_factory.mktemp("inventory")) as pool:
        yield pool


@pytest.fixture(params=IMAGES)
def machine(request: pytest.FixtureRequest, pool: Pool) -> Iterator[Host]:
    """A host of each image, as the snapshot has it."""
    yield from lend(pool, f"{request.param}-twofactor", request)


@pytest.fixture
def host(machine: Host) -> Host:
    """A host without a second factor."""
    return machine


@pytest.fixture
def clock(pool: Pool) -> Iterator[Host]:
    """The time server, which a test may set wrong."""
    yield pool.clock
    pool.restore_clock()


@pytest.fixture
def fleet(machine: Host, clock: Host) -> dict[str, Host]:
    """The host of the test and the time server by their names."""
    return {machine.name: machine, clock.name: clock}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
    """Note on the test whether it failed, so that its host's journal is shown."""
    report = yield
    note_failure(item, report)
    return report
