"""The store in memory: the reference model that every other driver is measured against.

``memory:`` is a new store at every opening; ``memory:NAME`` is one store for the whole process, so that closing and
opening it again, or opening it twice, can be tried without a disk. Nothing survives the process. Bodies above 1 MiB
lie in unlinked temporary files.
"""

from __future__ import annotations

from mailstore.drivers.memory.account import Account
from mailstore.drivers.memory.driver import MemoryDriver
from mailstore.errors import LocationError, NoSuchStore
from mailstore.spi import Location, Settings

_NAMED: dict[str, Account] = {}


class _MemoryFormat:
    """``memory:`` and ``memory:NAME``."""

    name = "memory"
    options: frozenset[str] = frozenset()

    def detect(self, path: str) -> str | None:  # noqa: ARG002 - the signature is mailstore.spi.Format's
        """Nothing on disk is a store in memory."""
        return None

    def open(self, location: Location, settings: Settings) -> MemoryDriver:
        """Open the process's store of that name; a nameless one is new and needs no ``create``."""
        name = location.path
        if "/" in name:
            raise LocationError(
                f"memory:{name}: a store in memory has a plain name, not a path", location=str(location)
            )
        account = _NAMED.get(name) if name else Account()
        if account is None:
            if not settings.create:
                raise NoSuchStore(f"memory:{name}: no such store in this process", path=str(location))
            account = _NAMED[name] = Account()
        return MemoryDriver(account, settings)


FORMAT = _MemoryFormat()
