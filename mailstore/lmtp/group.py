"""Group commit: deliveries that come at the same time share one commit, and each gets its own outcome.

The problem. A durable commit waits for the disk; one a message, one after the other, is as slow as the disk's slowest
habit. And nobody may
be told that a mail is stored before it is.

The solution. Each file (an mbox, a database with all its accounts) has one writer at a time, a *lane*; all Maildirs of
a file system, which deliveries do not lock, have two, so that one fills files while the other waits for the disk. While
a commit runs, deliveries queue; the next commit takes all that queued, and nothing waits on purpose: alone, a delivery
is committed at once; under load the batches grow by themselves. What a batch holds for stores that can be committed
together (native shortcut ``join``: accounts of one database, Maildirs) is one commit. Lanes run side by side in a
bounded number of threads, and take turns.

A message for several mailboxes is stored once where that can be: several folders of one store share what was staged;
another store takes the staged file over as one more name of it (native shortcut ``adopt``), or stages its own.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from mailstore.delivery.mailboxes import Mailbox
from mailstore.delivery.stored import folder_named
from mailstore.errors import StorageFailure
from mailstore.lmtp.batch import Batch, Delivery, Done, Job
from mailstore.lmtp.message import Message
from mailstore.lmtp.stores import Opened, Stores, path_of
from mailstore.model.caps import Joint
from mailstore.model.changes import Staged
from mailstore.model.info import Body
from mailstore.store import Store

_MOST_MESSAGES = 256
_MOST_BYTES = 32 << 20

_Share = dict[Opened, list[Job]]
"""Deliveries that share a commit, by their stores."""


class _Lane:
    """The deliveries that wait for one file's writer, or for one of a few."""

    def __init__(self, writers: int) -> None:
        self.queue: deque[Job] = deque()
        self.writers = writers
        self.running = 0


class GroupCommit:
    """Delivers messages, many at once. Thread-safe.

    Args:
        stores: open stores.
        create: make folders that are not there (else INBOX takes the mail).
        threads: how many lanes run side by side.
    """

    def __init__(self, stores: Stores, *, create: bool = False, threads: int = 8) -> None:
        self._stores = stores
        self._create = create
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="mailstore-lmtp")
        self._lock = threading.Lock()
        self._lanes: dict[tuple[object, ...], _Lane] = {}

    def submit(self, message: Message, mailboxes: Sequence[Mailbox], done: Done) -> None:
        """Deliver ``message`` into each of ``mailboxes``, at least one; ``done`` gets the results. Closes the message.

        Returns at once. Errors of the library, of the system and defects all come as results.
        """
        delivery = Delivery(message, len(mailboxes), done)
        parts: dict[str, dict[int, str]] = {}
        for place, mailbox in enumerate(mailboxes):
            parts.setdefault(mailbox.location, {})[place] = mailbox.folder
        jobs = [Job(delivery, location, folders) for location, folders in parts.items()]
        if len(jobs) == 1:
            self._enqueue(jobs[0])
        else:
            self._pool.submit(self._share, jobs)

    def run(self, work: Callable[[], None]) -> None:
        """Run something that blocks, such as a look at a store, in one of the threads; it must not raise."""
        self._pool.submit(work)

    def close(self) -> None:
        """Wait until all that was submitted is done; then end the threads."""
        self._pool.shutdown(wait=True)

    # -- lanes

    def _enqueue(self, job: Job) -> None:
        try:
            key, writers = self._lane_of(job)
        except Exception as error:  # noqa: BLE001 - whatever it is becomes the reply
            self._give_up([job], error)
            return
        with self._lock:
            lane = self._lanes.get(key)
            if lane is None:
                lane = self._lanes[key] = _Lane(writers)
            lane.queue.append(job)
            if lane.running >= lane.writers:
                return
            lane.running += 1
        self._go_on(key, lane)

    def _lane_of(self, job: Job) -> Joint:
        """Return where a delivery waits. One that may have to wait for a lock waits with its own store's alone."""
        plain = not job.message.once and not (self._create and any(map(_is_no_inbox, job.folders.values())))
        joint = self._stores.joint(job.location) if plain else None
        return joint or Joint((path_of(job.location),), 1)

    def _work(self, key: tuple[object, ...], lane: _Lane) -> None:
        """Commit what queued in a lane; then go to the end of the line of lanes."""
        with self._lock:
            jobs = _take(lane.queue)
        try:
            for share in self._shares(jobs):
                self._deliver(share)
        except Exception as error:  # noqa: BLE001 - a defect; the lane goes on
            self._give_up(jobs, error)
        with self._lock:
            if not lane.queue:
                lane.running -= 1
                if not lane.running:
                    del self._lanes[key]
                return
        self._go_on(key, lane)

    def _go_on(self, key: tuple[object, ...], lane: _Lane) -> None:
        try:
            self._pool.submit(self._work, key, lane)
        except RuntimeError:  # shutting down: nobody else would do it
            self._work(key, lane)

    def _shares(self, jobs: Iterable[Job]) -> Iterable[_Share]:
        """Open the stores of ``jobs``, and put together those that can be committed together; all else stays apart."""
        by_store: dict[Opened, list[Job]] = {}
        for job in jobs:
            try:
                if job.opened is None:
                    job.opened = self._stores.acquire(job.location)
            except Exception as error:  # noqa: BLE001 - the reply is 451; the others go on
                job.fail(error)
                continue
            by_store.setdefault(job.opened, []).append(job)
        shares: dict[tuple[object, ...], _Share] = {}
        for opened, group in by_store.items():
            joint = None if group[0].message.once else opened.joint
            shares.setdefault((opened,) if joint is None else joint.key, {})[opened] = group
        return shares.values()

    def _deliver(self, share: _Share) -> None:
        """Deliver jobs into stores that are committed together, and settle every one of them; let go of the stores."""
        error: Exception = StorageFailure("a delivery was forgotten: a defect of mailstore")
        try:
            Batch(self._create).deliver([(opened.store, jobs) for opened, jobs in share.items()])
        except Exception as problem:  # noqa: BLE001 - the reply is 451; the server goes on
            error = problem
        for opened, jobs in share.items():
            self._give_up(jobs, error)
            for _ in jobs:
                self._stores.release(opened)

    def _give_up(self, jobs: Iterable[Job], error: BaseException) -> None:
        """Fail what has no result yet."""
        for job in jobs:
            job.fail(error)

    # -- one message for several stores

    def _share(self, jobs: list[Job]) -> None:
        """Stage a message in each of its stores, as one file where they can share it, before any of them commits."""
        ready: list[Job] = []
        sources: list[tuple[Body, Staged]] = []
        for job in jobs:
            try:
                job.opened = self._stores.acquire(job.location)
            except Exception as error:  # noqa: BLE001 - as above
                job.fail(error)
                continue
            try:
                job.staged = _adopted_or_staged(job, job.opened.store, sources)
            except Exception as error:  # noqa: BLE001 - as above
                self._stores.release(job.opened)
                job.fail(error)
                continue
            ready.append(job)
        for job in ready:
            self._enqueue(job)


def _is_no_inbox(folder: str) -> bool:
    return not folder_named(folder).is_inbox


def _take(queue: deque[Job]) -> list[Job]:
    jobs: list[Job] = []
    size = 0
    while queue and len(jobs) < _MOST_MESSAGES and (not jobs or size + queue[0].message.size <= _MOST_BYTES):
        job = queue.popleft()
        size += job.message.size
        jobs.append(job)
    return jobs


def _adopted_or_staged(job: Job, store: Store, sources: list[tuple[Body, Staged]]) -> Staged:
    arrival = job.message.arrival(store.capabilities)
    if store.adopt is not None:
        for body, staged in sources:
            if body is arrival.body and staged.meta == arrival.meta:
                with store.lock:
                    adopted = store.adopt(staged)
                if adopted is not None:
                    return adopted
    staged = store.stage([arrival])[0]
    sources.append((arrival.body, staged))
    return staged
