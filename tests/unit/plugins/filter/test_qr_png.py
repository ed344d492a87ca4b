"""The filter qr_png, by the name under which Ansible finds it."""

from __future__ import annotations

import sys

import pytest
from ansible.errors import AnsibleTemplatePluginError

from ansible_collections.fleetauth.twofactor.plugins.filter.qr_png import FilterModule

qr_png = FilterModule().filters()["qr_png"]


def test_draws() -> None:
    assert "iVBORw0KGgo" in qr_png("otpauth://totp/Fleet:alice?secret=JBSWY3DPEHPK3PXP")


def test_missing_library_is_an_error_of_ansible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "qrcode", None)

    with pytest.raises(AnsibleTemplatePluginError, match="qrcode"):
        qr_png("x")
