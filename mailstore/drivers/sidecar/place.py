"""Where an index lives: the opener says, and ``auto`` finds a place that harms nobody."""

from __future__ import annotations

import hashlib
import os
import stat

from mailstore.drivers.sidecar.database import DatabaseIndex, ReadOnlyIndex
from mailstore.drivers.sidecar.index import Index, MemoryIndex
from mailstore.errors import CannotCreate, UsageError
from mailstore.spi import Settings
from mailstore.system import fs
from mailstore.system.places import state_directory


def open_index(settings: Settings, beside: str | None, identity: str) -> Index:
    """Open the index that ``settings`` asks for; nothing is read or written before it is used.

    Args:
        settings: ``index`` (memory, beside, state, auto or an absolute path), ``readonly``, ``lock_timeout``.
        beside: the path of the index file beside the store; None where none may lie there.
        identity: the store's absolute path: it names the file in the state directory.

    Raises:
        UsageError: ``index`` is none of these.
        CannotCreate: ``beside`` is asked for and cannot be, or the directory for it cannot be made.
    """
    place = settings.index
    if place not in ("memory", "beside", "state", "auto") and not os.path.isabs(place):
        raise UsageError(f"index={place}: choose memory, beside, state, auto or an absolute path")
    if place == "beside" and beside is None:
        raise CannotCreate(f"{fs.shown(identity)}: no index can lie beside this store; use index=state", path=identity)
    if place == "memory" or (place == "auto" and settings.readonly):
        return MemoryIndex()
    if place == "auto":
        place = "beside" if beside is not None and is_fit(os.path.dirname(beside)) else "state"
    state = place == "state"
    path = _state_path(identity) if state else beside if place == "beside" else place
    if path is None:
        return MemoryIndex("there is no home directory to keep the index in; it is kept in memory")
    if settings.readonly:
        return ReadOnlyIndex(path, timeout=settings.lock_timeout)
    if state:
        try:
            fs.make_directories(os.path.dirname(path))
        except OSError as error:
            if settings.index == "auto":
                return MemoryIndex(f"{fs.shown(path)}: {error.strerror}; the index is kept in memory")
            raise fs.translate(error, path, CannotCreate) from error
    return DatabaseIndex(path, timeout=settings.lock_timeout, expendable=place in ("beside", "state"))


def is_fit(directory: str) -> bool:
    """Tell whether a file of ours may lie in ``directory``: we can write there, and it is no shared spool.

    SQLite opens only paths in UTF-8.
    """
    try:
        directory.encode()
        mode = os.stat(directory).st_mode
    except (OSError, UnicodeEncodeError):
        return False
    shared = mode & stat.S_ISVTX or mode & stat.S_IWOTH or (mode & stat.S_ISGID and mode & stat.S_IWGRP)
    return not shared and os.access(directory, os.W_OK | os.X_OK)


def _state_path(identity: str) -> str | None:
    """The file in the user's state directory."""
    directory = state_directory()
    name = hashlib.sha256(os.fsencode(identity)).hexdigest()[:32]
    return None if directory is None else os.path.join(directory, "index", f"{name}.db")
