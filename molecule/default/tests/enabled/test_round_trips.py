"""What a run costs on hosts where nothing is to be done."""

from __future__ import annotations

import re
from collections import Counter

from ansible_collections.fleetauth.twofactor.molecule.default.tests.fleet import HOSTS, converge


def test_one_for_each_role() -> None:
    done = converge("-vvv")
    trips = Counter(re.findall(r"^<(\S+)> SSH: EXEC ssh ", done.stdout, re.MULTILINE))

    assert "changed=1" not in done.stdout
    assert list(trips.values()) == [3] * len(HOSTS)
