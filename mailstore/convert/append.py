"""The general way into a destination folder: stage, note the intent, commit, note that it is done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mailstore.convert.run import FolderRun
from mailstore.convert.transit import Fact, Rules, Taken, close_all, trouble
from mailstore.errors import MailstoreError, MessageError, Scope
from mailstore.model.changes import Append, FolderState, Outcome, SetState, Staged
from mailstore.model.info import BODY, META, Arrival, Row
from mailstore.spi import FolderDriver

COMMIT_BYTES = 16 << 20
COMMIT_MESSAGES = 5000
"""A commit is made when so much is staged: each costs a sync, and what is staged costs memory in some stores."""


class Appender:
    """Puts messages into one folder of the destination, in order."""

    def __init__(
        self, folder: FolderRun, rules: Rules, source: FolderDriver, theirs: int, before: FolderState, continued: bool
    ) -> None:
        """Begin.

        Args:
            folder: which folder.
            rules: how its messages are taken.
            source: the folder in the source.
            theirs: the UIDVALIDITY there.
            before: the destination folder's state now.
            continued: an earlier run has filled the folder; where it adopted the source's UIDVALIDITY, so do we.
        """
        self._folder = folder
        self._run = folder.run
        self._path = folder.path
        self._rules = rules
        self._source = source
        self._theirs = theirs
        self._uidvalidity = before.uidvalidity
        self._uidnext = before.uidnext
        self._virgin = before.uidnext == 1 and not before.messages
        self._hints = continued and theirs == before.uidvalidity
        self._staged: list[tuple[Fact, Staged]] = []
        self._size = 0

    def append_all(self, batches: Iterator[list[Row]], positions: Iterator[int]) -> None:
        """Append what ``batches`` hold.

        Raises:
            MailstoreError: the destination cannot go on; what was committed before is noted.
        """
        try:
            self._append_batches(batches, positions)
            self.commit()
        except BaseException:
            self._run.destination.discard([staged for _, staged in self._staged])
            raise

    def _append_batches(self, batches: Iterator[list[Row]], positions: Iterator[int]) -> None:
        for rows in batches:
            taken = Taken()
            arrivals = self._rules.take(rows, positions, taken)
            try:
                if self._virgin and taken.facts:
                    self._virgin = False
                    self._adopt_numbering(taken.facts[0])
                self._stage(arrivals, taken)
            finally:
                close_all(arrivals)
                self._folder.count(taken)
            self._run.advance("copy", self._path, len(rows), sum(fact.size for fact in taken.facts))
            if self._size >= COMMIT_BYTES or len(self._staged) >= COMMIT_MESSAGES:
                self.commit()

    def commit(self) -> None:
        """Commit what is staged."""
        batch, self._staged, self._size = self._staged, [], 0
        try:
            while batch:
                batch = self._commit_some(batch)
        except BaseException:
            self._run.destination.discard([staged for _, staged in batch])
            raise

    def _stage(self, arrivals: Sequence[Arrival], taken: Taken) -> None:
        stage = self._run.destination.stage
        try:
            staged = stage(arrivals)
        except MessageError:
            staged = []
            facts, taken.facts = taken.facts, []
            for arrival, fact in zip(arrivals, facts, strict=True):
                try:
                    staged += stage([arrival])
                    taken.facts.append(fact)
                except MessageError as error:
                    taken.troubles.append(self._rules.refuse(*_named(fact), error, fact.digest, arrival.body))
        self._staged += zip(taken.facts, staged, strict=True)
        self._size += sum(fact.size for fact in taken.facts)

    def _commit_some(self, batch: list[tuple[Fact, Staged]]) -> list[tuple[Fact, Staged]]:
        """Commit ``batch`` as far as it goes, note it, and return what is left to try."""
        journal, path = self._run.journal, self._path
        facts = [fact for fact, _ in batch]
        journal.intend(path, facts, self._uidvalidity, self._uidnext)
        try:
            outcomes = self._run.destination.commit(
                [Append(path, staged, fact.uid if fact.recorded and self._hints else 0) for fact, staged in batch]
            )
        except MessageError as error:
            journal.done(path, self._uidvalidity, [0] * len(batch))
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
        journal.done(path, self._uidvalidity, uids)
        arrived = [fact for fact, uid in zip(facts, uids, strict=True) if uid]
        self._folder.stored(arrived, stored, self._uidvalidity == self._theirs)
        return self._after_failure(batch, outcomes)

    def _adopt_numbering(self, first: Fact) -> None:
        """Take the source's UIDVALIDITY over, before the folder shows a UID.

        Provisional UIDs mean nothing elsewhere: a folder is renumbered unless it begins with a recorded one.
        """
        if first.recorded:
            (outcome,) = self._run.destination.commit([SetState(self._path, self._theirs)])
            if outcome.status == "done":
                self._uidvalidity = self._theirs
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
        self._folder.report.found -= 1  # counted when it was staged, counted again with its trouble
        taken = Taken()
        row = next((row for rows in self._source.fetch([fact.uid], BODY | META) for row in rows), None)
        if row is None or row.body is None:
            taken.troubles.append(trouble(*_named(fact), error))
        else:
            taken.troubles.append(self._rules.refuse(*_named(fact), error, fact.digest, row.body))
        self._folder.count(taken)


def _named(fact: Fact) -> tuple[int, str, int]:
    return fact.position, fact.key, fact.uid if fact.recorded else 0
