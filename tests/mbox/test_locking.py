"""Reading and writing an mbox beside programs that hold a lock on it."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import peers
from support.locking import HOLD, TRY, child_holding, opened, run_child
from support.users import NOBODY, shared_directory

from mailstore import Store, open_store
from mailstore.drivers.mbox import scan
from mailstore.errors import LocationError, MessageChanged, StoreBusy
from mailstore.model.changes import Append
from mailstore.model.info import BODY, Arrival, body_chunks
from mailstore.model.names import INBOX
from mailstore.system import clock, dotlocks
from mailstore.system.lockrules import LockRules
from mailstore.system.mailboxlocks import mailbox_lock

LINE = b"From joe@example.org Thu Nov  9 22:33:52 2023\n"
ONE, TWO, NEW = (b"Subject: %s\n\nbody\n" % name for name in (b"one", b"two", b"new"))
BOX = LINE + ONE + b"\n" + LINE + TWO + b"\n"
LARGE = b"Subject: large\n\n" + b"".join(b"line %07d\n" % number for number in range(200_000))


@pytest.fixture
def box(tmp_path: Path) -> Path:
    path = tmp_path / "box"
    path.write_bytes(BOX)
    return path


def opened_store(path: Path, options: str = "", *, readonly: bool = False, timeout: float = 0) -> Store:
    return open_store(f"mbox:{path}{options}", readonly=readonly, lock_timeout=timeout)


def texts(store: Store) -> list[bytes]:
    return [b"".join(body_chunks(row.body)) for row in store.inbox.rows(BODY) if row.body is not None]


# --- the options


@pytest.mark.parametrize("option", ["locks=both", "locks=fcntl,", "locks=debian,flock", "helper=yes", "locks="])
def test_other_options_are_refused(box: Path, option: str) -> None:
    with pytest.raises(LocationError, match="one of"):
        open_store(f"mbox:{box}?{option}")


@pytest.mark.parametrize(
    ("option", "held"),
    [
        ("", {"fcntl", "dotlock"}),
        ("?locks=debian", {"fcntl", "dotlock"}),
        ("?locks=postfix", {"fcntl", "dotlock"}),
        ("?locks=none", set()),
        ("?locks=fcntl", {"fcntl"}),
        ("?locks=flock,dotlock", {"flock", "dotlock"}),
        ("?locks=dotlock,flock,fcntl", {"fcntl", "flock", "dotlock"}),
    ],
)
def test_what_is_held_while_writing(box: Path, option: str, held: set[str]) -> None:
    found: set[str] = set()

    def look(_: object) -> None:
        if box.with_name("box.lock").exists():
            found.add("dotlock")
        for method, call in (("fcntl", "lockf"), ("flock", "flock")):
            if run_child(TRY, box, fcntl.LOCK_SH, call) == "busy":
                found.add(method)

    with opened_store(box, option) as store:
        staged = store.stage([Arrival(NEW)])
        store.commit([Append(INBOX, staged[0])], guard=look)
        assert texts(store) == [ONE, TWO, NEW]
    assert found == held
    assert not box.with_name("box.lock").exists()


# --- readers


@contextmanager
def half_delivered(box: Path) -> Iterator[subprocess.Popen[str]]:
    """A delivery that holds the fcntl lock and has written half a message."""
    source = """
    import fcntl, os, sys
    fd = os.open(sys.argv[1], os.O_RDWR | os.O_APPEND)
    fcntl.lockf(fd, fcntl.LOCK_EX)
    os.write(fd, b"From joe@example.org Thu Nov  9 22:33:52 2023\\nSubject: ne")
    """
    with child_holding(source, box) as child:
        yield child


READS: dict[str, Callable[[Store], object]] = {
    "state": lambda store: store.inbox.state(),
    "rows": texts,
    "changes": lambda store: store.inbox.changes(None),
    "fetch": lambda store: list(store.inbox.fetch([1], BODY)),
}


@pytest.mark.parametrize("how", READS)
@pytest.mark.parametrize("readonly", [True, False])
def test_no_half_message_is_seen(box: Path, how: str, readonly: bool) -> None:
    with half_delivered(box), opened_store(box, readonly=readonly) as store, pytest.raises(StoreBusy) as caught:
        READS[how](store)
    assert caught.value.temporary


def test_the_reader_goes_on_when_the_message_is_whole(box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened_store(box, readonly=True, timeout=60) as store:
        assert texts(store) == [ONE, TWO]
        with half_delivered(box) as delivery:

            def finish(_: float) -> None:
                with box.open("ab") as file:
                    file.write(b"w\n\nbody\n\n")
                delivery.kill()
                delivery.wait()

            monkeypatch.setattr(clock, "sleep", finish)
            assert texts(store) == [ONE, TWO, NEW]


@pytest.mark.parametrize("option", ["?locks=none", "?locks=dotlock", "?locks=flock"])
def test_only_the_locks_asked_for_count(box: Path, option: str) -> None:
    with half_delivered(box), opened_store(box, option, readonly=True) as store:
        assert texts(store)[:2] == [ONE, TWO]


def test_an_index_that_is_current_asks_for_no_lock(box: Path) -> None:
    with opened_store(box) as store:
        store.inbox.state()
        with child_holding(HOLD, box, fcntl.LOCK_EX, "lockf"):
            assert store.inbox.state().messages == 2
            with pytest.raises(StoreBusy):
                texts(store)


def test_large_files_are_counted_under_the_lock(box: Path) -> None:
    box.write_bytes(b"".join(LINE + LARGE + b"\n" for _ in range(3)))
    with opened_store(box, readonly=True) as store:
        with child_holding(HOLD, box, fcntl.LOCK_EX, "lockf"), pytest.raises(StoreBusy):
            store.inbox.state()
        assert store.inbox.state().messages == 3
        assert store.inbox.state().size is None


def test_an_iterator_left_open_keeps_nobody_out(box: Path) -> None:
    box.write_bytes(b"".join(LINE + b"Subject: %d\n\nbody\n\n" % number for number in range(3000)))
    with opened_store(box) as store, opened_store(box) as other:
        rows = iter(store.inbox.rows(BODY))
        first = next(rows)
        store.inbox.append(NEW)
        other.inbox.append(NEW)
        assert run_child(TRY, box, fcntl.LOCK_EX, "lockf") == "free"
        assert [row.error for row in rows] == [None] * 2999
        assert first.uid == 1
        assert len(texts(store)) == 3002


def test_a_store_is_copied_into_itself(box: Path) -> None:
    with opened_store(box) as source, opened_store(box) as target:
        source.inbox.copy([1, 2], target.inbox)
        assert texts(target) == [ONE, TWO, ONE, TWO]


def test_a_large_message_is_read_under_the_lock(box: Path) -> None:
    box.write_bytes(LINE + LARGE + b"\n" + LINE + ONE + b"\n")
    with opened_store(box, readonly=True) as store:
        blob = store.inbox.open(1)
        assert blob.read_at(0, 7) == LARGE[:7]
        with child_holding(HOLD, box, fcntl.LOCK_EX, "lockf"), pytest.raises(StoreBusy):
            blob.read_at(0, 7)
        with box.open("ab") as file:
            file.write(LINE + TWO + b"\n")
        assert blob.read_at(len(LARGE) - 7, 100) == LARGE[-7:]
        box.write_bytes(LINE + b"Status: RO\n" + LARGE + b"\n" + LINE + ONE + b"\n" + LINE + TWO + b"\n")
        with pytest.raises(MessageChanged):
            blob.read_at(len(LARGE) - 7, 100)


def test_parts_of_a_file_that_was_rewritten_do_not_fit(box: Path) -> None:
    box.write_bytes(b"".join(LINE + b"Subject: %d\n\nbody\n\n" % number for number in range(5000)))
    with opened_store(box, readonly=True) as store:
        folder = store.driver.folder(INBOX)
        (shard,) = folder.shards(1)  # type: ignore[attr-defined]
        batches = folder.read_shard(shard, BODY)  # type: ignore[attr-defined]
        assert len(next(batches)) == 1000
        with box.open("ab") as file:
            file.write(LINE + NEW + b"\n")
        assert len(next(batches)) == 1000
        data = box.read_bytes()
        box.write_bytes(data[len(data) // 2 :])
        with pytest.raises(MessageChanged):
            next(batches)


# --- a dotlock that is held long


def beats(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count how often a held dotlock is asked to be refreshed."""
    counted: list[int] = []
    real = dotlocks.Dotlock.refresh

    def count(lock: dotlocks.Dotlock) -> None:
        counted.append(1)
        real(lock)

    monkeypatch.setattr(dotlocks.Dotlock, "refresh", count)
    return counted


def test_it_is_refreshed_in_every_loop_over_data(box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box.write_bytes(b"".join(LINE + LARGE + b"\n" for _ in range(4)))
    windows = box.stat().st_size // scan.WINDOW
    assert windows >= 4
    counted = beats(monkeypatch)
    with opened_store(box) as store:
        store.inbox.append(NEW)
        assert len(counted) >= windows
        counted.clear()
        store.inbox.append(LARGE)
        assert counted
        counted.clear()
        store.inbox.expunge([1], only_deleted=False)
        assert len(counted) >= 2 * windows


@pytest.mark.parametrize(
    "action",
    [lambda store: store.inbox.append(NEW), lambda store: store.inbox.expunge([1], only_deleted=False)],
    ids=["append", "expunge"],
)
def test_who_lost_it_stops_writing(
    box: Path, action: Callable[[Store], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dotlocks, "REFRESH", -1.0)
    with opened_store(box) as store:
        assert texts(store) == [ONE, TWO]
        monkeypatch.setattr(dotlocks.Dotlock, "is_ours", lambda _: False)
        with pytest.raises(StoreBusy, match="broke our lock"):
            action(store)
    monkeypatch.undo()
    assert box.read_bytes() == BOX


# --- other programs


@contextmanager
def running(command: list[str | Path]) -> Iterator[None]:
    """A program that holds a lock while ``cat``, which it runs, waits for its input to end."""
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(b"held\n")
    child.stdin.flush()
    assert child.stdout.readline() == b"held\n"
    try:
        yield
    finally:
        child.communicate()


@pytest.mark.interop
@pytest.mark.parametrize("order", ["fcntl,dotlock", "dotlock,fcntl"])
@pytest.mark.parametrize("program", ["dotlockfile", "lockfile", "lockmail", "mutt_dotlock"])
def test_what_they_hold_keeps_us_out(box: Path, program: str, order: str) -> None:
    peers.need(program)
    lock = box.with_name("box.lock")
    if program == "lockmail":
        with running(["lockmail", box, "cat"]), opened_store(box, f"?locks={order}") as store:
            with pytest.raises(StoreBusy):
                store.inbox.append(NEW)
            assert lock.exists()
    else:
        command = {
            "dotlockfile": ["-p", "-l", "-r", "0", lock],
            "lockfile": ["-r0", lock],
            "mutt_dotlock": ["-r0", box],
        }
        subprocess.run([program, *command[program]], check=True)
        with opened_store(box, f"?locks={order}") as store, pytest.raises(StoreBusy, match=r"box\.lock"):
            store.inbox.append(NEW)
        assert lock.exists()
        lock.unlink()
    assert box.read_bytes() == BOX
    with opened_store(box, f"?locks={order}") as store:
        store.inbox.append(NEW)
        assert texts(store) == [ONE, TWO, NEW]


@pytest.mark.interop
@pytest.mark.parametrize(
    ("command", "refused"),
    [
        (["dotlockfile", "-p", "-l", "-r", "0", "LOCK"], 4),
        (["lockfile", "-r0", "LOCK"], 73),
        (["mutt_dotlock", "-r0", "BOX"], 3),
        (["lockmail", "-t", "1", "BOX", "true"], 75),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
@pytest.mark.parametrize("order", ["fcntl,dotlock", "dotlock,fcntl"])
def test_what_we_hold_keeps_them_out(box: Path, command: list[str], refused: int, order: str) -> None:
    peers.need(command[0])
    words = [word.replace("LOCK", f"{box}.lock").replace("BOX", str(box)) for word in command]
    with opened(box) as fd, mailbox_lock(str(box), fd, LockRules(tuple(order.split(",")), timeout=0)):
        done = subprocess.run(words, capture_output=True, check=False)
        assert done.returncode == refused
    assert subprocess.run(words, capture_output=True, check=False).returncode == 0


@pytest.mark.root
@pytest.mark.interop
@pytest.mark.parametrize("order", ["fcntl", "dotlock", "fcntl,dotlock", "dotlock,fcntl"])
def test_dovecot_waits_for_what_we_hold(order: str) -> None:
    peers.need("doveadm")
    with shared_directory(0o755) as directory:
        box = directory / "box"
        box.write_bytes(BOX)
        for path in (directory, box):
            os.chown(path, NOBODY, NOBODY)
        config = directory / "dovecot.conf"
        config.write_text(
            f"mail_location = mbox:{directory}:INBOX={box}:INDEX=MEMORY\nfirst_valid_uid = 0\nssl = no\n"
            f"log_path = /dev/stderr\nbase_dir = {directory}/run\nstate_dir = {directory}/run\n"
            "mbox_lock_timeout = 1s\nmbox_dotlock_change_timeout = 1 hour\n"
            "mbox_read_locks = fcntl dotlock\nmbox_write_locks = fcntl dotlock\n"
        )
        command = ["doveadm", "-c", config, "fetch", "uid", "mailbox", "INBOX"]
        with opened(box) as fd, mailbox_lock(str(box), fd, LockRules(tuple(order.split(",")), timeout=0)):
            said = subprocess.run(
                command,
                capture_output=True,
                check=False,
                user=NOBODY,
                group=NOBODY,
                extra_groups=[],
                env={**peers.UTC, "HOME": str(directory), "USER": "joe"},
            )
            assert b"Timeout while waiting for lock" in said.stderr
        assert peers.run(command, home=directory, user=NOBODY).split() == [b"uid:", b"1", b"uid:", b"2"]
