"""The operations that section 10 of the contract interrupts, and the states that an interruption may leave."""

from __future__ import annotations

import itertools
import os
import zlib
from collections.abc import Callable
from typing import NamedTuple, cast

from mailstore import Arrival, Capabilities, FolderPath, Meta, SetState, Store, open_store
from mailstore.model.changes import Append
from mailstore.model.flags import DELETED, FLAGGED, SEEN
from mailstore.spi import FreshFolders
from mailstore.testing.observe import listing
from mailstore.testing.samples import BODIES

ONE, TWO, THREE = BODIES["ordinary"], BODIES["crlf"], BODIES["no final newline"]
FAR = b"Subject: far\n\nbody\n"
LATER = b"Subject: later\n\nbody\n"
NEW = [b"Subject: new %d\n\nbody\n" % number for number in range(3)]
FRESH = FolderPath(["Fresh"])
EMPTY = FolderPath(["Empty"])
ADOPTED = SetState(EMPTY, 4_000_000, 50)
KEYS = [bytes([number]) * 16 for number in range(1, 4)]

Facts = dict[str, list[tuple[bytes, int]]]
"""What a store holds: by folder the bodies and flags, in order."""

Listing = dict[str, dict[int, tuple[bytes, int]]]
"""The same by UID."""


def prepare(store: Store, *, other: bool = False) -> None:
    """Fill the store that the operations work on, and, where asked for, one of another format beside it."""
    store.inbox.append(ONE, flags=SEEN, internal_date=1)
    store.inbox.append(TWO, flags=DELETED, internal_date=2)
    store.inbox.append(THREE, internal_date=3)
    if store.capabilities.folders:
        store.create("A").append(ONE, internal_date=4)
        store.create("A/B").append(TWO, internal_date=5)
        store.create("Z").append(THREE, internal_date=6)
        store.create(EMPTY)
    if store.capabilities.subscriptions:
        store.subscribe("Old")
    if other:
        with open_store(_other(store), create=True) as far:
            far.inbox.append(FAR, internal_date=7)


def everything(store: Store) -> Listing:
    """Return every message of every folder, by UID; so too what else an operation changes, as if it were messages."""
    found = messages(store)
    for info in store.folders():
        if info.subscribed:
            _note(found, "(subscribed)", str(info.path))
        if info.special_use:
            _note(found, "(special use)", f"{info.path} {info.special_use}")
        if info.path == EMPTY:
            state = store.folder(EMPTY).state()
            adopted = (state.uidvalidity == ADOPTED.uidvalidity, state.uidnext >= ADOPTED.uidnext)
            _note(found, "(adopted)", str(adopted))
    if os.path.lexists(_other_path(store)):
        with open_store(_other(store)) as other:
            found.update({f"(other) {name}": held for name, held in messages(other).items()})
    return found


def messages(store: Store) -> Listing:
    """Return every message of every folder, by UID."""
    return {
        str(info.path): {uid: (seen.body, seen.flags) for uid, seen in listing(store.folder(info.path)).items()}
        for info in store.folders()
        if info.selectable
    }


def _note(found: Listing, kind: str, text: str) -> None:
    found.setdefault(kind, {})[zlib.crc32(text.encode())] = (text.encode(), 0)


def _other(store: Store) -> str:
    """Return where a store of another format is, beside this one."""
    return f"{'maildir' if store.location.format == 'sqlite' else 'sqlite'}:{_other_path(store)}"


def _other_path(store: Store) -> str:
    return f"{os.path.dirname(store.location.path)}/other"


def in_order(found: Listing) -> Facts:
    """Return a listing without UIDs."""
    return {name: list(held.values()) for name, held in found.items()}


def facts(store: Store) -> Facts:
    """Return what the store holds."""
    return in_order(everything(store))


def only_messages(found: Facts) -> Facts:
    """Return what the store holds without what else ``everything`` notes."""
    return {name: held for name, held in found.items() if not name.startswith("(")}


class Operation(NamedTuple):
    """Something to be interrupted.

    ``run`` does it, or finishes it where it was begun. ``after`` gives the states that a kill may leave, besides the
    finished one; ``cut`` those that a power cut may leave, and ``watched`` those that another process may see on the
    way, where they are more. ``other``: it needs a store of another format beside the one that it works on.
    """

    name: str
    run: Callable[[Store], object]
    after: Callable[[Facts, Capabilities], list[Facts]]
    needs: tuple[str, ...] = ()
    cut: Callable[[Facts, Capabilities], list[Facts]] | None = None
    watched: Callable[[Facts, Capabilities], list[Facts]] | None = None
    other: bool = False


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


def _appended_in_part(before: Facts, capabilities: Capabilities) -> list[Facts]:
    """All or nothing, or some of them: each is a name of its own, and names come to the disk in any order."""
    if capabilities.batch != "prefix":
        return [before]
    new = [(body, FLAGGED) for body in NEW]
    some = itertools.chain.from_iterable(itertools.combinations(new, count) for count in range(len(new)))
    return [{**before, "INBOX": before["INBOX"] + list(chosen)} for chosen in some]


def _deliver(store: Store) -> None:
    """Append as delivery agents do: nobody waits for a UID."""
    if NEW[0] not in [seen.body for seen in listing(store.inbox).values()]:
        staged = store.stage([Arrival(NEW[0], Meta())])
        (outcome,) = store.commit([Append(store.inbox.path, staged[0])], need_uids=False)
        if outcome.error is not None:
            raise outcome.error


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


def _copy_out(store: Store) -> None:
    """Copy to a store of another format."""
    with open_store(_other(store)) as other:
        if ONE not in [seen.body for seen in listing(other.inbox).values()]:
            store.inbox.copy(_first(store, ONE), other.inbox)


def _move_out(store: Store) -> None:
    with open_store(_other(store)) as other:
        if ONE in [seen.body for seen in listing(other.inbox).values()]:
            store.inbox.expunge(_first(store, ONE), only_deleted=False)
        else:
            store.inbox.move(_first(store, ONE), other.inbox)


def _move_in(store: Store) -> None:
    """Move from a store of another format."""
    with open_store(_other(store)) as other:
        going = [uid for uid, seen in listing(other.inbox).items() if seen.body == FAR]
        if FAR in [seen.body for seen in listing(store.inbox).values()]:
            other.inbox.expunge(going, only_deleted=False)
        else:
            other.inbox.move(going, store.inbox)


def _moved_out(before: Facts, _: Capabilities) -> list[Facts]:
    return [before, {**before, "(other) INBOX": [*before["(other) INBOX"], (ONE, SEEN)]}]


def _moved_in(before: Facts, _: Capabilities) -> list[Facts]:
    return [before, {**before, "INBOX": [*before["INBOX"], (FAR, 0)]}]


def _set_state(store: Store) -> None:
    (outcome,) = store.commit([ADOPTED])
    if outcome.error is not None:
        raise outcome.error


def _subscribe(store: Store) -> None:
    store.subscribe("New")


def _unsubscribe(store: Store) -> None:
    store.unsubscribe("Old")


def _special_use(store: Store) -> None:
    store.set_special_use("Z", "\\Junk")


def _rename(store: Store) -> None:
    if "A" in facts(store):
        store.rename("A", "New/name")


def _renamed_in_part(before: Facts, _: Capabilities) -> list[Facts]:
    """Each folder has its old path or its new one; parents without messages are not listed."""
    moves = {name: name.replace("A", "New/name", 1) for name in before if name == "A" or name.startswith("A/")}
    return [
        {moves[name] if name in moved else name: held for name, held in before.items()}
        for count in range(len(moves) + 1)
        for moved in itertools.combinations(moves, count)
    ]


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
    Operation("append_many", _append_many, _appended_at_once, cut=_appended_in_part),
    Operation("deliver", _deliver, _old),
    Operation("flag", _flag, _flagged),
    Operation("expunge", _expunge, _expunged),
    Operation("copy", _copy, _old, ("folders",)),
    Operation("move", _move, _moved, ("folders",)),
    Operation("rename", _rename, _old, ("folders",), watched=_renamed_in_part),
    Operation("delete", _delete, _old, ("folders",)),
    Operation("copy_out", _copy_out, _old, other=True),
    Operation("move_out", _move_out, _moved_out, other=True),
    Operation("move_in", _move_in, _moved_in, other=True),
    Operation("set_state", _set_state, _old, ("folders",)),
    Operation("subscribe", _subscribe, _old, ("subscriptions",)),
    Operation("unsubscribe", _unsubscribe, _old, ("subscriptions",)),
    Operation("special_use", _special_use, _old, ("folders", "special_use")),
    Operation("create", _create, _created, ("folders",)),
    Operation("publish", _publish, _old, ("folders", "native:fresh")),
)
