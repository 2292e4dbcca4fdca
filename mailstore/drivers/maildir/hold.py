"""Keeping others from changing a Maildir, as far as its locks go: Dovecot's ``dovecot-uidlist.lock`` in each folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from mailstore.spi import Hold
from mailstore.system import locks

GAPS = "a delivery into new/ takes no lock, nor does a mail reader that renames a file"


@contextmanager
def hold(directories: Sequence[str], timeout: float) -> Iterator[Hold]:
    """See Holding.hold; always in the same order, so that two that do this cannot wait for each other."""
    with ExitStack() as stack:
        held = [stack.enter_context(locks.uidlist_lock(directory, timeout)) for directory in sorted(directories)]

        def refresh() -> None:
            for lock in held:
                lock.refresh()

        yield Hold(GAPS, refresh)
