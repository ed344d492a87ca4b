# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which mirror this machine gets Debian from: a reader of apt's sources, pure but for the files.

The images come from the same place, so that they can be built wherever the machine itself can
install packages, and so that no mirror has to be named in the project.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

# Names of Debian's releases. Other archives call theirs "stable" or "bookworm-something" too, but
# hardly one calls it "bookworm"; those that do come after the ones that look like Debian's own.
RELEASES = ("bullseye", "bookworm", "trixie", "forky", "duke", "sid")
ALIASES = ("oldoldstable", "oldstable", "stable", "testing", "unstable")

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


@dataclass(frozen=True)
class Source:
    """One archive, one suite: what one-line sources and deb822 stanzas both come down to."""

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str = ""


@dataclass(frozen=True)
class Mirror:
    """Where Debian is to be had: the main archive, and the security archive if one is named."""

    uri: str
    security: str = ""
    keyring: str = KEYRING

    def lines(self, release: str) -> list[str]:
        """Return one-line sources for ``release``."""
        option = f"[signed-by={self.keyring}]"
        lines = [f"deb {option} {self.uri} {suite} main" for suite in (release, f"{release}-updates")]
        if self.security:
            lines.append(f"deb {option} {self.security} {release}-security main")
        return lines


def parse_list(text: str) -> Iterator[Source]:
    """Yield the sources of a one-line (``.list``) file."""
    for line in text.splitlines():
        entry = re.match(r"\s*deb\s+(?:\[([^]]*)\]\s+)?(\S+)\s+(\S+)([^#]*)", line)
        if not entry:
            continue
        options, uri, suite, components = entry.groups()
        settings = dict(word.split("=", 1) for word in (options or "").split() if "=" in word)
        yield Source(uri, suite, tuple(components.split()), settings.get("signed-by", ""))


def parse_deb822(text: str) -> Iterator[Source]:
    """Yield the sources of a deb822 (``.sources``) file, without what is switched off."""
    for fields in _stanzas(text):
        if fields.get("enabled", "yes").lower() in ("no", "false", "without", "off", "disable"):
            continue
        if "deb" not in fields.get("types", "").split():
            continue
        key = fields.get("signed-by", "")
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                # A key may be written out in place; only a path can be handed on.
                signed_by = key if key.startswith("/") and " " not in key else ""
                yield Source(uri, suite, tuple(fields.get("components", "").split()), signed_by)


def _stanzas(text: str) -> Iterator[dict[str, str]]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for stanza in re.split(r"\n\s*\n", "\n".join(lines)):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line[:1].isspace():
                fields[name] = f"{fields.get(name, '')} {line.strip()}".strip()
            elif ":" in line:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        if fields:
            yield fields


def read_sources(folder: Path = Path("/etc/apt")) -> list[Source]:
    """Return what apt itself would read; it ignores files with any other ending."""
    found: list[Source] = []
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    for file in files:
        if not file.is_file():
            continue
        if file.suffix == ".list":
            found.extend(parse_list(file.read_text(encoding="utf-8", errors="replace")))
        elif file.suffix == ".sources":
            found.extend(parse_deb822(file.read_text(encoding="utf-8", errors="replace")))
    return found


def choose_mirror(sources: Iterable[Source]) -> Mirror | None:
    """Return Debian's mirror among the sources, or None."""
    usable = [source for source in sources if "main" in source.components]
    debian = [source for source in usable if source.suite in RELEASES + ALIASES]
    if not debian:
        return None
    updates = {source.uri for source in usable if source.suite.endswith("-updates")}
    # False sorts first: an archive with -updates is Debian, so most likely is a path ".../debian".
    best = min(
        debian,
        key=lambda source: (
            source.uri not in updates,
            not source.uri.rstrip("/").endswith("debian"),
        ),
    )
    security = next((source.uri for source in usable if source.suite.endswith("-security")), "")
    return Mirror(best.uri, security, best.signed_by or KEYRING)


def apt_settings(dump: str) -> list[str]:
    """Return what of ``apt-config dump`` is about fetching: proxies and relaxed date checks."""
    wanted = re.compile(r"Acquire::(http|https|Check-Valid-Until|Check-Date|Retries)\b", re.IGNORECASE)
    return [line for line in dump.splitlines() if wanted.match(line) and not line.endswith(' "";')]
