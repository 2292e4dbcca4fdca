"""Events applied to the old listing give the new listing.

Random histories of each store, made by the watched store object and by another one, with watches that end and go on.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailstore import FolderPath, MailstoreError, Store, open_store
from mailstore.watch import Replica, Watch
from mailstore.watch.replica import State

EXAMPLES = 1000 if os.environ.get("MAILSTORE_TESTING") == "thorough" else 25
STORES = ["maildir:{}/M", "maildir:{}/T?layout=fs", "sqlite:{}/x.db", "mbox:{}/box", "mbox:{}/tree/", "memory:{0.name}"]
NAMES = [FolderPath.parse(name) for name in ("A", "B", "A/x", "C.d")]

folder = st.sampled_from(NAMES)
any_folder = st.sampled_from([FolderPath(("INBOX",)), *NAMES])
which = st.integers(0, 3)
step = st.one_of(
    st.tuples(st.just("append"), any_folder, st.sampled_from([(), ("\\Seen",), ("\\Flagged", "word")])),
    st.tuples(st.just("flag"), any_folder, which, st.sampled_from(["\\Seen", "\\Deleted", "word", "Other"])),
    st.tuples(st.just("unflag"), any_folder, which, st.sampled_from(["\\Seen", "word"])),
    st.tuples(st.just("expunge"), any_folder, which),
    st.tuples(st.just("move"), any_folder, any_folder, which),
    st.tuples(st.just("create"), folder),
    st.tuples(st.just("rename"), folder, folder),
    st.tuples(st.just("delete"), folder),
    st.tuples(st.just("subscribe"), folder),
    st.tuples(st.just("unsubscribe"), folder),
    st.tuples(st.just("look")),
    st.tuples(st.just("leave")),
)
history = st.lists(st.tuples(st.sampled_from(["watched", "other"]), step), min_size=1, max_size=25)


def carry_out(store: Store, what: str, *args: object) -> None:
    """Do one step; one that makes no sense just now is none."""
    with suppress(MailstoreError, IndexError):
        _STEPS[what](store, *args)


def _uid(store: Store, path: FolderPath, at: int) -> int:
    return sorted(row.uid for row in store.folder(path).rows(0))[at]


def _rename(store: Store, old: FolderPath, new: FolderPath) -> None:
    store.rename(old, new)


_STEPS: dict[str, Callable[..., object]] = {
    "append": lambda store, path, flags: store.folder(path).append(b"Subject: x\n\nbody\n", flags=flags),
    "flag": lambda store, path, at, flag: store.folder(path).add_flags([_uid(store, path, at)], [flag]),
    "unflag": lambda store, path, at, flag: store.folder(path).remove_flags([_uid(store, path, at)], [flag]),
    "expunge": lambda store, path, at: store.folder(path).expunge([_uid(store, path, at)], only_deleted=False),
    "move": lambda store, path, to, at: store.folder(path).move([_uid(store, path, at)], store.folder(to)),
    "create": lambda store, path: store.create(path),
    "rename": _rename,
    "delete": lambda store, path: store.delete(path),
    "subscribe": lambda store, path: store.subscribe(path),
    "unsubscribe": lambda store, path: store.unsubscribe(path),
}


class Listing(NamedTuple):
    folders: dict[FolderPath, dict[int, State]]
    subscribed: set[FolderPath]


def listing(store: Store) -> Listing:
    infos = store.changes(None).folders
    return Listing(
        {
            info.path: {row.uid: State(row.flags, row.keywords) for row in store.folder(info.path).rows(0)}
            for info in infos
            if info.selectable
        },
        {info.path for info in infos if info.subscribed},
    )


def drain(watch: Watch, replica: Replica) -> None:
    """Hear all there is: hints first, then a look at everything, as the safety poll does."""
    for _ in range(2):
        for event in watch.batch(0):
            replica.apply(event)
        watch.look_everywhere()
    for event in watch.batch(0):
        replica.apply(event)


@pytest.mark.parametrize("location", STORES)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_events_make_the_old_listing_the_new_one(location: str, data: st.DataObject) -> None:
    steps = data.draw(history)
    directory = Path(tempfile.mkdtemp())
    try:
        where = location.format(directory)
        with (
            open_store(where, create=True, folders=not where.endswith("box")) as watched,
            open_store(where) as other,
        ):
            stores = {"watched": watched, "other": other}
            replica = Replica()
            watch = watched.watch()
            for who, (what, *args) in steps:
                if what == "look":
                    drain(watch, replica)
                    assert (replica.folders, replica.subscribed) == listing(other)
                elif what == "leave":
                    token = watch.token
                    watch.close()
                    watch = watched.watch(since=token)
                else:
                    carry_out(stores[who], what, *args)
            drain(watch, replica)
            assert (replica.folders, replica.subscribed) == listing(other)
            assert watch.problems == ()
            watch.close()
    finally:
        shutil.rmtree(directory)
