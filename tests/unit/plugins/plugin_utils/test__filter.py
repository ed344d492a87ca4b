"""The edge between Ansible and what its filters call."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleTemplatePluginError

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError
from ansible_collections.fleetauth.twofactor.plugins.plugin_utils._filter import as_filter


def refuse(*_args: object) -> None:
    raise TwofactorError("code", "What is wrong.", "What to do.")


def test_arguments_and_value_pass_through() -> None:
    assert as_filter(divmod)(7, 2) == (3, 1)


def test_error_becomes_one_of_ansible() -> None:
    with pytest.raises(AnsibleTemplatePluginError, match=r"What is wrong\. What to do\."):
        as_filter(refuse)("x")
