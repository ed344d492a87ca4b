"""The filter qr_svg, by the name under which Ansible finds it."""

from __future__ import annotations

import sys

import pytest
from ansible.errors import AnsibleTemplatePluginError

from ansible_collections.fleetauth.twofactor.plugins.filter.qr_svg import FilterModule

qr_svg = FilterModule().filters()["qr_svg"]


def test_draws() -> None:
    assert "<svg " in qr_svg("otpauth://totp/Fleet:alice?secret=JBSWY3DPEHPK3PXP")


def test_missing_library_is_an_error_of_ansible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "qrcode", None)

    with pytest.raises(AnsibleTemplatePluginError, match="qrcode"):
        qr_svg("x")
