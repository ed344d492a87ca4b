# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds images and keeps them: mmdebstrap for a Debian release, an overlay layer for the others.

An image is a folder in the cache, put there by one rename when it is complete. What a killed build
leaves is called ``KEY.part``; nothing takes that for an image, and the next build removes it.
Builds run in a mount and process namespace of their own and die with the lab's process, so that
neither processes nor mounts can be left behind.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from .common import CACHE, STATE, LabError, ensure_packages, locked, read_json, run, say, write_json
from .definitions import File, Image, image_named, key_of, source_of
from .overlay import Upper
from .sources import Mirror, apt_settings, choose_mirror, read_sources

TOOLS = {
    "mmdebstrap": "/usr/bin/mmdebstrap",
    "debian-archive-keyring": "/usr/share/keyrings/debian-archive-keyring.gpg",
}

SEALED = (
    *("setpriv", "--pdeathsig", "KILL", "--"),
    *("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--"),
)

# Enters a root with a minimal /dev and runs the script on standard input there. With a lower layer
# the root is an overlay, of which the upper part is the layer being built.
ENTER = """\
root=$1 lower=$2 upper=$3 work=$4
if [ -n "$lower" ]; then
    mount -t overlay lab -o "lowerdir=$lower,upperdir=$upper,workdir=$work" "$root"
fi
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    : > "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
exec chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \\
    HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive sh -eu
"""

# Fetches what the shelf needs beyond what is installed; runs within mmdebstrap, which has the
# machine's route to the mirror and the apt lists that the root was made from.
FETCH = """\
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
apt-get clean
apt-get -q -y --no-install-recommends --download-only install {packages}
mkdir -p "$1/srv/repo"
mv "$1"/var/cache/apt/archives/*.deb "$1/srv/repo/"
"""


def layers(key: str) -> list[Path]:
    """Return the folders that make up an image, the uppermost first."""
    record = read_json(CACHE / key / "image.json")
    if record is None:
        raise LabError(f"the image {key} is gone from {CACHE}; `lab reset` the hosts that need it")
    below = layers(record["base"]) if record["base"] else []
    return [CACHE / key / "root", *below]


def ensure(names: set[str]) -> None:
    """Build those images that are missing, two at a time; a layer sees to its base itself."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(_ensure, map(image_named, sorted(names))))


def _ensure(image: Image) -> None:
    if (CACHE / key_of(image)).exists():
        return
    if image.base:
        _ensure(image_named(image.base))
    with locked(f"image.{image.name}", f"the image {image.name}"):
        if not (CACHE / key_of(image)).exists():
            _build(image, key_of(image))


def _build(image: Image, key: str) -> None:
    say(f"lab: building the image {image.name}")
    start = time.monotonic()
    for leftover in CACHE.glob(f"{image.name}-{'?' * 12}.part"):
        remove_tree(leftover)
    part = CACHE / f"{key}.part"
    part.mkdir(parents=True)
    if image.base:
        _build_layer(image, part)
    else:
        _build_release(image, part)
    write_json(
        part / "image.json",
        {"name": image.name, "base": key_of(image_named(image.base)) if image.base else ""},
    )
    part.rename(CACHE / key)
    say(f"lab: built {key} in {time.monotonic() - start:.0f} s")
    remove_unused()


def _build_release(image: Image, part: Path) -> None:
    ensure_packages(TOOLS)
    root, temporary = part / "root", part / "tmp"
    temporary.mkdir()
    temporary.chmod(0o1777)
    fetch = temporary / "fetch"
    fetch.write_text("#!/bin/sh -eu\n" + FETCH.format(packages=" ".join(image.shelf)))
    fetch.chmod(0o755)
    command = [*_mmdebstrap(image, root, fetch), *_mirror().lines(image.suite)]
    run(*SEALED, *command, env={"TMPDIR": str(temporary)}, what=f"building {image.name}")
    remove_tree(temporary)
    for source in (
        root / "etc/apt/sources.list",
        *(root / "etc/apt/apt.conf.d").glob("*mmdebstrap"),
    ):
        source.unlink(missing_ok=True)
    (root / "etc/dpkg/dpkg.cfg.d/99mmdebstrap").unlink(missing_ok=True)
    _write_index(root / "srv/repo")
    _copy_files(image.files, Upper(root, []))
    _run_inside(image, image.script, root)


def _mmdebstrap(image: Image, root: Path, fetch: Path) -> list[str]:
    excluded = [line for file in image.files for line in file.text.splitlines() if "path-ex" in line]
    return [
        *("mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory"),
        *(f"--aptopt={line}" for line in apt_settings(run("apt-config", "dump"))),
        *('--aptopt=Acquire::Languages "none"', "--dpkgopt=force-unsafe-io"),
        *(f"--dpkgopt={line}" for line in excluded),
        f"--include={','.join(image.packages)}",
        f"--customize-hook={fetch}",
        *(image.suite, str(root)),
    ]


def _mirror() -> Mirror:
    mirror = choose_mirror(read_sources())
    if mirror is None:
        raise LabError("no Debian mirror is named in /etc/apt/sources.list or /etc/apt/sources.list.d")
    return mirror


def _build_layer(image: Image, part: Path) -> None:
    upper, work, merged = part / "root", part / "work", part / "merged"
    for folder in (upper, work, merged):
        folder.mkdir()
    below = layers(key_of(image_named(image.base)))
    # Files go in first, so that a package finds its configuration and does not write its own.
    install = f"apt-get -q -y -o Dpkg::Options::=--force-confold install {' '.join(image.packages)}\n"
    _copy_files(image.files, Upper(upper, below))
    script = (install if image.packages else "") + image.script + "\napt-get clean\n"
    _run_inside(image, script, merged, ":".join(map(str, below)), str(upper), str(work))
    remove_tree(work)
    remove_tree(merged)


def _run_inside(
    image: Image, script: str, root: Path, lower: str = "", upper: str = "", work: str = ""
) -> None:
    places = (str(root), lower, upper, work)
    what = f"setting up {image.name}"
    run(*SEALED, "sh", "-euc", ENTER, "enter", *places, stdin=script, what=what)


def _copy_files(files: tuple[File, ...], upper: Upper) -> None:
    for file in files:
        if not file.source:
            upper.write(file.path, file.text, file.mode)
        elif source_of(file).is_dir():
            upper.copy(source_of(file), file.path)
        else:
            upper.copy(source_of(file), file.path, file.mode)


def _write_index(repository: Path) -> None:
    entries = []
    for package in sorted(repository.glob("*.deb")):
        content = package.read_bytes()
        # A name with an epoch has "%3a" in it, which apt would decode: give it a plain one.
        plain = package.with_name(package.name.replace("%3a", "_"))
        package.rename(plain)
        control = run("dpkg-deb", "--field", plain).rstrip("\n")
        digest = hashlib.sha256(content).hexdigest()
        entries.append(f"{control}\nFilename: ./{plain.name}\nSize: {len(content)}\nSHA256: {digest}\n")
    (repository / "Packages").write_text("\n".join(entries), encoding="utf-8")


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Keep images from being removed, while a host that is about to use one is written down."""
    with locked("images", "the list of images"):
        yield


def remove_unused() -> None:
    """Remove images that a newer definition replaced and that no host of any lab stands on."""
    with kept():
        images = _cached()
        used = _in_use(images)
        newest = {str(image["name"]): key for key, image in images.items()}
        for key in set(images) - used - set(newest.values()):
            remove_tree(CACHE / key)


def _cached() -> dict[str, dict[str, Any]]:
    """Return the images in the cache by key, in the order in which they were built."""
    records = [path for path in CACHE.glob("*/image.json") if path.parent.suffix != ".part"]
    records.sort(key=lambda path: path.stat().st_mtime)
    return {path.parent.name: read_json(path) or {} for path in records}


def _in_use(images: dict[str, dict[str, Any]]) -> set[str]:
    hosts = (read_json(path) for path in STATE.glob("*/hosts/*/host.json"))
    waiting = [str(host["key"]) for host in hosts if host]
    waiting += [str(image["base"]) for image in images.values()]
    used: set[str] = set()
    while waiting:
        key = waiting.pop()
        if key in images and key not in used:
            used.add(key)
            waiting.append(str(images[key]["base"]))
    return used


def remove_tree(folder: Path) -> None:
    """Remove a folder of ours, whatever is in it; that it is gone already is fine."""
    if folder.exists():
        # rm says what it could not remove, and never follows a mount that should not be there.
        run("rm", "-rf", "--one-file-system", "--", folder)
