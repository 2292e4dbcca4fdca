"""Group commit: who shares a commit, and whose outcome is whose when it fails."""

import resource
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from mailstore import (
    CorruptStore,
    MailstoreError,
    MessageTooLarge,
    Outcome,
    QuotaExceeded,
    StorageFailure,
    StorageFull,
    Store,
    StoreBusy,
    open_store,
)
from mailstore.delivery.mailboxes import Mailbox
from mailstore.lmtp.batch import Batch, Delivery, Job, Result
from mailstore.lmtp.group import GroupCommit
from mailstore.lmtp.message import Message
from mailstore.lmtp.stores import FEWEST, MOST, Stores, most_open
from mailstore.model.changes import Append, Change, Staged
from mailstore.model.info import Arrival

WAIT = 60


class Scripted:
    """A store in memory whose stage and commit do what a test wants done before, or in place of, the real thing.

    Attributes:
        stages: how many messages each call of ``stage`` got.
        commits: how many changes each call of ``commit`` got.
        on_stage: called with the arrivals.
        on_commit: called with the changes; what it returns is the outcome of those it is about; None goes on.
    """

    def __init__(self) -> None:
        self.real = open_store("memory:")
        self.lock = self.real.lock
        self.capabilities = self.real.capabilities
        self.adopt = None
        self.stages: list[int] = []
        self.commits: list[int] = []
        self.on_stage: Callable[[Sequence[Arrival]], None] = lambda _: None
        self.on_commit: Callable[[Sequence[Change]], list[Outcome] | None] = lambda _: None

    def stage(self, arrivals: Sequence[Arrival]) -> list[Staged]:
        self.stages.append(len(arrivals))
        self.on_stage(arrivals)
        return self.real.stage(arrivals)

    def discard(self, staged: Sequence[Staged]) -> None:
        self.real.discard(staged)

    def commit(self, changes: Sequence[Change], **options: Any) -> list[Outcome]:
        self.commits.append(len(changes))
        answer = self.on_commit(changes)
        return self.real.commit(changes, **options) if answer is None else answer

    def folder(self, *arguments: Any, **options: Any) -> object:
        return self.real.folder(*arguments, **options)

    def subjects(self, folder: str = "INBOX") -> list[bytes]:
        return [message.bytes().rpartition(b"\n\n")[2] for message in self.real.folder(folder)]


def message(text: str) -> Message:
    body = b"Subject: x\n\n" + text.encode()
    return Message(body, sender="", recipient=None, trace=b"Received: x\n", date=1_700_000_000, once=None)


def is_about(staged: Staged | Arrival, text: str) -> bool:
    body = getattr(staged, "body", b"")
    return isinstance(body, bytes) and body.endswith(text.encode())


def deliver(store: Scripted, *texts: str, folders: Sequence[str] = ("INBOX",)) -> list[list[Result]]:
    """Deliver one batch; returns the results of each message."""
    results: list[list[Result]] = [[] for _ in texts]
    jobs = [
        Job(Delivery(message(text), len(folders), results[at].extend), "memory:", dict(enumerate(folders)))
        for at, text in enumerate(texts)
    ]
    Batch(create=False).deliver([(store, jobs)])  # type: ignore[list-item]
    return results


def errors(results: list[list[Result]]) -> list[type | None]:
    return [None if result.error is None else type(result.error) for part in results for result in part]


TOO_LARGE = MessageTooLarge("too large")


def test_a_batch_is_one_commit() -> None:
    store = Scripted()
    assert errors(deliver(store, "a", "b", "c")) == [None] * 3
    assert (store.stages, store.commits, store.subjects()) == ([3], [3], [b"a", b"b", b"c"])


def test_several_folders_of_a_store_share_what_was_staged() -> None:
    store = Scripted()
    store.real.create("Lists")
    assert errors(deliver(store, "a", folders=["INBOX", "Lists", "Nowhere"])) == [None] * 3
    assert (store.stages, store.commits) == ([1], [3])
    assert (store.subjects(), store.subjects("Lists")) == ([b"a", b"a"], [b"a"])


def test_what_cannot_be_staged_fails_alone() -> None:
    store = Scripted()

    def refuse(arrivals: Sequence[Arrival]) -> None:
        if any(is_about(one, "bad") for one in arrivals):
            raise TOO_LARGE

    store.on_stage = refuse
    assert errors(deliver(store, "a", "bad", "c")) == [None, MessageTooLarge, None]
    assert (store.commits, store.subjects()) == ([2], [b"a", b"c"])


@pytest.mark.parametrize(
    "error", [TOO_LARGE, StorageFull("full"), QuotaExceeded("full", resource="STORAGE", limit=1, usage=1, wanted=1)]
)
def test_when_the_commit_of_many_raises_each_is_staged_anew_and_committed_alone(error: MailstoreError) -> None:
    store = Scripted()
    staged_first: list[Staged] = []

    def refuse(changes: Sequence[Change]) -> None:
        staged = [change.staged for change in changes if isinstance(change, Append)]
        if len(changes) == 3:
            staged_first.extend(staged)
            raise error
        assert not any(one is other for one in staged for other in staged_first)
        if len(store.commits) == 3:
            raise error

    store.on_commit = refuse
    assert errors(deliver(store, "a", "bad", "c")) == [None, type(error), None]
    assert (store.stages, store.commits, store.subjects()) == ([3, 1, 1, 1], [3, 1, 1, 1], [b"a", b"c"])


@pytest.mark.parametrize("error", [StoreBusy("locked"), StorageFailure("EIO"), CorruptStore("damaged")])
def test_trouble_of_the_store_is_everybodys_and_nothing_is_tried_again(error: MailstoreError) -> None:
    store = Scripted()

    def fail(_: Sequence[Change]) -> None:
        raise error

    store.on_commit = fail
    assert errors(deliver(store, "a", "b")) == [type(error)] * 2
    assert (store.stages, store.commits, store.subjects()) == ([2], [2], [])


def test_after_a_part_was_done_those_not_tried_get_another_turn() -> None:
    store = Scripted()

    def second_fails(changes: Sequence[Change]) -> list[Outcome] | None:
        if len(changes) != 4:
            return None
        store.real.commit(changes[:1])
        return [Outcome("done"), *[Outcome("failed", error=TOO_LARGE)] * 3]

    store.on_commit = second_fails
    assert errors(deliver(store, "a", "bad", "c", "d")) == [None, MessageTooLarge, None, None]
    assert (store.commits, store.subjects()) == ([4, 1, 1], [b"a", b"c", b"d"])


def test_after_a_part_was_done_trouble_of_the_store_ends_it() -> None:
    store = Scripted()

    def second_fails(changes: Sequence[Change]) -> list[Outcome]:
        store.real.commit(changes[:1])
        return [Outcome("done"), *[Outcome("failed", error=StorageFailure("EIO"))] * 2]

    store.on_commit = second_fails
    assert errors(deliver(store, "a", "b", "c")) == [None, StorageFailure, StorageFailure]
    assert (store.commits, store.subjects()) == ([3], [b"a"])


def test_when_nobody_knows_what_was_done_nothing_is_tried_again() -> None:
    """The names are there, and the sync that would make them last failed."""
    store = Scripted()

    def all_fail(changes: Sequence[Change]) -> list[Outcome]:
        store.real.commit(changes)
        return [Outcome("failed", error=StorageFull("no space"))] * len(changes)

    store.on_commit = all_fail
    assert errors(deliver(store, "a", "b")) == [StorageFull] * 2
    assert (store.commits, store.subjects()) == ([2], [b"a", b"b"])


# -- lanes


class Held:
    """An open store, as ``Stores.acquire`` gives it."""

    def __init__(self, store: Scripted) -> None:
        self.store = store
        self.joint = None


class OneStore(Stores):
    """Gives a scripted store for each location."""

    def __init__(self, **stores: Scripted) -> None:
        super().__init__()
        self.opened = {name: Held(store) for name, store in stores.items()}
        self.in_use = 0

    def acquire(self, location: str) -> Any:
        found = self.opened[location.rpartition("/")[2]]
        self.in_use += 1
        return found

    def release(self, opened: Any) -> None:
        self.in_use -= 1


class Waiting:
    """Collects the results of deliveries and waits for them."""

    def __init__(self, group: GroupCommit, directory: Path) -> None:
        self.group = group
        self.directory = directory
        self.results: dict[str, list[Result]] = {}
        self.changed = threading.Condition()

    def submit(self, text: str, *places: str) -> None:
        def done(results: list[Result]) -> None:
            with self.changed:
                assert text not in self.results
                self.results[text] = results
                self.changed.notify_all()

        boxes = [Mailbox(f"maildir:{self.directory}/{name}", "INBOX") for name in places]
        self.group.submit(message(text), boxes, done)

    def wait(self, *texts: str) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: set(texts) <= set(self.results), WAIT)


@pytest.fixture
def lanes(tmp_path: Path) -> Iterator[tuple[Waiting, Scripted, Scripted]]:
    one, other = Scripted(), Scripted()
    stores = OneStore(one=one, other=other)
    group = GroupCommit(stores, threads=3)
    yield Waiting(group, tmp_path), one, other
    group.close()
    assert stores.in_use == 0


def test_what_comes_while_a_commit_runs_shares_the_next(lanes: tuple[Waiting, Scripted, Scripted]) -> None:
    waiting, one, other = lanes
    begun, go_on = threading.Event(), threading.Event()

    def hold(changes: Sequence[Change]) -> None:
        begun.set()
        assert go_on.wait(WAIT)

    one.on_commit = hold
    waiting.submit("first", "one")
    assert begun.wait(WAIT)
    for text in "abcd":
        waiting.submit(text, "one")
    waiting.submit("elsewhere", "other")
    waiting.wait("elsewhere")  # another store does not wait
    assert set(waiting.results) == {"elsewhere"}
    go_on.set()
    waiting.wait("first", *"abcd")
    assert (one.commits, other.commits) == ([1, 4], [1])
    assert one.subjects() == [b"first", b"a", b"b", b"c", b"d"]


def test_a_message_for_two_stores_has_a_result_for_each(lanes: tuple[Waiting, Scripted, Scripted]) -> None:
    waiting, one, other = lanes

    def busy(_: Sequence[Change]) -> None:
        raise StoreBusy("locked")

    other.on_commit = busy
    waiting.submit("x", "one", "other", "nowhere", "one")
    waiting.wait("x")
    assert errors([waiting.results["x"]]) == [None, StoreBusy, KeyError, None]
    assert (one.subjects(), other.subjects()) == ([b"x", b"x"], [])


def test_a_defect_is_told_and_the_lane_goes_on(lanes: tuple[Waiting, Scripted, Scripted]) -> None:
    waiting, one, _ = lanes

    def defect(_: Sequence[Change]) -> None:
        one.on_commit = lambda _: None
        raise ZeroDivisionError

    one.on_commit = defect
    waiting.submit("a", "one")
    waiting.wait("a")
    waiting.submit("b", "one")
    waiting.wait("b")
    assert errors([waiting.results["a"], waiting.results["b"]]) == [ZeroDivisionError, None]


# -- open stores


def test_stores_stay_open_up_to_a_number(tmp_path: Path) -> None:
    stores = Stores(create=True, most=2)
    places = [f"maildir:{tmp_path}/{name}" for name in "abc"]
    seen: list[Store] = []
    for place in [*places, places[2], places[0]]:
        with stores.use(place) as store:
            seen.append(store)
    assert seen[2] is seen[3]
    assert seen[0] is not seen[4]
    stores.close()


@pytest.mark.parametrize(
    ("limit", "expected"), [(256, FEWEST), (1024, 181), (1 << 20, MOST), (resource.RLIM_INFINITY, MOST)]
)
def test_as_many_stay_open_as_there_are_descriptors(monkeypatch: pytest.MonkeyPatch, limit: int, expected: int) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    assert most_open(200) == expected


def test_a_store_that_was_replaced_is_opened_anew(tmp_path: Path) -> None:
    stores = Stores(create=True)
    place = f"maildir:{tmp_path}/a"
    held = stores.acquire(place)
    (tmp_path / "a").rename(tmp_path / "old")
    with stores.use(place) as store:
        assert store is not held.store
        assert (tmp_path / "a" / "new").is_dir()
    assert held.is_open
    stores.release(held)
    assert not held.is_open
    stores.close()
