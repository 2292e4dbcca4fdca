"""Keeping others from changing a database while it is read: a writing transaction that writes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import apsw

from mailstore.drivers.sql.database import Database
from mailstore.spi import Hold


@contextmanager
def hold(reader: Database, timeout: float) -> Iterator[Hold]:
    """See Holding.hold. All accounts of the database are held; readers go on by their own connections."""
    writer = Database(reader.path, readonly=False, timeout=timeout)
    try:
        with writer.write() as connection:
            if _has_pages(reader.path):  # who closes last would write them into the database: not ours to change
                connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            yield Hold("", lambda: None)
    finally:
        if reader.readonly:
            reader.close()  # it opens again when asked; while it is open -wal and -shm would stay behind
        writer.close()


def _has_pages(path: str) -> bool:
    try:
        return os.path.getsize(f"{path}-wal") > 0
    except OSError:
        return False
