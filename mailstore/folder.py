"""A folder, as its users see it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from mailstore import transfer
from mailstore.body import as_body
from mailstore.errors import NoSuchMessage, UsageError
from mailstore.message import Message
from mailstore.model.changes import Append, Delta, Expunge, FlagMode, FolderState, Outcome, SetFlags, Token
from mailstore.model.flags import DELETED, RECENT, SYSTEM_FLAGS, parse_flags, unite_keywords
from mailstore.model.info import META, SIZE, Arrival, Blob, Meta, Row
from mailstore.model.names import FolderPath
from mailstore.transfer import UidMap, in_batches

if TYPE_CHECKING:
    from mailstore.store import Store
    from mailstore.watch import Watch

_MOST_SECONDS = 1 << 62


class Appended(NamedTuple):
    """Where an append went (RFC 4315 APPENDUID)."""

    uidvalidity: int
    uid: int
    known: bool
    """The idempotency key was stored already; nothing was added."""


class FlagsResult(NamedTuple):
    """What a change of flags did; UIDs ascending."""

    changed: tuple[int, ...]
    refused: tuple[int, ...]
    """Changed since the modseq given, so left alone."""
    modseq: int
    """The folder's modseq after the change; 0 where nothing changed."""


class Folder:
    """One folder of an open store; valid until it is renamed or deleted, or the store is closed.

    Every method takes in what other programs did meanwhile, may raise the errors of mailstore.spi
    (StoreBusy, StorageFull, StorageFailure, CorruptStore, ReadOnlyStore), and NoSuchFolder once the folder is gone.
    A method that changes something returns when the change is durable.
    """

    def __init__(self, store: Store, path: FolderPath) -> None:
        self.store = store
        self.path = path
        self._driver = store.driver.folder(path)

    def __repr__(self) -> str:
        return f"<Folder {self.path} of {self.store.location}>"

    # -- reading

    def state(self) -> FolderState:
        """Return the counters: UIDVALIDITY, UIDNEXT, HIGHESTMODSEQ, messages, unseen, recent, size."""
        with self.store.lock:
            return self._driver.state()

    def __len__(self) -> int:
        return self.state().messages

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Message]:
        return self.messages()

    def messages(self, want: int = META | SIZE) -> Iterator[Message]:
        """Yield all messages by ascending UID, as of now. ``want`` names the fields (mailstore.model.info).

        A message that cannot be read comes with its ``error`` set; the rest goes on.
        """
        return (Message(self, row) for row in self.rows(want))

    def rows(self, want: int = META | SIZE) -> Iterator[Row]:
        """Yield the same as plain tuples: the cheapest listing there is."""
        for batch in self.changes(None, want).batches:
            yield from batch

    def fetch(self, uids: Iterable[int], want: int = META | SIZE) -> Iterator[Message]:
        """Yield chosen messages in the order asked; one that is gone has NoSuchMessage as its ``error``."""
        with self.store.lock:
            batches = self._driver.fetch(tuple(uids), want)
        for batch in self.store.locked(batches):
            for row in batch:
                yield Message(self, row)

    def get(self, uid: int, want: int = META | SIZE) -> Message:
        """Return one message.

        Raises:
            NoSuchMessage: the folder has no message with that UID.
        """
        message = next(self.fetch((uid,), want))
        if isinstance(message.error, NoSuchMessage):
            raise message.error
        return message

    def open(self, uid: int) -> Blob:
        """Return a message's exact bytes; Message.open gives the same as a file object.

        Raises:
            NoSuchMessage: the folder has no message with that UID.
            UnreadableMessage: it is there and cannot be read.
        """
        with self.store.lock:
            return self._driver.open(uid)

    def changes(self, since: Token | None = None, want: int = META | SIZE) -> Delta:
        """Return what changed since ``since`` with a token for the next call; None gives the whole listing.

        This is CONDSTORE and QRESYNC (RFC 7162), incremental backup and watching in one: changed messages come as
        rows, vanished ones as UIDs; ``full`` tells that the token's history is lost and the rows are everything.
        """
        with self.store.lock:
            delta = self._driver.changes(since, want)
        return Delta(delta.token, delta.full, delta.vanished, self.store.locked(delta.batches))

    def watch(
        self, *, since: str | None = None, own: bool = True, latency: float = 0.05, polling: bool = False
    ) -> Watch:
        """Follow what changes in this folder, under whatever name it goes; see Store.watch."""
        return self.store.watch([self.path], since=since, own=own, latency=latency, polling=polling)

    # -- changing

    def append(
        self,
        body: bytes | bytearray | memoryview | BinaryIO | Blob,
        *,
        flags: Iterable[str] | int = RECENT,
        keywords: Iterable[str] = (),
        internal_date: datetime | int | None = None,
        saved_date: datetime | int | None = None,
        sender: str | None = None,
        uidl: str | None = None,
        key: bytes | None = None,
        uid: int = 0,
    ) -> Appended:
        r"""Add one message with exactly these bytes; durable on return.

        Args:
            body: the message; a file object is read from its position to its end.
            flags: IMAP names, keywords among them (``["\\Seen", "$Forwarded"]``), or bits of mailstore.model.flags.
                Without any the message is ``\Recent``: in a Maildir it lies in ``new/``.
            keywords: further keywords.
            internal_date: aware datetime or seconds since 1970 UTC; None is now.
            saved_date: the same, for RFC 8514; None is now.
            sender: envelope sender, '' for the null sender, None if unknown.
            uidl: POP3 unique id to keep.
            key: 16-byte idempotency key: appending a key again changes nothing and answers ``known``.
            uid: UID wished for; honoured where it is not below UIDNEXT.

        Raises:
            UsageError: a flag or keyword that cannot be, a naive datetime, a key that is not 16 bytes.
            MessageTooLarge: see Capabilities.max_message.
        """
        bits, words = (flags, frozenset[str]()) if isinstance(flags, int) else parse_flags(flags)
        meta = Meta(
            bits,
            unite_keywords(words, parse_flags(keywords)[1]),
            _seconds(internal_date),
            _seconds(saved_date),
            sender,
            uidl,
        )
        return self.append_many([Arrival(as_body(body), meta, key, uid)])[0]

    def append_many(self, arrivals: Iterable[Arrival]) -> list[Appended]:
        """Add messages in order, committing every some MB; each batch is durable before the next is read.

        Raises:
            MailstoreError: what went wrong; the batches before are in the folder, the rest is not, and of the batch
                at hand as much as Capabilities.batch says.
        """
        appended: list[Appended] = []
        for batch in in_batches(arrivals):
            appended += self._append_batch(batch)
        return appended

    def _append_batch(self, arrivals: list[Arrival]) -> list[Appended]:
        for arrival in arrivals:
            if arrival.key is not None and len(arrival.key) != 16:
                raise UsageError(f"an idempotency key has 16 bytes, not {len(arrival.key)}")
            for seconds in (arrival.meta.internal_date, arrival.meta.saved_date):
                if seconds is not None and abs(seconds) > _MOST_SECONDS:
                    raise UsageError(f"{seconds} is no date: it has to be within 2**62 seconds of 1970")
        store = self.store
        with store.lock:
            staged = store.stage(arrivals)
            try:
                outcomes = store.commit(
                    [Append(self.path, one, arrival.uid) for one, arrival in zip(staged, arrivals, strict=True)]
                )
            except BaseException:
                store.discard(staged)
                raise
            failed = next((outcome.error for outcome in outcomes if outcome.status == "failed"), None)
            if failed is not None:
                store.discard(staged)
                raise failed
        return [Appended(outcome.uidvalidity, outcome.uids[0], outcome.status == "known") for outcome in outcomes]

    def add_flags(
        self, uids: Iterable[int], flags: Iterable[str], *, unchanged_since: int | None = None
    ) -> FlagsResult:
        """Set flags and keywords beside those there are. UIDs that are gone are passed over."""
        return self._change_flags(uids, "add", flags, unchanged_since)

    def remove_flags(
        self, uids: Iterable[int], flags: Iterable[str], *, unchanged_since: int | None = None
    ) -> FlagsResult:
        """Take flags and keywords away. UIDs that are gone are passed over."""
        return self._change_flags(uids, "remove", flags, unchanged_since)

    def set_flags(
        self, uids: Iterable[int], flags: Iterable[str], *, unchanged_since: int | None = None
    ) -> FlagsResult:
        """Set exactly these flags and keywords. UIDs that are gone are passed over."""
        return self._change_flags(uids, "replace", flags, unchanged_since)

    def _change_flags(
        self, uids: Iterable[int], mode: FlagMode, names: Iterable[str], unchanged_since: int | None
    ) -> FlagsResult:
        flags, keywords = parse_flags(names)
        change = SetFlags(self.path, tuple(uids), mode, flags & SYSTEM_FLAGS, keywords, unchanged_since)
        outcome = self._commit_one(change)
        return FlagsResult(outcome.uids, outcome.refused, outcome.modseq)

    def expunge(self, uids: Iterable[int] | None = None, *, only_deleted: bool = True) -> tuple[int, ...]:
        r"""Remove messages for good; returns the UIDs removed, ascending.

        Args:
            uids: which ones (RFC 4315 UID EXPUNGE); None is every message that carries ``\Deleted``.
            only_deleted: leave alone what no longer carries ``\Deleted`` at the moment of the commit.

        Raises:
            UsageError: neither UIDs nor ``only_deleted``: that would empty the folder by mistake.
        """
        if uids is None:
            if not only_deleted:
                raise UsageError("expunge without UIDs removes \\Deleted messages only")
            uids = [row.uid for row in self.rows(0) if row.flags & DELETED and row.uid]
        return self._commit_one(Expunge(self.path, tuple(uids), only_deleted)).uids

    def copy(self, uids: Iterable[int], destination: Folder) -> UidMap:
        r"""Copy messages into a folder of this or another store; all of them or none.

        Flags, keywords, internal date, sender travel; the saved date is new and the copy is ``\Recent`` (RFC 9051
        section 6.4.7). UIDs that are gone are passed over.
        """
        return transfer.copy(self, tuple(uids), destination)

    def move(self, uids: Iterable[int], destination: Folder) -> UidMap:
        """Move messages (RFC 6851): durable there before they go here; a crash in between doubles, never loses."""
        return transfer.move(self, tuple(uids), destination)

    def _commit_one(self, change: SetFlags | Expunge) -> Outcome:
        outcome = self.store.commit([change])[0]
        if outcome.error is not None:
            raise outcome.error
        return outcome


def _seconds(when: datetime | int | None) -> int | None:
    if not isinstance(when, datetime):
        return when
    if when.tzinfo is None:
        raise UsageError(f"{when.isoformat()} has no time zone: give an aware datetime")
    return int(when.timestamp() // 1)
