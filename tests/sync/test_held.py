"""What is missing in a store that is not the one it was has not been deleted there."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path

import pytest
from support.mstore import mstore
from support.privilege import unprivileged
from sync.kit import FORMS, Pair, digest, location, message

from mailstore import open_store


def clean(pair: Pair, **options: object) -> None:
    report = pair.sync(**options)
    assert (report.problems, report.verified) == ([], True)


@pytest.mark.parametrize("form", ["mbox", "maildir", "sqlite"])
@pytest.mark.parametrize("since", [0, 2, 9])
def test_a_store_restored_from_a_backup_takes_no_messages_along(form: str, since: int, quick_path: Path) -> None:
    (quick_path / "a").mkdir()
    pair = Pair(quick_path, form, "sqlite")
    old = location(form, quick_path / "a", "a")
    pair.locations = (old, pair.locations[1])
    open_store(old, create=True).close()
    with pair.open(0) as store:
        for number in range(3):
            store.inbox.append(message(str(number)))
    clean(pair)
    shutil.copytree(quick_path / "a", quick_path / "backup")
    with pair.open(1) as store:
        for number in range(4):
            store.inbox.append(message(f"after the backup {number}"))
    clean(pair)
    shutil.rmtree(quick_path / "a")
    os.rename(quick_path / "backup", quick_path / "a")
    with pair.open(0) as store:
        for number in range(since):
            store.inbox.append(message(f"after it was restored {number}"))
    before = [pair.contents(side) for side in (0, 1)]
    for _ in range(2):
        assert [(one.folder, one.error) for one in pair.sync().problems] == [("INBOX", "vanished")]
        assert [pair.contents(side) for side in (0, 1)] == before
    os.unlink(pair.journal)
    clean(pair)
    assert pair.same()["INBOX"].total() == 3 + 4 + since


@pytest.mark.parametrize("form", FORMS)
def test_a_folder_made_anew_with_some_of_its_messages_deletes_none(form: str, quick_path: Path) -> None:
    pair = Pair(quick_path, form, "sqlite")
    with pair.open(0) as store:
        for text in ("kept", "lost"):
            store.folder("work", create=True).append(message(text))
    clean(pair)
    with pair.open(0) as store:
        store.delete("work")
        store.create("work").append(message("kept"))
    assert [(one.folder, one.error) for one in pair.sync().problems] == [("work", "vanished")]
    assert pair.contents(1)["work"].total() == 2
    clean(pair, force_delete=True)
    assert pair.same()["work"] == Counter({(digest("kept"), 0, ()): 1})


def test_a_folder_that_may_not_be_read_is_not_deleted_for_that(quick_path: Path) -> None:
    prefix = unprivileged()
    pair = Pair(quick_path, "maildir++", "sqlite")
    with pair.open(0) as store:
        for text in ("one", "two"):
            store.folder("work", create=True).append(message(text))
        store.inbox.append(message("inbox"))
    clean(pair)
    before = pair.contents(1)
    closed = Path(pair.locations[0].partition(":")[2].partition("?")[0]) / ".work"
    closed.chmod(0)
    try:
        ran = mstore("sync", "--force-delete", "--json", "--journal", pair.journal, *pair.locations, prefix=prefix)
    finally:
        closed.chmod(0o700)
    assert ran.code == 1
    assert [(one["folder"], one["error"]) for one in ran.json["problems"]] == [("work", "StorageFailure")]
    assert pair.contents(1) == before
    clean(pair, force_delete=True)
