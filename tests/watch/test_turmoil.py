"""Stores that change while a watch begins, looks and waits: what it told, replayed, is what is there at the end.

Races by intent, so each test lets another process do its worst, and compares only when that has ended.
"""

from __future__ import annotations

import mailbox
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailstore import FolderPath, Store, open_store
from mailstore.watch import Replica, Watch
from mailstore.watch.replica import State

THOROUGH = os.environ.get("MAILSTORE_TESTING") == "thorough"
ROUNDS = 1000 if THOROUGH else 40
MAIL = b"From: joe@example.org\nSubject: x\n\nbody\n"
INBOX = FolderPath(("INBOX",))

LOOP = """
import sys
from mailstore import open_store
location, rounds = sys.argv[1], int(sys.argv[2])
with open_store(location) as store:
    for n in range(rounds):
        a, b, c = f"A{n % 7}", f"B{n % 5}", "Kept"
        store.create(a)
        for _ in range(3):
            store.folder(a).append(b"Subject: x\\n\\nbody\\n")
        store.folder(a).move([1], store.inbox)
        store.rename(a, b)
        store.folder(b).add_flags([2], ["\\\\Seen"])
        if n % 10 != 9:
            store.delete(b)
        else:
            store.rename(b, f"Kept{n}")
"""
RAW_LOOP = """
import os, shutil, sys
root, rounds = sys.argv[1], int(sys.argv[2])
for n in range(rounds):
    a, b = f"{root}/.A{n % 7}", f"{root}/.B{n % 5}"
    for sub in ("", "/tmp", "/cur", "/new"):
        os.mkdir(a + sub)
    for m in range(3):
        open(f"{a}/new/1700000000.M{n}P{m}.host", "wb").write(b"Subject: x\\n\\nbody\\n")
    os.rename(f"{a}/new/1700000000.M{n}P0.host", f"{root}/cur/1700000000.M{n}P0.host:2,S")
    os.rename(a, b)
    os.rename(f"{b}/new/1700000000.M{n}P1.host", f"{b}/cur/1700000000.M{n}P1.host:2,F")
    if n % 10 == 9:
        os.rename(b, f"{root}/.Kept{n}")
    while os.path.exists(b):
        shutil.rmtree(b, ignore_errors=True)  # again where the watch has just written its UID list
"""
STORM = """
import os, sys
root, me, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
for n in range(count):
    directory = f"{root}/.f{(n * 7 + int(me)) % 10}"
    name = f"1700000000.M{n}P{me}.host"
    with open(f"{directory}/tmp/{name}", "wb") as file:
        file.write(b"Subject: x\\n\\n")
    os.rename(f"{directory}/tmp/{name}", f"{directory}/new/{name}")
    if n == 20:
        print("under way", flush=True)
"""


@contextmanager
def another(script: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Run a script beside, which must end well."""
    with subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        yield process
    assert process.returncode == 0


def follow(watch: Watch, replica: Replica, others: list[subprocess.Popen[str]]) -> None:
    """Take in what is told until the others have ended, and what is told after that."""
    while any(other.poll() is None for other in others):
        for event in watch.batch(0.05):
            replica.apply(event)
    settle(watch, replica)


def settle(watch: Watch, replica: Replica) -> None:
    """Take in all that hints say, and what a look at everything finds."""
    for _ in range(2):
        while events := watch.batch(0.2):
            for event in events:
                replica.apply(event)
        watch.look_everywhere()
    for event in watch.batch(0.2):
        replica.apply(event)


def listing(store: Store) -> dict[FolderPath, dict[int, State]]:
    return {
        info.path: {row.uid: State(row.flags, row.keywords) for row in store.folder(info.path).rows(0)}
        for info in store.changes(None).folders
        if info.selectable
    }


@pytest.mark.parametrize(
    ("location", "script"),
    [
        ("maildir:{}/M", RAW_LOOP),
        ("maildir:{}/M", LOOP),
        ("maildir:{}/T?layout=fs", LOOP),
        ("sqlite:{}/x.db", LOOP),
        ("mbox:{}/tree/", LOOP),
    ],
)
def test_folders_made_filled_renamed_and_deleted_in_a_loop(tmp_path: Path, location: str, script: str) -> None:
    where = location.format(tmp_path)
    with open_store(where, create=True, folders=True) as store, store.watch(since="") as watch:
        replica = Replica()
        place = f"{tmp_path}/M" if script is RAW_LOOP else where
        with another(script, place, ROUNDS) as loop:
            follow(watch, replica, [loop])
        assert replica.folders == listing(store)
        assert len(replica.folders) == 1 + ROUNDS // 10
        assert len(replica.folders[INBOX]) == ROUNDS


@pytest.mark.parametrize("polling", [False, True])
def test_a_watch_that_begins_in_the_midst_of_a_storm(tmp_path: Path, polling: bool) -> None:
    count = 5000 if THOROUGH else 300
    with open_store(f"maildir:{tmp_path}/M", create=True) as store:
        for number in range(10):
            store.create(f"f{number}")
        with another(STORM, f"{tmp_path}/M", 0, count) as one, another(STORM, f"{tmp_path}/M", 1, count) as two:
            assert [one.stdout.readline(), two.stdout.readline()] == ["under way\n"] * 2
            with store.watch(since="", polling=polling) as watch:
                replica = Replica()
                follow(watch, replica, [one, two])
                assert replica.folders == listing(store)
        assert sum(map(len, replica.folders.values())) == 2 * count


@pytest.mark.parametrize("location", ["maildir:{}/M", "maildir:{}/M?layout=fs", "mbox:{}/M/"])
def test_a_root_that_is_deleted_and_made_anew(tmp_path: Path, location: str) -> None:
    where = location.format(tmp_path)
    with open_store(where, create=True, folders=True) as store, store.watch(since="") as watch:
        replica = Replica()
        for round_ in range(3):
            shutil.rmtree(tmp_path / "M")
            with open_store(where, create=True, folders=True) as anew:
                for _ in range(round_ + 1):
                    anew.inbox.append(MAIL)
                anew.create(f"A{round_}").append(MAIL)
                settle(watch, replica)
                assert replica.folders == listing(anew)


def _replaced(path: Path) -> None:
    """What mail readers do that write a new file beside and rename it."""
    new = path.with_name("new")
    more = b"From x  Thu Jan  1 00:00:00 2026\n\nmore\n\n"
    new.write_bytes(path.read_bytes().replace(b"Subject: 1\n", b"Subject: other\n") + more)
    os.replace(new, path)


def _emptied(path: Path) -> None:
    os.truncate(path, 0)


def _cut(path: Path) -> None:
    data = path.read_bytes()
    os.truncate(path, data.index(b"From ", len(data) // 2))


def _rewritten(path: Path) -> None:
    box = mailbox.mbox(path, create=False)
    box.lock()
    del box[box.keys()[1]]
    box.flush()
    box.add(b"Subject: added\n\n")
    box.flush()
    box.unlock()
    box.close()


def _deleted(path: Path) -> None:
    path.unlink()


def _moved_away_and_back(path: Path) -> None:
    os.rename(path, path.with_name("away"))
    os.rename(path.with_name("away"), path)


@pytest.mark.parametrize("change", [_replaced, _emptied, _cut, _rewritten, _deleted, _moved_away_and_back])
@pytest.mark.parametrize("folder", ["INBOX", "A"])
def test_an_mbox_that_others_change_in_every_way(tmp_path: Path, change, folder: str) -> None:
    """Each is told by a hint: long before the next safety poll."""
    with open_store(f"mbox:{tmp_path}/t/", create=True, folders=True) as store:
        store.create("A")
        for number in range(4):
            store.folder(folder).append(b"Subject: %d\n\nbody\n" % number)
    with open_store(f"mbox:{tmp_path}/t/") as store, store.watch(since="") as watch:
        replica = Replica()
        settle(watch, replica)
        before = listing(store)
        assert replica.folders == before
        assert len(before[FolderPath((folder,))]) == 4
        change(tmp_path / "t" / ("inbox" if folder == "INBOX" else folder))
        for event in watch.batch(0.05 if change is _moved_away_and_back else 10):
            replica.apply(event)
        while events := watch.batch(0.3):
            for event in events:
                replica.apply(event)
        assert replica.folders == listing(store)
        assert (replica.folders != before) == (change is not _moved_away_and_back)
