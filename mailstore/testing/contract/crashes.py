"""Section 10 of the contract: crashes and failing disks."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest

from mailstore import Arrival, Capabilities, FolderPath, MailstoreError, Meta, SetState, Store
from mailstore.model.flags import DELETED, FLAGGED, SEEN
from mailstore.spi import FreshFolders
from mailstore.testing.barriers import Barriers
from mailstore.testing.contract.base import Contract
from mailstore.testing.faults import ChildFailed, How, Plan, in_child
from mailstore.testing.harness import Harness
from mailstore.testing.marks import clause, needs
from mailstore.testing.observe import listing
from mailstore.testing.samples import BODIES
from mailstore.testing.settings import THOROUGH

ONE, TWO, THREE = BODIES["ordinary"], BODIES["crlf"], BODIES["no final newline"]
NEW = [b"Subject: new %d\n\nbody\n" % number for number in range(3)]
FRESH = FolderPath(["Fresh"])
KEYS = [bytes([number]) * 16 for number in range(1, 4)]

Facts = dict[str, list[tuple[bytes, int]]]
"""What a store holds: by folder the bodies and flags, in order."""

Listing = dict[str, dict[int, tuple[bytes, int]]]
"""The same by UID."""


def prepare(store: Store) -> None:
    """Fill the store that the operations work on."""
    store.inbox.append(ONE, flags=SEEN, internal_date=1)
    store.inbox.append(TWO, flags=DELETED, internal_date=2)
    store.inbox.append(THREE, internal_date=3)
    if store.capabilities.folders:
        store.create("A").append(ONE, internal_date=4)
        store.create("A/B").append(TWO, internal_date=5)
        store.create("Z").append(THREE, internal_date=6)


def everything(store: Store) -> Listing:
    """Return every message of every folder, by UID."""
    return {
        str(info.path): {uid: (seen.body, seen.flags) for uid, seen in listing(store.folder(info.path)).items()}
        for info in store.folders()
        if info.selectable
    }


def in_order(found: Listing) -> Facts:
    """Return a listing without UIDs."""
    return {name: list(held.values()) for name, held in found.items()}


def facts(store: Store) -> Facts:
    """Return what the store holds."""
    return in_order(everything(store))


class Operation(NamedTuple):
    """Something to be interrupted.

    ``run`` does it, or finishes it where it was begun. ``after`` gives the states that an interruption may leave,
    besides the finished one.
    """

    name: str
    run: Callable[[Store], object]
    after: Callable[[Facts, Capabilities], list[Facts]]
    needs: tuple[str, ...] = ()


def _old(before: Facts, _: Capabilities) -> list[Facts]:
    """All old, or all new: there is nothing in between."""
    return [before]


def _append(store: Store) -> None:
    if NEW[0] not in [seen.body for seen in listing(store.inbox).values()]:
        store.inbox.append(NEW[0], flags=FLAGGED)


def _append_many(store: Store) -> None:
    """With keys all are sent again; without them only what is not there."""
    have = [seen.body for seen in listing(store.inbox).values()]
    keyed = store.capabilities.idempotency
    store.inbox.append_many(
        Arrival(body, Meta(FLAGGED), key if keyed else None)
        for body, key in zip(NEW, KEYS, strict=True)
        if keyed or body not in have
    )


def _appended_at_once(before: Facts, capabilities: Capabilities) -> list[Facts]:
    """All or nothing, or the first of them."""
    counts = range(len(NEW)) if capabilities.batch == "prefix" else range(1)
    return [{**before, "INBOX": before["INBOX"] + [(body, FLAGGED) for body in NEW[:count]]} for count in counts]


def _flag(store: Store) -> None:
    store.inbox.add_flags([row.uid for row in store.inbox.rows(0)][1:], ["\\Answered", "\\Seen"])


def _flagged(before: Facts, _: Capabilities) -> list[Facts]:
    """Each message's flags are old or new."""
    choices = [[(body, flags)] if not place else [(body, flags), (body, flags | 3)]
               for place, (body, flags) in enumerate(before["INBOX"])]  # fmt: skip
    return [{**before, "INBOX": list(chosen)} for chosen in itertools.product(*choices)]


def _expunge(store: Store) -> None:
    store.inbox.expunge([row.uid for row in store.inbox.rows(0) if row.flags & (DELETED | SEEN)], only_deleted=False)


def _expunged(before: Facts, _: Capabilities) -> list[Facts]:
    going = [entry for entry in before["INBOX"] if entry[1] & (DELETED | SEEN)]
    left = [
        [entry for entry in before["INBOX"] if entry not in chosen]
        for count in range(len(going) + 1)
        for chosen in itertools.combinations(going, count)
    ]
    return [{**before, "INBOX": entries} for entries in left]


def _first(store: Store, body: bytes) -> list[int]:
    return [uid for uid, seen in listing(store.inbox).items() if seen.body == body]


def _copy(store: Store) -> None:
    if ONE not in [seen.body for seen in listing(store.folder("Z")).values()]:
        store.inbox.copy(_first(store, ONE), store.folder("Z"))


def _move(store: Store) -> None:
    if ONE in [seen.body for seen in listing(store.folder("Z")).values()]:
        store.inbox.expunge(_first(store, ONE), only_deleted=False)  # the copy is there: only the rest is left to do
    else:
        store.inbox.move(_first(store, ONE), store.folder("Z"))


def _moved(before: Facts, _: Capabilities) -> list[Facts]:
    there = {**before, "Z": before["Z"] + [(ONE, SEEN)]}
    return [before, there, {**there, "INBOX": before["INBOX"][1:]}]


def _rename(store: Store) -> None:
    if "A" in facts(store):
        store.rename("A", "New/name")


def _delete(store: Store) -> None:
    if "A" in facts(store):
        store.delete("A")


def _create(store: Store) -> None:
    store.folder("P/Q", create=True)


def _created(before: Facts, _: Capabilities) -> list[Facts]:
    return [before, {**before, "P": []}]


def _publish(store: Store) -> None:
    if "Fresh" in facts(store):
        return
    folder = cast("FreshFolders", store.driver).fresh(FRESH)
    assert folder is not None
    receipts = folder.add([Arrival(body, Meta(SEEN, internal_date=9), uid=7) for body in NEW])
    folder.publish(receipts, SetState(FRESH, 4_000_000, 50))


OPERATIONS = (
    Operation("append", _append, _old),
    Operation("append_many", _append_many, _appended_at_once),
    Operation("flag", _flag, _flagged),
    Operation("expunge", _expunge, _expunged),
    Operation("copy", _copy, _old, ("folders",)),
    Operation("move", _move, _moved, ("folders",)),
    Operation("rename", _rename, _old, ("folders",)),
    Operation("delete", _delete, _old, ("folders",)),
    Operation("create", _create, _created, ("folders",)),
    Operation("publish", _publish, _old, ("folders", "native:fresh")),
)


class Run(NamedTuple):
    """What a child saw of an operation."""

    before: Listing
    seen: list[str]
    """The points passed."""
    error: str
    """The error raised, or nothing."""
    shown: Facts
    """What the same handle shows afterwards."""
    again: Facts
    """What it shows after the operation was run once more, undisturbed."""
    broken: list[str]
    """What a power cut could have shown."""


class Trial:
    """One operation on one freshly made store, interfered with or not."""

    def __init__(self, scratch: Harness, operation: Operation, name: str) -> None:
        self.harness = scratch.sibling(f"{operation.name}-{name}")
        self.operation = operation

    def run(self, plan: Plan) -> Run | None:
        """Do it in a child; None where the child was killed."""

        def work() -> list[Any]:
            with self.harness.closing():
                store = self.harness.create()
                prepare(store)
                store = self.harness.reopen(store)
                before = everything(store)
                barriers = Barriers()
                plan.follow = barriers.follow
                error = ""
                with plan.at_work():
                    try:
                        self.operation.run(store)
                    except MailstoreError as raised:
                        error = f"{type(raised).__name__}: {raised}"
                broken, shown = barriers.finish(), facts(store)
                self.operation.run(store)
                return [_portable(before), plan.seen, error, _portable(shown), _portable(facts(store)), broken]

        answer = in_child(work)
        if answer is None:
            return None
        before, seen, error, shown, again, broken = answer
        return Run(
            {name: {int(uid): entry for uid, entry in held.items()} for name, held in _bodies(before).items()},
            seen, error, _bodies(shown), _bodies(again), broken,
        )  # fmt: skip

    def opens(self, plan: Plan) -> bool:
        """Open the store, and list it, in a child; False where that was killed."""

        def work() -> bool:
            with self.harness.closing(), plan.at_work():
                facts(self.harness.open())
                return True

        return in_child(work) is True

    def check(self, clean: Run) -> None:
        """Open what an interruption left, see that it is whole, finish the work."""
        with self.harness.closing():
            store = self.harness.open()
            left = everything(store)
            assert in_order(left) in self.allowed(clean), "neither old nor new"
            for name in left.keys() & clean.before.keys():
                there = {body for body, _ in clean.before[name].values()}
                uids = {uid: body for uid, (body, _) in left[name].items() if body in there}
                assert uids.items() <= {uid: body for uid, (body, _) in clean.before[name].items()}.items(), (
                    "renumbered"
                )
            store = self.harness.reopen(store)
            assert everything(store) == left
            assert store.recover()[:2] == (0, 0)
            self.operation.run(store)
            assert facts(store) == clean.shown, "a rerun does not finish the work"
            assert facts(self.harness.reopen(store)) == clean.shown

    def allowed(self, clean: Run) -> list[Facts]:
        """Return all states that an interruption may leave."""
        return [*self.operation.after(in_order(clean.before), self.harness.capabilities), clean.shown]


def _portable(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _portable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_portable(item) for item in value]
    return value.hex() if isinstance(value, bytes) else value


def _bodies(value: Any) -> Any:
    """Undo ``_portable`` for facts and listings."""
    if isinstance(value, dict):
        return {key: _bodies(item) for key, item in value.items()}
    if value and isinstance(value[0], list):
        return [_bodies(item) for item in value]
    return (bytes.fromhex(value[0]), value[1]) if value else []


def chosen(seen: list[str], step: int = 1) -> list[int]:
    """Return the points to hit, from 1: every ``step``-th, and of SQLite's own, which it guards itself, only some."""
    if THOROUGH:
        return list(range(1, len(seen) + 1))
    sqlite = [
        at
        for at, (before, point) in enumerate(itertools.pairwise(["", *seen]), 1)
        if point.startswith("sqlite") and point != before
    ]
    spread = sqlite[:: max(1, len(sqlite) // 6)]
    return sorted([*(at for at, point in enumerate(seen, 1) if not point.startswith("sqlite")), *spread])[::step]


class CrashContract(Contract):
    """Section 10: crashes and failing disks."""

    @pytest.fixture
    def scratch(self, harness: Harness) -> Iterator[Harness]:
        """Return a harness on a file system in memory, where there is one: a kill loses nothing that was written."""
        place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a fresh directory is made in it
        with tempfile.TemporaryDirectory(prefix="mailstore-crashes-", dir=place) as directory:
            yield type(harness)(Path(directory), harness.mask)

    @clause("10.1")
    @needs("persistent")
    def test_without_close(self, harness: Harness, store: Store) -> None:
        """What was committed is there although nobody closed anything, and stays when the abandoned one closes."""
        prepare(store)
        kept = everything(store)
        other = harness.open()
        assert everything(other) == kept
        uid = other.inbox.append(NEW[0]).uid
        store.close()
        assert everything(harness.reopen(other))["INBOX"].keys() == {*kept["INBOX"], uid}

    @clause("10.2")
    @needs("persistent")
    @pytest.mark.parametrize("operation", OPERATIONS, ids=[operation.name for operation in OPERATIONS])
    def test_killed_anywhere(self, scratch: Harness, operation: Operation) -> None:
        """At every point the process ends: before the call, and with a write half done."""
        clean = Trial(scratch, operation, "clean").run(Plan())
        assert clean is not None
        assert (clean.error, clean.shown) == ("", clean.again)
        assert clean.seen, "the operation wrote nothing that can be interrupted"
        for at in chosen(clean.seen):
            point = clean.seen[at - 1]
            for how in ("kill", "tear") if point.endswith("write") else ("kill",):
                trial = Trial(scratch, operation, f"{how}-{at}")
                assert trial.run(Plan(at, how)) is None
                with _told(f"{how} at {at}, {point}, of {clean.seen}"):
                    trial.check(clean)

    @clause("10.2")
    @needs("persistent")
    @pytest.mark.parametrize("operation", OPERATIONS, ids=[operation.name for operation in OPERATIONS])
    def test_killed_again_while_recovering(self, scratch: Harness, operation: Operation) -> None:
        """After a kill the first opening is killed at its first point, the second at its second, and so on."""
        clean = Trial(scratch, operation, "clean").run(Plan())
        assert clean is not None
        for at in chosen(clean.seen, 6):
            trial = Trial(scratch, operation, f"twice-{at}")
            assert trial.run(Plan(at, "kill")) is None
            openings = next(number for number in itertools.count(1) if trial.opens(Plan(number, "kill")))
            with _told(f"kill at {at}, {clean.seen[at - 1]}, of {clean.seen}, and {openings - 1} openings killed"):
                trial.check(clean)

    @clause("10.3")
    @needs("persistent")
    @pytest.mark.parametrize("operation", OPERATIONS, ids=[operation.name for operation in OPERATIONS])
    def test_failing_anywhere(self, scratch: Harness, operation: Operation) -> None:
        """At every point a call fails: once with an I/O error, or from there on for want of space."""
        clean = Trial(scratch, operation, "clean").run(Plan())
        assert clean is not None
        for place, at in enumerate(chosen(clean.seen, 2)):
            point = clean.seen[at - 1]
            ways: tuple[How, ...] = ("fail", "full") if THOROUGH else (("fail", "full")[place % 2],)
            for how in ways:
                trial = Trial(scratch, operation, f"{how}-{at}")
                with _told(f"{how} at {at}, {point}, of {clean.seen}"):
                    run = trial.run(Plan(at, how))
                    assert run is not None
                    if run.error:
                        assert run.shown in trial.allowed(clean), f"neither old nor new after {run.error}"
                        assert run.again == clean.shown, f"not usable after {run.error}"
                    else:
                        assert run.shown == clean.shown, "success was claimed"
                    trial.check(clean._replace(shown=run.again))

    @clause("10.4")
    @needs("persistent")
    @pytest.mark.parametrize("operation", OPERATIONS, ids=[operation.name for operation in OPERATIONS])
    def test_two_barriers(self, scratch: Harness, operation: Operation) -> None:
        """Contents are on disk before the name is visible, names before the call returns."""
        run = Trial(scratch, operation, "barriers").run(Plan())
        assert run is not None
        assert run.broken == []

    @clause("10.5")
    def test_recover_at_rest(self, harness: Harness, store: Store) -> None:
        """Nothing is left to do."""
        assert store.recover() == (0, 0, 0)
        prepare(store)
        assert harness.reopen(store).recover() == (0, 0, 0)


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Say which trial it was that failed."""
    try:
        yield
    except (AssertionError, ChildFailed, MailstoreError) as error:
        raise AssertionError(f"{what}: {type(error).__name__}: {error}") from error
