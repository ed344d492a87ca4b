"""Import what runs on hosts, with nothing but the standard library and Ansible's own part for hosts.

Run by tests/gates/oldest_python with the oldest Python of the machine.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

PACKAGE = "ansible_collections.fleetauth.twofactor"


def main() -> int:
    checkout, ansible, scratch = (Path(argument).resolve() for argument in sys.argv[1:])
    _only_what_a_host_has(checkout, ansible, scratch)
    failures = 0
    names = list(_names(checkout))
    for name in names:
        try:
            importlib.import_module(name)
        except Exception as error:  # whatever it is, it would happen on the host
            failures += 1
            print(f"{name}: {type(error).__name__}: {error}")
    version = sys.version.split(maxsplit=1)[0]
    print(f"Python {version}: {len(names) - failures} of {len(names)} modules import")
    return 1 if failures else 0


def _only_what_a_host_has(checkout: Path, ansible: Path, scratch: Path) -> None:
    """Leave the standard library, ``ansible`` and the collection on the path, and no installed package."""
    namespace = scratch / "ansible_collections" / "fleetauth"
    namespace.mkdir(parents=True)
    (namespace / "twofactor").symlink_to(checkout)
    (scratch / "ansible").symlink_to(ansible)
    sys.path = [str(scratch), *(entry for entry in sys.path if not entry.endswith("-packages"))]
    sys.pycache_prefix = str(scratch / "pycache")


def _names(checkout: Path) -> list[str]:
    found = []
    for folder in ("module_utils", "modules"):
        for path in sorted((checkout / "plugins" / folder).rglob("*.py")):
            parts = path.relative_to(checkout).with_suffix("").parts
            found.append(".".join((PACKAGE, *(part for part in parts if part != "__init__"))))
    return found


if __name__ == "__main__":
    sys.exit(main())
