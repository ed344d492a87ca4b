"""Plugins of every kind run with the ansible-core of these tests and call nothing that it has deprecated.

Unit tests run with each supported core, so a deprecation shows up before the release that removes something.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

COLLECTIONS = next(path for path in sys.path if Path(path, "ansible_collections").is_dir())
PLAYBOOK = """\
- hosts: localhost
  connection: ansible.builtin.local
  gather_facts: false
  tasks:
    - fleetauth.twofactor.twofactor_store:
        users: [alice]
        hosts: [localhost]
        issuer: Example Fleet
    - fleetauth.twofactor.twofactor_info:
      register: info
    - fleetauth.twofactor.twofactor_report:
        answers: "{{ {'localhost': info} }}"
        folder: "{{ playbook_dir }}/report"
        fail_on: never
    - ansible.builtin.assert:
        that:
          - query('fleetauth.twofactor.secret', 'alice') | length == 1
          - lookup('fleetauth.twofactor.totp', 'alice') is match('[0-9]{6}$')
          - uri is match('otpauth://totp/')
          - uri | fleetauth.twofactor.qr_svg is search('<svg')
          - uri | fleetauth.twofactor.qr_text | length > 0
          - uri | fleetauth.twofactor.qr_png | length > 0
      vars:
        secret: JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP
        uri: "{{ secret | fleetauth.twofactor.otpauth_uri('alice', issuer='Example Fleet') }}"
"""


def test_nothing_deprecated_is_called(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("correct horse battery staple\n")
    inventory = tmp_path / "hosts.yml"
    # Named, since Ansible could discover a version manager's stand-in that only prints an error.
    inventory.write_text(f"all: {{hosts: {{localhost: {{ansible_python_interpreter: {sys.executable}}}}}}}\n")
    playbook = tmp_path / "playbook.yml"
    playbook.write_text(PLAYBOOK)
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": COLLECTIONS,
        "ANSIBLE_DEPRECATION_WARNINGS": "true",
        "ANSIBLE_LOCAL_TEMP": str(tmp_path / "tmp"),
        "ANSIBLE_REMOTE_TEMP": str(tmp_path / "remote"),
        "LC_ALL": "C.UTF-8",
    }
    command = [Path(sys.executable).with_name("ansible-playbook"), "-vv", "--vault-password-file", password]
    done = subprocess.run(
        [*command, "-i", inventory, playbook],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=tmp_path,
    )

    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "DEPRECAT" not in said
