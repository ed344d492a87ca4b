# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an empty folder to a login with a code: enroll, site, SSH and the web console, all from the sheet alone."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest
import yaml
from playwright.sync_api import Browser

from tests.enrolment.browser import ARTIFACTS, Console, qr_in, screenshot
from tests.enrolment.conftest import IMAGES, READY, restore, snapshot
from tests.enrolment.controller import ISSUER, Controller
from tests.enrolment.documentation import examples
from tests.enrolment.terminal import talk
from tests.login.fleet import PASSWORD, Host

PEOPLE = ["alice", "bob", "carol"]
STORE = "The store of the collection"
ENROLLED = "enrolled"
"""The snapshot of hosts on which everybody has to show a code."""


class Phone:
    """An authenticator app that has scanned a picture of a sheet. It never shows the same code twice."""

    def __init__(self, picture: Path) -> None:
        token = pyotp.parse_uri(qr_in(picture))
        assert isinstance(token, pyotp.TOTP)
        self._token = token
        self._last = 0

    def code(self) -> str:
        """Return the next code that has not been shown, waiting for it if there is none, and never one about to go."""
        interval = self._token.interval
        while (step := int(time.time() + 6) // interval) <= self._last:
            time.sleep(0.2)
        time.sleep(max(0.0, step * interval - time.time()))
        self._last = step
        return self._token.at(step * interval)

    def code_away(self, steps: int) -> str:
        """Return the code of a step before or after the present one."""
        self.code()
        return self._token.at(self._last * self._token.interval + steps * self._token.interval)

    def wrong_code(self) -> str:
        """Return a code that is right for no step anywhere near."""
        near = {self._token.at(int(time.time()) + steps * self._token.interval) for steps in range(-20, 21)}
        return next(
            code for code in ("000000", "111111", *map(str, range(222222, 223000))) if code not in near
        )


def _desk(folder: Path, machines: dict[str, Host]) -> Controller:
    hosts = {name: host.facts for name, host in machines.items()}
    variables = {
        "twofactor_people": PEOPLE,
        "twofactor_issuer": ISSUER,
        "twofactor_backup": True,
        "twofactor_users": "{{ query('fleetauth.twofactor.secret', *twofactor_people) }}",
        "twofactor_ssh_methods": ["key_and_code"],
        "twofactor_services": ["cockpit", "sudo", "su", "login"],
        "twofactor_exempt_users": ["ansible"],
        "twofactor_guard": False,
        "ntp_servers": ["clock"],
    }
    return Controller(folder, {"all": {"hosts": hosts, "vars": variables}})


@pytest.fixture(scope="module")
def desk_with_users(consoles: dict[str, Host], tmp_path_factory: pytest.TempPathFactory) -> Controller:
    """Three users enrolled, and the hosts under the site playbook, of which snapshots are taken."""
    restore(consoles, READY)
    desk = _desk(tmp_path_factory.mktemp("administrator"), consoles)
    first = desk.playbook("fleetauth.twofactor.enroll")
    assert first.ok, first.out
    site = desk.playbook("fleetauth.twofactor.site")
    assert site.ok, site.out
    for secret in desk.secrets():
        assert secret not in first.out + site.out
    snapshot(consoles, ENROLLED)
    return desk


@pytest.fixture
def enrolled(desk_with_users: Controller, consoles: dict[str, Host]) -> Controller:
    """The desk after that, and the hosts as they were then."""
    restore(consoles, ENROLLED)
    return desk_with_users


@pytest.fixture(scope="module")
def pictures(
    desk_with_users: Controller, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Pictures of the sheets on a screen, of which somebody can look at copies."""
    folder = tmp_path_factory.mktemp("pictures")
    found = {}
    for sheet in sorted(desk_with_users.sheets.glob("*.html")):
        found[sheet.stem] = folder / f"enrolled-{sheet.stem}.png"
        screenshot(browser, sheet, "phone", found[sheet.stem])
        shutil.copy(found[sheet.stem], ARTIFACTS)
    return found


@pytest.fixture
def phones(pictures: dict[str, Path]) -> dict[str, Phone]:
    """Phones that have scanned the sheets."""
    return {name: Phone(picture) for name, picture in pictures.items()}


@pytest.fixture(params=sorted(IMAGES))
def host(request: pytest.FixtureRequest, enrolled: Controller, consoles: dict[str, Host]) -> Host:
    """Each host."""
    return consoles[request.param]


@pytest.fixture
def console(browser: Browser, host: Host) -> Iterator[Console]:
    """Open the login page of the host."""
    opened = Console(browser, host.address)
    yield opened
    opened.close()


def _again(browser: Browser, host: Host, console: Console) -> Console:
    console.close()
    return Console(browser, host.address)


def test_a_second_run_changes_nothing(enrolled: Controller) -> None:
    for name in ("enroll", "site"):
        ran = enrolled.playbook(f"fleetauth.twofactor.{name}")
        assert ran.ok, ran.out
        recap = ran.out[ran.out.index("PLAY RECAP") :]
        assert recap.count("changed=0") == len(IMAGES), recap


def test_codes_off_the_sheet_open_ssh(host: Host, phones: dict[str, Phone]) -> None:
    for user in PEOPLE:
        code = phones[user].code()
        assert not host.ssh(user, key=True), "the key alone"
        assert host.ssh(user, key=True, code=code)
        assert not host.ssh(user, key=True, code=code), "used"


def test_the_backup_device_without_the_first(host: Host, phones: dict[str, Phone]) -> None:
    assert host.ssh("bob", key=True, code=phones["bob~backup"].code())


def test_recovery_codes_off_the_sheet(enrolled: Controller, host: Host, browser: Browser) -> None:
    page = browser.new_page()
    page.goto((enrolled.sheets / "carol.html").as_uri())
    codes = [item.replace(" ", "") for item in page.locator(".codes li").all_inner_texts()]
    page.close()
    for code in codes[1:3]:  # ahead by the window, which the first one may be, and then in order
        assert host.ssh("carol", key=True, code=code)
    assert not host.ssh("carol", key=True, code=codes[4]), "further ahead than the window"
    for dummy in range(2):
        assert enrolled.playbook("fleetauth.twofactor.site").ok
    for code in codes[:3]:
        host.shell("rm -f /var/lib/twofactor/failures/*")
        assert not host.ssh("carol", key=True, code=code)
    users = host.module("twofactor_info")["twofactor"]["users"]
    assert {user["name"]: user["recovery_left"] for user in users} == {"alice": 10, "bob": 10, "carol": 7}
    assert host.ssh("carol", key=True, code=codes[3]), "the next one goes on working"


def test_the_web_console_asks_for_a_code(
    host: Host, console: Console, browser: Browser, phones: dict[str, Phone]
) -> None:
    assert not console.log_in("alice", PASSWORD, picture=f"cockpit-asks-{host.name}"), "the password alone"
    assert console.asks
    console = _again(browser, host, console)
    assert not console.log_in("alice", PASSWORD, phones["alice"].wrong_code())
    console = _again(browser, host, console)
    code = phones["alice"].code()
    assert console.log_in("alice", PASSWORD, code)
    console.page.wait_for_timeout(1500)
    console.page.screenshot(path=str(ARTIFACTS / f"cockpit-in-{host.name}.png"))
    console = _again(browser, host, console)
    assert not console.log_in("alice", PASSWORD, code), "used"
    console.close()


AS_CAROL = ["setpriv", "--reuid=carol", "--regid=carol", "--init-groups"]
ECHO = "echo in as $(id -un)"
SERVICES = {
    "sudo": (
        "alice",
        ["setpriv", "--reuid=alice", "--regid=alice", "--init-groups", "sudo", "-k", "sh", "-c", ECHO],
    ),
    "su": ("bob", [*AS_CAROL, "su", "bob", "-c", ECHO]),
    "su-l": ("bob~backup", [*AS_CAROL, "su", "-", "bob", "-c", ECHO]),
    "login": ("carol", ["login", "carol"]),
}
"""What is typed on a terminal, and whose sheet the code is from."""


def test_sudo_su_and_login_ask(host: Host, phones: dict[str, Phone]) -> None:
    host.shell("usermod -aG sudo alice")
    for service, (sheet, command) in SERVICES.items():
        becomes = "root" if service == "sudo" else sheet.split("~")[0]
        refused = talk(host, command, PASSWORD, phones[sheet].wrong_code())
        assert refused.asked == ("password", "code"), refused
        assert not refused.is_in_as(becomes), service
        code = phones[sheet].code()
        assert not talk(host, command, "another one", code).is_in_as(becomes), service
        accepted = talk(host, command, PASSWORD, code)
        assert accepted.asked == ("password", "code"), accepted
        assert accepted.is_in_as(becomes), accepted
        assert not talk(host, command, PASSWORD, code).is_in_as(becomes), f"{service}: used"


def test_verify_proves_a_code(enrolled: Controller, phones: dict[str, Phone]) -> None:
    code = phones["bob"].code()
    ran = enrolled.playbook("fleetauth.twofactor.verify", user="bob", code=code)
    assert ran.ok, ran.out
    said = ran.out[ran.out.index("TASK [Say where it was right]") :]
    assert '"right": [\n            "web1",\n            "web2"' in said, said
    late = enrolled.playbook("fleetauth.twofactor.verify", user="bob", code=phones["bob"].code_away(5))
    assert not late.ok
    said = late.out[late.out.index("TASK [Say where it was right]") :]
    assert '"web1": 150' in said, said


def test_after_disable_the_web_console_opens_without_a_code(
    enrolled: Controller, host: Host, console: Console
) -> None:
    ran = enrolled.run(
        enrolled.command(
            "ansible-playbook", "fleetauth.twofactor.emergency_disable", "-e", "reason=test", vault=False
        )
    )
    assert ran.ok, ran.out
    assert console.log_in("alice", PASSWORD)
    assert not console.asks


COPY = "/backup/twofactor_store.yml"
"""Where docs/secrets.md has a copy of the store."""


def test_the_commands_of_the_documentation(machines: dict[str, Host], tmp_path: Path) -> None:
    desk = _desk(tmp_path, machines)
    declared, *_ = [yaml.safe_load(text) for text in examples(STORE, "yaml")]
    inventory = tmp_path / "inventory"
    (inventory / "group_vars" / "all").mkdir(parents=True)
    (inventory / "group_vars" / "all" / "twofactor.yml").write_text(yaml.safe_dump(declared))
    hosts = yaml.safe_load(desk.inventory.read_text())
    hosts["all"]["vars"] = {k: v for k, v in hosts["all"]["vars"].items() if k not in declared}
    (inventory / "hosts.yml").write_text(yaml.safe_dump(hosts))
    store = inventory / "twofactor_store.yml"
    for block in examples(STORE, "shell"):
        for line in block.replace("\\\n", "").splitlines():
            _take_out_who_comes_back(desk, line, store, tmp_path)
            ran = desk.typed(line.replace(COPY, str(tmp_path / "copy.yml")), new_password="of another desk")
            assert ran.ok, f"{line}\n{ran.out}"
    assert sorted(desk.read(store)["users"]) == ["alice", "bob"]
    handed = desk.read(inventory / "bob.yml", "of another desk")
    assert handed["users"] == {"bob": desk.read(store)["users"]["bob"]}


def _take_out_who_comes_back(desk: Controller, line: str, store: Path, tmp_path: Path) -> None:
    """Have a copy of the store with carol, and a store without her, before the command that brings her back."""
    if COPY in line:
        assert desk.keep(users=["carol"], store=str(store)).ok
        shutil.copy(store, tmp_path / "copy.yml")
        assert desk.keep(state="absent", users=["carol"], store=str(store)).ok
