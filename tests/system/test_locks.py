from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from support.syscalls import Crash, open_descriptors, stops

from mailstore.errors import CannotCreate, MailstoreError, StorageFailure, StorageFull, StoreBusy
from mailstore.system import clock, dotlocks, fs, locks

HOST = os.uname().nodename


@pytest.fixture
def box(tmp_path: Path) -> Path:
    path = tmp_path / "box"
    path.write_bytes(b"")
    return path


@contextmanager
def opened(path: Path, flags: int = os.O_RDWR) -> Iterator[int]:
    fd = os.open(path, flags)
    try:
        yield fd
    finally:
        os.close(fd)


def dead_pid() -> int:
    child = subprocess.Popen(["true"])
    child.wait()
    return child.pid


def run_child(source: str, *args: object) -> str:
    child = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(source), *map(str, args)], capture_output=True, text=True, check=True
    )
    return child.stdout.strip()


@contextmanager
def child_holding(source: str, *args: object) -> Iterator[subprocess.Popen[str]]:
    """A process that ran ``source`` and now waits for its standard input to close."""
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(source) + "\nprint('held', flush=True)\nimport sys\nsys.stdin.read()"]
        + [str(arg) for arg in args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        yield child
    finally:
        child.communicate()


HOLD_FCNTL = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
fcntl.lockf(fd, int(sys.argv[2]) | fcntl.LOCK_NB)
"""
TRY_FCNTL = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
try:
    fcntl.lockf(fd, int(sys.argv[2]) | fcntl.LOCK_NB)
    print("free")
except OSError:
    print("busy")
"""


class TestKernelLocks:
    @pytest.mark.parametrize(
        ("mine", "theirs", "answer"),
        [
            (True, fcntl.LOCK_EX, "busy"),
            (True, fcntl.LOCK_SH, "busy"),
            (False, fcntl.LOCK_EX, "busy"),
            (False, fcntl.LOCK_SH, "free"),
        ],
    )
    def test_others_respect_ours(self, box: Path, mine: bool, theirs: int, answer: str) -> None:
        with opened(box) as fd:
            with locks.file_lock(fd, mine, 0, str(box)):
                assert run_child(TRY_FCNTL, box, theirs) == answer
            assert run_child(TRY_FCNTL, box, theirs) == "free"

    def test_we_respect_others(self, box: Path) -> None:
        with child_holding(HOLD_FCNTL, box, fcntl.LOCK_EX), opened(box) as fd:
            with pytest.raises(StoreBusy) as caught, locks.file_lock(fd, False, 0, str(box)):
                pass
            assert caught.value.path == str(box)
            assert caught.value.temporary
        with child_holding(HOLD_FCNTL, box, fcntl.LOCK_SH), opened(box) as fd:
            with locks.file_lock(fd, False, 0, str(box)):
                pass
            with pytest.raises(StoreBusy), locks.file_lock(fd, True, 0, str(box)):
                pass

    def test_a_killed_holder_is_no_holder(self, box: Path) -> None:
        with child_holding(HOLD_FCNTL, box, fcntl.LOCK_EX) as child:
            child.kill()
            child.wait()
            with opened(box) as fd, locks.file_lock(fd, True, 0, str(box)):
                pass

    def test_closing_another_descriptor_keeps_the_lock(self, box: Path) -> None:
        with opened(box) as fd, locks.file_lock(fd, True, 0, str(box)):
            os.close(os.open(box, os.O_RDONLY))
            assert run_child(TRY_FCNTL, box, fcntl.LOCK_EX) == "busy"

    def test_two_descriptors_of_one_process_exclude_each_other(self, box: Path) -> None:
        with (
            opened(box) as one,
            opened(box) as two,
            locks.file_lock(one, True, 0, str(box)),
            pytest.raises(StoreBusy),
            locks.file_lock(two, True, 0, str(box)),
        ):
            pass

    def test_without_ofd_locks(self, box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(locks, "_OFD_SETLK", None)
        with opened(box) as fd, locks.file_lock(fd, True, 0, str(box)):
            assert run_child(TRY_FCNTL, box, fcntl.LOCK_SH) == "busy"
        assert run_child(TRY_FCNTL, box, fcntl.LOCK_EX) == "free"

    def test_a_file_system_without_locks(self, box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> None:
            raise OSError(errno.ENOLCK, "none")

        monkeypatch.setattr(locks, "_kernel_lock", refuse)
        with opened(box) as fd:
            with locks.file_lock(fd, False, 0, str(box)):
                pass
            with pytest.raises(StorageFailure), locks.file_lock(fd, True, 0, str(box)):
                pass

    def test_waiting_ends(self, box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        at = 0.0
        pauses: list[float] = []

        def sleep(seconds: float) -> None:
            nonlocal at
            pauses.append(seconds)
            at += seconds

        monkeypatch.setattr(clock, "sleep", sleep)
        monkeypatch.setattr(clock, "monotonic", lambda: at)
        with (
            child_holding(HOLD_FCNTL, box, fcntl.LOCK_EX),
            opened(box) as fd,
            pytest.raises(StoreBusy) as caught,
            locks.file_lock(fd, True, 60, str(box)),
        ):
            pass
        assert caught.value.waited == pytest.approx(60)
        assert sum(pauses) == pytest.approx(60)
        assert max(pauses) <= 4.5

    def test_a_forked_child_that_unwinds_keeps_its_parents_lock(self, box: Path) -> None:
        answer = run_child(
            """
            import os, subprocess, sys
            from mailstore.system import locks
            fd = os.open(sys.argv[1], os.O_RDWR)
            with locks.mailbox_lock(sys.argv[1], fd, True, 0, dotlock=True):
                child = os.fork()
                if child:
                    os.waitpid(child, 0)
                    held = subprocess.run([sys.executable, "-c", sys.argv[2], sys.argv[1], "2"], capture_output=True)
                    print(held.stdout.decode().strip(), os.path.exists(sys.argv[1] + ".lock"))
            """,
            box,
            TRY_FCNTL,
        )
        assert answer == "busy True"


class TestDotlock:
    def test_what_it_looks_like(self, box: Path) -> None:
        before = open_descriptors()
        with locks.dotlock(str(box), 0):
            lock = box.with_name("box.lock")
            assert lock.read_text() == f"{os.getpid()}:{HOST}"
            found = lock.stat()
            assert (stat.S_IMODE(found.st_mode), found.st_nlink) == (0o444, 1)
            assert sorted(os.listdir(box.parent)) == ["box", "box.lock"]
        assert sorted(os.listdir(box.parent)) == ["box"]
        assert open_descriptors() == before

    def test_excludes_the_same_process_too(self, box: Path) -> None:
        with locks.dotlock(str(box), 0):
            with pytest.raises(StoreBusy) as caught, locks.dotlock(str(box), 0):
                pass
            assert f"(%s.lock of process {os.getpid()} on {HOST})" % box in str(caught.value)
        assert sorted(os.listdir(box.parent)) == ["box"]

    @pytest.mark.interop
    @pytest.mark.parametrize(
        ("command", "code"),
        [(["dotlockfile", "-l", "-r", "0"], 4), (["dotlockfile", "-p", "-l", "-r", "0"], 4), (["lockfile", "-r0"], 73)],
    )
    def test_others_respect_ours(self, box: Path, command: list[str], code: int) -> None:
        if not shutil.which(command[0]):
            pytest.skip(f"{command[0]} is not installed")
        lock = box.with_name("box.lock")
        with locks.dotlock(str(box), 0):
            assert subprocess.run([*command, lock], check=False, capture_output=True).returncode == code
        assert subprocess.run([*command, lock], check=False, capture_output=True).returncode == 0

    @pytest.mark.interop
    @pytest.mark.parametrize("command", [["dotlockfile", "-l"], ["dotlockfile", "-p", "-l"], ["lockfile"]])
    def test_we_respect_others(self, box: Path, command: list[str]) -> None:
        if not shutil.which(command[0]):
            pytest.skip(f"{command[0]} is not installed")
        lock = box.with_name("box.lock")
        subprocess.run([*command, lock], check=True)
        with pytest.raises(StoreBusy), locks.dotlock(str(box), 0):
            pass
        lock.unlink()
        with locks.dotlock(str(box), 0):
            pass

    def test_no_links(self, box: Path) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise OSError(errno.EPERM, "no links here")

        with fs.replaced(fs.Calls(link=refuse)), locks.dotlock(str(box), 0):
            assert sorted(os.listdir(box.parent)) == ["box", "box.lock"]
            with pytest.raises(StoreBusy), locks.dotlock(str(box), 0):
                pass
        assert sorted(os.listdir(box.parent)) == ["box"]

    def test_a_link_that_reports_failure_but_was_made(self, box: Path) -> None:
        """NFS answers a repeated request with EEXIST."""

        def late(source: str, target: str, **_: object) -> None:
            os.link(source, target)
            raise FileExistsError(errno.EEXIST, "exists")

        with fs.replaced(fs.Calls(link=late)), locks.dotlock(str(box), 0):
            assert sorted(os.listdir(box.parent)) == ["box", "box.lock"]
        assert sorted(os.listdir(box.parent)) == ["box"]

    @pytest.mark.parametrize(("number", "kind"), [(errno.EACCES, CannotCreate), (errno.ENOSPC, StorageFull)])
    def test_no_room_for_it(self, box: Path, number: int, kind: type[Exception]) -> None:
        def refuse(*_: object, **__: object) -> int:
            raise OSError(number, "no")

        with fs.replaced(fs.Calls(open=refuse)), pytest.raises(kind, match=r"box\.lock"), locks.dotlock(str(box), 0):
            pass

    def test_release_removes_only_our_own(self, box: Path) -> None:
        lock = box.with_name("box.lock")
        with locks.dotlock(str(box), 0) as held:
            lock.unlink()
            lock.write_text("1:elsewhere")
            assert not held.is_ours()
        assert lock.read_text() == "1:elsewhere"

    def test_refresh(self, box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        at = 0.0
        monkeypatch.setattr(clock, "monotonic", lambda: at)
        lock = box.with_name("box.lock")
        with locks.dotlock(str(box), 0) as held:
            os.utime(lock, (1, 1))
            held.refresh()
            assert lock.stat().st_mtime == 1
            at = dotlocks.REFRESH + 1
            held.refresh()
            assert lock.stat().st_mtime > 1
            os.utime(lock, (1, 1))
            held.refresh()
            assert lock.stat().st_mtime == 1
            lock.unlink()
            at *= 2
            with pytest.raises(StoreBusy):
                held.refresh()

    def test_a_crash_anywhere_blocks_nobody_for_good(self, box: Path) -> None:
        def hold() -> None:
            with locks.dotlock(str(box), 0):
                pass

        calls = 0
        for _ in stops(hold, Crash()):
            with locks.dotlock(str(box), 0):
                assert box.with_name("box.lock").exists()
            calls += 1
        assert calls >= 5
        left = [name for name in os.listdir(box.parent) if name != "box"]
        assert all(name.startswith(fs.TEMPORARY) for name in left)

    def test_a_failure_anywhere_leaves_it_free(self, box: Path) -> None:
        def hold() -> None:
            with locks.dotlock(str(box), 0):
                pass

        before = open_descriptors()
        for _ in stops(hold, OSError(errno.EIO, "no"), MailstoreError):
            box.with_name("box.lock").unlink(missing_ok=True)  # where removing it was what failed
            with locks.dotlock(str(box), 0):
                pass
        assert open_descriptors() == before

    def test_uidlist(self, tmp_path: Path) -> None:
        with locks.uidlist_lock(str(tmp_path), 0):
            assert os.listdir(tmp_path) == ["dovecot-uidlist.lock"]
            with pytest.raises(StoreBusy), locks.uidlist_lock(str(tmp_path), 0):
                pass
        assert os.listdir(tmp_path) == []


NOW = 10**18
SECOND = 10**9


def lock_status(age: float) -> os.stat_result:
    """A lock file that changed ``age`` seconds before NOW."""
    at = NOW / SECOND - age
    fields = [0o100444, 1, 1, 1, 0, 0, 9, int(at), int(at), int(at), at, at, at]
    fields += [int(at) * SECOND] * 3
    return os.stat_result(fields)


class TestStale:
    @pytest.mark.parametrize(
        ("text", "age", "box_age", "stale"),
        [
            ("DEAD:HERE", 3, 3, True),
            ("DEAD:HERE", 0, 0, True),
            ("LIVE:HERE", 99999, 99999, False),
            ("ME:HERE", 0, 0, True),
            ("DEAD:elsewhere", 100, 999, False),
            ("DEAD:elsewhere", 121, 999, True),
            ("DEAD:elsewhere", 999, 100, False),
            ("LIVE:elsewhere", 121, 121, True),
            ("DEAD\n", 3, 999, False),
            ("DEAD\n", 121, 121, True),
            ("LIVE\n", 99999, 99999, False),
            ("0\n", 119, 999, False),
            ("0\n", 121, 121, True),
            ("", 119, 999, False),
            ("", 121, 121, True),
            ("garbage \0", 121, 121, True),
            ("99999999999999999999", 3, 999, False),
            ("-1:HERE", 3, 999, False),
            ("0\n", -50, 999, False),
        ],
    )
    def test_rule(self, box: Path, text: str, age: float, box_age: float, stale: bool) -> None:
        os.utime(box, ns=(0, 0))
        text = text.replace("DEAD", str(dead_pid())).replace("LIVE", "1").replace("ME", str(os.getpid()))
        # the mailbox's ctime is now, so the judgement's present is moved instead
        present = box.stat().st_ctime_ns + int(box_age * SECOND)
        shift = (present - NOW) // SECOND
        status = lock_status(age - shift - ((present - NOW) % SECOND) / SECOND)
        assert dotlocks._is_stale(status, text.replace("HERE", HOST).encode(), str(box), present) is stale

    def test_no_mailbox_is_an_unchanged_one(self, tmp_path: Path) -> None:
        assert dotlocks._is_stale(lock_status(121), b"0", str(tmp_path / "none"), NOW)

    def test_a_dead_owner_is_broken(self, box: Path) -> None:
        lock = box.with_name("box.lock")
        lock.write_text(f"{dead_pid()}:{HOST}")
        with locks.dotlock(str(box), 0):
            assert lock.read_text() == f"{os.getpid()}:{HOST}"

    def test_a_symlink_or_directory_is_not_broken(self, box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(dotlocks, "STALE", -(10**6))
        lock = box.with_name("box.lock")
        lock.symlink_to("elsewhere")
        with pytest.raises(StoreBusy), locks.dotlock(str(box), 0):
            pass
        assert lock.is_symlink()
        lock.unlink()
        lock.mkdir()
        with pytest.raises(StoreBusy), locks.dotlock(str(box), 0):
            pass
        assert lock.is_dir()

    def test_one_breaker_at_a_time(self, box: Path) -> None:
        lock = box.with_name("box.lock")
        lock.write_text(f"{dead_pid()}:{HOST}")
        with opened(lock, os.O_RDONLY) as fd:
            fcntl.flock(fd, fcntl.LOCK_EX)
            with pytest.raises(StoreBusy), locks.dotlock(str(box), 0):
                pass
        assert lock.exists()


class TestMailboxLock:
    def test_holds_both(self, box: Path) -> None:
        with opened(box) as fd:
            with locks.mailbox_lock(str(box), fd, True, 0, dotlock=True) as dot:
                assert dot is not None
                assert run_child(TRY_FCNTL, box, fcntl.LOCK_SH) == "busy"
                assert sorted(os.listdir(box.parent)) == ["box", "box.lock"]
            assert run_child(TRY_FCNTL, box, fcntl.LOCK_EX) == "free"
            assert sorted(os.listdir(box.parent)) == ["box"]

    def test_without_a_dotlock_nothing_is_written(self, box: Path) -> None:
        with opened(box, os.O_RDONLY) as fd, locks.mailbox_lock(str(box), fd, False, 0, dotlock=False) as dot:
            assert dot is None
            assert sorted(os.listdir(box.parent)) == ["box"]

    def test_nothing_is_held_while_waiting(self, box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        lock = box.with_name("box.lock")
        lock.write_text("0")
        pauses = 0

        def sleep(_: float) -> None:
            nonlocal pauses
            pauses += 1
            with opened(box) as other, locks.file_lock(other, True, 0, str(box)):
                pass
            if pauses == 3:
                lock.unlink()

        monkeypatch.setattr(clock, "sleep", sleep)
        with opened(box) as fd, locks.mailbox_lock(str(box), fd, True, 60, dotlock=True):
            pass
        assert pauses == 3

    def test_no_dotlock_is_left_where_the_kernel_lock_is_taken(self, box: Path) -> None:
        with child_holding(HOLD_FCNTL, box, fcntl.LOCK_EX), opened(box) as fd:
            with pytest.raises(StoreBusy), locks.mailbox_lock(str(box), fd, True, 0, dotlock=True):
                pass
            assert sorted(os.listdir(box.parent)) == ["box"]

    def test_a_stale_dotlock_stays_while_somebody_has_the_kernel_lock(self, box: Path) -> None:
        box.with_name("box.lock").write_text(f"{dead_pid()}:{HOST}")
        with opened(box) as fd:
            with child_holding(HOLD_FCNTL, box, fcntl.LOCK_EX):
                with pytest.raises(StoreBusy), locks.mailbox_lock(str(box), fd, True, 0, dotlock=True):
                    pass
                assert box.with_name("box.lock").exists()
            with locks.mailbox_lock(str(box), fd, True, 0, dotlock=True):
                pass

    def test_a_mailbox_that_is_replaced_is_never_free(self, box: Path) -> None:
        new = box.with_name("new")
        new.write_bytes(b"new")
        with opened(box) as fd:
            with locks.mailbox_lock(str(box), fd, True, 0, dotlock=False), opened(new, os.O_WRONLY) as other:
                with locks.replacing(other, fd, str(box)):
                    assert run_child(TRY_FCNTL, box, fcntl.LOCK_SH) == "busy"
                    assert run_child(TRY_FCNTL, new, fcntl.LOCK_SH) == "busy"
                    new.rename(box)
                os.close(other)
                assert os.fstat(fd).st_ino == box.stat().st_ino
                assert run_child(TRY_FCNTL, box, fcntl.LOCK_SH) == "busy"
                os.dup2(fd, other)
            assert run_child(TRY_FCNTL, box, fcntl.LOCK_EX) == "free"

    def test_a_replacement_that_fails_changes_nothing(self, box: Path) -> None:
        new = box.with_name("new")
        new.write_bytes(b"new")
        with opened(box) as fd, locks.mailbox_lock(str(box), fd, True, 0, dotlock=False):
            with (
                opened(new, os.O_WRONLY) as other,
                pytest.raises(OSError, match="no"),
                locks.replacing(other, fd, str(box)),
            ):
                raise OSError("no")
            assert os.fstat(fd).st_ino == box.stat().st_ino
            assert run_child(TRY_FCNTL, box, fcntl.LOCK_SH) == "busy"

    @pytest.mark.parametrize("removed", [True, False])
    def test_a_replaced_mailbox_is_noticed(self, box: Path, removed: bool) -> None:
        with opened(box) as fd:
            if removed:
                box.unlink()
            else:
                box.with_name("new").write_bytes(b"")
                box.with_name("new").rename(box)
            with pytest.raises(locks.MailboxReplaced), locks.mailbox_lock(str(box), fd, True, 0, dotlock=True):
                pass
            assert not box.with_name("box.lock").exists()

    def test_a_mailbox_replaced_while_waiting_is_noticed(self, box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def sleep(_: float) -> None:
            box.unlink()

        monkeypatch.setattr(clock, "sleep", sleep)
        with (
            child_holding(HOLD_FCNTL, box, fcntl.LOCK_EX),
            opened(box) as fd,
            pytest.raises(locks.MailboxReplaced),
            locks.mailbox_lock(str(box), fd, True, 60, dotlock=True),
        ):
            pass

    def test_an_error_in_the_block_releases(self, box: Path) -> None:
        with opened(box) as fd, ExitStack() as stack:
            stack.enter_context(pytest.raises(ValueError, match="mine"))
            with locks.mailbox_lock(str(box), fd, True, 0, dotlock=True):
                raise ValueError("mine")
        assert sorted(os.listdir(box.parent)) == ["box"]
        assert run_child(TRY_FCNTL, box, fcntl.LOCK_EX) == "free"


COUNT = """
import os, sys
from mailstore.system import locks
locks._LONGEST_PAUSE = 0.05
path, rounds, how = sys.argv[1], int(sys.argv[2]), sys.argv[3]

def increment():
    with open(path, "r+") as file:
        value = int(file.read() or 0) + 1
        file.seek(0)
        file.write(str(value))

for _ in range(rounds):
    if how == "dotlock":
        with locks.dotlock(path, 60):
            increment()
    elif how == "stale":
        # a leftover of a dead process appears whenever the lock is free: each round has to break one, or be quicker
        try:
            fd = os.open(path + ".lock", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o444)
            os.write(fd, sys.argv[4].encode())
            os.close(fd)
        except FileExistsError:
            pass
        with locks.dotlock(path, 60):
            increment()
    else:
        fd = os.open(path, os.O_RDWR)
        with locks.mailbox_lock(path, fd, True, 60, dotlock=how == "both"):
            text = os.pread(fd, 99, 0)
            os.pwrite(fd, str(int(text or 0) + 1).encode(), 0)
        os.close(fd)
"""
FOREIGN = {
    # dotlock first, then fcntl: the order that collides with fcntl first
    "procmail": """
for _ in $(seq 25); do
  until lockfile -r0 "$1.lock" 2>/dev/null; do sleep 0.01; done
  echo $(($(cat "$1") + 1)) > "$1.tmp"; cat "$1.tmp" > "$1"; rm -f "$1.lock"
done""",
    "liblockfile": """
for _ in $(seq 25); do
  until dotlockfile -p -l -r 0 "$1.lock" 2>/dev/null; do sleep 0.01; done
  echo $(($(cat "$1") + 1)) > "$1.tmp"; cat "$1.tmp" > "$1"; dotlockfile -u "$1.lock"
done""",
}


class TestConcurrency:
    @pytest.mark.parametrize("hows", [["dotlock"] * 4, ["both"] * 4, ["kernel"] * 4, ["both", "both", "kernel"]])
    def test_counts_are_exact(self, box: Path, hows: list[str]) -> None:
        children = [subprocess.Popen([sys.executable, "-c", COUNT, box, "50", how]) for how in hows]
        assert [child.wait() for child in children] == [0] * len(hows)
        assert int(box.read_text()) == 50 * len(hows)
        assert sorted(os.listdir(box.parent)) == ["box"]

    def test_counts_are_exact_while_stale_locks_are_broken(self, box: Path) -> None:
        leftover = f"{dead_pid()}:{HOST}"
        children = [subprocess.Popen([sys.executable, "-c", COUNT, box, "40", "stale", leftover]) for _ in range(4)]
        assert [child.wait() for child in children] == [0] * 4
        assert int(box.read_text()) == 160

    @pytest.mark.interop
    @pytest.mark.parametrize("who", sorted(FOREIGN))
    def test_counts_are_exact_beside_other_programs(self, box: Path, who: str) -> None:
        if not shutil.which({"procmail": "lockfile", "liblockfile": "dotlockfile"}[who]):
            pytest.skip(f"{who} is not installed")
        box.write_text("0\n")
        ours = [subprocess.Popen([sys.executable, "-c", COUNT, box, "25", "both"]) for _ in range(2)]
        theirs = subprocess.Popen(["sh", "-c", FOREIGN[who], "sh", box])
        assert [child.wait() for child in (*ours, theirs)] == [0, 0, 0]
        assert int(box.read_text()) == 75
