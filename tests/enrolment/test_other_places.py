# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What docs/secrets.md says of Vault, SOPS and pass makes users of what their lookups return; these are stand-ins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.enrolment.controller import ROOT, Controller
from tests.enrolment.documentation import examples

USERS = {"alice": "A" * 32, "bob": "B" * 32}
LOOKUP = """\
from ansible.plugins.lookup import LookupBase
DOCUMENTATION = "name: {name}\\nshort_description: stand-in\\noptions: {{_terms: {{description: paths}}}}\\n"
USERS = {users}
class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        names = [term.rsplit("/", 1)[1] for term in terms]
        return [{value} for name in names]
"""
VALUES = {
    "HashiCorp Vault and OpenBao": (
        "community.hashi_vault.vault_kv2_get",
        '{"secret": {"name": name, "secret": USERS[name]}, "metadata": {}, "data": {}, "raw": {}}',
    ),
    "SOPS": ("community.sops.sops", "'\\n'.join(f'{user}: {secret}' for user, secret in USERS.items())"),
    "pass": ("community.general.passwordstore", "USERS[name]"),
}
"""What each lookup returns for one term, as its documentation has it."""


def _stand_in(folder: Path, lookup: str, value: str) -> None:
    namespace, collection, name = lookup.split(".")
    plugins = folder / "ansible_collections" / namespace / collection / "plugins" / "lookup"
    plugins.mkdir(parents=True)
    (plugins / f"{name}.py").write_text(LOOKUP.format(name=name, users=USERS, value=value))


@pytest.mark.parametrize("heading", list(VALUES))
def test_the_example_gives_users(desk: Controller, heading: str) -> None:
    _stand_in(desk.folder / "collections", *VALUES[heading])
    (example,) = examples(heading, "yaml")
    play = {
        "hosts": "web1.example.com",
        "gather_facts": False,
        "vars": yaml.safe_load(example),
        "tasks": [{"ansible.builtin.assert": {"that": "twofactor_users == wanted"}}],
    }
    (desk.folder / "look.yml").write_text(yaml.safe_dump([play]))
    paths = f"{desk.folder / 'collections'}:{ROOT / '.venv' / 'collections'}"
    command = desk.command("ansible-playbook", "look.yml", "-e", json.dumps({"wanted": _wanted()}))
    ran = desk.run(["env", f"ANSIBLE_COLLECTIONS_PATH={paths}", *command])
    assert ran.ok, ran.out


def _wanted() -> list[dict[str, str]]:
    return [{"name": name, "secret": secret} for name, secret in USERS.items()]
