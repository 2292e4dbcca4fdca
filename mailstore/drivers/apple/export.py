"""The mbox file of an exported mailbox: opened as what it is, a store of its own with INBOX alone.

Another format's store is reached through the registry, by the same verbs as everybody else's.
"""

from __future__ import annotations

from dataclasses import replace

from mailstore.registry import open_driver
from mailstore.spi import Driver, Location, Settings


def open_mbox(file: str, settings: Settings) -> Driver:
    """Open an mbox file for reading; its index lies in memory.

    Raises:
        NotAStore: it is no mbox file.
        StorageFailure: it cannot be read.
    """
    return open_driver(
        Location("mbox", file), replace(settings, readonly=True, create=False, index="memory", quota=None)
    )
