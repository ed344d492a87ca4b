# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading files, and writing them so that at every instant the old or the new one is there, whole.

Private to this collection: may change at any time. Only regular files are read, so many bytes of them at most, and
never one that makes its reader wait: a pipe, a device or a file without end in the place of a file is an error.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from typing import BinaryIO

from ansible_collections.fleetauth.twofactor.plugins.module_utils._errors import TwofactorError

NEW = ".twofactor-new"
"""Ends the name of a file that is about to replace another; neither sshd nor PAM reads such a name."""
LARGEST = 32 << 20
"""Bytes. More than any file has that a host is configured by, the journal of a large change included."""
_CHUNK = 64 << 10
_OPEN_TO_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NULL_DEVICE = os.makedev(1, 3)
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


class UnsafeFile(TwofactorError, OSError):
    """A file that is not read or replaced as it is.

    An OSError as well, since who goes on after a file that cannot be read goes on after this one too.
    """


def read_text(path: str) -> str | None:
    """Return the text of a file as it is now, None when there is none or a folder in its place.

    Raises UnsafeFile for what is no regular file, or a file of more than ``LARGEST`` bytes.
    """
    found = read_bytes(path)
    return None if found is None else found[0].decode("utf-8", "surrogateescape")


def read_bytes(path: str) -> tuple[bytes, os.stat_result] | None:
    """Return the content of a file and what stat(2) says of it, under the same conditions as its text."""
    stream = open_regular(path)
    if stream is None:
        return None
    with stream:
        there = os.fstat(stream.fileno())
        # Bit by bit: below /proc the kernel sets aside as much memory as is asked for.
        data = b"".join(_chunks(stream))
    if len(data) > LARGEST:
        raise UnsafeFile(
            "file_too_large",
            f"{path} has more than {LARGEST >> 20} MiB, so it is not read.",
            "See what is in it, and put the file that belongs there in its place.",
        )
    return data, there


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    """Return a file's content in pieces, little more of it than ``LARGEST`` bytes."""
    left = LARGEST
    while left >= 0:
        chunk = stream.read(_CHUNK)
        if not chunk:
            return
        left -= len(chunk)
        yield chunk


def open_regular(path: str) -> BinaryIO | None:
    """Open a regular file to read, without waiting for anything; None when there is none or a folder in its place.

    Raises UnsafeFile for anything else.
    """
    try:
        # Looked at first, because opening a device may set something off; and again, because it may be another by then.
        if not _is_read(path, os.stat(path)):
            return None
        descriptor = os.open(path, _OPEN_TO_READ)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        if _is_read(path, os.fstat(descriptor)):
            return os.fdopen(descriptor, "rb")
    except UnsafeFile:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _is_read(path: str, there: os.stat_result) -> bool:
    """Tell whether there is a file to read; a link to /dev/null, which masks a file, is an empty one."""
    kind = there.st_mode
    if stat.S_ISREG(kind) or (stat.S_ISCHR(kind) and there.st_rdev == _NULL_DEVICE):
        return True
    if stat.S_ISDIR(kind):
        return False
    raise _not_regular(path)


def _not_regular(path: str) -> UnsafeFile:
    return UnsafeFile(
        "not_a_file",
        f"{path} is a pipe, a socket or a device, so it is neither read nor replaced.",
        "Put a regular file in its place, or remove it.",
    )


def make_folder(path: str, mode: int) -> None:
    """Create a folder (and its parents) unless it is there."""
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path)
    if parent != path:
        make_folder(parent, 0o755)
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, mode)
        os.chmod(path, mode)


def write_beside(path: str, text: str, mode: int, *, sync: bool = True) -> str:
    """Write ``text`` into a new file beside ``path`` and return its name.

    A file that exists lends its mode and owner; ``mode`` is for a path that does not exist yet. The mode
    is right before the first byte is written.
    """
    new = path + NEW
    with contextlib.suppress(FileNotFoundError):
        os.unlink(new)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        _lend_mode_and_owner(path, descriptor, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as out:
            out.write(text)
            out.flush()
            if sync:
                os.fsync(out.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise
    return new


def _lend_mode_and_owner(path: str, descriptor: int, mode: int) -> None:
    try:
        there = os.stat(path)
    except FileNotFoundError:
        os.fchmod(descriptor, mode)
        return
    os.fchmod(descriptor, there.st_mode & 0o7777)
    os.fchown(descriptor, there.st_uid, there.st_gid)


def replace(path: str, text: str, mode: int) -> None:
    """Write a file atomically: a new one beside it, then a rename. A link stays, and what it leads to is replaced.

    Raises UnsafeFile for what is no regular file, and for a link that leads where others than root may write.
    """
    refuse_unsafe(path)
    target = os.path.realpath(path)
    make_folder(os.path.dirname(target), 0o755)
    new = write_beside(target, text, mode)
    try:
        os.rename(new, target)
    except BaseException:
        remove(new)
        raise


def refuse_unsafe(path: str) -> None:
    """Raise UnsafeFile for a file that would not be replaced."""
    target = os.path.realpath(path)
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(os.lstat(target).st_mode):
            raise _not_regular(path)
    folder = _open_to_others(target) if target != os.path.abspath(path) else None
    if folder is not None:
        raise UnsafeFile(
            "unsafe_link",
            f"{path} leads to {target}, and others than root may change what is in {folder}.",
            f"Put a regular file in the place of {path}, or have {folder} belong to root alone.",
        )


def _open_to_others(target: str) -> str | None:
    """Return the folder above a path in which somebody else than root, or than ourselves, may put another file."""
    folder = target
    while folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            if _belongs_to_others(os.stat(folder)):
                return folder
    return None


def _belongs_to_others(folder: os.stat_result) -> bool:
    if folder.st_uid not in (0, os.geteuid()):
        return True
    others = folder.st_mode & (stat.S_IWOTH if folder.st_gid == 0 else _OTHERS_MAY_WRITE)
    return bool(others) and not folder.st_mode & stat.S_ISVTX


def remove(path: str) -> None:
    """Remove a file if it is there."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def sync_folder(folder: str) -> None:
    """Make renames and removals in ``folder`` last through a power cut."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
