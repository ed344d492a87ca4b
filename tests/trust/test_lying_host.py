# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a hostile host answers becomes nothing that the controller does."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from tests.login.fleet import Host, wait_until
from tests.status.sample import host as report_of_a_good_host
from tests.trust.conftest import Desk
from tests.trust.liar import Answers, heard, lie

CLOCK = {"synchronised": True, "offset": 0.0, "source": "192.0.2.1", "daemon": "chrony"}
OTHER_SECRET = "KRSXG5CTMVRXEZLUKRSXG5CTMVRXEZLU"


def facts(desk: Desk) -> dict[str, Any]:
    """Return variables that a host would have the controller take."""
    return {
        "twofactor_people": ["paul"],
        "twofactor_users": [{"name": "paul"}],
        "twofactor_store": str(desk.folder / "other_store.yml"),
        "twofactor_sheets": str(desk.folder / "elsewhere"),
        "twofactor_report_folder": str(desk.folder / "elsewhere"),
        "twofactor_status_fail_on": "never",
        "twofactor_report_formats": ["csv"],
        "twofactor_exempt_users": ["dora", "paul"],
        "ntp_servers": ["192.0.2.66"],
        "ansible_host": "192.0.2.66",
        "ansible_password": "{{ lookup('pipe', 'touch pwned') }}",
    }


def secrets_of(desk: Desk, user: str) -> list[str]:
    return [value for key, value in desk.read()["users"][user].items() if key.endswith("secret")]


def recap(out: str, host: str) -> dict[str, int]:
    line = re.search(rf"^{host} +: (.*)$", out, re.MULTILINE)
    assert line, out
    return {word: int(count) for word, count in re.findall(r"(\w+)=(\d+)", line[1])}


def test_a_host_is_sent_no_secret_of_another_group(desk: Desk, hosts: dict[str, Host]) -> None:
    lies = {"ansible_facts": facts(desk)}
    lie(hosts["dev1"], {"default": [{"changed": False, **lies}]})
    # This one answers as it should until it is sent secrets, and lies where only Ansible's own modules are asked.
    lie(
        hosts["dev2"],
        {
            "twofactor_ntp": [
                {"changed": False, "missing_packages": ["chrony"]},
                {"changed": False, "clock": CLOCK},
            ],
            "setup": [{"changed": False, "ansible_facts": {"ansible_pkg_mgr": "apt", **facts(desk)}}],
            "apt": [{"changed": True, **lies}],
            "twofactor_sshd": [{"changed": False, "diff": {"before": {}, "after": {}}}],
            "default": [{"changed": False, **lies}],
        },
    )
    before = desk.files()
    ran = desk.run(desk.command("ansible-playbook", "fleetauth.twofactor.site"))

    assert not ran.ok
    assert "'ansible_facts.twofactor_people'" in ran.out
    assert recap(ran.out, "dev1")["failed"] == recap(ran.out, "dev2")["failed"] == 1
    assert recap(ran.out, "prod1")["failed"] == 0, "the others go on"
    told = {name: "".join(heard(hosts[name])) for name in ("dev1", "dev2")}
    assert secrets_of(desk, "dora")[0] in told["dev2"], "it was sent what the inventory gives it"
    assert "ansible.modules.apt" in told["dev2"], "packages were asked for on the way"
    for name, text in told.items():
        assert not [secret for secret in secrets_of(desk, "paul") if secret in text], name
        assert '"paul"' not in text, name
        assert "192.0.2.66" not in text, name
    assert desk.files() == before
    assert hosts["prod1"].shell("ls /var/lib/twofactor/tokens").split() == ["paul.oath"]


def test_status_is_judged_and_written_as_declared(desk: Desk, hosts: dict[str, Host]) -> None:
    honest = report_of_a_good_host()
    lie(hosts["dev1"], {"default": [{**honest, "ansible_facts": facts(desk)}]})
    lie(hosts["dev2"], {"default": [honest]})
    before = desk.files()
    ran = desk.run(desk.command("ansible-playbook", "fleetauth.twofactor.status"))

    assert not ran.ok, "prod1 asks for no code, which is an error"
    assert "1 of 3 hosts protected, 1 off, 1 not read" in ran.out
    report = {"index.html", "report.json", "hosts.csv", "problems.csv"}
    assert desk.files() - before == {f"twofactor_report/{name}" for name in report}
    data = json.loads((desk.folder / "twofactor_report" / "report.json").read_text())
    assert {one["name"]: one["status"] for one in data["hosts"]} == {
        "dev1": "not_read",
        "dev2": "protected",
        "prod1": "off",
    }


_OLDEST = pytest.mark.parametrize("desk", [pytest.param(".venv", id="oldest")], indirect=True)
"""For what the two cores have the same code for."""


@_OLDEST
def test_a_host_that_never_ends_its_answer_is_not_read(desk: Desk, hosts: dict[str, Host]) -> None:
    lie(hosts["dev1"], {"default": ['{"changed": false, "msg": "' + "x" * (17 << 20) + '"}']})
    ran = desk.run(desk.command("ansible", "dev1", "-b", "-m", "fleetauth.twofactor.twofactor_info"))

    assert not ran.ok
    assert "answer_unexpected" in ran.out
    assert len(ran.out) < 10_000


@_OLDEST
def test_facts_that_another_play_has_gathered_do_not_outrank_the_inventory(
    desk: Desk, hosts: dict[str, Host]
) -> None:
    lie(
        hosts["dev1"],
        {
            "setup": [{"changed": False, "ansible_facts": facts(desk)}],
            "twofactor_ntp": [{"changed": False, "clock": CLOCK}],
            "default": [{"changed": False}],
        },
    )
    gather = {"name": "Another play", "hosts": "dev1", "gather_facts": True, "tasks": []}
    site = {"name": "Two factors", "ansible.builtin.import_playbook": "fleetauth.twofactor.site"}
    (desk.folder / "both.yml").write_text(yaml.safe_dump([gather, site]))
    ran = desk.run(desk.command("ansible-playbook", "both.yml", "-e", "twofactor_hosts=dev1"))

    assert not ran.ok
    assert "fact_overrides" in ran.out
    assert "twofactor_ntp" not in "".join(heard(hosts["dev1"])), "it was not asked anything more"


@_OLDEST
def test_no_sheet_is_written_of_what_a_host_cannot_have_made(desk: Desk, hosts: dict[str, Host]) -> None:
    secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    uri = f"otpauth://totp/iXsystems:dora-dev1%40TrueNAS?secret={secret}&issuer=iXsystems"
    good = {"name": "dora", "secret": secret, "uri": uri}
    bad: list[list[dict[str, Any]]] = [
        [{**good, "name": "paul"}],
        [{**good, "name": "../paul"}],
        [good, good],
        [{**good, "uri": uri.replace(secret, OTHER_SECRET)}],
        [{**good, "uri": uri.replace("iXsystems", "Example%20Fleet")}],
        [{**good, "uri": "https://example.com/"}],
        [{"name": "dora", "secret": secret, "digits": 6, "interval": 1}],
        [{**good, "secret": "x"}],
    ]
    answers: Answers = {"default": [{"changed": True, "secrets": made} for made in [*bad, [good]]]}
    lie(hosts["dev1"], answers)
    options = {
        "secrets": {"users": [{"name": "dora"}]},
        "sheets": {"folder": str(desk.folder / "declared"), "issuer": "Example Fleet"},
    }
    words = ["dev1", "-b", "-vvv", "-m", "fleetauth.twofactor.twofactor_host", "-a", json.dumps(options)]
    before = desk.files()
    for made in bad:
        ran = desk.run(desk.command("ansible", *words))
        assert not ran.ok, made
        assert "made_unfit" in ran.out, ran.out
        assert not [one for one in (secret, OTHER_SECRET) if one in ran.out]
        assert desk.files() == before, made
    ran = desk.run(desk.command("ansible", *words))
    assert ran.ok, ran.out
    assert desk.files() - before == {"declared/dora~dev1.html"}


@_OLDEST
def test_a_module_in_the_background(desk: Desk, hosts: dict[str, Host]) -> None:
    module = ["-m", "fleetauth.twofactor.twofactor", "-a", "state=disabled"]
    polled = desk.run(desk.command("ansible", "dev1", "-b", *module, "-B", "60", "-P", "1"))
    assert not polled.ok
    assert "async_polled" in polled.out

    started = desk.run(desk.command("ansible", "dev1", "-b", *module, "-B", "60", "-P", "0"))
    assert started.ok, started.out
    job = re.search(r'"ansible_job_id": "([^"]+)"', started.out)
    assert job
    results = f"/root/.ansible_async/{job[1]}"
    wait_until(lambda: "invocation" in hosts["dev1"].shell(f"cat {results}"), 20, "the job")

    lie(hosts["dev1"], {"default": [{"changed": True, "ansible_facts": {"twofactor_people": ["paul"]}}]})
    lied = desk.run(desk.command("ansible", "dev1", "-b", *module, "-B", "60", "-P", "0"))
    assert not lied.ok
    assert "answer_unexpected" in lied.out
