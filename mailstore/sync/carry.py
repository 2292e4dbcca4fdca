"""Changes carried from one store to the other: marks, deletions, moves, new messages, in this order.

The problem. A process can be killed between a commit in a store and the note about it. Marks and deletions do no harm
then: done again they change nothing. But a message that was copied or moved and is not known would be taken for a new
one, and be copied back once its original is moved or deleted.

The solution. Before messages are put into a folder the journal is told which (*intent*), with the folder's UIDNEXT as
it is; with the UIDs that they got it is settled. An intent that a crash left is looked up (mailstore.sync.recover):
among the messages from that UIDNEXT on, those with the digests of the intent have arrived.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from mailstore.convert.merge import Marks, changed, marks
from mailstore.convert.rejected import Rejected
from mailstore.convert.transit import Fact, Rules, Taken, close_all
from mailstore.errors import MailstoreError, MessageChanged, MessageError, NoSuchMessage, Scope
from mailstore.model.changes import Append, Expunge, FlagMode, SetFlags, Staged
from mailstore.model.info import BODY, META, Arrival, Meta
from mailstore.sync import decide
from mailstore.sync.check import look
from mailstore.sync.decide import Decision, Follow
from mailstore.sync.journal import Copy, Item, Known, Side
from mailstore.sync.scan import Found
from mailstore.sync.work import Expected, Work

_COMMIT_BYTES = 16 << 20
_COMMIT_MESSAGES = 2000
_FETCH = 500


class _Coming(NamedTuple):
    """A message that is staged."""

    fact: Fact
    staged: Staged
    found: Found


def carry(work: Work, decision: Decision, broken: set[int]) -> None:
    """Carry out ``decision``, but for what concerns the folders in ``broken``.

    Raises:
        MailstoreError: a store cannot go on. What was done is noted.
    """
    _note(work, decision)
    _mark(work, decision.marks)
    with work.journal.at_once():
        for side in (0, 1):
            work.journal.put(side, [_held(work, side, known) for where, known in decision.settled if where == side])
    _expunge(work, decision.expunges)
    for move in decision.moves:
        if {move.copy.folder, move.leader.folder} & broken:
            work.unfinished |= {move.copy.folder, move.leader.folder}
    _move(work, [move for move in decision.moves if not {move.copy.folder, move.leader.folder} & broken])
    by_place: defaultdict[tuple[Side, int], list[Found]] = defaultdict(list)
    for bring in decision.brings:
        by_place[bring.side, bring.message.folder].append(bring.message)
    for (side, folder), messages in by_place.items():
        if folder in broken:
            work.unfinished.add(folder)
        else:
            _Bringer(work, side, folder).bring(messages)


def _note(work: Work, decision: Decision) -> None:
    """Note what needs nothing to be done in the stores."""
    journal = work.journal
    with journal.at_once():
        for side in (0, 1):
            journal.put(side, [known for where, known in decision.renumbered if where == side])
            journal.put(side, [pair[side] for pair in decision.joined])
        for pair in decision.dropped:
            journal.drop(pair)


def _held(work: Work, side: Side, known: Known) -> Known:
    """Return what the journal is to know of a copy: what the store can hold of its marks."""
    copy = known.copy
    return known._replace(copy=copy._replace(marks=work.holdable(side, copy.folder, copy.marks)))


def _mark(work: Work, changes: Sequence[decide.Mark]) -> None:
    """Set and take away flags and keywords, those that are changed alike together."""
    alike: defaultdict[tuple[Side, int, FlagMode, Marks], list[int]] = defaultdict(list)
    for _, side, copy, change in changes:
        wanted = work.holdable(side, copy.folder, change.onto(copy.marks))
        added, removed = changed(copy.marks, wanted)
        if added:
            alike[side, copy.folder, "add", added].append(copy.uid)
        if removed:
            alike[side, copy.folder, "remove", removed].append(copy.uid)
        if added or removed:
            work.done(copy.folder, side).flagged += 1
            work.expect(side, copy.folder, copy.uid, Expected(copy.digest, wanted))
    for (side, folder, mode, what), uids in alike.items():
        path = work.folder(side, folder).path
        (outcome,) = work.stores[side].commit([SetFlags(path, tuple(sorted(uids)), mode, what.flags, what.keywords)])
        if outcome.error is not None:
            raise outcome.error


def _expunge(work: Work, expunges: Sequence[decide.Expunge]) -> None:
    """Delete what is gone in the other store and was not touched in this one, not even since it was looked at."""
    by_place: defaultdict[tuple[Side, int], dict[int, decide.Expunge]] = defaultdict(dict)
    for one in expunges:
        by_place[one.side, one.copy.folder][one.copy.uid] = one
    for (side, folder), dying in by_place.items():
        there = work.folder(side, folder)
        going = []
        for message in there.fetch(sorted(dying), 0):
            one = dying[message.uid]
            row = message.row
            if row.error is None and marks(row.flags, row.keywords).same(one.copy.marks):
                going.append(one)
            elif not isinstance(row.error, NoSuchMessage):
                partner = work.journal.partner(one.pair, 1 - side)
                work.unfinished |= {folder, partner.folder if partner is not None else folder}
        (outcome,) = work.stores[side].commit([Expunge(there.path, tuple(one.copy.uid for one in going))])
        if outcome.error is not None:
            raise outcome.error
        work.done(folder, side).deleted += len(going)
        work.expunged.setdefault((side, folder), []).extend(one.copy.uid for one in going)
        with work.journal.at_once():
            for one in going:
                work.journal.drop(one.pair)


def _move(work: Work, moves: Sequence[Follow]) -> None:
    """Move messages where their partners are."""
    by_way: defaultdict[tuple[Side, int, int], list[Follow]] = defaultdict(list)
    for one in moves:
        by_way[one.side, one.copy.folder, one.leader.folder].append(one)
    for (side, origin, target), following in by_way.items():
        there = work.folder(side, target)
        state = there.state()
        following.sort(key=lambda one: one.copy.uid)
        items = [Item(one.pair, one.copy.digest, work.holdable(side, target, one.copy.marks)) for one in following]
        with work.journal.at_once():
            intent = work.journal.intend(side, target, state.uidvalidity, state.uidnext, items)
        moved = dict(work.folder(side, origin).move([one.copy.uid for one in following], there).pairs)
        uids = [moved.get(one.copy.uid, 0) for one in following]
        arrived = [(one, item, uid) for one, item, uid in zip(following, items, uids, strict=True) if uid]
        with work.journal.at_once():
            work.journal.settle(intent, uids)
            leaders = [_held(work, 1 - side, Known(one.pair, one.leader)) for one, _, _ in arrived]
            work.journal.put(1 - side, leaders)
        for one, item, uid in arrived:
            work.expected.get((side, origin), {}).pop(one.copy.uid, None)
            work.expect(side, target, uid, Expected(item.digest, item.marks))
        if len(arrived) < len(following):  # it went away meanwhile
            work.unfinished |= {origin, target}
        work.done(target, side).moved += len(arrived)


class _Bringer:
    """Copies messages into one folder of a store."""

    def __init__(self, work: Work, side: Side, folder: int) -> None:
        self._work = work
        self._side = side
        self._folder = folder
        self._source = work.folder(1 - side, folder)
        self._target = work.folder(side, folder)
        self._store = store = work.stores[side]
        capabilities = store.capabilities
        self._rules = Rules(
            self._target.path,
            Rejected(work.options.choice, store.location),
            capabilities.max_message,
            None if capabilities.exact else store.canonical,
            work.fit(side, folder),
        )
        state = self._target.state()
        self._uidvalidity, self._uidnext = state.uidvalidity, state.uidnext
        self._coming: list[_Coming] = []
        self._size = 0

    def bring(self, messages: Sequence[Found]) -> None:
        """Copy ``messages``; one that cannot be becomes a problem."""
        try:
            for at in range(0, len(messages), _FETCH):
                self._take({found.uid: found for found in messages[at : at + _FETCH]})
            self._commit()
        except BaseException:
            self._store.discard([one.staged for one in self._coming])
            raise

    def _take(self, messages: dict[int, Found]) -> None:
        for row in (message.row for message in self._source.fetch(messages, BODY | META)):
            if isinstance(row.error, NoSuchMessage):
                continue  # it went away meanwhile
            taken = Taken()
            arrivals = self._rules.take([row], [0], taken)
            try:
                for arrival, fact in zip(arrivals, taken.facts, strict=True):
                    self._stage(arrival, fact, messages[row.uid])
            finally:
                close_all(arrivals)
            self._tell(taken)
            if self._size >= _COMMIT_BYTES or len(self._coming) >= _COMMIT_MESSAGES:
                self._commit()

    def _stage(self, arrival: Arrival, fact: Fact, found: Found) -> None:
        if fact.digest != found.digest:
            self._refused(fact, MessageChanged("its bytes changed while it was copied", uid=fact.uid))
            return
        try:
            (staged,) = self._store.stage([arrival])
        except MessageError as error:
            trouble = self._rules.refuse(0, fact.key, fact.uid, error, fact.digest, arrival.body)
            self._tell(Taken(troubles=[trouble]))
            return
        self._coming.append(_Coming(fact, staged, found))
        self._size += fact.size

    def _tell(self, taken: Taken) -> None:
        for _, key, uid, error, reason, place in taken.troubles:
            self._work.unfinished.add(self._folder)
            self._work.report.add_problem(self._work.path(self._folder), error, reason, uid, key, place)

    def _refused(self, fact: Fact, error: MailstoreError) -> None:
        self._work.unfinished.add(self._folder)
        path = self._work.path(self._folder)
        self._work.report.add_problem(path, type(error).__name__, str(error), fact.uid, fact.key)

    def _commit(self) -> None:
        while self._coming:
            batch, self._coming, self._size = self._coming, [], 0
            try:
                self._coming = self._commit_some(batch)
            except BaseException:
                self._store.discard([one.staged for one in batch])
                raise

    def _commit_some(self, batch: list[_Coming]) -> list[_Coming]:
        """Commit ``batch`` as far as it goes, and return what is left to try."""
        journal = self._work.journal
        items = [Item(journal.new_pair(), one.fact.stored, _marks_of(one.fact)) for one in batch]
        with journal.at_once():
            originals = [
                Known(item.pair, Copy(self._folder, one.found.uid, one.found.digest, one.found.marks))
                for item, one in zip(items, batch, strict=True)
            ]
            journal.put(1 - self._side, originals)
            intent = journal.intend(self._side, self._folder, self._uidvalidity, self._uidnext, items)
        failed: MailstoreError | None = None
        try:
            outcomes = self._store.commit([Append(self._target.path, one.staged) for one in batch])
            uids = [outcome.uids[0] if outcome.status in ("done", "known") else 0 for outcome in outcomes]
            failed = next((outcome.error for outcome in outcomes if outcome.error is not None), None)
            self._uidvalidity = next((outcome.uidvalidity for outcome in outcomes if outcome.uids), self._uidvalidity)
            self._uidnext = max(self._uidnext, max(uids) + 1)
        except MessageError as error:  # nothing was changed, and nobody said which one it was
            uids, failed = [0] * len(batch), error
        with journal.at_once():
            journal.settle(intent, uids)
        arrived = [(one, uid) for one, uid in zip(batch, uids, strict=True) if uid]
        self._count(arrived)
        if failed is None:
            return []
        if failed.scope is not Scope.MESSAGE:
            raise failed
        return self._after_failure(batch, uids, failed)

    def _after_failure(self, batch: list[_Coming], uids: Sequence[int], failed: MailstoreError) -> list[_Coming]:
        left = [one for one, uid in zip(batch, uids, strict=True) if not uid]
        if len(left) == len(batch) > 1:
            middle = len(left) // 2
            return self._commit_some(left[:middle]) + left[middle:]
        self._store.discard([left[0].staged])
        self._refused(left[0].fact, failed)
        return left[1:]

    def _count(self, arrived: Sequence[tuple[_Coming, int]]) -> None:
        done = self._work.done(self._folder, self._side)
        expected = {}
        for one, uid in arrived:
            done.copied += 1
            done.size += one.fact.size
            meta = None if one.fact.meta is None else Meta(*one.fact.meta)
            expected[uid] = Expected(one.fact.stored, _marks_of(one.fact), meta)
        if self._work.options.verify:  # at once: all that came in at the end would be too much to remember
            look(self._work, self._side, self._folder, expected)
        self._work.advance("copy", self._folder, len(arrived), sum(one.fact.size for one, _ in arrived))


def _marks_of(fact: Fact) -> Marks:
    assert fact.meta is not None
    return marks(fact.meta[0], fact.meta[1])
