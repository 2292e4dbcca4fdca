"""The ordinary delivery into one mbox file, without opening a store.

The problem. A delivery starts a process for each mail, and a store is some forty modules, with the patterns that read
mail of all the world: ten times an interpreter's start, for one message that is put behind others.

The solution. What a delivery does lies in modules that load next to nothing, which the store uses as well: the locks
(``held``), the note of the append (``note``), the record and its place (``delivery``). Here they are put together for
the ordinary case; whatever is less plain is left to the store, before anything is written: a file that is not there, is
empty, packed or no mbox, an option that is not about locks or dialect, a quota, and what a crash left under way.
"""

from __future__ import annotations

import os
import stat

from mailstore.drivers.mbox import note
from mailstore.drivers.mbox.delivery import deliver as append
from mailstore.drivers.mbox.held import Held
from mailstore.formats.mbox.block import NAMES
from mailstore.formats.mbox.compose import Message, write_record
from mailstore.formats.mbox.dialect import DIALECTS, Dialect
from mailstore.model.flags import RECENT
from mailstore.system import clock, fs
from mailstore.system.lockrules import HELPERS, LockRules, read_methods

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_KNOWN = frozenset({"dialect", "helper", "locks"})


def deliver(
    path: str,
    options: Mapping[str, str],
    whole: Callable[[frozenset[str]], bytes | None],
    sender: str | None,
    lock_timeout: float,
) -> bool:
    """Deliver into the mbox file at ``path``; durable where it returns True. False: nothing was done, open the store.

    Args:
        path: absolute.
        options: of the location.
        whole: gives the message without header fields of these names (lower case), or None where it is too large.
        sender: envelope sender; '' is the null sender, None unknown.
        lock_timeout: seconds to wait for other programs' locks.

    Raises:
        StoreBusy, StorageFull, StorageFailure, ReadOnlyStore, NotAStore, CannotCreate: as the store does.
    """
    rules = _rules(options, lock_timeout)
    dialect = DIALECTS.get(options.get("dialect", "mboxrd"))
    if rules is None or dialect is None or options.keys() - _KNOWN or not _has_mail(path) or note.has_rules(path):
        return False
    body = whole(NAMES)
    if body is None:
        return False
    with Held(path, rules) as (fd, dotlock), fs.errors(path):
        if note.is_pending(path):
            return False

        def record(chosen: Dialect) -> tuple[bytes, ...]:
            return (write_record(body, Message(clock.now(), sender, RECENT), chosen),)

        def beat() -> None:
            if dotlock is not None:
                dotlock.refresh()

        if not append(path, fd, dialect if "dialect" in options else None, record, beat):
            return False
        note.forget(path)
    return True


def _rules(options: Mapping[str, str], timeout: float) -> LockRules | None:
    """Return how the file is locked; None where an option makes no sense."""
    helper = options.get("helper", "auto")
    try:
        methods = read_methods(options.get("locks", "debian"))
    except ValueError:
        return None
    return LockRules(methods, helper, timeout) if helper in HELPERS else None


def _has_mail(path: str) -> bool:
    """Tell whether there is a file that holds anything."""
    try:
        found = os.stat(path)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size > 0
