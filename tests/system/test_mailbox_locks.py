from __future__ import annotations

import errno
import fcntl
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import permutations
from pathlib import Path

import pytest
from support import peers
from support.locking import HOLD, TRY, child_holding, dead_pid, opened, run_child

from mailstore.errors import StorageFailure, StoreBusy
from mailstore.system import clock, kernellocks, locks
from mailstore.system.lockrules import METHODS, PRESETS, LockRules, read_methods
from mailstore.system.mailboxlocks import MailboxReplaced, ReadingLock, mailbox_lock

HOST = os.uname().nodename
AT_ONCE, PATIENT = LockRules(timeout=0), LockRules(timeout=60)


@pytest.fixture
def box(tmp_path: Path) -> Path:
    path = tmp_path / "box"
    path.write_bytes(b"")
    return path


class TestMailboxLock:
    def test_holds_both(self, box: Path) -> None:
        with opened(box) as fd:
            with mailbox_lock(str(box), fd, AT_ONCE) as dot:
                assert dot is not None
                assert run_child(TRY, box, fcntl.LOCK_SH, "lockf") == "busy"
                assert sorted(os.listdir(box.parent)) == ["box", "box.lock"]
            assert run_child(TRY, box, fcntl.LOCK_EX, "lockf") == "free"
            assert sorted(os.listdir(box.parent)) == ["box"]

    @pytest.mark.parametrize("methods", [("fcntl",), ("flock",), ("fcntl", "flock"), ()])
    def test_without_a_dotlock_nothing_is_written(self, box: Path, methods: tuple[str, ...]) -> None:
        with opened(box) as fd, mailbox_lock(str(box), fd, LockRules(methods, timeout=0)) as dot:
            assert dot is None
            assert sorted(os.listdir(box.parent)) == ["box"]
            for method, call in (("fcntl", "lockf"), ("flock", "flock")):
                assert run_child(TRY, box, fcntl.LOCK_EX, call) == ("busy" if method in methods else "free")

    @pytest.mark.parametrize("methods", list(permutations(METHODS)))
    @pytest.mark.parametrize("held", METHODS)
    def test_one_that_is_held_leaves_none(self, box: Path, methods: tuple[str, ...], held: str) -> None:
        lock = box.with_name("box.lock")
        with ExitStack() as stack:
            if held == "dotlock":
                lock.write_text("1:elsewhere")
            else:
                call = "lockf" if held == "fcntl" else "flock"
                stack.enter_context(child_holding(HOLD, box, fcntl.LOCK_EX, call))
            fd = stack.enter_context(opened(box))
            with pytest.raises(StoreBusy), mailbox_lock(str(box), fd, LockRules(methods, timeout=0)):
                pass
            assert lock.exists() == (held == "dotlock")
            for method, call in (("fcntl", "lockf"), ("flock", "flock")):
                assert run_child(TRY, box, fcntl.LOCK_EX, call) == ("busy" if method == held else "free")

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
        with opened(box) as fd, mailbox_lock(str(box), fd, PATIENT):
            pass
        assert pauses == 3

    def test_no_dotlock_is_left_where_the_kernel_lock_is_taken(self, box: Path) -> None:
        with child_holding(HOLD, box, fcntl.LOCK_EX, "lockf"), opened(box) as fd:
            with pytest.raises(StoreBusy), mailbox_lock(str(box), fd, AT_ONCE):
                pass
            assert sorted(os.listdir(box.parent)) == ["box"]

    def test_a_stale_dotlock_stays_while_somebody_has_the_kernel_lock(self, box: Path) -> None:
        box.with_name("box.lock").write_text(f"{dead_pid()}:{HOST}")
        with opened(box) as fd:
            with child_holding(HOLD, box, fcntl.LOCK_EX, "lockf"):
                with pytest.raises(StoreBusy), mailbox_lock(str(box), fd, AT_ONCE):
                    pass
                assert box.with_name("box.lock").exists()
            with mailbox_lock(str(box), fd, AT_ONCE):
                pass

    @pytest.mark.parametrize("removed", [True, False])
    def test_a_replaced_mailbox_is_noticed(self, box: Path, removed: bool) -> None:
        with opened(box) as fd:
            if removed:
                box.unlink()
            else:
                box.with_name("new").write_bytes(b"")
                box.with_name("new").rename(box)
            with pytest.raises(MailboxReplaced), mailbox_lock(str(box), fd, AT_ONCE):
                pass
            assert not box.with_name("box.lock").exists()

    def test_a_mailbox_replaced_while_waiting_is_noticed(self, box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def sleep(_: float) -> None:
            box.unlink()

        monkeypatch.setattr(clock, "sleep", sleep)
        with (
            child_holding(HOLD, box, fcntl.LOCK_EX, "lockf"),
            opened(box) as fd,
            pytest.raises(MailboxReplaced),
            mailbox_lock(str(box), fd, PATIENT),
        ):
            pass

    def test_an_error_in_the_block_releases(self, box: Path) -> None:
        with opened(box) as fd, ExitStack() as stack:
            stack.enter_context(pytest.raises(ValueError, match="mine"))
            with mailbox_lock(str(box), fd, AT_ONCE):
                raise ValueError("mine")
        assert sorted(os.listdir(box.parent)) == ["box"]
        assert run_child(TRY, box, fcntl.LOCK_EX, "lockf") == "free"

    def test_a_forked_child_that_unwinds_keeps_its_parents_lock(self, box: Path) -> None:
        answer = run_child(
            """
            import os, subprocess, sys
            from mailstore.system.lockrules import LockRules
            from mailstore.system.mailboxlocks import mailbox_lock
            fd = os.open(sys.argv[1], os.O_RDWR)
            with mailbox_lock(sys.argv[1], fd, LockRules(timeout=0)):
                child = os.fork()
                if child:
                    os.waitpid(child, 0)
                    command = [sys.executable, "-c", sys.argv[2], sys.argv[1], "2", "lockf"]
                    held = subprocess.run(command, capture_output=True)
                    print(held.stdout.decode().strip(), os.path.exists(sys.argv[1] + ".lock"))
            """,
            box,
            TRY,
        )
        assert answer == "busy True"


COUNT = """
import os, sys
from mailstore.system import locks
from mailstore.system.lockrules import LockRules
from mailstore.system.mailboxlocks import mailbox_lock
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
        with mailbox_lock(path, fd, LockRules(tuple(how.split(",")), timeout=60)):
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


class TestReading:
    def test_a_reader_keeps_writers_out_and_readers_in(self, box: Path) -> None:
        with opened(box, os.O_RDONLY) as fd, ReadingLock(str(box), fd, LockRules(("fcntl", "flock"))).held():
            for call in ("lockf", "flock"):
                assert run_child(TRY, box, fcntl.LOCK_EX, call) == "busy"
                assert run_child(TRY, box, fcntl.LOCK_SH, call) == "free"
        for call in ("lockf", "flock"):
            assert run_child(TRY, box, fcntl.LOCK_EX, call) == "free"

    @pytest.mark.parametrize(("methods", "call"), [(("fcntl",), "lockf"), (("fcntl", "flock"), "flock")])
    def test_a_writer_keeps_a_reader_out(self, box: Path, methods: tuple[str, ...], call: str) -> None:
        with child_holding(HOLD, box, fcntl.LOCK_EX, call), opened(box, os.O_RDONLY) as fd:
            with pytest.raises(StoreBusy) as caught, ReadingLock(str(box), fd, LockRules(methods, timeout=0)).held():
                pass
            assert caught.value.temporary
            assert run_child(TRY, box, fcntl.LOCK_EX, "flock" if call == "lockf" else "lockf") == "free"

    @pytest.mark.parametrize("methods", [(), ("dotlock",)])
    def test_no_kernel_lock_is_taken_where_none_is_asked_for(self, box: Path, methods: tuple[str, ...]) -> None:
        with (
            child_holding(HOLD, box, fcntl.LOCK_EX, "lockf"),
            opened(box, os.O_RDONLY) as fd,
            ReadingLock(str(box), fd, LockRules(methods, timeout=0)).held(),
        ):
            pass

    def test_it_lasts_until_the_last_reader_is_done(self, box: Path) -> None:
        with opened(box, os.O_RDONLY) as fd:
            lock = ReadingLock(str(box), fd, AT_ONCE)
            with lock.held():
                with lock.held():
                    pass
                assert run_child(TRY, box, fcntl.LOCK_EX, "lockf") == "busy"
            assert run_child(TRY, box, fcntl.LOCK_EX, "lockf") == "free"

    def test_who_writes_may_read(self, box: Path) -> None:
        with opened(box) as fd, opened(box, os.O_RDONLY) as other, mailbox_lock(str(box), fd, AT_ONCE):
            with ReadingLock(str(box), other, AT_ONCE).held():
                pass
            assert run_child(TRY, box, fcntl.LOCK_SH, "lockf") == "busy"

    def test_another_thread_that_writes_keeps_it_out(self, box: Path) -> None:
        def read() -> None:
            with opened(box, os.O_RDONLY) as other, ReadingLock(str(box), other, AT_ONCE).held():
                pass

        with opened(box) as fd, mailbox_lock(str(box), fd, AT_ONCE), ThreadPoolExecutor(1) as pool:
            assert isinstance(pool.submit(read).exception(), StoreBusy)

    def test_a_file_system_without_locks(self, box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> None:
            raise OSError(errno.ENOLCK, "none")

        monkeypatch.setattr(kernellocks, "_set", refuse)
        with opened(box) as fd:
            with ReadingLock(str(box), fd, AT_ONCE).held():
                pass
            with pytest.raises(StorageFailure, match="no fcntl locks"), mailbox_lock(str(box), fd, AT_ONCE):
                pass
            with mailbox_lock(str(box), fd, LockRules((), timeout=0)):
                pass


class TestRules:
    @pytest.mark.parametrize(
        ("text", "methods"),
        [
            ("debian", ("fcntl", "dotlock")),
            ("dovecot", ("dotlock", "fcntl")),
            ("postfix", ("dotlock", "fcntl")),
            ("procmail", ("dotlock", "fcntl")),
            ("exim", ("dotlock", "fcntl")),
            ("none", ()),
            ("flock", ("flock",)),
            ("flock,dotlock,fcntl", ("flock", "dotlock", "fcntl")),
        ],
    )
    def test_text(self, text: str, methods: tuple[str, ...]) -> None:
        assert read_methods(text) == methods

    @pytest.mark.parametrize("text", ["", "both", "fcntl,", "fcntl,fcntl", "debian,flock", "fcntl, dotlock"])
    def test_other_text(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"one of debian, dovecot, .* or a list of fcntl, dotlock, flock"):
            read_methods(text)

    def test_the_default_is_debian(self) -> None:
        assert LockRules().methods == PRESETS["debian"]

    @pytest.mark.interop
    def test_the_installed_dovecot_is_a_preset(self) -> None:
        peers.need("doveconf")
        said = peers.run(["doveconf", "-d", "-h", "mbox_write_locks"]).decode().split()
        assert tuple(said) in (PRESETS["debian"], PRESETS["dovecot"])
        assert peers.run(["doveconf", "-d", "-h", "mbox_read_locks"]).decode().split() == ["fcntl"]

    @pytest.mark.interop
    def test_the_installed_postfix_is_a_preset(self) -> None:
        """The order it says is not the one it takes: see mbox_open.c."""
        peers.need("postconf")
        said = peers.run(["postconf", "-d", "-h", "mailbox_delivery_lock"]).decode().replace(",", " ").split()
        assert set(said) == set(PRESETS["postfix"])

    @pytest.mark.interop
    def test_the_installed_procmail_is_a_preset(self) -> None:
        peers.need("procmail")
        done = subprocess.run(["procmail", "-v"], capture_output=True, check=False)
        line = next(line for line in done.stderr.decode().splitlines() if line.startswith("Locking strategies:"))
        said = [word.replace("dotlocking", "dotlock").strip("()") for word in line.partition(":")[2].split(",")]
        assert tuple(word.strip().replace("()", "") for word in said) == PRESETS["procmail"]

    @pytest.mark.interop
    def test_the_installed_mutt_takes_what_debian_says(self) -> None:
        peers.need("mutt")
        said = peers.run(["mutt", "-v"]).decode().split()
        assert {"+USE_DOTLOCK", "+USE_FCNTL", "-USE_FLOCK"} <= set(said)


class TestConcurrency:
    @pytest.mark.parametrize(
        "hows",
        [
            ["dotlock"] * 4,
            ["fcntl,dotlock"] * 4,
            ["fcntl"] * 4,
            ["fcntl,dotlock", "dotlock,fcntl", "fcntl"],
            ["fcntl,flock,dotlock", "dotlock,flock,fcntl", "flock,fcntl,dotlock"],
        ],
    )
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
        ours = [subprocess.Popen([sys.executable, "-c", COUNT, box, "25", "fcntl,dotlock"]) for _ in range(2)]
        theirs = subprocess.Popen(["sh", "-c", FOREIGN[who], "sh", box])
        assert [child.wait() for child in (*ours, theirs)] == [0, 0, 0]
        assert int(box.read_text()) == 75
