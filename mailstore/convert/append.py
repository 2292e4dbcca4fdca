"""The general way into a destination folder: stage, note the intent, commit, note that it is done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mailstore.convert.compare import TOGETHER, compare_folder
from mailstore.convert.reading import Batch
from mailstore.convert.run import FolderRun, state_of
from mailstore.convert.transit import Fact, Rules, Trouble, close_all, trouble
from mailstore.errors import MailstoreError, MessageError, Scope
from mailstore.model.changes import Append, FolderState, Outcome, SetState, Staged
from mailstore.model.info import BODY, DIGEST, META, Arrival, Row
from mailstore.spi import FolderDriver

COMMIT_BYTES = 16 << 20
COMMIT_MESSAGES = 5000
"""A commit is made when so much is staged: each costs a sync, and what is staged costs memory in some stores."""


class Appender:
    """Puts messages into one folder of the destination, in order."""

    def __init__(
        self, folder: FolderRun, rules: Rules, source: FolderDriver, before: FolderState, continued: FolderState | None
    ) -> None:
        """Begin.

        Args:
            folder: which folder.
            rules: how its messages are taken.
            source: the folder in the source.
            before: the destination folder's state now.
            continued: the source folder's state, where an earlier run has filled the destination's: where it adopted
                the UIDVALIDITY, so do we.
        """
        self._folder = folder
        self._run = folder.run
        self._target = folder.target
        self._rules = rules
        self._source = source
        self._uidvalidity = before.uidvalidity
        self._uidnext = before.uidnext
        self._virgin = before.uidnext == 1 and not before.messages
        self._hints = folder.alone and continued is not None and continued.uidvalidity == before.uidvalidity
        self._staged: list[tuple[Fact, Staged]] = []
        self._size = 0
        self.refused: list[Trouble] = []
        """Messages that the destination did not take."""

    @property
    def numbered(self) -> bool:
        """Whether the folder goes on with the source's numbering."""
        return self._hints

    @property
    def untouched(self) -> bool:
        """Whether the folder never had a message, and nothing was put in."""
        return self._virgin

    def begin(self, recorded: bool) -> bool:
        """Take over the source's numbering where that can be; returns whether the folder has it.

        ``recorded``: the UID of the message that comes next is.
        """
        if self._virgin:
            self._virgin = False
            self._adopt_numbering(recorded)
        return self._hints

    def refresh(self) -> None:
        """Take in that messages came into the folder by another way."""
        self._uidnext = self._run.destination.folder(self._target).state().uidnext

    def append_all(self, batches: Iterator[Batch]) -> None:
        """Append what ``batches`` hold.

        Raises:
            MailstoreError: the destination cannot go on; what was committed before is noted.
        """
        try:
            for arrivals, facts in batches:
                try:
                    if facts:
                        self.begin(facts[0].recorded)
                    self._stage(arrivals, facts)
                finally:
                    close_all(arrivals)
                self._run.advance("copy", self._folder.path, len(facts), sum(fact.size for fact in facts))
                if self._size >= COMMIT_BYTES or len(self._staged) >= COMMIT_MESSAGES:
                    self.commit()
                    if len(self._folder.expected) >= TOGETHER:
                        compare_folder(self._folder)
            self.commit()
        except BaseException:
            self._run.destination.discard([staged for _, staged in self._staged])
            raise

    def commit(self) -> None:
        """Commit what is staged."""
        batch, self._staged, self._size = self._staged, [], 0
        try:
            while batch:
                batch = self._commit_some(batch)
        except BaseException:
            self._run.destination.discard([staged for _, staged in batch])
            raise

    def _stage(self, arrivals: Sequence[Arrival], facts: Sequence[Fact]) -> None:
        stage = self._run.destination.stage
        try:
            self._staged += zip(facts, stage(arrivals), strict=True)
            self._size += sum(fact.size for fact in facts)
        except MessageError:
            for arrival, fact in zip(arrivals, facts, strict=True):
                try:
                    self._staged += zip([fact], stage([arrival]), strict=True)
                    self._size += fact.size
                except MessageError as error:
                    self.refused.append(self._rules.refuse(*_named(fact), error, fact.digest, arrival.body))

    def _commit_some(self, batch: list[tuple[Fact, Staged]]) -> list[tuple[Fact, Staged]]:
        """Commit ``batch`` as far as it goes, note it, and return what is left to try."""
        journal, way = self._run.journal, self._folder.way
        facts = [fact for fact, _ in batch]
        journal.intend(way, facts, self._uidvalidity, self._uidnext)
        try:
            outcomes = self._run.destination.commit([self._append(*one) for one in batch])
        except MessageError as error:
            journal.done(way, self._uidvalidity, [0] * len(batch))
            if len(batch) > 1:  # nothing was changed, and nobody said which one it was
                middle = len(batch) // 2
                return self._commit_some(batch[:middle]) + batch[middle:]
            self._refused(*batch[0], error)
            return []
        uids = [outcome.uids[0] if outcome.status in ("done", "known") else 0 for outcome in outcomes]
        stored = [uid for uid in uids if uid]
        if stored:
            self._uidvalidity = next(outcome.uidvalidity for outcome in outcomes if outcome.uids)
            self._uidnext = stored[-1] + 1
        journal.done(way, self._uidvalidity, uids)
        arrived = [fact for fact, uid in zip(facts, uids, strict=True) if uid]
        self._folder.stored(arrived, stored, self._hints)
        return self._after_failure(batch, outcomes)

    def _append(self, fact: Fact, staged: Staged) -> Append:
        return Append(self._target, staged, fact.uid if fact.recorded and self._hints else 0)

    def _adopt_numbering(self, recorded: bool) -> None:
        """Take the source's UIDVALIDITY over, before the folder shows a UID.

        Provisional UIDs mean nothing elsewhere: a folder is renumbered unless it begins with a recorded one.
        """
        theirs = state_of(self._source) if recorded and self._folder.alone else None
        if theirs is not None:
            (outcome,) = self._run.destination.commit([SetState(self._target, theirs.uidvalidity)])
            if outcome.status == "done":
                self._uidvalidity = theirs.uidvalidity
                self._hints = True

    def _after_failure(self, batch: list[tuple[Fact, Staged]], outcomes: list[Outcome]) -> list[tuple[Fact, Staged]]:
        """Return what stands behind the first message that was refused.

        Raises:
            MailstoreError: the failure was not about one message.
        """
        for place, outcome in enumerate(outcomes):
            if outcome.error is not None:
                if outcome.error.scope is not Scope.MESSAGE:
                    raise outcome.error
                self._refused(*batch[place], outcome.error)
                return batch[place + 1 :]
        return []

    def _refused(self, fact: Fact, staged: Staged, error: MailstoreError) -> None:
        """Set a message aside that was refused when its body was gone already: it is fetched once more."""
        self._run.destination.discard([staged])
        row = self._fetch_again(fact)
        if row is None or row.body is None:
            self.refused.append(trouble(*_named(fact), error))
        else:
            self.refused.append(self._rules.refuse(*_named(fact), error, fact.digest, row.body))

    def _fetch_again(self, fact: Fact) -> Row | None:
        uid = fact.uid
        if not uid:  # read as a part of a file, without the UIDs that a listing gives for the session
            listed = (row for rows in self._source.changes(None, DIGEST).batches for row in rows)
            uid = next((row.uid for row in listed if row.digest == fact.digest), 0)
        return next((row for rows in self._source.fetch([uid], BODY | META) for row in rows), None) if uid else None


def _named(fact: Fact) -> tuple[int, str, int]:
    return fact.position, fact.key, fact.uid if fact.recorded else 0
