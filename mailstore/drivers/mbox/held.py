"""An mbox file, open and locked to be written to.

Loading this loads next to nothing: a delivery starts a process for each mail.
"""

from __future__ import annotations

import os

from mailstore.system import clock, fs
from mailstore.system.calls import suppress
from mailstore.system.mailboxes import open_mailbox
from mailstore.system.mailboxlocks import MailboxReplaced, mailbox_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailstore.system.dotlocks import Dotlock
    from mailstore.system.lockrules import LockRules

_REPLACED = 10
"""How often the file may be another one before the time is looked at: a rewrite by others may come in between."""


class Held:
    """Hold the locks of the file at ``path`` for a block, by ``rules``; an absent file is made, empty.

    The block gets the descriptor, open for reading and writing, and the dotlock, if there is one.

    Raises:
        StoreBusy: another program held a lock all the time, or put other files under the name.
        CannotCreate: there can be no dotlock.
        ReadOnlyStore: the file cannot be written.
        NotAStore: it is no regular file, or a link that is not followed.
    """

    def __init__(self, path: str, rules: LockRules) -> None:
        self._path, self._rules = path, rules
        self._fd = -1
        self._lock: mailbox_lock | None = None

    def __enter__(self) -> tuple[int, Dotlock | None]:
        end = clock.monotonic() + self._rules.timeout
        replaced = 0
        while True:
            try:
                return self._open()
            except MailboxReplaced:
                replaced += 1
                if replaced > _REPLACED and clock.monotonic() > end:
                    from mailstore.errors import StoreBusy  # late: most files are not replaced

                    text = f"{fs.shown(self._path)} is replaced by another file again and again"
                    raise StoreBusy(text, path=self._path) from None

    def _open(self) -> tuple[int, Dotlock | None]:
        with fs.errors(self._path):
            self._fd = _open(self._path)
        try:
            lock = mailbox_lock(self._path, self._fd, self._rules)
            dotlock = lock.__enter__()
            self._lock = lock
        finally:
            if self._lock is None:
                os.close(self._fd)
        return self._fd, dotlock

    def __exit__(self, *_: object) -> None:
        try:
            if self._lock is not None:
                self._lock.__exit__()
        finally:
            os.close(self._fd)


def _open(path: str) -> int:
    while True:
        try:
            return open_mailbox(path, writing=True)
        except FileNotFoundError:
            with suppress(FileExistsError):
                os.close(fs.create(path))
                fs.sync_directory(os.path.dirname(path))
