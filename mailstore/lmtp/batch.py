"""One commit for many deliveries, and each gets its own outcome.

The problem. A batch is as weak as its weakest message: one that is too large, or finds no space, must not fail the
others, nor may any be tried again where it may be stored already.

The solution. When a batch fails, what is known decides:
- Staging failed: nothing is visible. The messages are staged one by one, and each that fails has its own error.
- The commit raised: by contract nothing was changed. Where the error can be the fault of one message, each is staged
  anew and committed alone. Anew, since after a failed sync the kernel may have dropped the data, and a second sync of
  the same file would claim success.
- The commit did a part: what is done is done. Those after the first that failed were not tried, and get another turn.
  Where not even the first is done, a sync may have failed after all were renamed: then nobody knows, nothing is tried
  again, and all are told "later": a mail may come twice then, but never not at all.
- Where the store itself is in trouble (locked, I/O error, damaged), all get that error, once.
Of several stores that are committed together each has outcomes, or an error, of its own, and the same is done with
those; an error of what they share is each one's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from mailstore.delivery.stored import existing, folder_named
from mailstore.errors import MailstoreError, QuotaExceeded, Scope, StorageFailure, StorageFull
from mailstore.lmtp.message import Message
from mailstore.lmtp.stores import Opened
from mailstore.model.changes import Append, Outcome, Staged
from mailstore.model.names import FolderPath
from mailstore.store import Store
from mailstore.together import Together


class Result(NamedTuple):
    """What became of a message in one mailbox."""

    error: BaseException | None = None
    """None: it is stored, durably."""
    known: bool = False
    """It had been stored before (duplicate suppression), and was not stored again."""


Done = Callable[[list[Result]], None]
"""Called once, from a thread of the group, with one result for each mailbox, in order."""


class Delivery:
    """A message for some mailboxes: collects their results."""

    def __init__(self, message: Message, count: int, done: Done) -> None:
        self.message = message
        self._results: list[Result | None] = [None] * count
        self._left = count
        self._done = done
        self._lock = threading.Lock()

    def settle(self, place: int, result: Result) -> None:
        """Note the result of one mailbox; the last one ends the delivery."""
        with self._lock:
            if self._results[place] is not None:
                return
            self._results[place] = result
            self._left -= 1
            if self._left:
                return
        self.message.close()
        self._done([result or Result() for result in self._results])


class Job:
    """The part of a delivery that goes into one store: folders by their place among the mailboxes."""

    def __init__(self, delivery: Delivery, location: str, folders: dict[int, str]) -> None:
        self.delivery = delivery
        self.location = location
        self.folders = folders
        self.opened: Opened | None = None
        self.staged: Staged | None = None

    @property
    def message(self) -> Message:
        """The message."""
        return self.delivery.message

    def fail(self, error: BaseException, places: Iterable[int] | None = None) -> None:
        """Give the mailboxes at ``places`` (None: all without a result) this error."""
        for place in list(self.folders) if places is None else places:
            self.delivery.settle(place, Result(error))


class Batch:
    """One commit's worth of deliveries into one store, or into several that can be committed together.

    Args:
        create: make folders that are not there (else INBOX takes the mail).
    """

    def __init__(self, create: bool) -> None:
        self._create = create

    def deliver(self, shares: Sequence[tuple[Store, Sequence[Job]]]) -> None:
        """Stage and commit; every job that is not settled afterwards has failed with what this raises.

        Args:
            shares: each store once; where there are several, all have the same ``joining.joint.key``.
        """
        with ExitStack() as ending:
            together = ending.enter_context(Together([store for store, _ in shares])) if len(shares) > 1 else None
            parts: list[_Part] = []
            for store, jobs in shares:
                units: list[_Unit] = []
                ending.callback(_discard, store, units)
                self._stage(store, jobs, units, together)
                parts.append(_Part(store, units))
            parts = [part for part in parts if part.prepare()]
            if together is None or len(parts) < 2:
                for part in parts:
                    self._commit(part)
            else:
                self._commit_together(together, parts)

    def _stage(self, store: Store, jobs: Sequence[Job], units: list[_Unit], together: Together | None) -> None:
        """Stage what is not staged yet; where one of several cannot be, it alone fails."""
        missing = [job for job in jobs if job.staged is None]
        if missing:
            try:
                arrivals = [job.message.arrival(store.capabilities) for job in missing]
                found = store.stage(arrivals) if together is None else together.stage(store, arrivals)
                for job, staged in zip(missing, found, strict=True):
                    job.staged = staged
            except Exception as error:  # noqa: BLE001 - a defect met by one message must not reach the others
                if len(missing) == 1:
                    missing[0].fail(error)
                else:
                    for job in missing:
                        self._stage(store, [job], [], together)
        for job in jobs:
            if job.staged is not None:
                units.append(unit := _Unit(job, job.staged))
                self._find_folders(store, unit)

    def _find_folders(self, store: Store, unit: _Unit) -> None:
        for place, name in unit.job.folders.items():
            try:
                path = folder_named(name)
                unit.places[place] = path if path.is_inbox else existing(store, path, self._create)
            except Exception as error:  # noqa: BLE001 - as above
                unit.job.fail(error, [place])

    def _commit(self, part: _Part, *, alone: bool = False) -> None:
        """Commit into one store and settle; ``alone``: nothing more is tried when it fails."""
        try:
            outcomes = part.store.commit(part.changes, need_uids=False)
        except MailstoreError as error:
            self._refused(part, error, alone=alone)
        else:
            self._settle(part, outcomes, alone=alone)

    def _commit_together(self, together: Together, parts: Sequence[_Part]) -> None:
        """Commit into several stores and settle; what one of them refuses is its own."""
        results = together.commit([(part.store, part.changes) for part in parts])
        for part, result in zip(parts, results, strict=True):
            if isinstance(result, MailstoreError):
                self._refused(part, result)
            elif isinstance(result, Exception):
                for unit in part.units:
                    unit.job.fail(result, unit.places)
            else:
                self._settle(part, result)

    def _refused(self, part: _Part, error: MailstoreError, *, alone: bool = False) -> None:
        """The commit raised: nothing was changed."""
        if alone or len(part.units) == 1 or not _may_be_one_messages_fault(error):
            for unit in part.units:
                unit.job.fail(error, unit.places)
            return
        self._one_by_one(part.store, part.units)

    def _settle(self, part: _Part, outcomes: Sequence[Outcome], *, alone: bool = False) -> None:
        """Tell what became of each message; where only a part was done, go on as the module says."""
        pairs = part.pairs
        failed = next((at for at, outcome in enumerate(outcomes) if outcome.status == "failed"), len(pairs))
        for (unit, place), outcome in zip(pairs[:failed], outcomes[:failed], strict=True):
            unit.settle(place, outcome)
        if failed == len(pairs):
            return
        cause = outcomes[failed].error or StorageFailure("the store gave no reason")
        pairs[failed][0].job.fail(cause, [pairs[failed][1]])
        pairs[failed][0].places.pop(pairs[failed][1])
        if failed and not alone and _may_be_one_messages_fault(cause):
            self._one_by_one(part.store, [unit for unit in part.units if unit.places])
            return
        for unit in part.units:
            unit.job.fail(cause, unit.places)

    def _one_by_one(self, store: Store, units: Sequence[_Unit]) -> None:
        """Stage each anew and commit it by itself."""
        for unit in units:
            try:
                store.discard([unit.staged])
                unit.staged = store.stage([unit.job.message.arrival(store.capabilities)])[0]
            except Exception as error:  # noqa: BLE001 - as above
                unit.job.fail(error, unit.places)
                continue
            part = _Part(store, [unit])
            if part.prepare():
                self._commit(part, alone=True)


def _discard(store: Store, units: Sequence[_Unit]) -> None:
    unused = [unit.staged for unit in units if not unit.used]
    if unused:
        store.discard(unused)


class _Unit:
    """A staged message and the folders it goes to, by their place among the mailboxes."""

    __slots__ = ("job", "places", "staged", "used")

    def __init__(self, job: Job, staged: Staged) -> None:
        self.job = job
        self.staged = staged
        self.places: dict[int, FolderPath] = {}
        self.used = False

    def settle(self, place: int, outcome: Outcome) -> None:
        """Note what became of it in one folder."""
        self.used = self.used or outcome.status == "done"
        del self.places[place]
        self.used = self.used and not self.places
        self.job.delivery.settle(place, Result(known=outcome.status == "known"))


class _Part:
    """One store's part of a batch.

    Attributes:
        store: where it goes.
        units: what goes there.
        pairs: a unit and a place among its mailboxes, for each change.
        changes: what is committed.
    """

    __slots__ = ("changes", "pairs", "store", "units")

    def __init__(self, store: Store, units: Sequence[_Unit]) -> None:
        self.store = store
        self.units = units
        self.pairs: list[tuple[_Unit, int]] = []
        self.changes: list[Append] = []

    def prepare(self) -> bool:
        """Make the changes; False where there are none."""
        self.pairs = [(unit, place) for unit in self.units for place in unit.places]
        self.changes = [Append(unit.places[place], unit.staged) for unit, place in self.pairs]
        return bool(self.changes)


def _may_be_one_messages_fault(error: MailstoreError) -> bool:
    """Tell an error that another message might not meet from trouble of the store."""
    return error.scope is not Scope.STORE or isinstance(error, StorageFull | QuotaExceeded)
