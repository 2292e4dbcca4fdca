"""Keeping others from changing mboxes while they are read: their dotlocks, and the kernel's locks shared.

An exclusive kernel lock would keep our own readers out, which have the file open by other descriptors; a shared one
lets them in, and every writer has to wait for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

from mailstore.errors import ReadOnlyStore
from mailstore.spi import Hold
from mailstore.system import fs, locks
from mailstore.system.dotlocks import Dotlock
from mailstore.system.lockrules import LockRules
from mailstore.system.mailboxes import open_mailbox
from mailstore.system.mailboxlocks import MailboxReplaced, mailbox_lock

_REPLACED = 100


@contextmanager
def hold(files: Sequence[str], rules: LockRules) -> Iterator[Hold]:
    """See Holding.hold; always in the same order, so that two that do this cannot wait for each other."""
    with ExitStack() as stack:
        held = [dotlock for file in sorted(files) if (dotlock := _hold(stack, file, rules)) is not None]

        def refresh() -> None:
            for lock in held:
                lock.refresh()

        yield Hold("" if rules.methods else "the location says lock=none", refresh)


def _hold(stack: ExitStack, path: str, rules: LockRules) -> Dotlock | None:
    if not os.path.exists(path):  # an INBOX that nothing came to yet: it is not made, only kept from being made
        return stack.enter_context(locks.dotlock(path, rules.timeout)) if "dotlock" in rules.methods else None
    for _ in range(_REPLACED):
        fd = _open(path)
        stack.callback(os.close, fd)
        with suppress(MailboxReplaced):
            return stack.enter_context(mailbox_lock(path, fd, rules, shared=True))
    raise locks.Pauses(0.0).busy(path, "replaced by another file again and again")


def _open(path: str) -> int:
    """Open for writing where that may be, to see whether anybody has a lock on it; nothing is written."""
    with fs.errors(path):
        with suppress(PermissionError, ReadOnlyStore):
            return open_mailbox(path, writing=True)
        return open_mailbox(path, writing=False)
