"""One small sample of each account a run, kept for years in a file of bounded size.

The problem. Growth shows only over months, while runs come daily or hourly, from cron, killed by a shutdown, at times
two at once. The file must not grow without end, must not be lost to a torn write, and must not need a database.

The solution. One text file an account, a JSON object a line, appended by one ``write`` (O_APPEND); a line that cannot
be read is passed over, and a torn last one is closed with a newline before the next is added. When there are many
lines the file is written anew, thinned: all of the last two weeks, then the last of each day for two years, then of
each week. Two runs that thin at the same moment may lose the sample of one of them, and nothing older.

A clock that was wrong for a while leaves samples of days to come. The lines stand in the order in which they were
written: what is later than the last one by more than a day is passed over, and makes no other sample old.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterable
from typing import NamedTuple

from mailstore.errors import MailstoreError, StorageFailure
from mailstore.pages.text import harmless
from mailstore.survey.result import Account
from mailstore.system import fs
from mailstore.system.calls import write_all
from mailstore.system.places import state_directory

MOST = 3000
"""Lines after which a file is thinned."""
_DAY = 86400
_RECENT = 14 * _DAY
_YEARS = 2 * 366 * _DAY
_LARGEST = 64 << 20
"""Bytes: a larger file is none of ours."""


class Sample(NamedTuple):
    """An account at one moment."""

    taken: int
    size: int
    messages: int
    size_limit: int | None = None
    message_limit: int | None = None


def default_directory() -> str | None:
    """Return where samples are kept unless said otherwise: below the user's state directory; None without a home."""
    state = state_directory()
    return None if state is None else os.path.join(state, "quota-history")


class History:
    """The samples of accounts, in a directory.

    Args:
        directory: made when the first sample is kept.
    """

    def __init__(self, directory: str) -> None:
        self.directory = os.path.abspath(os.path.expanduser(directory))

    def keep(self, taken: int, accounts: Iterable[Account]) -> None:
        """Add a sample of each account. Not synced: a power cut may cost the last ones.

        Raises:
            StorageFull, StorageFailure, ReadOnlyStore: one cannot be written (of several the first); the others are.
        """
        with fs.errors(self.directory):
            fs.make_directories(self.directory)
        failure: MailstoreError | None = None
        for account in accounts:
            limits = account.limits
            sample = Sample(taken, account.usage.size, account.usage.messages, limits.size, limits.messages)
            path = self._path(account.location)
            try:
                with fs.errors(path):
                    self._append(path, account, sample)
            except MailstoreError as error:
                failure = failure or error
        if failure is not None:
            raise failure

    def read(self, location: str) -> list[Sample]:
        """Return the samples of an account by their time, one a moment; none where there are none.

        Raises:
            StorageFailure: the file is there and cannot be read.
        """
        samples = list(_samples(self._lines(self._path(location))))
        latest = samples[-1].taken + _DAY if samples else 0
        return sorted({sample.taken: sample for sample in samples if sample.taken <= latest}.values())

    def _path(self, location: str) -> str:
        digest = hashlib.sha256(location.encode("utf-8", "surrogateescape")).hexdigest()[:32]
        return os.path.join(self.directory, f"{digest}.jsonl")

    def _append(self, path: str, account: Account, sample: Sample) -> None:
        try:
            fd = fs.open_update(path, append=True)
        except FileNotFoundError:
            fd = fs.create(path)
        try:
            size = os.fstat(fd).st_size
            head = b""
            if size == 0:
                about = {"account": harmless(account.name), "location": harmless(account.location)}
                head = json.dumps(about).encode() + b"\n"
            elif os.pread(fd, 1, size - 1) != b"\n":
                head = b"\n"  # somebody was stopped in the middle of a line
            write_all(fd, head + _line(sample))
        finally:
            fs.close(fd)
        if size > MOST * 40:
            self._thin(path)

    def _thin(self, path: str) -> None:
        lines = self._lines(path)
        if len(lines) <= MOST:
            return
        samples = list(_samples(lines))
        now = min(sample.taken for sample in samples[-2:])  # one of two clocks may have been wrong
        kept = thinned(sorted({sample.taken: sample for sample in samples}.values()), now)
        kept.sort(key=lambda sample: sample.taken <= samples[-1].taken)  # what is later stays before the last
        head = lines[0] + b"\n" if b'"location"' in lines[0] else b""
        fs.replace_file(path, head + b"".join(map(_line, kept)))

    def _lines(self, path: str) -> list[bytes]:
        try:
            fd = fs.open_source(path, nofollow=True)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise fs.translate(error, path) from error
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST:
                raise StorageFailure(f"{fs.shown(path)} is no history of samples", path=path)
            with fs.errors(path):
                return os.read(fd, found.st_size).split(b"\n")
        finally:
            os.close(fd)


def thinned(samples: list[Sample], now: int) -> list[Sample]:
    """Return those samples, ascending, that are kept: all of two weeks, one a day of two years, one a week before.

    The last sample of a day or week stands for it. ``now`` (seconds) is what they are old by; later ones are kept.
    """
    kept: dict[tuple[int, int], Sample] = {}
    for sample in samples:
        age = now - sample.taken
        unit = 1 if age < _RECENT else _DAY if age < _YEARS else 7 * _DAY
        kept[unit, sample.taken // unit] = sample
    return list(kept.values())


def _line(sample: Sample) -> bytes:
    facts = {
        "t": sample.taken,
        "b": sample.size,
        "m": sample.messages,
        "bl": sample.size_limit,
        "ml": sample.message_limit,
    }
    shown = {key: value for key, value in facts.items() if value is not None}
    return json.dumps(shown, separators=(",", ":")).encode() + b"\n"


def _samples(lines: Iterable[bytes]) -> Iterable[Sample]:
    for line in lines:
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):  # torn, or no text of ours at all
            continue
        if not isinstance(said, dict):
            continue
        values = [said.get(key) for key in ("t", "b", "m", "bl", "ml")]
        if all(map(_whole, values[:3])) and all(one is None or _whole(one) for one in values[3:]):
            yield Sample._make(values)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63
