"""What all folders of an open Maildir share: where it is, how it is spelled, its index, unique names."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property

from mailstore.drivers.maildir.layout import SUBDIRECTORIES, Layout
from mailstore.drivers.maildir.ledger import Ledger
from mailstore.drivers.sidecar import Index
from mailstore.formats import maildirname, uniquename
from mailstore.model.quota import QuotaRules
from mailstore.system import clock, fs


@dataclass
class Account:
    """One open store.

    Attributes:
        root: absolute path.
        layout: its folders.
        index: of all its folders.
        family: ``dovecot`` or ``courier``.
        readonly: nothing is written.
        lock_timeout: seconds.
        noatime: O_NOATIME as long as the system lets us use it.
        separator: between base and info in names we write; '' until it is known.
        quota_style: whose way to count holds instead of the one kept with the store; '' is none.
        quota: the opener's rules.
        subscriptions: name of Dovecot's file of them.
    """

    root: str
    layout: Layout
    index: Index
    family: str
    readonly: bool
    lock_timeout: float
    separator: str = ""
    quota_style: str = ""
    quota: QuotaRules | None = None
    subscriptions: str = "subscriptions"
    noatime: int = getattr(os, "O_NOATIME", 0)
    _host: str = field(default_factory=lambda: uniquename.host_part(os.uname().nodename))
    _last: int = 0
    _anchor: int = -1
    _process: tuple[int, str] = (0, "")

    @property
    def tmp(self) -> str:
        """Where messages are staged: ``tmp`` of INBOX, absolute."""
        return os.path.join(self.layout.absolute(self.layout.inbox), "tmp")

    @cached_property
    def mode(self) -> int:
        """Permissions of new files: those of the root without execution (shared Maildirs; Dovecot's rule)."""
        return os.stat(self.root).st_mode & 0o666 | 0o600

    @cached_property
    def ledger(self) -> Ledger:
        """The sums of the account's quota."""
        return Ledger(self.layout, lambda: self.mode, self.quota_style, self.readonly, self.quota)

    @property
    def directory_mode(self) -> int:
        """Permissions of new directories: whoever may read files there may search them."""
        return self.mode | (self.mode & 0o444) >> 2

    def anchor(self) -> int:
        """Return a descriptor of the file system for syncfs; opened before anything is staged, closed by ``close``."""
        if self._anchor < 0:
            self._anchor = fs.open_directory(self.root)
        return self._anchor

    def close(self) -> None:
        """Release what is held open; may be called twice."""
        anchor, self._anchor = self._anchor, -1
        if anchor >= 0:
            with suppress(OSError):  # nothing was written by way of it
                fs.close(anchor)
        self.index.close()

    def make_subdirectories(self, directory: str) -> None:
        """Make tmp, new and cur where they are missing."""
        made = False
        for name in SUBDIRECTORIES:
            if not os.path.isdir(f"{directory}/{name}"):
                with suppress(FileExistsError):
                    fs.mkdir(f"{directory}/{name}", self.directory_mode)
                    made = True
        if made:
            fs.sync_directory(directory)

    def fresh_base(self, size: int | None = None, crlf_size: int | None = None, key: bytes | None = None) -> str:
        """Return a base name that was never given before, by any process, with its size fields.

        ``R``: random, the idempotency key where there is one; ``M``: microseconds, always growing in this process,
        so that names sort in the order in which they were given.
        """
        first, pid, random, host = self.reserve(1)
        base = uniquename.base_name(first, pid, random if key is None else key.hex(), host)
        if size is not None:
            base += f",S={size}"
        if crlf_size is not None:
            base += f",W={crlf_size}"
        return base

    def reserve(self, count: int) -> tuple[int, int, str, str]:
        """Reserve ``count`` names: returns the microseconds of the first, the process, its random part, the host."""
        pid = os.getpid()
        if self._process[0] != pid:
            self._process = pid, os.urandom(4).hex()
        first = max(clock.now_ns() // 1000, self._last + 1)
        self._last = first + count - 1
        return first, pid, self._process[1], self._host

    def file_name(self, base: str, info: str) -> str:
        """Return a file name; ``info`` as in ``2,S`` or ''."""
        return base + self.pinned_separator() + info if info else base

    def pinned_separator(self) -> str:
        """Return the separator this store's names have; found once, ``:`` where no name has any."""
        if not self.separator:
            self.separator = self._find_separator() or ":"
        return self.separator

    def _find_separator(self) -> str:
        for place in list(self.layout.scan().values())[:50]:
            try:
                with os.scandir(os.path.join(self.layout.absolute(place.directory), "cur")) as entries:
                    for _, entry in zip(range(50), entries, strict=False):
                        if found := maildirname.separator_of(entry.name):
                            return found
            except OSError:
                continue
        return ""
