"""Systems without inotify: watchfiles tells of changes, or the clock does; by force, since this one has inotify."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mailstore import FolderPath, open_store
from mailstore.system import elsewhere, notify
from mailstore.watch import MessageAppended, Replica, hints

MAIL = b"Subject: x\n\nbody\n"
INBOX = FolderPath(("INBOX",))


@pytest.fixture(autouse=True)
def no_inotify(monkeypatch: pytest.MonkeyPatch):
    """No system call of that name, and no poll within the time of a test."""

    def refused() -> None:
        raise OSError(errno.ENOSYS, "inotify is not available here")

    monkeypatch.setattr(notify, "_hub", None)
    monkeypatch.setattr(notify, "_open_inotify", refused)
    monkeypatch.setattr(hints, "QUICKEST", 1000.0)
    monkeypatch.setattr(hints, "SAFETY", 1000.0)


@pytest.mark.parametrize("location", ["maildir:{}/M", "maildir:{}/M?layout=fs", "sqlite:{}/x.db", "mbox:{}/M/"])
def test_watchfiles_tells_of_changes(tmp_path: Path, location: str) -> None:
    pytest.importorskip("watchfiles")
    where = location.format(tmp_path)
    with open_store(where, create=True, folders=True) as store, open_store(where) as other:
        store.create("A")
        with store.watch(since="") as watch:
            replica = Replica()
            for events, change in (
                (1, lambda: None),  # A
                (1, lambda: other.inbox.append(MAIL)),
                (1, lambda: other.folder("A").append(MAIL)),
                (2, lambda: other.create("B").append(MAIL)),
                (1, lambda: other.inbox.add_flags([1], ["\\Seen"])),
            ):
                change()
                while events > 0:
                    told = watch.batch(20)
                    assert told
                    events -= len(told)
                    for event in told:
                        replica.apply(event)
            told = {str(path): sorted(uids) for path, uids in replica.folders.items()}
            assert told == {"INBOX": [1], "A": [1], "B": [1]}
            assert watch.problems == ()
    assert elsewhere._rivers == []


def test_one_thread_serves_all_folders_of_a_maildir(tmp_path: Path) -> None:
    pytest.importorskip("watchfiles")
    with open_store(f"maildir:{tmp_path}/M", create=True) as store:
        for number in range(20):
            store.create(f"f{number}")
        before = threading.active_count()
        with store.watch():
            assert len(elsewhere._rivers) == 1
            assert threading.active_count() == before + 1


def test_a_directory_that_was_made_anew_is_watched_anew(tmp_path: Path) -> None:
    pytest.importorskip("watchfiles")
    place = tmp_path / "d"
    place.mkdir()
    heard: list[str | None] = []
    came = threading.Event()

    def tell(name: str | None) -> None:
        heard.append(name)
        came.set()

    old = notify.listen(str(place), tell, contents=False)
    shutil.rmtree(place)
    assert came.wait(20)
    place.mkdir()
    came.clear()
    new = notify.listen(str(place), tell, contents=False)
    assert len(elsewhere._rivers) == 2
    old.close()
    heard.clear()
    (place / "x").touch()
    assert came.wait(20)
    assert heard == ["x"]
    new.close()
    new.close()
    assert elsewhere._rivers == []


def test_without_watchfiles_it_is_polled_and_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles._rust_notify", None)
    monkeypatch.setattr(hints, "QUICKEST", 0.05)
    with open_store(f"maildir:{tmp_path}/M", create=True) as store, open_store(f"maildir:{tmp_path}/M") as other:
        store.create("A")
        with store.watch() as watch:
            (said,) = watch.problems
            assert "the package watchfiles is not installed" in said
            assert len(caplog.records) == 1
            other.inbox.append(MAIL)
            (event,) = watch.batch(20)
            assert isinstance(event, MessageAppended)


def test_watching_loads_watchfiles_only_where_there_is_no_inotify(tmp_path: Path) -> None:
    code = (
        "import sys; from mailstore import open_store\n"
        f"with open_store('maildir:{tmp_path}/M', create=True) as store, store.watch(): pass\n"
        "sys.exit(len({'watchfiles', 'mailstore.system.elsewhere'} & sys.modules.keys()))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], check=False, env=environment).returncode == 0
