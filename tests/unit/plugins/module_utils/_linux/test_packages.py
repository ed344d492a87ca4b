from __future__ import annotations

import pytest

from ansible_collections.fleetauth.twofactor.plugins.module_utils._linux import packages


@pytest.mark.parametrize(
    ("os_release", "family"),
    [
        ("ID=debian\n", "debian"),
        ("ID=ubuntu\nID_LIKE=debian\n", "debian"),
        ('PRETTY_NAME="Raspbian"\nID=raspbian\nID_LIKE="debian"\n', "debian"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "rhel"),
        ('ID="almalinux"\nID_LIKE="rhel centos fedora"\n', "rhel"),
        ('ID="ol"\nID_LIKE="fedora"\n', "rhel"),
        ("ID='rhel'\nID_LIKE='fedora'\n", "rhel"),
        ("ID='ol'\nID_LIKE='fedora'\n", "rhel"),
        ("ID=fedora\n", "rhel"),
        ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', "suse"),
        ('ID="sles"\n', "suse"),
        ("ID=manjaro\nID_LIKE=arch\n", "arch"),
        ("ID=beos\n", "debian"),
        ("", "debian"),
        ("rubbish", "debian"),
    ],
)
def test_family(os_release: str, family: str) -> None:
    assert packages.family(os_release) == family


@pytest.mark.parametrize(
    ("os_release", "names"),
    [
        ("ID=debian", ["libpam-oath", "chrony", "openssh-server"]),
        ("ID=fedora", ["pam_oath", "chrony", "openssh-server"]),
        ("ID_LIKE=suse", ["pam_oath", "chrony", "openssh"]),
        ("ID=arch", ["oath-toolkit", "chrony", "openssh"]),
    ],
)
def test_missing_packages_by_the_names_of_the_distribution(
    monkeypatch: pytest.MonkeyPatch, os_release: str, names: list[str]
) -> None:
    monkeypatch.setattr(packages, "_is_there", lambda _what: False)
    monkeypatch.setattr(packages, "read_text", lambda _path: os_release)

    assert packages.missing("pam_oath", "chrony", "sshd") == names


def test_what_is_there_is_not_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        packages, "find_program", lambda name: f"/usr/sbin/{name}" if name == "chronyd" else None
    )
    monkeypatch.setattr(packages, "has_pam_module", lambda _name: True)
    monkeypatch.setattr(packages, "read_text", lambda _path: None)

    assert packages.missing("pam_oath", "chrony", "sshd") == ["openssh-server"]
    assert packages.missing("pam_oath") == []
    assert packages.missing() == []


def test_pam_modules_are_found() -> None:
    assert packages.has_pam_module("pam_unix")
    assert not packages.has_pam_module("pam_nothing_of_this_name")
