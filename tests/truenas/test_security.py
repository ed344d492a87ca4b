# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""STIG mode, logins to the API, keys, and passwords for one login."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.truenas.fake import FakeNas, Refused
from tests.truenas.standin.defaults import ROOT_PASSWORD
from tests.truenas.standin.releases import RELEASES
from tests.truenas.standin.totp import code_at

MakeNas = Callable[[str], FakeNas]
SSH = {"enabled": True, "services": {"ssh": True}}
WITH_STIG = [version for version in RELEASES if version >= "25"]
PER_USER = [version for version in RELEASES if version >= "23"]


def _code(nas: FakeNas, step: int = 0) -> str:
    return code_at(nas.call("stand_in.secret", "root"), 6, 30, time.time() + 30 * step)


def _login_ex(nas: FakeNas, password: str = ROOT_PASSWORD) -> str:
    data = {"mechanism": "PASSWORD_PLAIN", "username": "root", "password": password}
    return str(nas.call("auth.login_ex", data)["response_type"])


def _continue(nas: FakeNas, code: str) -> str:
    answer = nas.call("auth.login_ex_continue", {"mechanism": "OTP_TOKEN", "otp_token": code})
    return str(answer["response_type"])


@pytest.mark.parametrize("version", RELEASES)
def test_security_settings_are_older_than_stig_mode(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    if version < "23":
        with pytest.raises(Refused, match=r"'system\.security'|'config'"):
            nas.call("system.security.config")
        return
    expected = {"id", "enable_fips", *(["enable_gpos_stig"] if version >= "25" else [])}
    assert set(nas.call("system.security.config")) == expected


@pytest.mark.parametrize("version", WITH_STIG)
def test_what_stig_mode_refuses(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    nas.enroll("root")
    nas.call("auth.twofactor.update", SSH)
    nas.call("stand_in.stig", True)
    with pytest.raises(Refused) as refused:
        nas.call("auth.twofactor.update", {"enabled": False, "services": {"ssh": False}})
    lines = refused.value.reason.splitlines()
    assert lines[0].startswith("[EINVAL] auth_twofactor_update.enable: Two factor authentication may not be")
    assert lines[1].startswith(
        "[EINVAL] auth_twofactor_update.services.ssh: Two factor authentication for ssh"
    )
    with pytest.raises(Refused, match="Not authorized"):
        nas.call("user.provisioning_uri", "root")
    nas.call("stand_in.stig", False)
    assert nas.call("auth.twofactor.update", {"enabled": False})["enabled"] is False


@pytest.mark.parametrize("version", WITH_STIG)
def test_what_has_to_be_before_stig_mode(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    wanted = {"enable_gpos_stig": True}
    assert "not licensed" in nas.job("system.security.update", wanted)["error"]
    nas.call("stand_in.enterprise", True)
    job = nas.job("system.security.update", wanted)
    assert job["state"] == "FAILED"
    assert job["exc_info"]["type"] == "VALIDATION"
    missing = len(job["error"].splitlines())
    nas.call("auth.twofactor.update", SSH)
    job = nas.job("system.security.update", {**wanted, "enable_fips": True})
    assert missing - len(job["error"].splitlines()) == (2 if version < "25.04.2" else 3)
    assert nas.call("system.security.config")["enable_gpos_stig"] is False


def test_stig_mode_can_be_reached(make_nas: MakeNas) -> None:
    nas = make_nas("25.10.6")
    nas.call("stand_in.enterprise", True)
    admins = nas.call("group.query", [["group", "=", "builtin_administrators"]], {"get": True})
    nas.create("boss", groups=[admins["id"]])
    for name in ("boss", "root"):
        nas.enroll(name)
    nas.call("auth.twofactor.update", SSH)
    nas.call("user.update", 1, {"password_disabled": True})
    code = code_at(nas.call("stand_in.secret", "boss"), 6, 30, time.time())
    assert nas.call("auth.login", "boss", "secret words", code)
    job = nas.job("system.security.update", {"enable_gpos_stig": True, "enable_fips": True})
    assert (job["state"], job["error"]) == ("SUCCESS", None)
    assert nas.call("system.security.config")["enable_gpos_stig"] is True


@pytest.mark.parametrize("version", RELEASES)
def test_logging_in(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    assert nas.call("auth.login", "root", "wrong") is False
    assert nas.call("auth.login", "root", ROOT_PASSWORD) is True
    if version >= "23":
        nas.enroll("root")
    nas.call("auth.twofactor.update", SSH)
    nas.machine.codes = [_code(nas)]
    assert nas.call("auth.login", "root", ROOT_PASSWORD) is False
    assert nas.call("auth.login", "root", ROOT_PASSWORD, "000000") is False
    assert nas.call("auth.login", "root", ROOT_PASSWORD, _code(nas)) is True
    # Only from 26.0 on is a code good for one login.
    assert nas.call("auth.login", "root", ROOT_PASSWORD, _code(nas)) is (version < "26")


@pytest.mark.parametrize("version", WITH_STIG)
def test_logging_in_step_by_step(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    nas.enroll("root")
    assert _login_ex(nas) == "SUCCESS"
    nas.call("auth.twofactor.update", SSH)
    with pytest.raises(Refused, match="no authentication in progress"):
        _continue(nas, "000000")
    assert _login_ex(nas, "wrong") == "AUTH_ERR"
    assert _login_ex(nas) == "OTP_REQUIRED"
    wrong = [_continue(nas, "000000")]
    while wrong[-1] == "OTP_REQUIRED":
        wrong.append(_continue(nas, "000000"))
    assert len(wrong) == (1 if version >= "26" else 3)
    assert _login_ex(nas) == "OTP_REQUIRED"
    nas.machine.codes = [_code(nas)]
    assert _continue(nas, _code(nas)) == "SUCCESS"
    assert "2FA" in nas.call("auth.me")["account_attributes"]


@pytest.mark.parametrize("version", [version for version in PER_USER if version < "25"])
def test_who_will_be_asked(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    nas.call("auth.twofactor.update", {"enabled": True})
    assert nas.call("auth.two_factor_auth", "root", ROOT_PASSWORD) is False
    nas.enroll("root")
    assert nas.call("auth.two_factor_auth", "root", ROOT_PASSWORD) is True
    assert nas.call("auth.two_factor_auth", "root", "wrong") is False


@pytest.mark.parametrize("version", RELEASES)
def test_keys_need_no_code(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    if version >= "23":
        nas.enroll("root")
    nas.call("auth.twofactor.update", SSH)
    owner = {"username": "root"} if version >= "25" else {}
    key = nas.call("api_key.create", {"name": "backup", **owner})
    assert nas.call("auth.login_with_api_key", key["key"]) is True
    assert nas.call("auth.login_with_api_key", "1-wrong") is False
    assert [entry["name"] for entry in nas.call("api_key.query")] == ["backup"]
    assert "key" not in nas.call("api_key.query")[0]
    assert nas.call("api_key.delete", key["id"]) is True
    assert nas.call("api_key.query") == []


@pytest.mark.parametrize("version", WITH_STIG)
def test_a_password_for_one_login(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    nas.enroll("root")
    nas.call("auth.twofactor.update", SSH)
    once = nas.call("auth.generate_onetime_password", {"username": "root"})
    assert nas.call("auth.login", "root", once) is True
    assert nas.call("auth.login", "root", once) is False
    nas.call("stand_in.stig", True)
    with pytest.raises(Refused, match=r"\[ENOTSUP\]"):
        nas.call("auth.login_with_api_key", "1-x")


def test_private_methods_are_noted_in_the_log(make_nas: MakeNas, caplog: pytest.LogCaptureFixture) -> None:
    nas = make_nas("25.04.2.6")
    nas.enroll("root")
    nas.call("user.twofactor_config", "root")
    assert not caplog.records
    nas.start("25.10.6")
    nas.call("user.twofactor_config", "root")
    assert "user.twofactor_config: private method called by root" in caplog.text
