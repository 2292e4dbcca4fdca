"""Killed at any system call that writes; what was on its way is known for what it is, whatever is done to it next.

A message that was copied and not noted would come back when its original is deleted, and be doubled when it is moved.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from sync.kit import Pair, digest, message

from mailstore import open_store
from mailstore.sync import Options, sync
from mailstore.testing.faults import Plan, in_child
from mailstore.testing.sampling import chosen, turn

PAIRS = [("maildir", "sqlite"), ("mbox", "maildir++"), ("sqlite", "mbox")]
POINTS = 7


def run(pair: Pair, at: int = 0) -> list[str]:
    """Synchronise in a child, killed at a point; the second store moves messages by copying and deleting."""

    def work() -> list[str]:
        plan = Plan(at, "kill" if at else "count")
        with (
            plan.at_work(),
            open_store(pair.locations[0]) as first,
            open_store(pair.locations[1], mask=["move"]) as second,
        ):
            assert sync(first, second, Options(journal=pair.journal)).problems == []
        return plan.seen

    seen: list[str] = in_child(work)
    return seen


def after_copying(directory: Path, kinds: tuple[str, str]) -> Pair:
    """Return stores of which one has what the other is to get."""
    directory.mkdir()
    pair = Pair(directory, *kinds)
    with pair.open(0) as store:
        for text in ("stays", "moves", "goes"):
            store.inbox.append(message(text))
    return pair


def after_moving(directory: Path, kinds: tuple[str, str]) -> Pair:
    """Return stores that were the same, one of which has moved messages since."""
    pair = after_copying(directory, kinds)
    run(pair)
    with pair.open(0) as store:
        store.inbox.move([row.uid for row in store.inbox.rows(0)][1:], store.create("Between"))
    return pair


@pytest.mark.parametrize("kinds", PAIRS, ids="-".join)
@pytest.mark.parametrize("prepare", [after_copying, after_moving])
def test_killed_and_then_moved_and_deleted(prepare: object, kinds: tuple[str, str], quick_path: Path) -> None:
    assert callable(prepare)
    points = run(prepare(quick_path / "whole", kinds))
    for at in chosen(points, POINTS, turn(*kinds)):
        pair = prepare(quick_path / str(at), kinds)
        run(pair, at)
        with pair.open(0) as store:
            where = store.inbox if prepare is after_copying else store.folder("Between")
            found = {row.digest.hex(): row.uid for row in where.rows(64) if row.digest is not None}
            where.move([found[digest("moves")]], store.create("Elsewhere"))
            where.expunge([found[digest("goes")]], only_deleted=False)
        run(pair)
        there = pair.same()
        told = f"killed at point {at} ({points[at - 1]}) of {len(points)}"
        texts = {name: sorted(found for found, _, _ in messages.elements()) for name, messages in there.items()}
        assert {name: found for name, found in texts.items() if found} == {
            "INBOX": [digest("stays")],
            "Elsewhere": [digest("moves")],
        }, told
