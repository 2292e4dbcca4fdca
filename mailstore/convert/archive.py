"""Destinations of conversions: any store, and packed mbox files (``mbox:FILE.zst``, ``.gz``, ``.bz2``, ``.xz``).

The problem. A packed file cannot be changed in place, and a crash must leave neither half a file under the archive's
name nor one that lacks what the last had.

The solution. What is in the archive is unpacked into a plain mbox in a directory of our own beside it; that is
converted into as always, UIDs and all, and packed as a whole into a temporary file, which is read again, synced, and
takes the archive's name in one step. Where nothing was copied, nothing is written. Killed before that step, the archive
is as it was: the journal, which lies beside it and may know more by then, is held against it at the next run.

Of two runs at once the one that is done second finds, before the last step and under a lock on the directory above,
another archive than it unpacked, and gives up. Our own directory is locked while it is in use: what a killed run left
is known by that, and removed by the next.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from mailstore.convert.identity import check_apart
from mailstore.errors import NotAStore, StoreBusy, UsageError
from mailstore.registry import parse_location
from mailstore.spi import Location
from mailstore.store import Store, open_store
from mailstore.system import fs, kernellocks, locks
from mailstore.system.packed import compression, compression_named, pack, unpacked


@contextmanager
def open_destination(
    location: str,
    *,
    folders: bool = False,
    lock_timeout: float = 300.0,
    source: Location | None = None,
    at_once: bool = False,
) -> Iterator[Store]:
    """Open a store to convert into for a block, making it where there is none; one that is packed, too.

    A packed one can be written to within the block, and is made anew as a whole at its end if it was; what was
    committed is durable only then. An exception that leaves the block leaves the archive as it was. It takes room
    beside the archive for its contents unpacked.

    Args:
        location: as for ``open_store``.
        folders: where it is made now, it is to hold folders besides INBOX; a packed one never does.
        lock_timeout: seconds to wait for another program's lock.
        source: what is to be converted: nothing is made in there.
        at_once: what is committed must last at once, as a follower's: no packed one will do.

    Raises:
        UsageError: the destination is the source, or lies in it; it is packed, and must not be.
        NotAStore: something else has the archive's name, or its data are damaged.
        StoreBusy: at the end of the block: the archive was made anew by others meanwhile.
        MailstoreError: as ``open_store``.
    """
    found = parse_location(location)
    if source is not None:
        check_apart(source, found)
    packed = compression_named(found.path) if found.format == "mbox" else None
    if packed is None:
        with open_store(location, create=True, folders=folders, lock_timeout=lock_timeout) as store:
            yield store
        return
    if at_once:
        raise UsageError(f"{found.path}: an archive is packed when all is done, and cannot follow what goes on")
    with _workplace(found.path) as directory:
        plain = os.path.join(directory, "mbox")
        before = _unpack(found.path, plain)
        begun = _identity(plain)
        inner = str(Location(found.format, plain, found.options))
        with open_store(inner, create=True, lock_timeout=lock_timeout) as store:
            store.location = found  # journal, report and what is set aside go by the archive's name
            yield store
        if _identity(plain) != begun:
            pack(plain, found.path, packed, _unchanged(found.path, before, lock_timeout))


def _unpack(final: str, plain: str) -> tuple[int, ...] | None:
    """Unpack the archive into ``plain``, and return by what it is known again; None where there is none."""
    with fs.errors(final):
        if os.path.islink(final) or (os.path.exists(final) and not os.path.isfile(final)):
            raise NotAStore(f"{fs.shown(final)} is no file; an archive cannot take its place", path=final)
        try:
            fd = fs.open_source(final, nofollow=True)
        except FileNotFoundError:
            return None
        try:
            packed = compression(os.pread(fd, 8, 0))
            if packed is None:
                raise NotAStore(f"{fs.shown(final)} is not packed; convert into it by another name", path=final)
            target = fs.create(plain)
            try:
                for chunk in unpacked(fd, packed, final):
                    fs.write_all(target, chunk)
            finally:
                fs.close(target)
            return _known_by(os.fstat(fd))
        finally:
            os.close(fd)


def _known_by(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _identity(path: str) -> tuple[int, ...] | None:
    with suppress(FileNotFoundError):
        return _known_by(os.lstat(path))
    return None


@contextmanager
def _unchanged(final: str, before: tuple[int, ...] | None, lock_timeout: float) -> Iterator[None]:
    """Keep other runs from replacing the archive for the block, in which it is the one that was unpacked."""
    above = os.path.dirname(final)
    fd = fs.open_directory(above)
    try:
        pauses = locks.Pauses(lock_timeout)
        while not kernellocks.try_lock(fd, "flock", exclusive=True, path=above):
            if not pauses.wait():
                raise pauses.busy(above, "flock")
        if _identity(final) != before:
            raise StoreBusy(f"{fs.shown(final)} was changed meanwhile; run again", path=final)
        yield
    finally:
        os.close(fd)


@contextmanager
def _workplace(final: str) -> Iterator[str]:
    """Give a directory beside the archive for its contents; what killed runs left goes."""
    above, name = os.path.split(final)
    start = f".{name[:150]}.mstore-work-"
    with fs.errors(above):
        for left in os.listdir(above):
            if left.startswith(start):
                _remove_left(os.path.join(above, left))
        while (fd := _make_locked(directory := os.path.join(above, f"{start}{os.urandom(8).hex()}"))) < 0:
            pass
    try:
        yield directory
    finally:
        fs.remove_tree(directory)
        os.close(fd)


def _make_locked(directory: str) -> int:
    """Make a directory and return its descriptor, locked; -1 where another run took it for one that was left."""
    fs.mkdir(directory)
    with suppress(FileNotFoundError):
        fd = fs.open_directory(directory)
        if kernellocks.try_lock(fd, "flock", exclusive=True, path=directory) and os.path.isdir(directory):
            return fd
        os.close(fd)
    return -1


def _remove_left(directory: str) -> None:
    """Remove a directory that nobody works in."""
    with suppress(OSError):
        fd = fs.open_directory(directory)
        try:
            if kernellocks.try_lock(fd, "flock", exclusive=True, path=directory):
                fs.remove_tree(directory)
        finally:
            os.close(fd)
