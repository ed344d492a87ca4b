# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import empty_passwords


def test_accounts_with_an_empty_password_are_named() -> None:
    (found,) = empty_passwords.find("root:*:1::::::\nalice::1::::::\nbob:$y$hash:1::::::\n")

    assert found.code == "password_empty"
    assert "'alice'." in found.message
    assert "bob" not in found.message


def test_many_accounts_are_named_in_part() -> None:
    (found,) = empty_passwords.find("".join(f"user{number}::1::::::\n" for number in range(7)))

    assert "and 2 more" in found.message


def test_locked_accounts_and_hashes_are_no_problem() -> None:
    assert empty_passwords.find("root:*:1::::::\nalice:!:1::::::\nbob:$y$hash:1::::::\n\n") == []
