from __future__ import annotations

import posixpath

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import paths


def test_files_of_users_and_services() -> None:
    assert paths.token_file("alice") == "/var/lib/twofactor/tokens/alice.oath"
    assert paths.service_file("sudo") == "/etc/pam.d/sudo"


def test_nothing_but_the_lock_is_lost_in_a_reboot() -> None:
    everything = {value for name, value in vars(paths).items() if name.isupper()}

    assert paths.LOCK.startswith("/run/")
    assert {path for path in everything if not path.startswith(("/etc/", "/usr/", "/var/lib/"))} == {
        paths.LOCK
    }
    assert posixpath.dirname(paths.SSHD_DROPIN) == posixpath.dirname(paths.SSHD_ROOT_DROPIN)
