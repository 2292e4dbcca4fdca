r"""Regular expressions that rename folders, as sed writes them: ``s/REGEX/REPLACEMENT/flags``.

The problem. imapsync runs what follows ``--regextrans2`` as a program. And an expression of three characters can take
longer for a name of thirty than the universe is old, while names come from whoever could make a folder.

The solution. Only Python's ``re`` reads the expression, and the replacement is a template (``\1``, ``\g<name>``),
never code. The clock that counts this process's work (ITIMER_VIRTUAL) interrupts a match after ``LIMIT`` seconds; where
no signal can come, outside of the main thread, a match takes what it takes.
"""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from mailstore.errors import InvalidFolderName, UsageError
from mailstore.model.names import FolderPath

LIMIT = 2.0
"""Seconds of work that one name may cost."""


@dataclass(frozen=True, slots=True)
class Substitution:
    """One regular expression and what its matches become, for names in their one-string form."""

    pattern: re.Pattern[str]
    replacement: str
    everywhere: bool = False
    """Replace every match, not only the first."""

    @classmethod
    def parse(cls, text: str) -> Substitution:
        r"""Read ``s/REGEX/REPLACEMENT/flags``.

        Any character that is no letter, digit, blank or backslash may stand for ``/``; where it is meant literally it
        has a backslash before it. A dot matches any character. Flags: ``g`` all matches, ``i`` any case.

        Raises:
            UsageError: it is not that, or the expression or the replacement makes no sense.
        """
        mark = text[1:2]
        if text[:1] != "s" or not mark or mark.isalnum() or mark.isspace() or mark == "\\":
            raise UsageError(f"{text!r}: a substitution looks like s/REGEX/REPLACEMENT/")
        parts = re.split(rf"((?:[^\\{re.escape(mark)}]|\\.)*){re.escape(mark)}", text[2:], maxsplit=2, flags=re.DOTALL)
        if len(parts) != 5 or parts[0] or parts[2]:
            raise UsageError(f"{text!r}: a substitution has three {mark}: s{mark}REGEX{mark}REPLACEMENT{mark}")
        regex, replacement, flags = (parts[1], parts[3], parts[4])
        if set(flags) - set("gi"):
            raise UsageError(f"{text!r}: flags are g (all matches) and i (any case), not {flags!r}")
        regex = regex.replace("\\" + mark, re.escape(mark))
        replacement = replacement.replace("\\" + mark, mark)
        try:
            pattern = re.compile(regex, re.DOTALL | (re.IGNORECASE if "i" in flags else 0))
            re.compile(f"(?:{regex})|").sub(replacement, "")
        except (re.error, IndexError, OverflowError, RecursionError) as error:
            raise UsageError(f"{text!r}: {error}") from None
        return cls(pattern, replacement, "g" in flags)

    def apply(self, path: FolderPath) -> FolderPath:
        """Return ``path`` with the matches in its one-string form replaced.

        Raises:
            UsageError: what comes out is no folder name, or it takes too long.
        """
        name = str(path)
        try:
            with _limited():
                new = self.pattern.sub(self.replacement, name, count=0 if self.everywhere else 1)
        except _TooLong:
            raise UsageError(f"the expression {self.pattern.pattern!r} takes too long for the folder {name}") from None
        try:
            return path if new == name else FolderPath.parse(new)
        except InvalidFolderName as error:
            text = f"the expression {self.pattern.pattern!r} makes {new!r} of the folder {name}: {error}"
            raise UsageError(text) from None


class _TooLong(Exception):
    """The time is up."""


@contextmanager
def _limited() -> Iterator[None]:
    """End the block with _TooLong when it has worked for LIMIT seconds."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: object) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGVTALRM, ring)
    signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
