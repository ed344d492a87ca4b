# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""auth.twofactor and the secrets of users: what is checked, what is written, what is left alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.truenas.fake import FakeNas, Refused
from tests.truenas.standin.releases import RELEASES
from tests.truenas.standin.totp import code_at, hex_of

MakeNas = Callable[[str], FakeNas]
SSH = {"enabled": True, "services": {"ssh": True}}
RELOAD = "reload ssh.service"

every = pytest.mark.parametrize("version", RELEASES)
PER_USER = [version for version in RELEASES if not version.startswith("22")]


@every
def test_the_settings_of_a_new_nas(make_nas: MakeNas, version: str) -> None:
    config = make_nas(version).call("auth.twofactor.config")
    usual = {"id": 1, "enabled": False, "window": 0, "services": {"ssh": False}}
    if version < "24":
        usual.update(otp_digits=6, interval=30)
    if version < "23":
        usual["secret"] = None
    assert config == usual


@every
def test_services_are_replaced_whole(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    nas.call("auth.twofactor.update", SSH)
    assert nas.call("auth.twofactor.update", {"window": 2})["services"] == {"ssh": True}
    assert nas.call("auth.twofactor.update", {"services": {}})["services"] == {"ssh": False}


@every
def test_enabling_asks_for_nobody_who_could_log_in(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    assert nas.call("auth.twofactor.update", SSH)["enabled"] is True
    line = "auth required pam_oath.so usersfile=/etc/users.oath window=0\n"
    assert line in nas.machine.files["/etc/pam.d/sshd"]
    nas.call("auth.twofactor.update", {"enabled": False})
    assert "pam_oath" not in nas.machine.files["/etc/pam.d/sshd"]


@every
@pytest.mark.parametrize(
    ("update", "attribute", "kind"),
    [
        ({"window": -1}, "window", "minimum"),
        ({"enabled": "yes"}, "enabled", "bool"),
        ({"enabled": 1}, "enabled", "bool"),
        ({"window": True}, "window", "int"),
        ({"services": {"ssh": "yes"}}, "services.ssh", "bool"),
        ({"services": {"web": True}}, "services.web", "extra"),
        ({"colour": 1}, "colour", "extra"),
    ],
)
def test_validation(make_nas: MakeNas, version: str, update: Any, attribute: str, kind: str) -> None:
    nas = make_nas(version)
    with pytest.raises(Refused) as refused:
        nas.call("auth.twofactor.update", update)
    words = {
        "old": (
            "Should be greater or equal than 0",
            "Not a boolean",
            "Not an integer",
            "Field was not expected",
        ),
        "newer": (
            "Should be greater than or equal to 0",
            "Not a boolean",
            "Not an integer",
            "Field was not expected",
        ),
        "new": (
            "Input should be greater than or equal to 0",
            "Input should be a valid boolean",
            "Input should be a valid integer",
            "Extra inputs are not permitted",
        ),
    }["new" if version >= "25.10" else "newer" if version >= "24.10" else "old"]
    text = words[("minimum", "bool", "int", "extra").index(kind)]
    assert refused.value.reason == f"[EINVAL] auth_twofactor_update.{attribute}: {text}"
    assert refused.value.kind == "validation"


def test_all_errors_at_once_are_several_lines(make_nas: MakeNas) -> None:
    with pytest.raises(Refused) as refused:
        make_nas("25.10.6").call("auth.twofactor.update", {"window": -1, "enabled": 0, "other": 0})
    assert len(refused.value.reason.splitlines()) == 3
    assert refused.value.trace is None


@every
def test_a_call_that_changes_nothing(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    nas.call("auth.twofactor.update", SSH)
    nas.machine.files["/etc/users.oath"] = "with the state of used codes"
    nas.machine.units.clear()
    nas.call("auth.twofactor.update", SSH)
    # Only 22.x reloads all the same.
    assert (nas.machine.units == [RELOAD]) == version.startswith("22")
    assert (nas.oath == "with the state of used codes") != version.startswith("22")


@pytest.mark.parametrize("version", ["22.02.4", "22.12.4.2"])
def test_the_one_secret_of_old(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    assert "secret=None" in nas.call("auth.twofactor.provisioning_uri")
    for method in ("verify", "renew_secret"):
        with pytest.raises(Refused, match="Please enable Two Factor Authentication first"):
            nas.call(f"auth.twofactor.{method}")
    secret = nas.call("auth.twofactor.update", SSH)["secret"]
    assert nas.oath == f"HOTP/T30/6\troot\t-\t{hex_of(secret)}\n"
    uri = f"otpauth://totp/iXsystems:nas1%40TrueNAS?secret={secret}&issuer=iXsystems"
    assert nas.call("auth.twofactor.provisioning_uri") == uri
    assert nas.call("auth.two_factor_auth") is True
    nas.call("auth.twofactor.update", {"enabled": False})
    assert nas.call("auth.twofactor.update", {"enabled": True})["secret"] == secret
    assert nas.call("auth.twofactor.renew_secret") is True
    assert nas.call("auth.twofactor.config")["secret"] != secret
    assert secret not in (nas.oath or "")


def test_2310_wipes_all_secrets_when_codes_change(make_nas: MakeNas) -> None:
    nas = make_nas("23.10.2")
    nas.create("alice")
    for name in ("root", "alice"):
        nas.enroll(name)
    nas.call("auth.twofactor.update", {"window": 1, "interval": 30})
    assert nas.user("alice")["twofactor_auth_configured"]
    nas.call("auth.twofactor.update", {"interval": 60})
    assert not nas.user("alice")["twofactor_auth_configured"]
    assert not nas.user("root")["twofactor_auth_configured"]


@pytest.mark.parametrize("version", [version for version in RELEASES if version >= "24"])
def test_settings_of_a_user(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    nas.enroll("root", otp_digits=8, interval=60)
    config = nas.call("user.twofactor_config", "root")
    assert (config["otp_digits"], config["interval"], config["secret_configured"]) == (8, 60, True)
    assert config["provisioning_uri"].endswith("&issuer=iXsystems&digits=8&period=60")
    nas.enroll("root")
    kept = nas.call("user.twofactor_config", "root")
    assert (kept["otp_digits"], kept["interval"]) == (8, 60)
    assert kept["provisioning_uri"] != config["provisioning_uri"]
    where = "2fa_configuration_options" if version.startswith("24.04") else "twofactor_options"
    for options in ({"otp_digits": 9}, {"otp_digits": 5}, {"interval": 4}, {"digits": 6}):
        with pytest.raises(Refused, match=rf"{where}\.{next(iter(options))}: "):
            nas.enroll("root", **options)


@pytest.mark.parametrize("version", PER_USER)
def test_renewing(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    with pytest.raises(Refused, match=r"\[ENOENT\] User 'nobody' does not exist"):
        nas.enroll("nobody")
    nas.machine.units.clear()
    nas.enroll("root")
    assert nas.user("root")["twofactor_auth_configured"]
    assert nas.machine.units == [], "without SSH codes nothing is reloaded"
    nas.call("auth.twofactor.update", {"enabled": True, "services": {"ssh": True}, "window": 1})
    first = nas.oath
    nas.machine.units.clear()
    nas.enroll("root")
    assert nas.machine.units == [RELOAD]
    assert nas.oath
    assert nas.oath != first


@pytest.mark.parametrize("version", PER_USER)
def test_secrets_outlive_being_switched_off(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    nas.enroll("root")
    uri = nas.call("user.provisioning_uri", "root")
    nas.call("auth.twofactor.update", SSH)
    nas.call("auth.twofactor.update", {"enabled": False, "services": {"ssh": False}})
    assert nas.oath is None
    nas.call("auth.twofactor.update", SSH)
    assert nas.call("user.provisioning_uri", "root") == uri


@pytest.mark.parametrize("version", PER_USER)
def test_tokens_without_a_secret(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    with pytest.raises(Refused, match="'root' user does not have two factor authentication configured"):
        nas.call("user.provisioning_uri", "root")
    assert nas.call("user.unset_2fa_secret", "root") is None
    if version >= "24":
        assert nas.call("user.twofactor_config", "root")["provisioning_uri"] is None


@pytest.mark.parametrize("version", [version for version in PER_USER if version < "26"])
def test_verifying(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    verify = "user.verify_twofactor_token"
    with pytest.raises(Refused, match="Please enable Two Factor Authentication first"):
        nas.call(verify, "root", "123456")
    nas.call("auth.twofactor.update", {"enabled": True})
    with pytest.raises(Refused, match="Two Factor Authentication is not configured for this user"):
        nas.call(verify, "root", "123456")
    nas.enroll("root")
    secret, now = nas.call("stand_in.secret", "root"), time.time()
    assert nas.call(verify, "root", code_at(secret, 6, 30, now)) is True
    assert nas.call(verify, "root", code_at(secret, 6, 30, now - 90)) is False
    with pytest.raises(Refused, match="token"):
        nas.call(verify, "root", 123456)


def test_pairs_of_window_and_step(make_nas: MakeNas, monkeypatch: pytest.MonkeyPatch) -> None:
    nas = make_nas("25.10.6")
    nas.enroll("root")
    secret = nas.call("stand_in.secret", "root")
    monkeypatch.setattr("time.time", lambda: 1_000_000_000.0)
    for window in (0, 1, 2):
        nas.call("auth.twofactor.update", {"enabled": True, "window": window})
        for step in (-3, -2, -1, 0, 1, 2, 3):
            code = code_at(secret, 6, 30, 1_000_000_000 + 30 * step)
            assert nas.call("user.verify_twofactor_token", "root", code) == (abs(step) <= window)


def test_the_upgrade_to_26_drops_odd_intervals(make_nas: MakeNas) -> None:
    nas = make_nas("25.10.6")
    nas.create("alice")
    nas.enroll("alice", interval=45)
    nas.enroll("root", interval=60)
    nas.start("26.0.0-BETA.3")
    assert not nas.user("alice")["twofactor_auth_configured"]
    assert nas.call("user.twofactor_config", "alice")["interval"] == 30
    assert nas.user("root")["twofactor_auth_configured"]


CAROL = "CORP\\carol"
ENROLLED = {"23": True, "24.04": True, "24.10": False, "25": True, "26": True, "27": True}
"""Whether user.query tells of a secret that a user of the directory has."""


def _in_directory(nas: FakeNas, *filters: list[object]) -> list[dict[str, object]]:
    extra = {"extra": {"search_dscache": True}} if nas.nas.release.version < "24.10" else {}
    found: list[dict[str, object]] = nas.call("user.query", [["local", "=", False], *filters], extra)
    return found


@pytest.mark.parametrize("version", PER_USER)
def test_users_of_a_directory(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    nas.call("stand_in.directory", CAROL)
    everybody = [user["username"] for user in nas.call("user.query")]
    assert (CAROL in everybody) == (version >= "24.10"), "later releases answer the whole directory"
    assert nas.call("user.query", [["local", "=", True]])
    (carol,) = _in_directory(nas)
    assert not carol["twofactor_auth_configured"]
    assert ("ssh_password_enabled" in carol) == (not version.startswith(("24.10", "25.04")))
    nas.enroll(CAROL)
    known = next(told for prefix, told in ENROLLED.items() if version.startswith(prefix))
    assert _in_directory(nas)[0]["twofactor_auth_configured"] == known
    assert "secret=" in nas.call("user.provisioning_uri", CAROL)
    nas.call("auth.twofactor.update", SSH)
    assert f"\t{CAROL}\t" in (nas.oath or "")
    nas.call("auth.twofactor.update", {"enabled": False})
    nas.call("user.unset_2fa_secret", CAROL)
    assert _in_directory(nas)[0]["twofactor_auth_configured"] == known, "the row stays"
    with pytest.raises(Refused, match="does not have two factor authentication configured"):
        nas.call("user.provisioning_uri", CAROL)
    if version >= "24":
        assert nas.call("user.twofactor_config", CAROL)["secret_configured"] is False
