from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._change import Change
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import drift, paths, policy_file
from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux.drift import Drift
from ansible_collections.fleetauth.twofactor.tests.unit.plugins.module_utils._linux.fakes import (
    KEY,
    ON,
    FakeHost,
)

SSHD, SUDO = paths.service_file("sshd"), paths.service_file("sudo")


def enforced(**policy: Any) -> FakeHost:
    host = FakeHost().enrol("alice", "bob")
    host.converge(Change({**ON, "services": ("sudo", "su"), **policy}, KEY))
    return host


def find(host: FakeHost, *let_off: str) -> Drift:
    return drift.find(policy_file.parse(host.read(paths.POLICY)), let_off, host)


def test_host_as_it_was_written() -> None:
    found = find(enforced())
    assert found == Drift(asking={"sshd", "sudo", "sudo-i", "su", "su-l"})
    assert not found.is_any


def test_host_on_which_nothing_was_declared() -> None:
    assert find(FakeHost()) == Drift()


def test_what_is_around_our_lines_may_change() -> None:
    host = enforced()
    for path in (SSHD, SUDO):
        host.texts[path] = (
            "# here\nauth required pam_env.so\n" + host.texts[path] + "session required pam_env.so\n"
        )
    assert not find(host).is_any


@pytest.mark.parametrize(
    ("path", "text", "edited", "asking"),
    [
        (paths.PAM_POLICY, None, [paths.PAM_POLICY], {"sshd"}),
        (paths.PAM_POLICY, "auth required pam_oath.so\n", [paths.PAM_POLICY], {"sshd"}),
        (paths.EXEMPT_NETWORKS, "+:ALL:ALL\n", [paths.EXEMPT_NETWORKS], {"sshd"}),
        (SSHD, "@include common-auth\n", [], {"sudo", "sudo-i", "su", "su-l"}),
        (SSHD, "@include common-auth\nauth required pam_oath.so\n", [SSHD], {"sudo", "sudo-i", "su", "su-l"}),
        (paths.SSHD_DROPIN, None, [paths.SSHD_DROPIN], {"sshd", "sudo", "sudo-i", "su", "su-l"}),
        (SUDO, "@include common-auth\n", [], {"sshd", "sudo-i", "su", "su-l"}),
        (paths.service_file("su"), "@include common-auth\n", [], {"sshd", "sudo", "sudo-i"}),
    ],
)
def test_file_that_has_been_changed(path: str, text: str | None, edited: list[str], asking: set[str]) -> None:
    host = enforced(exempt_networks=("198.51.100.0/24",))
    host.texts.pop(path, None)
    if text is not None:
        host.texts[path] = text
    found = find(host)
    assert (found.edited, found.asking, found.unsafe) == (edited, asking, {})
    assert found.ssh_edited is (path == paths.SSHD_DROPIN)


@pytest.mark.parametrize(
    ("path", "unsafe"),
    [
        (SSHD, {"sshd"}),
        (SUDO, {"sudo"}),
        ("/etc/pam.d/common-auth", {"sshd", "sudo", "sudo-i", "su", "su-l"}),
    ],
)
def test_success_before_the_code(path: str, unsafe: set[str]) -> None:
    host = enforced()
    host.texts[path] = "auth sufficient pam_unix.so\n" + host.texts[path]
    found = find(host)
    assert unsafe - {"su-l"} <= set(found.unsafe) <= unsafe
    assert {error.code for error in found.unsafe.values()} == {"pam_service_unsafe"}
    assert found.asking == {"sshd", "sudo", "sudo-i", "su", "su-l"} - unsafe


DENIES = "auth requisite pam_deny.so\nauth required pam_permit.so\n"
PERMITS = "auth [success=1 default=ignore] pam_permit.so nullok\n"
SKIPS = "auth [success=2 default=ignore] pam_permit.so\nauth [success=1 default=ignore] pam_unix.so\n"


@pytest.mark.parametrize("common", [PERMITS + DENIES, SKIPS + DENIES])
def test_no_password_is_checked_before_the_code(common: str) -> None:
    host = enforced()
    host.texts["/etc/pam.d/common-auth"] = common
    found = find(host)
    assert found.asking == set()
    assert {"sshd", "sudo"} <= set(found.unsafe)
    assert all("a code alone is enough" in error.message for error in found.unsafe.values())


def test_line_of_a_service_that_has_been_moved() -> None:
    host = enforced()
    lines = host.texts[SUDO].splitlines(keepends=True)
    ours = [line for line in lines if "twofactor" in line]
    host.texts[SUDO] = "".join([*ours, *(line for line in lines if line not in ours)])
    found = find(host)
    assert found.edited == [SUDO]
    assert "sudo" not in found.asking


def test_user_with_a_bypass_is_in_the_files() -> None:
    assert find(enforced(), "alice").edited == [paths.PAM_POLICY, SSHD]


def test_enrolled_user_who_is_not_on_the_list() -> None:
    host = enforced(unenrolled="allow")
    assert not find(host).is_any
    host.texts[paths.ENROLLED] += "carol\n"
    assert not find(host).is_any, "one more is asked for a code, and has none"
    host.texts[paths.ENROLLED] = "bob\n"
    assert find(host) == Drift(edited=[paths.ENROLLED])


def test_service_that_is_left_from_before() -> None:
    host = enforced()
    host.texts["/etc/pam.d/login"] = host.texts[SUDO]
    assert "login" in find(host).asking


def test_service_that_is_not_installed() -> None:
    host = enforced()
    del host.texts[SUDO]
    assert find(host).asking == {"sshd", "sudo-i", "su"}, "those that have our lines"


@pytest.mark.parametrize("gone", [SSHD, paths.PAM_POLICY])
def test_declaration_that_has_gone(gone: str) -> None:
    host = enforced()
    del host.texts[paths.POLICY]
    assert find(host).edited == [paths.POLICY]
    del host.texts[gone]
    assert find(host).edited == [paths.POLICY]
