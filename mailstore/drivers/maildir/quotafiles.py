"""What stands beside the sums: the quota's other rules in ``mailstore-quota``, and notes in ``mailstore-quota-NAME``.

In the root of the account; rules as TOML (mailstore.formats.quotarules). Limits of bytes and messages stand in
``maildirsize``, which other programs believe; those that somebody wrote here hold as long as there is no such file.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import replace

from mailstore.errors import CorruptStore, UsageError
from mailstore.model.quota import NO_RULES, QuotaRules, QuotaStyle
from mailstore.system import fs
from mailstore.system.maildirsize import RULES

MOST = 1 << 16
"""Bytes of such a file."""

Stamp = tuple[int, int, int]


class KeptRules:
    """The rules and notes of one account.

    Args:
        root: the Maildir that keeps the sums.
        mode: gives the permissions of new files.
        style: holds instead of the one that is kept; '' is none.
    """

    def __init__(self, root: str, mode: Callable[[], int], style: str) -> None:
        self._path = os.path.join(root, RULES)
        self._mode = mode
        self._style: QuotaStyle | None = style or None  # type: ignore[assignment]
        self._read: tuple[Stamp, QuotaRules] | None = None

    def read(self) -> QuotaRules | None:
        """Return the rules; None where there are none. One stat as long as the file is the same.

        Raises:
            CorruptStore: the file cannot be read or understood.
        """
        stamp = self._stamp()
        if stamp is None:
            return None
        if self._read is None or self._read[0] != stamp:
            self._read = stamp, self._parse()
        return self._read[1]

    def _stamp(self) -> Stamp | None:
        try:
            found = os.lstat(self._path)
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _parse(self) -> QuotaRules:
        from mailstore.formats.quotarules import parse_rules  # late: most Maildirs keep no rules

        try:
            return self.with_style(parse_rules(_read_small(self._path)))
        except OSError as error:
            raise CorruptStore(f"{fs.shown(self._path)}: {error.strerror}", path=self._path) from error
        except UsageError as error:
            raise CorruptStore(f"{fs.shown(self._path)}: {error}", path=self._path) from error

    def with_style(self, rules: QuotaRules) -> QuotaRules:
        """Return rules with the style that the location asks for."""
        return rules if self._style in (None, rules.style) else replace(rules, style=self._style)

    def with_limits(self, rules: QuotaRules | None, limits: tuple[int, int]) -> QuotaRules:
        """Return rules with the limits of ``maildirsize``."""
        storage, messages = limits
        return replace(self.with_style(rules or NO_RULES), storage=storage or None, messages=messages or None)

    def write(self, rules: QuotaRules | None) -> bool:
        """Keep what rules say besides limits of bytes and messages; durable. False: nothing is left to keep.

        Raises:
            OSError: from the disk.
        """
        rest = replace(rules or NO_RULES, storage=None, messages=None)
        if rest == NO_RULES:
            _remove(self._path)
            return False
        from mailstore.formats.quotarules import format_rules  # late: as above

        self._replace(self._path, format_rules(rest))
        return True

    def _replace(self, path: str, data: bytes) -> None:
        """Write a file that those who deliver can read: rules that are closed to them limit nothing."""
        fs.replace_file(path, data, None if os.path.exists(path) else self._mode(), inherits=True)

    def note(self, name: str) -> str:
        """See QuotaKeeping.quota_note."""
        path = self._note_path(name)
        with fs.errors(path):
            try:
                return _read_small(path).decode("utf-8", "replace")
            except FileNotFoundError:
                return ""

    def set_note(self, name: str, text: str) -> None:
        """See QuotaKeeping.set_quota_note."""
        path = self._note_path(name)
        data = text.encode("utf-8", "surrogatepass")
        if len(data) > MOST:
            raise UsageError(f"a note has up to {MOST} bytes, not {len(data)}")
        with fs.errors(path):
            if data:
                self._replace(path, data)
            else:
                _remove(path)

    def _note_path(self, name: str) -> str:
        if not name or not name.isascii() or not name.replace("-", "").isalpha():
            raise UsageError(f"{name!r}: the name of a note has letters and hyphens")
        return f"{self._path}-{name}"


def _remove(path: str) -> None:
    if os.path.lexists(path):
        fs.unlink(path, missing_ok=True)
        fs.sync_directory(os.path.dirname(path))


def _read_small(path: str) -> bytes:
    fd = fs.open_source(path, nofollow=True)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_size > MOST:
            raise OSError(0, "it is no file of up to 64 KiB", path)
        return os.read(fd, MOST)
    finally:
        os.close(fd)
