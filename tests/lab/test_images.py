# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the image store and of the network that need no host."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from lablib import common, definitions, images, network
from lablib.cgroups import hierarchies
from lablib.common import LabError, check_host_name, lab_name, write_json
from lablib.definitions import IMAGES, File, Image, key_of
from lablib.network import Network, is_routed
from lablib.overlay import Upper


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty image store and state folder."""
    for module in (common, images, network):
        monkeypatch.setattr(module, "STATE", tmp_path / "state")
    monkeypatch.setattr(images, "CACHE", tmp_path / "cache")
    return tmp_path


def _cached(store: Path, key: str, base: str = "") -> Path:
    folder = store / "cache" / key
    write_json(folder / "image.json", {"name": key.rpartition("-")[0], "base": base})
    (folder / "root").mkdir()
    return folder


def test_a_change_gives_a_new_key() -> None:
    debian = IMAGES["debian12"]

    assert key_of(debian) == key_of(dataclasses.replace(debian))
    assert key_of(debian) != key_of(dataclasses.replace(debian, packages=("systemd",)))


def test_a_layers_key_depends_on_its_base(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = IMAGES["timeserver"]
    before = key_of(layer)
    changed = dataclasses.replace(IMAGES["debian12"], script="true\n")
    monkeypatch.setitem(definitions.IMAGES, "debian12", changed)

    assert key_of(layer) != before


def test_a_files_content_is_in_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(definitions, "CHECKOUT", tmp_path)
    image = Image("x", "", base="debian12", files=(File("/opt/x", source="folder"),))
    with pytest.raises(LabError, match="nothing is there"):
        key_of(image)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("one")
    before = key_of(image)
    (tmp_path / "folder" / "file").write_text("two")

    assert key_of(image) != before


def test_layers_are_found_from_the_top_down(store: Path) -> None:
    base = _cached(store, "debian12-0123456789ab")
    top = _cached(store, "timeserver-0123456789ab", base.name)

    assert images.layers(top.name) == [top / "root", base / "root"]
    with pytest.raises(LabError, match="is gone"):
        images.layers("other-0123456789ab")


def test_a_build_that_fails_leaves_no_image(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_image: Image, part: Path) -> None:
        (part / "root").mkdir()
        raise LabError("no network")

    monkeypatch.setattr(images, "_build_release", fail)
    debian = IMAGES["debian12"]
    with pytest.raises(LabError, match="no network"):
        images.ensure({"debian12"})
    assert not (store / "cache" / key_of(debian)).exists()

    monkeypatch.setattr(images, "_build_release", lambda _image, part: (part / "root").mkdir())
    images.ensure({"debian12"})

    assert [path.name for path in (store / "cache").iterdir()] == [key_of(debian)]
    assert images.layers(key_of(debian)) == [store / "cache" / key_of(debian) / "root"]


def test_old_images_go_unless_a_host_stands_on_them(store: Path) -> None:
    unused = _cached(store, "debian12-000000000001")
    used = _cached(store, "debian12-000000000002")
    layer = _cached(store, "timeserver-000000000003", used.name)
    newest = _cached(store, "debian12-000000000004")
    another = _cached(store, "timeserver-000000000005", newest.name)
    write_json(store / "state" / "main" / "hosts" / "clock" / "host.json", {"key": layer.name})

    images.remove_unused()

    assert not unused.exists()
    assert all(folder.exists() for folder in (used, layer, newest, another))


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a.b", "localhost", "a" * 33, "../x"])
def test_names_that_no_host_can_have(name: str) -> None:
    with pytest.raises(LabError):
        check_host_name(name)


def test_names_of_labs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLEETAUTH_LAB", raising=False)
    assert lab_name() == "main"
    monkeypatch.setenv("FLEETAUTH_LAB", "../x")
    with pytest.raises(LabError):
        lab_name()


def test_names_of_interfaces_fit() -> None:
    last = Network(254)

    assert len(last.veth(254)) <= 15
    assert len(last.bridge) <= 15


def test_a_network_in_use_is_not_taken() -> None:
    routes: list[dict[str, object]] = [{"dst": "default"}, {"dst": "10.98.4.0/22"}]

    assert not is_routed(3, routes)
    assert is_routed(4, routes)
    assert is_routed(7, routes)


def test_hierarchies_of_both_kinds() -> None:
    unified = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
    hybrid = (
        "31 25 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
        "33 25 0:29 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
        "34 25 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
    )

    assert hierarchies(unified) == [Path("/sys/fs/cgroup")]
    assert hierarchies(hybrid) == [
        Path("/sys/fs/cgroup/unified"),
        Path("/sys/fs/cgroup/systemd"),
    ]
    with pytest.raises(LabError):
        hierarchies("31 25 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n")


def test_folders_in_an_overlay_are_as_they_are_below(tmp_path: Path) -> None:
    (tmp_path / "low" / "root").mkdir(parents=True)
    (tmp_path / "low" / "root").chmod(0o700)
    upper = Upper(tmp_path / "up", [tmp_path / "top", tmp_path / "low"])
    upper.write("/root/.ssh/authorized_keys", "key\n", 0o600)

    assert (tmp_path / "up" / "root").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "up" / "root" / ".ssh" / "authorized_keys").stat().st_mode & 0o777 == 0o600


def test_of_a_copied_files_mode_only_executable_counts(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "bin" / "__pycache__").mkdir(parents=True)
    (source / "bin" / "__pycache__" / "x.pyc").write_text("")
    for name, mode in (("run", 0o700), ("read", 0o600)):
        (source / "bin" / name).write_text(name)
        (source / "bin" / name).chmod(mode)
    Upper(tmp_path / "up", []).copy(source, "/opt")

    copied = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "up/opt/bin").iterdir()}
    assert copied == {"run": 0o755, "read": 0o644}


def test_the_kernels_limit_is_put_back_with_the_last_lab(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = store / "max_user_instances"
    limit.write_text("128\n")
    monkeypatch.setattr(network, "INSTANCES", limit)
    record = store / "state" / "main" / "lab.json"
    write_json(record, {"index": 0})

    network.raise_limits()
    network.raise_limits()
    network.restore_limits()
    assert int(limit.read_text()) == network.ENOUGH_INSTANCES

    record.unlink()
    network.restore_limits()
    assert int(limit.read_text()) == 128
