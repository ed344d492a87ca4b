"""The filter otpauth_uri, by the name under which Ansible finds it."""

from __future__ import annotations

import pyotp
import pytest
from ansible.errors import AnsibleTemplatePluginError

from ansible_collections.fleetauth.twofactor.plugins.filter.otpauth_uri import FilterModule

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
otpauth_uri = FilterModule().filters()["otpauth_uri"]


def test_takes_what_its_documentation_says() -> None:
    token = pyotp.parse_uri(otpauth_uri(SECRET, account="alice", issuer="Fleet", digits=8, interval=60))

    assert isinstance(token, pyotp.TOTP)
    assert (token.name, token.issuer, token.digits, token.interval) == ("alice", "Fleet", 8, 60)


def test_error_shows_no_secret() -> None:
    with pytest.raises(AnsibleTemplatePluginError) as caught:
        otpauth_uri("not base32!", "alice", "Fleet")

    assert "not base32!" not in str(caught.value)
