from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from support.locking import HOLD, TRY, child_holding, opened, run_child
from support.syscalls import Crash, open_descriptors, stops

from mailstore.errors import CannotCreate, MailstoreError, StorageFailure, StorageFull, StoreBusy
from mailstore.system import clock, dotlocks, fs, kernellocks, locks
from mailstore.system.lockrules import LockRules

HOST = os.uname().nodename
AT_ONCE, PATIENT = LockRules(timeout=0), LockRules(timeout=60)


@pytest.fixture
def box(tmp_path: Path) -> Path:
    path = tmp_path / "box"
    path.write_bytes(b"")
    return path


def test_who_waits_long_still_tries_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers that list again and again leave a mailbox free for moments only: pauses of seconds miss them all."""
    now, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(clock, "monotonic", lambda: now[0])
    monkeypatch.setattr(clock, "sleep", sleep)
    pauses = locks.Pauses(60)
    while pauses.wait():
        pass
    assert sum(slept) == pytest.approx(60)
    assert max(slept) <= 0.4
    assert len(slept) > 150


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
                assert run_child(TRY, box, theirs, "lockf") == answer
            assert run_child(TRY, box, theirs, "lockf") == "free"

    def test_we_respect_others(self, box: Path) -> None:
        with child_holding(HOLD, box, fcntl.LOCK_EX, "lockf"), opened(box) as fd:
            with pytest.raises(StoreBusy) as caught, locks.file_lock(fd, False, 0, str(box)):
                pass
            assert caught.value.path == str(box)
            assert caught.value.temporary
        with child_holding(HOLD, box, fcntl.LOCK_SH, "lockf"), opened(box) as fd:
            with locks.file_lock(fd, False, 0, str(box)):
                pass
            with pytest.raises(StoreBusy), locks.file_lock(fd, True, 0, str(box)):
                pass

    def test_a_killed_holder_is_no_holder(self, box: Path) -> None:
        with child_holding(HOLD, box, fcntl.LOCK_EX, "lockf") as child:
            child.kill()
            child.wait()
            with opened(box) as fd, locks.file_lock(fd, True, 0, str(box)):
                pass

    def test_closing_another_descriptor_keeps_the_lock(self, box: Path) -> None:
        with opened(box) as fd, locks.file_lock(fd, True, 0, str(box)):
            os.close(os.open(box, os.O_RDONLY))
            assert run_child(TRY, box, fcntl.LOCK_EX, "lockf") == "busy"

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
        monkeypatch.setattr(kernellocks, "_OFD_SETLK", None)
        with opened(box) as fd, locks.file_lock(fd, True, 0, str(box)):
            assert run_child(TRY, box, fcntl.LOCK_SH, "lockf") == "busy"
        assert run_child(TRY, box, fcntl.LOCK_EX, "lockf") == "free"

    def test_a_file_system_without_locks(self, box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> None:
            raise OSError(errno.ENOLCK, "none")

        monkeypatch.setattr(kernellocks, "_set", refuse)
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
            child_holding(HOLD, box, fcntl.LOCK_EX, "lockf"),
            opened(box) as fd,
            pytest.raises(StoreBusy) as caught,
            locks.file_lock(fd, True, 60, str(box)),
        ):
            pass
        assert caught.value.waited == pytest.approx(60)
        assert sum(pauses) == pytest.approx(60)
        assert max(pauses) <= 4.5


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
