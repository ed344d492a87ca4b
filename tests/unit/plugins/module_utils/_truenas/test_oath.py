# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What PAM knows of users' secrets."""

from __future__ import annotations

from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas import oath
from ansible_collections.fleetauth.twofactor.plugins.module_utils._truenas.oath import Token
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._truenas.conftest import Nas

TEXT = """HOTP/T30/6\troot\t-\tDEADBEEF
HOTP/T60/8\talice\t-\tDEADBEEF\t0\t59112233\t2026-11-24T10:00:00L
HOTP/T45/6\tbob\t-\tDEADBEEF
# nothing
HOTP\told\t-\tDEADBEEF
"""


def test_users_and_their_kind_of_code() -> None:
    found = oath.parse(TEXT)
    assert found == {
        "root": Token(6, 30),
        "alice": Token(8, 60, "2026-11-24T10:00:00"),
        "bob": Token(6, 45),
    }
    assert [name for name, token in found.items() if not token.usable] == ["bob"]


def test_no_seed_is_kept() -> None:
    assert "DEADBEEF" not in repr(oath.parse(TEXT))


def test_no_file_lists_nobody(nas: Nas) -> None:
    assert oath.read() == {}
