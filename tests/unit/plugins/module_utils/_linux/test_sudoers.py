from __future__ import annotations

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import sudoers
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._linux.fakes import FakeHost


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("/etc/sudoers", "Defaults\tenv_reset, !authenticate\n", True),
        ("/etc/sudoers.d/easy", "Defaults:alice  \\\n  !authenticate\n", True),
        ("/etc/sudoers.d/own", "Defaults pam_service = own\n", True),
        ("/etc/sudoers.d/own", 'Defaults pam_login_service="own"\n', True),
        ("/etc/sudoers.d/own", "Defaults pam_service=sudo\n", False),
        (
            "/etc/sudoers",
            "# Defaults !authenticate\nDefaults env_reset # !authenticate\n",
            False,
        ),
        ("/etc/sudoers.d/easy.bak", "Defaults !authenticate\n", False),
        ("/etc/sudoers.d/easy~", "Defaults !authenticate\n", False),
        ("/etc/sudoers.d/ansible", "ansible ALL=(ALL:ALL) NOPASSWD: ALL\n", False),
    ],
)
def test_settings_by_which_sudo_does_not_ask(path: str, text: str, found: bool) -> None:
    errors = sudoers.other_ways(FakeHost({path: text}))
    assert [error.code for error in errors] == ["sudo_not_asking"] * found
    assert all(path in error.message for error in errors)
