"""What a forked child does with the connections of its parent.

The problem: SQLite notes in memory which locks the process holds on a file. A child inherits the notes and not the
locks, so that a connection it opens beside an inherited one believes itself protected and is not; a connection closed
in the child may write the parent's pages into the file; and Python closes what it collects.

The solution: after a fork all connections are kept out of the collector's reach. When the child first needs a
database, and when it exits, they are closed in a way that neither writes nor removes a file; only then it opens its
own. One in the middle of a transaction is left lying for good.
"""

from __future__ import annotations

import atexit
import os
from _weakref import ref

import apsw

from mailstore.drivers.sql import opened
from mailstore.system.calls import suppress

_connections: dict[int, ref[apsw.Connection]] = {}
_inherited: list[apsw.Connection] = []


def track(connection: apsw.Connection) -> apsw.Connection:
    """Remember a connection that this process opened; returns it."""
    key, known = id(connection), _connections

    def forget(_: object) -> None:
        known.pop(key, None)

    known[key] = ref(connection, forget)
    return connection


def drop_inherited() -> None:
    """Close what a parent process opened, without a write; does nothing in a process that inherited nothing."""
    lying: list[apsw.Connection] = []
    while _inherited:
        connection = _inherited.pop()
        with suppress(apsw.ConnectionClosedError):  # the parent closed it itself
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            if connection.in_transaction:
                lying.append(connection)
            else:
                connection.close()
    _inherited.extend(lying)


def _inherit() -> None:
    _inherited.extend(filter(None, [known() for known in list(_connections.values())]))
    _connections.clear()
    opened.forget_all()


os.register_at_fork(after_in_child=_inherit)
atexit.register(drop_inherited)
