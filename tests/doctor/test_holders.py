"""Who holds a lock now: real processes, real locks, on a real kernel."""

import os
import pickle
import sqlite3
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from support.holding import held, running
from support.played import Played

from mailstore.doctor import inspect_locks, kernel
from mailstore.doctor.kernel import look, meaning

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/locks"), reason="no /proc/locks: kernel locks are not listed")


@pytest.fixture
def box(tmp_path):
    (tmp_path / "box").write_bytes(b"From joe@example.org Wed Nov 25 11:08:28 2026\n\nHi\n\n")
    return tmp_path / "box"


def report(box):
    return inspect_locks(f"mbox:{box}", Played())


def until(condition):
    """Wait for something that another process is about to do."""
    for _ in range(3000):
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("it did not happen")


@pytest.mark.parametrize("mode", ["read", "write"])
@pytest.mark.parametrize("kind", ["fcntl", "ofd", "flock"])
def test_each_kernel_lock(box, kind, mode):
    with held(f"{kind}-{mode}", box) as process:
        (lock,) = report(box).locks
        name = {"ofd": "fcntl-ofd"}.get(kind, kind)
        assert (lock.path, lock.kind, lock.mode, lock.waiting) == (str(box), name, mode, False)
        assert (lock.first, lock.last, lock.meaning) == (0, None, "")
        (holder,) = lock.processes
        assert holder.pid == process.pid
        assert holder.program == Path(f"/proc/{process.pid}/comm").read_text().strip()
        assert holder.user == kernel.user_name(os.getuid())
        assert abs(time.time() - holder.since) < 600
    assert report(box).locks == ()


def test_a_lock_is_no_conflict(box):
    with held("fcntl-write", box):
        assert report(box).ok


def test_all_who_wait_are_shown(box):
    waiter = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'r+b'), fcntl.LOCK_EX)"
    with held("fcntl-write", box) as first, running([sys.executable, "-c", waiter, str(box)]) as second:
        found = until(lambda: [lock for lock in report(box).locks if lock.waiting])
        assert [(lock.kind, lock.mode, [one.pid for one in lock.processes]) for lock in found] == [
            ("fcntl", "write", [second.pid])
        ]
        assert [one.pid for lock in report(box).locks if not lock.waiting for one in lock.processes] == [first.pid]


def test_many_readers_each_with_its_own_lock(box):
    with held("ofd-read", box) as one, held("ofd-read", box) as two, held("fcntl-read", box) as three:
        found = [(lock.kind, [process.pid for process in lock.processes]) for lock in report(box).locks]
        assert sorted(found) == sorted([("fcntl-ofd", [one.pid]), ("fcntl-ofd", [two.pid]), ("fcntl", [three.pid])])


def test_one_lock_that_two_processes_share(box):
    code = (
        "import fcntl, os, sys\n"
        "f = open(sys.argv[1], 'r+b'); fcntl.flock(f, fcntl.LOCK_EX)\n"
        "child = os.fork()\n"
        "if child: print(child, flush=True)\n"
        "sys.stdin.read()\n"
    )
    with running([sys.executable, "-c", code, str(box)]) as process:
        child = int(process.stdout.readline())
        (lock,) = report(box).locks
        assert {one.pid for one in lock.processes} == {process.pid, child}


def test_looking_drops_no_lock_of_this_process(box):
    import fcntl

    with open(box, "r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        for _ in range(2):
            (lock,) = report(box).locks
            assert [one.pid for one in lock.processes] == [os.getpid()]


def test_looking_leaves_no_trace(box):
    os.utime(box, ns=(1, 2))
    before = os.stat(box), os.stat(box.parent), sorted(os.listdir(box.parent))
    with held("fcntl-write", box):
        report(box)
    assert (os.stat(box), os.stat(box.parent), sorted(os.listdir(box.parent))) == before


def test_who_dies_meanwhile_is_left_out(box, monkeypatch):
    monkeypatch.setattr(kernel, "process", lambda pid: None)
    with held("fcntl-write", box):
        (lock,) = report(box).locks
        assert lock.processes == ()


def test_without_proc(box, monkeypatch):
    monkeypatch.setattr(kernel, "read_text", lambda path: None)
    monkeypatch.setattr(kernel, "_pids", list)
    monkeypatch.delattr(os, "O_PATH")
    with held("fcntl-write", box):
        found = report(box)
    assert (found.locks, found.unseen) == ((), ("this system has no /proc/locks: kernel locks cannot be seen",))


@pytest.fixture
def open_to_all():
    """A directory that everybody may enter; pytest's are for its user alone."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        yield Path(directory)


def as_nobody(work):
    """Do something in a child that is nobody, and return what it returns."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            os.write(writing, pickle.dumps(work()))
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as file:
        said = file.read()
    os.waitpid(child, 0)
    return pickle.loads(said)


@pytest.mark.skipif(os.geteuid() != 0, reason="root: becomes somebody else")
@pytest.mark.parametrize("kind", ["fcntl", "ofd"])
def test_as_another_user(open_to_all, kind):
    """A user sees that root has a lock, and who, where the kernel lists a pid."""
    box = open_to_all / "box"
    box.touch(0o600)
    kernel.user_name(0)
    with held(f"{kind}-write", box) as process:
        report = as_nobody(lambda: inspect_locks(f"mbox:{box}", Played()))
    (lock,) = report.locks
    assert (lock.kind, lock.mode) == ({"ofd": "fcntl-ofd"}.get(kind, kind), "write")
    assert [(one.pid, one.user) for one in lock.processes] == ([(process.pid, "root")] if kind == "fcntl" else [])
    (line,) = report.unseen
    assert line.endswith("processes of other users: which of them has a lock of an open file (OFD) is not shown")


def test_a_file_system_whose_devices_differ(box, monkeypatch):
    """As on btrfs and overlays: the kernel lists another device than stat shows; fdinfo still finds the lock."""
    real = kernel.procfs.mount_of
    monkeypatch.setattr(
        kernel.procfs, "mount_of", lambda text, mount: (found := real(text, mount)) and found._replace(device=(0, 1))
    )
    assert look(str(box)).kernel[:2] == (0, 1)
    with held("ofd-write", box) as process:
        (lock,) = report(box).locks
        assert [one.pid for one in lock.processes] == [process.pid]


@pytest.mark.parametrize(
    ("path", "first", "last", "expected"),
    [
        ("m.db-shm", 120, 120, "the writer"),
        ("m.db-shm", 121, 122, "a checkpoint, recovery"),
        ("m.db-shm", 124, 124, "a reader (1)"),
        ("m.db-shm", 128, 128, "open"),
        ("m.db", 0x40000001, 0x40000001, "a writer (RESERVED)"),
        ("m.db", 0x40000002, 0x400001FF, "readers (SHARED)"),
        ("m.db", 0x40000000, 0x400001FF, "to be written (PENDING), a writer (RESERVED), readers (SHARED)"),
        ("box", 0, None, ""),
        ("box", 0, 99, ""),
    ],
)
def test_what_sqlites_bytes_mean(path, first, last, expected):
    assert meaning(path, first, last) == expected


def test_an_sqlite_writer(tmp_path):
    from mailstore import open_store

    with open_store(f"sqlite:{tmp_path}/mail.db", create=True) as store:
        store.inbox.append(b"a: b\n\n")
    code = (
        "import sqlite3, sys\n"
        "db = sqlite3.connect(sys.argv[1], isolation_level=None); db.execute('BEGIN IMMEDIATE')\n"
        "print(flush=True); sys.stdin.read()\n"
    )
    with running([sys.executable, "-c", code, f"{tmp_path}/mail.db"]) as process:
        process.stdout.readline()
        found = inspect_locks(f"sqlite:{tmp_path}/mail.db", Played())
        writing = [lock for lock in found.locks if "the writer" in lock.meaning or "a writer" in lock.meaning]
        assert [[one.pid for one in lock.processes] for lock in writing] == [[process.pid]]
        assert all(lock.path.startswith(f"{tmp_path}/mail.db") for lock in found.locks)
        assert found.advice.preset == ""
        assert found.programs == ()
    assert sqlite3.connect(f"{tmp_path}/mail.db").execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_maildirs_index_lock(tmp_path):
    from mailstore import open_store
    from mailstore.system.locks import uidlist_lock

    with open_store(f"maildir:{tmp_path}/Maildir", create=True):
        pass
    with uidlist_lock(f"{tmp_path}/Maildir", 0):
        (lock,) = inspect_locks(f"maildir:{tmp_path}/Maildir", Played()).lock_files
        assert (lock.path, lock.pid) == (f"{tmp_path}/Maildir/dovecot-uidlist.lock", os.getpid())
        assert (lock.process.pid, lock.stale) == (os.getpid(), False)
    found = inspect_locks(f"maildir:{tmp_path}/Maildir", Played())
    assert (found.lock_files, found.ok) == ((), True)


def test_several_look_at_once(box):
    found = []
    with held("fcntl-write", box) as process:
        threads = [threading.Thread(target=lambda: found.append(report(box).locks)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [[one.pid for one in lock.processes] for locks in found for lock in locks] == [[process.pid]] * 4
