"""Following a store: hints say when to look, and ``changes(since)`` says what changed.

The problem. Whoever follows a store must miss nothing: not while it was away, not when a queue overflowed, not when it
was too slow. And it must not be flooded: 10,000 deliveries are not worth 10,000 looks.

The solution. Nothing is taken from a hint but where to look. A look asks each marked folder what changed since the last
look, compares that with what was told, and tells the difference. Looks happen when the consumer asks for events: until
then hints gather as a set of folders, so that a slow consumer costs no memory and gets fewer, larger batches. After a
look that cost much the next one waits a little, at most ``latency`` seconds, so that a storm is taken in by the batch.
The token says how far the consumer has got: kept anywhere, it lets another process go on from there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self

from mailstore.errors import MailstoreError, NoSuchFolder, StoreBusy
from mailstore.model.changes import Change, Delta, FolderInfo, Outcome, Token
from mailstore.model.events import (
    Event,
    FlagsChanged,
    FolderEvent,
    FolderRenamed,
    HistoryLost,
    MessageAppended,
)
from mailstore.model.flags import NO_KEYWORDS, same_keywords
from mailstore.model.info import Row
from mailstore.model.names import FolderPath
from mailstore.system import clock
from mailstore.watch.folders import compare
from mailstore.watch.found import Found
from mailstore.watch.hints import Hints, Marks
from mailstore.watch.known import LOST_TOKEN, NO_TOKEN, Dropped, Known, key_hash
from mailstore.watch.own import Own
from mailstore.watch.source import Source
from mailstore.watch.token import Point, write_token
from mailstore.watch.usage import QuotaWatch

LATENCY = 0.05
"""Seconds: how long a change may wait for company while many come."""
_EASE = 4
"""A look is followed by a pause of so many times the processor time it took: it has a fifth of one at most, and where
it waited for the disk, nobody else need wait for that."""
_TOGETHER = 64
"""Folders that are asked at once: so long the store is locked for others."""
_RETRY = 0.1
"""Seconds until a folder is looked at again that another program had locked."""


class Watch:
    """What changes in a store, as an iterator of events. Made by Store.watch and Folder.watch; a context manager.

    Events are computed in the thread that asks for them; one thread asks, any may ``close``.

    Attributes:
        problems: what is not as it should be, as text: directories that had to be polled, folders that cannot be read.
    """

    def __init__(
        self,
        source: Source,
        *,
        quota: QuotaWatch | None = None,
        folders: Iterable[FolderPath] | None = None,
        own: bool = True,
        latency: float = LATENCY,
        polling: bool = False,
        on_close: Callable[[Watch], None] | None = None,
    ) -> None:
        self._source = source
        self._quota = quota
        self._chosen = None if folders is None else set(folders)
        self._with_own = own
        self._latency = latency
        self._on_close = on_close
        self._hints = Hints(polling=polling)
        self._own = Own()
        self._infos: dict[FolderPath, FolderInfo] = {}
        self._known: dict[FolderPath, Known] = {}
        self._ready: deque[Event] = deque()
        self._told: dict[FolderPath, Point] = {}
        self._look_again = self._retry = 0.0

    @property
    def problems(self) -> Sequence[str]:
        """What is not as it should be; each is also logged once."""
        return tuple(self._hints.problems)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it: who waits for an event gets none. From any thread; may be called twice."""
        self._hints.close()
        if self._on_close is not None:
            self._on_close(self)

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        event = self.next()
        if event is None:
            raise StopIteration
        return event

    def next(self, timeout: float | None = None) -> Event | None:
        """Return the next event; None when ``timeout`` seconds went by without one, or it was closed."""
        return self._ready.popleft() if self.fill(timeout) else None

    def batch(self, timeout: float | None = None) -> list[Event]:
        """Return all events there are, waiting for the first up to ``timeout`` seconds; none when that is over."""
        self.fill(timeout)
        events = list(self._ready)
        self._ready.clear()
        return events

    def fill(self, timeout: float | None = None) -> bool:
        """Wait up to ``timeout`` seconds until there is an event to hand out; returns whether there is one."""
        if self._ready:
            return True
        self._told = self._points()
        end = None if timeout is None else clock.monotonic() + timeout
        while not self._ready and not self._hints.closed:
            left = None if end is None else max(0.0, end - clock.monotonic())
            if not self._hints.wait(left):
                break  # the time is over, it was closed or woken
            self._hints.pause(self._until_next_look(left))
            begun = clock.processor()
            self._ready.extend(self._look(self._hints.take()))
            ended = clock.monotonic()
            self._look_again = ended + min(_EASE * (clock.processor() - begun), self._latency)
            if end is not None and ended >= end:
                break  # a folder that another program has locked is marked all the time
        return bool(self._ready)

    def _until_next_look(self, left: float | None) -> float:
        now = clock.monotonic()
        pause = max(min(self._look_again - now, self._latency), self._retry - now)
        return pause if left is None else min(pause, left)

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self._hints.closed

    def wake(self) -> None:
        """Let who waits for a batch get what there is, be it nothing. From any thread."""
        self._hints.wake()

    def look_everywhere(self) -> None:
        """Let the next batch look at every folder, hint or none. From any thread."""
        self._hints.mark(everything=True, listing=True)

    @property
    def token(self) -> str:
        """Where the consumer stands: pass it as ``since`` to go on from here, in this process or another.

        It counts what was handed out. In the midst of a batch it is that of the batch's beginning: whoever goes on from
        there hears some events again, and misses none.
        """
        points = self._told if self._ready else self._points()
        return write_token([points[path] for path in sorted(points)])

    # --- told by the store

    def committed(self, changes: Sequence[Change], outcomes: Sequence[Outcome]) -> None:
        """Take in that the watched store object itself changed something; called under its lock."""
        self._hints.mark(self._own.note(changes, outcomes, self._wanted))

    def restructured(self, what: str, *paths: FolderPath) -> None:
        """Take in that the watched store object itself changed the list of folders; called under its lock.

        ``what`` is created, renamed (old, new), deleted, subscribed or unsubscribed.
        """
        self._own.note_structure(what, *paths)
        self._hints.mark(listing=True)

    # --- looking

    def begin(self, points: list[Point] | None) -> None:
        """Listen first, then look: what happens in between is seen or heard. What is told of commits before counts.

        Args:
            points: where to go on from; None: here and now.
        """
        self._hints.listen(self._source.watch_points())
        infos = self._source.list_folders()
        if points is None:
            self._infos = infos
            self._fill(self._message_folders())
        else:
            self._infos = {point.info.path: point.info for point in points}
            for point in points:
                if point.token is not None:
                    self._known[point.info.path] = Known(point.token, point.uidnext)
            self._hints.mark(everything=True)
        self._own.forget()  # what the listing has in it already
        self._told = self._points()
        if self._quota is not None:
            self._quota.begin()

    def _message_folders(self) -> list[FolderPath]:
        paths = [path for path, info in self._infos.items() if info.selectable and self._wanted(path)]
        return sorted(paths, key=lambda path: (not path.is_inbox, path))

    def _wanted(self, path: FolderPath) -> bool:
        return self._chosen is None or path in self._chosen

    def _points(self) -> dict[FolderPath, Point]:
        points = {}
        for path, info in self._infos.items():
            known = self._known.get(path)
            points[path] = Point(info, None, 0) if known is None else Point(info, known.token, known.uidnext)
        return points

    def _fill(self, paths: Sequence[FolderPath]) -> None:
        """Take in the messages of folders without telling; what is in one that cannot be read is told when it can.

        Raises:
            StoreBusy: another program is at work in one of them.
        """
        for at in range(0, len(paths), _TOGETHER):
            some: dict[FolderPath, Token | None] = dict.fromkeys(paths[at : at + _TOGETHER])
            for path, answer in self._source.changes_of(some, self._own.take).items():
                known = self._known[path] = Known.empty()
                if isinstance(answer, Delta):
                    for row in _messages(answer):
                        known.put(row)
                    known.token = answer.token
                elif isinstance(answer, StoreBusy):
                    raise answer
                elif not isinstance(answer, NoSuchFolder):
                    self._hints.trouble(answer)

    def _look(self, marks: Marks) -> list[Event]:
        found = Found(self._source.keys_travel)
        listing: list[Event] = []
        last: list[Event] = []
        made: list[FolderPath] = []
        if marks.listing or marks.everything:
            try:
                listing, last, made = self._look_at_the_list(anew=marks.everything)
            except MailstoreError as error:
                self._later(error, listing=True)
        looked = (
            self._changed_folders() if marks.everything else [path for path in marks.folders if path in self._known]
        )
        every = list(dict.fromkeys((*made, *looked)))
        for at in range(0, len(every), _TOGETHER):
            self._look_at_some(every[at : at + _TOGETHER], found)
        events = listing + found.events(self._own) + last
        if events and self._quota is not None:
            events += self._look_at_the_quota(self._quota)
        self._own.forget()
        return events if self._with_own else [event for event in events if not getattr(event, "own", False)]

    def _look_at_the_quota(self, quota: QuotaWatch) -> list[Event]:
        try:
            return quota.look()
        except MailstoreError as error:
            self._hints.trouble(error)
            return []

    def _changed_folders(self) -> list[FolderPath]:
        """Return all folders but those that are known to stand where they stood."""
        try:
            tokens = self._source.tokens()
        except MailstoreError as error:
            self._hints.trouble(error)
            tokens = {}
        return [
            path
            for path in self._message_folders()
            if path not in tokens or not self._known[path].seen or tokens[path] != self._known[path].token
        ]

    def _later(self, error: MailstoreError, folder: FolderPath | None = None, *, listing: bool = False) -> None:
        """What cannot be looked at now is looked at again: soon where another program is at it, else with the rest."""
        if error.temporary:
            self._retry = clock.monotonic() + _RETRY
            self._hints.mark(() if folder is None else (folder,), listing=listing)
        else:
            self._hints.trouble(error)

    # --- the list of folders

    def _look_at_the_list(self, *, anew: bool) -> tuple[list[Event], list[Event], list[FolderPath]]:
        """Return events before and after those of messages, and the folders that are new; ``anew`` as Hints.listen."""
        self._hints.listen(self._source.watch_points(), anew=anew)
        before, now = self._infos, self._source.list_folders(self._own.take_structure)
        changes = compare(before, now, stable_ids=self._source.stable_ids)
        for deleted in (*changes.in_the_way, *changes.deleted):
            self._known.pop(deleted.folder, None)
        self._rename(changes.renamed)
        self._infos = now
        made = [event.folder for event in changes.created if self._wanted(event.folder)]
        for path in made:
            self._known[path] = Known.empty()
        for path in self._message_folders():
            if path not in self._known:
                self._known[path] = Known.empty()
                made.append(path)
        first: tuple[FolderEvent, ...] = (*changes.in_the_way, *changes.renamed, *changes.created, *changes.subscribed)
        told: list[Event] = [self._own.marked(event) for event in first if self._tells(event)]
        last: list[Event] = [self._own.marked(event) for event in changes.deleted if self._tells(event)]
        return told, last, made

    def _rename(self, renamed: Sequence[FolderRenamed]) -> None:
        for event in renamed:
            if self._chosen is not None and event.old in self._chosen:
                self._chosen.add(event.folder)
            known = self._known.pop(event.old, None)
            if known is not None:
                self._known[event.folder] = known

    def _tells(self, event: FolderEvent) -> bool:
        return self._wanted(event.folder) or (isinstance(event, FolderRenamed) and self._wanted(event.old))

    # --- one folder

    def _look_at_some(self, paths: Sequence[FolderPath], found: Found) -> None:
        since: dict[FolderPath, Token | None] = {
            path: known.token for path in paths if (known := self._known[path]).seen
        }
        answers: dict[FolderPath, Delta | MailstoreError] = {}
        try:
            answers = self._source.changes_of(since, self._own.take)
        except MailstoreError as error:
            answers = dict.fromkeys(since, error)
        for path in paths:
            self._look_at(path, answers.get(path), found)

    def _look_at(self, path: FolderPath, answer: Delta | MailstoreError | None, found: Found) -> None:
        """Tell what changed in a folder; ``answer`` is None where only a listing tells."""
        known = self._known[path]
        try:
            if isinstance(answer, MailstoreError):
                raise answer
            if answer is not None:
                self._tell(path, known, answer, found)
            else:
                self._tell_after_absence(path, known, found)
        except NoSuchFolder:
            self._hints.mark(listing=True)
            if path.is_inbox and known.token != NO_TOKEN:  # it is always there: it will come back, as another one
                found.add(HistoryLost(path, 0))
                self._known[path] = Known.empty()
        except MailstoreError as error:
            self._later(error, path)

    def _tell_after_absence(self, path: FolderPath, known: Known, found: Found) -> None:
        """Tell what changed since a token. The listing comes first: what changes after it is in the difference too."""
        listing = self._source.changes(path, None)
        now = Known.empty()
        for row in _messages(listing):
            now.put(row)
        delta = self._source.changes(path, known.token)
        if delta.full:
            known.seen = True
            if known.token.uidvalidity == delta.token.uidvalidity:
                known.token = LOST_TOKEN
            self._tell(path, known, delta, found)
            return
        for uid in delta.vanished:
            if uid < known.uidnext:
                found.gone(path, Dropped(uid, 0, 0, NO_KEYWORDS), delta.token.modseq, own=False)
        now.drop(delta.vanished)
        for row in _messages(delta):
            now.put(row)
            if row.uid >= known.uidnext:
                found.add(_appended(path, row, own=False))
            else:
                found.add(FlagsChanged(path, row.uid, row.modseq, row.flags, row.keywords, None, None))
        now.token = delta.token
        self._known[path] = now

    def _tell(self, path: FolderPath, known: Known, delta: Delta, found: Found) -> None:
        anew = delta.full and known.token[:2] != delta.token[:2]
        if anew and known.token != NO_TOKEN and known.token.uidvalidity != delta.token.uidvalidity:
            found.add(HistoryLost(path, delta.token.uidvalidity))
            known.clear()
            known.uidnext = 1
        there: set[int] = set()
        if anew:
            delta = self._without_strangers(path, known, delta, found)
        for dropped in known.drop(delta.vanished):
            found.gone(path, dropped, delta.token.modseq, own=self._own.expunged(path, dropped.uid))
        for row in _messages(delta):
            there.add(row.uid)
            self._tell_row(path, known, row, found)
        if delta.full:
            for dropped in known.drop([uid for uid in known.uids if uid not in there]):
                found.gone(path, dropped, delta.token.modseq, own=self._own.expunged(path, dropped.uid))
        known.token = delta.token

    def _without_strangers(self, path: FolderPath, known: Known, delta: Delta, found: Found) -> Delta:
        """Tell as gone what has a known UID and another key: a folder made anew may have the UIDVALIDITY of the old."""
        rows = list(_messages(delta))
        if self._source.keys_travel:
            others = [row.uid for row in rows if known.key_hash(row.uid) not in (None, key_hash(row.key))]
            for dropped in known.drop(others):
                found.gone(path, dropped, delta.token.modseq, own=False)
        return replace(delta, batches=iter([rows]))

    def _tell_row(self, path: FolderPath, known: Known, row: Row, found: Found) -> None:
        old = known.find(row.uid)
        if old is None:
            found.add(_appended(path, row, own=self._own.appended(path, row)))
        elif old[0] != row.flags or not same_keywords(old[1], row.keywords):
            own = self._own.changed(path, row, old)
            found.add(FlagsChanged(path, row.uid, row.modseq, row.flags, row.keywords, *old, own))
        known.put(row)


def _messages(delta: Delta) -> Iterator[Row]:
    """Yield the rows that are messages."""
    for batch in delta.batches:
        for row in batch:
            if row.uid:
                yield row


def _appended(path: FolderPath, row: Row, *, own: bool) -> MessageAppended:
    return MessageAppended(path, row.uid, row.modseq, row.flags, row.keywords, row.key, own)
