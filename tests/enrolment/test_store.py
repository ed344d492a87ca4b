# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store on a bad day: nothing is lost, nothing is in clear, and the error says what to do."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pyotp
import pytest
import qrcode

from tests.enrolment.browser import qr_in
from tests.enrolment.controller import PASSWORD, Controller, Ran

USERS = ["alice", "bob", "carol"]


def _code_of(ran: Ran) -> str:
    found = re.search(r'"code": "(\w+)"', ran.out)
    assert found, ran.out
    return found[1]


def _assert_nothing_in_clear(desk: Controller, *runs: Ran) -> None:
    secrets = desk.secrets()
    assert secrets
    hexes = [pyotp.TOTP(secret).byte_secret().hex() for secret in secrets]
    for where, text in [*((f"run {n}", run.out) for n, run in enumerate(runs)), *desk.clear_files().items()]:
        for secret in [*secrets, *hexes, PASSWORD]:
            assert secret.lower() not in text.lower(), where


def _assert_sheets_fit(desk: Controller, *users: str) -> None:
    """Every sheet holds the secret that the store has."""
    stored = desk.read()["users"]
    for user in users:
        uri = qr_in(desk.sheets / f"{user}.png")
        assert pyotp.parse_uri(uri).secret == stored[user]["secret"]


def test_enrolling_twice_is_once(desk: Controller) -> None:
    first = desk.playbook("fleetauth.twofactor.enroll", twofactor_backup=True)
    assert first.ok, first.out
    content = desk.store.read_bytes()
    assert content.startswith(b"$ANSIBLE_VAULT;1.1;AES256")
    assert sorted(desk.read()["users"]) == ["alice", "bob"]
    assert oct(desk.store.stat().st_mode)[-3:] == "600"
    assert oct(desk.sheets.stat().st_mode)[-3:] == "700"
    names = sorted(path.name for path in desk.sheets.iterdir())
    assert names == ["alice.html", "alice~backup.html", "bob.html", "bob~backup.html"]
    assert {oct(path.stat().st_mode)[-3:] for path in desk.sheets.iterdir()} == {"600"}
    second = desk.playbook("fleetauth.twofactor.enroll", twofactor_backup=True)
    assert second.ok
    assert "changed=0" in second.out
    assert desk.store.read_bytes() == content
    _assert_nothing_in_clear(desk, first, second)


def test_check_mode_writes_nothing(desk: Controller) -> None:
    ran = desk.run(desk.command("ansible-playbook", "fleetauth.twofactor.enroll", "--check"))
    assert ran.ok, ran.out
    assert "changed=1" in ran.out
    assert not desk.store.exists()
    assert not desk.sheets.exists()


def test_each_host_has_secrets_of_its_own(desk: Controller) -> None:
    ran = desk.playbook("fleetauth.twofactor.enroll", twofactor_scope="host")
    assert ran.ok, ran.out
    assert desk.read()["users"] == {}
    hosts = desk.read()["hosts"]
    assert sorted(hosts) == ["web1.example.com", "web2.example.com"]
    assert len(desk.secrets()) == len(set(desk.secrets())) == 8
    assert (desk.sheets / "alice~web1.example.com.html").exists()
    (desk.folder / "look.yml").write_text(
        "- hosts: web2.example.com\n  gather_facts: false\n  tasks:\n  - ansible.builtin.assert:\n"
        "      that: query('fleetauth.twofactor.secret', 'bob')[0].secret == wanted\n      quiet: true\n"
        "    no_log: true\n"
    )
    assert desk.playbook("look.yml", wanted=hosts["web2.example.com"]["bob"]["secret"]).ok


def test_no_vault_password(desk: Controller) -> None:
    ran = desk.keep(vault=False, users=USERS)
    assert not ran.ok
    assert _code_of(ran) == "no_vault_secret"
    assert not desk.store.exists()
    assert not desk.sheets.exists()


def _wrong_password(desk: Controller) -> None:
    desk.password.write_text("another one\n")


def _cut_short(desk: Controller) -> None:
    desk.store.write_bytes(desk.store.read_bytes()[:-40])


def _in_clear(desk: Controller) -> None:
    desk.store.write_text("version: 1\nusers: {}\n")


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (_wrong_password, "vault_password_wrong"),
        (_cut_short, "store_damaged"),
        (_in_clear, "store_not_encrypted"),
        (lambda desk: desk.write("users: ["), "store_broken"),
        (lambda desk: desk.write("- alice\n"), "store_broken"),
        (lambda desk: desk.write("version: 2\nusers: {}\n"), "store_broken"),
        (lambda desk: desk.write("version: 1\nusers: {alice: {secret: SECRETVALUE1}}\n"), "store_broken"),
        (lambda desk: desk.write("version: 1\nusers: {alice: {secret: 7}}\n"), "store_broken"),
        (lambda desk: desk.write("version: 1\nusers: {alice: SECRETVALUE}\n"), "store_broken"),
        (lambda desk: desk.write(f"version: 1\nusers: {{'a/b': {{secret: {'A' * 32}}}}}\n"), "store_broken"),
        (
            lambda desk: desk.write(f"version: 1\nusers: {{a: {{secret: {'A' * 32}, digits: 9}}}}\n"),
            "store_broken",
        ),
        (lambda desk: desk.write(f"version: 1\nusers: {{a: {{sekret: {'A' * 32}}}}}\n"), "store_broken"),
    ],
)
def test_a_store_that_cannot_be_read_is_left_as_it_is(
    desk: Controller, spoil: Callable[[Controller], None], code: str
) -> None:
    assert desk.keep(users=USERS).ok
    spoil(desk)
    before = desk.store.read_bytes()
    for state in ("present", "absent"):
        ran = desk.keep(users=["dora"], state=state)
        assert not ran.ok
        assert _code_of(ran) == code, ran.out
        assert str(desk.store) in ran.out
        assert "SECRETVALUE" not in ran.out
        assert "Traceback" not in ran.out
    assert desk.store.read_bytes() == before


def test_two_runs_at_once(desk: Controller) -> None:
    formats = json.dumps({"twofactor_sheet_formats": ["png"]})
    runs = [
        subprocess.Popen(
            desk.command(
                "ansible-playbook", "fleetauth.twofactor.enroll", "-e", f"users={names}", "-e", formats
            ),
            env=desk.env,
            cwd=desk.folder,
            stdout=subprocess.PIPE,
            text=True,
        )
        for names in ("alice,bob", "bob,carol", "alice,dora")
    ]
    outputs = [run.communicate(timeout=120)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], outputs
    assert sorted(desk.read()["users"]) == ["alice", "bob", "carol", "dora"]
    _assert_sheets_fit(desk, "alice", "bob", "carol", "dora")


@pytest.mark.parametrize("sheets", [0, 1, 30, 59])
def test_a_killed_run_is_finished_by_the_next(desk: Controller, sheets: int) -> None:
    """It is killed as soon as the store has been written, or so many sheets."""
    assert desk.keep(users=["zoe"], formats=["png"]).ok
    zoe = desk.read()["users"]["zoe"]
    users = [f"user{number}" for number in range(60)]
    command = desk.keep_command(users=users, formats=["png"])
    run = subprocess.Popen(
        command, env=desk.env, cwd=desk.folder, start_new_session=True, stdout=subprocess.DEVNULL
    )
    there = desk.store.read_bytes()
    while run.poll() is None and (desk.store.read_bytes() == there or len(_printed(desk)) < sheets):
        time.sleep(0.001)
    os.killpg(run.pid, signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL, "it had not ended"
    _assert_nothing_in_clear(desk)
    after_kill = desk.read()["users"]
    assert len(after_kill) == 61
    assert after_kill["zoe"] == zoe
    assert desk.keep(users=users, formats=["png"]).ok
    stored = desk.read()["users"]
    assert {name: stored[name]["secret"] for name in after_kill} == {
        name: entry["secret"] for name, entry in after_kill.items()
    }
    _assert_sheets_fit(desk, "zoe", *users)
    assert not list(desk.folder.rglob("*.new"))


def _printed(desk: Controller) -> list[Path]:
    return list(desk.sheets.glob("user*.png"))


def test_a_full_disk(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k", "small", folder], check=True)
    try:
        desk = Controller(folder, {"all": {"hosts": {"web1.example.com": {}}}})
        assert desk.keep(users=["alice"], formats=["png"]).ok
        before = desk.store.read_bytes()
        ran = desk.keep(users=[f"user{number}" for number in range(300)])
        assert not ran.ok
        assert _code_of(ran) == "store_not_written"
        assert "No space left" in ran.out
        assert desk.store.read_bytes() == before
        assert sorted(path.name for path in folder.iterdir()) == [
            "hosts.yml",
            desk.sheets.name,
            desk.store.name,
        ]
        few = desk.keep(users=["bob", "carol"], formats=["html"])
        assert not few.ok
        assert _code_of(few) == "sheet_not_written"
        subprocess.run(["mount", "-o", "remount,size=1m", folder], check=True)
        again = desk.keep(users=["bob", "carol"], formats=["png"])
        assert again.ok, again.out
        _assert_sheets_fit(desk, "bob", "carol")
    finally:
        subprocess.run(["umount", folder], check=True)


def test_the_vault_id_stays(desk: Controller, tmp_path: Path) -> None:
    team = tmp_path / "team"
    team.write_text("of the team\n")
    extra = ["--vault-id", f"team@{team}"]
    command = [*desk.keep_command(vault=False, users=["alice"]), *extra]
    assert desk.run(command).ok
    assert desk.store.read_bytes().startswith(b"$ANSIBLE_VAULT;1.2;AES256;team\n")
    other = ["--vault-id", f"default@{desk.password}", *extra]
    command = [*desk.keep_command(vault=False, users=["bob"]), *other]
    assert desk.run(command).ok
    assert desk.store.read_bytes().startswith(b"$ANSIBLE_VAULT;1.2;AES256;team\n")


def _written_as(secret: str) -> set[bytes]:
    """Return the ways in which a secret could stand in a file."""
    seed = base64.b32decode(secret)
    groups = " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))
    return {secret.encode(), groups.encode(), seed, seed.hex().encode(), base64.b64encode(seed)}


def test_an_erased_user_leaves_no_trace(desk: Controller) -> None:
    formats = ["html", "svg", "png", "txt"]
    assert desk.keep(users=USERS, backup=True, formats=formats).ok
    assert desk.keep(users=["carol"], state="renewed", renewal="w", accept_until="2998-12-31").ok
    gone = desk.read()["users"]["carol"]
    secrets = [value for key, value in gone.items() if key.endswith("secret")]
    assert len(secrets) == 5, "that of the second device before included"
    assert len(list(desk.sheets.glob("carol*"))) == 2
    ran = desk.keep(state="absent", users=["carol"])
    assert ran.ok
    assert sorted(desk.read()["users"]) == ["alice", "bob"]
    plain = desk.opened()
    everything = {str(path): path.read_bytes() for path in desk.folder.parent.rglob("*") if path.is_file()}
    for where, data in {**everything, "the store in clear": plain}.items():
        assert "carol" not in where
        assert b"carol" not in data, where
        assert not any(form in data for secret in secrets for form in _written_as(secret)), where
    assert '"changed": false' in desk.keep(state="absent", users=["carol"]).out


def test_a_copy_of_the_store_brings_everybody_back(desk: Controller) -> None:
    copy = desk.folder.parent / "copy.yml"
    assert desk.keep(users=USERS, backup=True).ok
    before = desk.read()
    shutil.copy(desk.store, copy)
    desk.store.unlink()
    (desk.folder / "look.yml").write_text(
        "- hosts: web1.example.com\n  gather_facts: false\n  tasks:\n  - ansible.builtin.debug:\n"
        "      msg: \"{{ query('fleetauth.twofactor.secret', 'alice') | length }} found\"\n"
    )
    without = desk.playbook("look.yml")
    assert not without.ok
    assert "has no secret of 'alice'" in without.out
    shutil.copy(copy, desk.store)
    assert desk.read() == before
    assert "1 found" in desk.playbook("look.yml").out
    assert '"changed": false' in desk.keep(users=USERS, backup=True).out


def test_one_user_comes_back_from_a_copy(desk: Controller) -> None:
    copy = desk.folder.parent / "copy.yml"
    assert desk.keep(users=USERS).ok
    carol = desk.read()["users"]["carol"]
    shutil.copy(desk.store, copy)
    assert desk.keep(state="absent", users=["carol"]).ok
    assert '"changed": true' in desk.keep(state="imported", src=str(copy), users=["carol"]).out
    assert desk.read()["users"]["carol"] == carol
    again = desk.keep(state="imported", src=str(copy))
    assert '"changed": false' in again.out
    assert desk.keep(state="renewed", renewal="w", users=["bob"]).ok
    renewed = desk.store.read_bytes()
    other = desk.keep(state="imported", src=str(copy))
    assert _code_of(other) == "already_in_store"
    assert _code_of(desk.keep(state="imported", src=str(copy), users=["dora"])) == "not_in_store"
    assert _code_of(desk.keep(state="imported", src="nowhere.yml")) == "no_src"
    copy.write_text("- rubbish\n")
    assert _code_of(desk.keep(state="imported", src=str(copy))) == "store_not_encrypted"
    assert desk.store.read_bytes() == renewed
    _assert_nothing_in_clear(desk, again, other)


def test_a_store_that_was_edited_by_hand(desk: Controller) -> None:
    assert desk.keep(users=USERS).ok
    before = desk.read()["users"]
    editor = desk.folder.parent / "editor"
    editor.write_text('#!/bin/sh\nsed -i "s/recovery_count: 10/recovery_count: 5/" "$1"\n')
    editor.chmod(0o700)
    assert desk.vault("edit", str(desk.store), editor=str(editor)).ok
    assert desk.keep(users=[*USERS, "dora"]).ok
    after = desk.read()["users"]
    assert {name: {**after[name], "recovery_count": 10} for name in USERS} == before
    assert [after[name]["recovery_count"] for name in USERS] == [5, 5, 5]
    viewed = desk.vault("view", str(desk.store))
    assert f"secret: {after['dora']['secret']}" in viewed.out
    assert viewed.out.startswith("# The secret store of fleetauth.twofactor.")


def test_one_user_is_handed_over(desk: Controller) -> None:
    assert desk.keep(users=USERS).ok
    ran = desk.keep(state="exported", users=["bob"], dest="bob.yml")
    assert ran.ok
    handed = desk.folder / "bob.yml"
    assert oct(handed.stat().st_mode)[-3:] == "600"
    assert desk.read(handed)["users"] == {"bob": desk.read()["users"]["bob"]}
    assert _code_of(desk.keep(state="exported", users=["bob"], dest="bob.yml")) == "dest_exists"
    _assert_nothing_in_clear(desk, ran)
    # An export is a store: what is in it comes back by naming it.
    (desk.folder / "look.yml").write_text(
        "- hosts: web1.example.com\n  gather_facts: false\n  tasks:\n  - ansible.builtin.assert:\n"
        "      that: query('fleetauth.twofactor.secret', store='bob.yml') | map(attribute='name') == ['bob']\n"
    )
    assert desk.playbook("look.yml").ok


def test_recovery_codes_are_refilled_and_nothing_else(desk: Controller) -> None:
    assert desk.keep(users=USERS).ok
    before = desk.read()["users"]
    assert desk.playbook("fleetauth.twofactor.enroll", users="bob", refill=True).ok
    after = desk.read()["users"]
    assert after["bob"].pop("recovery_secret") != before["bob"].pop("recovery_secret")
    assert after == before


def test_a_sheet_is_written_again(desk: Controller) -> None:
    assert desk.playbook("fleetauth.twofactor.enroll").ok
    before = desk.read()
    for sheet in desk.sheets.iterdir():
        sheet.unlink()
    assert desk.playbook("fleetauth.twofactor.enroll", print_again=True, users="alice").ok
    assert [sheet.name for sheet in desk.sheets.iterdir()] == ["alice.html"]
    assert desk.read() == before


def test_a_thousand_users(desk: Controller, record_property: Callable[[str, object], None]) -> None:
    users = [f"user{number:04}" for number in range(1000)]
    start = time.monotonic()
    ran = desk.keep(users=users)
    ours = time.monotonic() - start
    assert ran.ok, ran.out[-2000:]
    assert "sheets: " in ran.out, "a line on how far it is"
    assert len(list(desk.sheets.iterdir())) == 1000
    start = time.monotonic()
    for user in users:
        secret = pyotp.random_base32()
        uri = pyotp.TOTP(secret).provisioning_uri(name=user, issuer_name="Example Fleet")
        symbol = qrcode.QRCode(error_correction=qrcode.ERROR_CORRECT_M)
        symbol.add_data(uri + "&algorithm=SHA1&digits=6&period=30")
        symbol.make_image()
    library = time.monotonic() - start
    ratio = ours / library
    line = f"1000 users with sheets: {ours:.1f} s; the library's 1000 symbols: {library:.1f} s; ratio {ratio:.2f}"
    record_property("to_say", line)
    assert ratio < 2
