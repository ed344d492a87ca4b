# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader of apt's sources: which mirror the images are built from."""

from __future__ import annotations

from pathlib import Path

import pytest
from lablib.sources import (
    KEYRING,
    Mirror,
    Source,
    apt_settings,
    choose_mirror,
    parse_deb822,
    parse_list,
    read_sources,
)

DEB822 = """\
Types: deb deb-src
# a comment in the middle
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
 contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main

Types: deb-src
URIs: http://source.example/debian
Suites: bookworm
Components: main
"""


def test_deb822() -> None:
    assert list(parse_deb822(DEB822)) == [
        Source("http://mirror.example/debian", "bookworm", ("main", "contrib"), KEYRING),
        Source("http://mirror.example/debian", "bookworm-updates", ("main", "contrib"), KEYRING),
        Source("http://mirror.example/debian-security", "bookworm-security", ("main",)),
    ]


def test_deb822_with_the_key_written_out() -> None:
    text = (
        "Types: deb\nURIs: http://a.example/\nSuites: sid\nComponents: main\n"
        "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBF\n"
    )

    assert list(parse_deb822(text)) == [Source("http://a.example/", "sid", ("main",))]


def test_one_line_sources() -> None:
    text = """\
# deb http://off.example/debian bookworm main
deb [arch=amd64 signed-by=/etc/apt/key.gpg] https://a.example/debian trixie main non-free # x
  deb http://b.example/debian trixie-updates main
deb-src http://c.example/debian trixie main
"""

    assert list(parse_list(text)) == [
        Source("https://a.example/debian", "trixie", ("main", "non-free"), "/etc/apt/key.gpg"),
        Source("http://b.example/debian", "trixie-updates", ("main",)),
    ]


def test_only_files_that_apt_reads(tmp_path: Path) -> None:
    folder = tmp_path / "sources.list.d"
    folder.mkdir()
    (tmp_path / "sources.list").write_text("deb http://one.example/debian bookworm main\n")
    (folder / "two.sources").write_text(DEB822.replace("mirror.example", "two.example"))
    (folder / "three.list.disabled").write_text("deb http://three.example/debian bookworm main\n")
    (folder / "four.sources.save").write_text(DEB822)

    hosts = {source.uri.split("/")[2] for source in read_sources(tmp_path)}

    assert hosts == {"one.example", "two.example"}


def test_no_sources_at_all(tmp_path: Path) -> None:
    assert read_sources(tmp_path) == []
    assert choose_mirror([]) is None


def test_mirror_is_debian_and_not_somebody_elses_archive() -> None:
    others = [
        Source("https://tools.example/apt", "stable", ("main",)),
        Source("https://node.example/node", "nodistro", ("main",)),
        Source("https://containers.example/linux/debian", "bookworm", ("stable",)),
    ]

    assert choose_mirror(others[1:]) is None
    assert choose_mirror([*others, *parse_deb822(DEB822)]) == Mirror(
        "http://mirror.example/debian", "http://mirror.example/debian-security", KEYRING
    )


@pytest.mark.parametrize("security", ["", "http://m.example/debian-security"])
def test_lines_for_another_release(security: str) -> None:
    lines = Mirror("http://m.example/debian", security).lines("trixie")

    assert lines[:2] == [
        f"deb [signed-by={KEYRING}] http://m.example/debian trixie main",
        f"deb [signed-by={KEYRING}] http://m.example/debian trixie-updates main",
    ]
    assert len(lines) == (3 if security else 2)


def test_settings_for_fetching_go_along() -> None:
    dump = """\
APT::Architecture "amd64";
Acquire::http "";
Acquire::http::Proxy "http://proxy.example:3128";
Acquire::Check-Date "false";
Acquire::Languages "";
Acquire::Languages:: "none";
"""

    assert apt_settings(dump) == [
        'Acquire::http::Proxy "http://proxy.example:3128";',
        'Acquire::Check-Date "false";',
    ]
