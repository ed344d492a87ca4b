# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each release can do, row by row against a table of its own: not the one in the simulation."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.truenas.fake import FakeNas, Refused

MakeNas = Callable[[str], FakeNas]

# Columns: release, secrets per user, settings per user, arguments of renew (least-most), renew returns the
# URI, the token methods (- none, public, private), config and verify there, unset while enabled, 45 seconds
# accepted, an SSH password needs a secret, what users.oath has in it, what answers for codes on the web.
TABLE = """\
22.02.4       no  no  -   no  -       -  -  -   yes no  root    pyotp
22.12.4.2     no  no  -   no  -       -  -  -   yes no  root    pyotp
23.10.2       yes no  1-1 no  public  -  v  no  yes no  ssh     pyotp
24.04.2.5     yes yes 1-2 no  public  c  v  no  yes no  ssh     pyotp
24.10.0       yes yes 2-2 no  public  c  v  no  yes no  ssh     pyotp
24.10.2.4     yes yes 2-2 no  public  c  v  no  yes yes ssh     pyotp
25.04.0       yes yes 2-2 yes private c  v  no  yes yes ssh     pyotp
25.04.1       yes yes 2-2 yes private c  v  no  yes yes enabled file
25.04.2.6     yes yes 2-2 yes private c  v  no  yes yes enabled file
25.10.6       yes yes 2-2 yes private c  v  yes yes yes enabled file
26.0.0-BETA.1 yes yes 2-2 yes private c  -  yes yes yes enabled pam
26.0.0-BETA.3 yes yes 2-2 yes private c  -  yes no  yes enabled pam
26.0.0        yes yes 2-2 yes private c  -  yes no  yes enabled pam
27.0.0-MASTER-20261120-093012 yes yes 2-2 yes private c - yes no yes enabled pam
"""
ROWS = {line.split()[0]: line.split()[1:] for line in TABLE.splitlines()}
PER_USER = [version for version, row in ROWS.items() if row[0] == "yes"]

every = pytest.mark.parametrize("version", ROWS)
every_per_user = pytest.mark.parametrize("version", PER_USER)


def _has(nas: FakeNas, method: str) -> bool:
    return method in nas.call("core.get_methods")


@every
def test_secrets_per_user_or_one_for_all(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    per_user = ROWS[version][0] == "yes"
    assert _has(nas, "user.renew_2fa_secret") == per_user
    assert _has(nas, "auth.twofactor.renew_secret") == (not per_user)
    assert ("twofactor_auth_configured" in nas.user("root")) == per_user
    assert ("secret" in nas.call("auth.twofactor.config")) == (not per_user)


@every
def test_where_digits_and_interval_are_set(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    if ROWS[version][1] == "no":
        assert nas.call("auth.twofactor.update", {"otp_digits": 8})["otp_digits"] == 8
    else:
        with pytest.raises(Refused, match=r"auth_twofactor_update\.otp_digits"):
            nas.call("auth.twofactor.update", {"otp_digits": 8})


@every_per_user
def test_arguments_of_renew(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    least, most = map(int, ROWS[version][2].split("-"))
    arguments = ["root", {}, {}]
    for count in (1, 2, 3):
        if least <= count <= most:
            assert nas.call("user.renew_2fa_secret", *arguments[:count])
            continue
        expected = "Too many arguments" if count > most else "twofactor_options: Field required"
        with pytest.raises(Refused, match=expected):
            nas.call("user.renew_2fa_secret", *arguments[:count])


@every_per_user
def test_what_renew_returns(make_nas: MakeNas, version: str) -> None:
    result = make_nas(version).enroll("root")
    assert result["username"] == "root"
    assert ("twofactor_config" in result) == (ROWS[version][3] == "yes")


@every_per_user
def test_methods_that_tell_the_secret(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    nas.enroll("root")
    assert nas.call("user.provisioning_uri", "root").startswith(
        "otpauth://totp/iXsystems:root-nas1%40TrueNAS?"
    )
    assert _has(nas, "user.provisioning_uri") == (ROWS[version][4] == "public")
    assert (
        f'"private": {str(ROWS[version][4] == "private").lower()}' in nas.calls.read_text().splitlines()[-2]
    )


@every_per_user
@pytest.mark.parametrize(("method", "column"), [("twofactor_config", 5), ("verify_twofactor_token", 6)])
def test_methods_that_come_and_go(make_nas: MakeNas, version: str, method: str, column: int) -> None:
    nas = make_nas(version)
    nas.enroll("root")
    nas.call("auth.twofactor.update", {"enabled": True})
    if ROWS[version][column] == "-":
        with pytest.raises(Refused, match="Method"):
            nas.call(f"user.{method}", "root")
    else:
        nas.call(f"user.{method}", "root")


@every_per_user
def test_unset_while_enabled(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    nas.enroll("root")
    nas.call("auth.twofactor.update", {"enabled": True})
    if ROWS[version][7] == "yes":
        assert nas.call("user.unset_2fa_secret", "root") is None
        assert not nas.user("root")["twofactor_auth_configured"]
        return
    with pytest.raises(Refused, match=r"\[EFAULT\] Please disable Two Factor Authentication first"):
        nas.call("user.unset_2fa_secret", "root")
    nas.call("auth.twofactor.update", {"enabled": False})
    nas.call("user.unset_2fa_secret", "root")
    assert not nas.user("root")["twofactor_auth_configured"]


@every
def test_forty_five_seconds(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    row = ROWS[version]
    if row[1] == "no":
        assert nas.call("auth.twofactor.update", {"interval": 45})["interval"] == 45
    elif row[8] == "yes":
        nas.enroll("root", interval=45)
    else:
        with pytest.raises(Refused, match=r"twofactor_options\.interval: Input should be 30 or 60"):
            nas.enroll("root", interval=45)


@every_per_user
def test_password_over_ssh_needs_a_secret(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    alice = nas.create("alice")
    nas.call("auth.twofactor.update", {"enabled": True, "services": {"ssh": True}})
    if ROWS[version][9] == "yes":
        with pytest.raises(Refused, match=r"user_update\.ssh_password_enabled: 2FA for this user needs"):
            nas.call("user.update", alice["id"], {"ssh_password_enabled": True})
        with pytest.raises(Refused, match=r"user_create\.ssh_password_enabled: 2FA for this user needs"):
            nas.create("bob", ssh_password_enabled=True)
        nas.enroll("alice")
    nas.call("user.update", alice["id"], {"ssh_password_enabled": True})
    assert nas.user("alice")["ssh_password_enabled"]


@every
def test_what_users_oath_has_in_it(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    content = ROWS[version][10]
    if content != "root":
        nas.create("alice")
        nas.enroll("alice")
        nas.enroll("root")
    assert nas.oath is None
    nas.call("auth.twofactor.update", {"enabled": True})
    assert (nas.oath is not None) == (content == "enabled")
    nas.call("auth.twofactor.update", {"services": {"ssh": True}})
    lines = (nas.oath or "").splitlines()
    assert sorted(line.split("\t")[1] for line in lines) == (
        ["root"] if content == "root" else ["alice", "root"]
    )
    assert nas.machine.modes["/etc/users.oath"] == 0o600


@every_per_user
def test_what_answers_for_codes_on_the_web(make_nas: MakeNas, version: str) -> None:
    nas = make_nas(version)
    nas.enroll("root")
    nas.call("auth.twofactor.update", {"enabled": True})
    nas.machine.files["/etc/users.oath"] = ""
    # A file that lists nobody is where 25.04.1 and later look.
    asked = nas.call("auth.login", "root", "correct horse battery staple") is False
    assert asked == (ROWS[version][11] == "pyotp")
