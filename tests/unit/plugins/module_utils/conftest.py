"""The same examples in each run, however slow the machine is, and no folder left beside the sources."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("unit", deadline=None, derandomize=True, database=None)
settings.load_profile("unit")
