"""Any history on both sides, with synchronisations and kills anywhere: both converge, and nothing is lost or doubled.

A kill is a real one (mailstore.testing.faults). Stores in memory do not outlive one: there synchronisations only run
through.
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sync.kit import Pair, digest, message

from mailstore import FolderPath, MailstoreError, Store
from mailstore.testing.faults import Plan, in_child
from mailstore.testing.settings import THOROUGH

FOLDERS = ("INBOX", "one", "one/two", "three")
FLAGS = ("\\Seen", "\\Flagged", "\\Deleted", "work", "$Junk")
PAIRS = [
    ("memory", "memory"),
    ("memory", "maildir"),
    ("mbox", "sqlite"),
    ("maildir++", "mbox"),
    ("maildir", "sqlite"),
    ("sqlite", "sqlite"),
]

place, number = st.integers(0, 3), st.integers(0, 5)
steps = st.one_of(
    st.tuples(st.just("append"), st.integers(0, 1), place, st.booleans()),
    st.tuples(st.just("flag"), st.integers(0, 1), place, number, st.integers(0, 4)),
    st.tuples(st.just("expunge"), st.integers(0, 1), place, number),
    st.tuples(st.just("move"), st.integers(0, 1), place, number, place),
    st.tuples(st.just("rename"), st.integers(0, 1), place, place),
    st.tuples(st.just("delete"), st.integers(0, 1), place),
    st.tuples(st.just("sync"), st.booleans()),
    st.tuples(st.just("kill"), st.integers(1, 80), st.booleans()),
)


class History:
    """What happens to a pair of stores, and what must come of it."""

    def __init__(self, pair: Pair, *, killing: bool, folder_ids: bool) -> None:
        self._pair = pair
        self._killing = killing
        self._folder_ids = folder_ids
        self._interrupted = False
        self._made = 0
        self.appended: Counter[str] = Counter()
        self.expunged: Counter[str] = Counter()
        self.parted: Counter[str] = Counter()

    def do(self, step: tuple[Any, ...]) -> None:
        """Carry out one step, as far as it makes sense."""
        verb, *rest = step
        if verb == "sync":
            self.sync(swapped=rest[0])
        elif verb == "kill":
            self.kill(*rest)
        else:
            side, *rest = rest
            with self._pair.open(side) as store:
                getattr(self, f"_{verb}")(store, side, *rest)

    def sync(self, *, swapped: bool = False) -> None:
        report = self._pair.sync(swapped=swapped, force_delete=True)
        assert report.problems == []
        assert report.verified is True
        self.parted.update(clash.digest for clash in report.conflicts if clash.what == "moved-apart")
        self._interrupted = False

    def kill(self, at: int, swapped: bool) -> None:
        if not self._killing:
            return

        def work() -> None:
            with Plan(at, "kill").at_work():
                self._pair.sync(swapped=swapped, force_delete=True)

        in_child(work)
        self._interrupted = True

    def _append(self, store: Store, side: int, place: int, common: bool) -> None:
        # of equal messages that came to both stores one is enough, so they come to the first alone
        text = "common" if common and side == 0 else f"message {self._made}"
        self._made += 1
        store.folder(FOLDERS[place], create=True).append(message(text))
        self.appended[digest(text)] += 1

    def _uid(self, store: Store, place: int, number: int) -> int:
        try:
            uids = [row.uid for row in store.folder(FOLDERS[place]).rows(0)]
        except MailstoreError:
            return 0
        return uids[number % len(uids)] if uids else 0

    def _flag(self, store: Store, side: int, place: int, number: int, flag: int) -> None:
        if uid := self._uid(store, place, number):
            folder = store.folder(FOLDERS[place])
            name = FLAGS[flag]
            has = name in folder.get(uid).flags
            (folder.remove_flags if has else folder.add_flags)([uid], [name])

    def _expunge(self, store: Store, side: int, place: int, number: int) -> None:
        if uid := self._uid(store, place, number):
            folder = store.folder(FOLDERS[place])
            self._forget(folder.get(uid, 64).digest)
            folder.expunge([uid], only_deleted=False)

    def _forget(self, gone: bytes | None) -> None:
        assert gone is not None
        self.expunged[gone.hex()] += 1

    def _move(self, store: Store, side: int, place: int, number: int, target: int) -> None:
        if target != place and (uid := self._uid(store, place, number)):
            store.folder(FOLDERS[place]).move([uid], store.folder(FOLDERS[target], create=True))

    def _rename(self, store: Store, side: int, place: int, target: int) -> None:
        if self._interrupted and not self._folder_ids:
            return  # what a killed run stored is looked for under the folder's name (docs/sync.md)
        old, new = FolderPath.parse(FOLDERS[place]), FolderPath.parse(FOLDERS[target])
        paths = {info.path for info in store.folders()}
        if old in paths and new not in paths and not old.is_inbox:
            try:
                store.rename(old, new)
            except MailstoreError:
                return  # below itself

    def _delete(self, store: Store, side: int, place: int) -> None:
        path = FolderPath.parse(FOLDERS[place])
        if not path.is_inbox and path in {info.path for info in store.folders() if info.selectable}:
            for row in store.folder(path).rows(64):
                self._forget(row.digest)
            store.delete(path)

    def check(self) -> None:
        """Hold what is there against what happened."""
        there = Counter[str]()
        for messages in self._pair.same().values():
            for (found, _, _), count in messages.items():
                there[found] += count
        lost = self.appended - self.expunged - there
        doubled = there - self.appended - self.parted
        assert (lost, doubled) == (Counter(), Counter())


@pytest.mark.parametrize(("first", "second"), PAIRS)
@settings(
    max_examples=150 if THOROUGH else 6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    print_blob=True,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking would take minutes
)
@given(st.lists(steps, min_size=10, max_size=40))
def test_both_converge_and_nothing_is_lost_or_doubled(
    first: str, second: str, quick_path: Path, history: list[tuple[Any, ...]]
) -> None:
    shutil.rmtree(quick_path / "stores", ignore_errors=True)
    (quick_path / "stores").mkdir()
    pair = Pair(quick_path / "stores", first, second)
    told = History(pair, killing="memory" not in (first, second), folder_ids="mbox" not in (first, second))
    for step in history:
        told.do(step)
    told.sync()
    told.check()
    again = pair.sync()
    assert again.ok
    assert not again.changed
