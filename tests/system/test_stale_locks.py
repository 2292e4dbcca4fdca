from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.locking import HOLD, child_holding, dead_pid, opened

from mailstore.errors import CannotCreate, StoreBusy
from mailstore.system import dotlocks, locks, stalelocks
from mailstore.system.lockrules import LockRules
from mailstore.system.mailboxlocks import mailbox_lock

HOST = os.uname().nodename
AT_ONCE, PATIENT = LockRules(timeout=0), LockRules(timeout=60)


@pytest.fixture
def box(tmp_path: Path) -> Path:
    path = tmp_path / "box"
    path.write_bytes(b"")
    return path


NOW = 10**18
SECOND = 10**9


def lock_status(age: float) -> os.stat_result:
    """A lock file that changed ``age`` seconds before NOW."""
    at = NOW / SECOND - age
    fields = [0o100444, 1, 1, 1, 0, 0, 9, int(at), int(at), int(at), at, at, at]
    fields += [int(at) * SECOND] * 3
    return os.stat_result(fields)


class TestJudgement:
    @pytest.mark.parametrize(
        ("text", "age", "box_age", "verdict"),
        [
            ("DEAD:HERE", 3, 3, "dead"),
            ("DEAD:HERE", 0, 0, "dead"),
            ("LIVE:HERE", 99999, 99999, ""),
            ("ME:HERE", 0, 0, "dead"),
            ("DEAD:elsewhere", 100, 999, ""),
            ("DEAD:elsewhere", 121, 999, "old"),
            ("DEAD:elsewhere", 999, 100, ""),
            ("LIVE:elsewhere", 121, 121, "old"),
            ("DEAD\n", 3, 999, ""),
            ("DEAD\n", 121, 121, "old"),
            ("LIVE\n", 99999, 99999, ""),
            ("0\n", 119, 999, ""),
            ("0\n", 121, 121, "old"),
            ("", 119, 999, ""),
            ("", 121, 121, "old"),
            ("garbage \0", 121, 121, "old"),
            ("99999999999999999999", 3, 999, ""),
            ("-1:HERE", 3, 999, ""),
            ("0\n", -50, 999, ""),
        ],
    )
    def test_rule(self, box: Path, text: str, age: float, box_age: float, verdict: str) -> None:
        os.utime(box, ns=(0, 0))
        text = text.replace("DEAD", str(dead_pid())).replace("LIVE", "1").replace("ME", str(os.getpid()))
        # the mailbox's ctime is now, so the judgement's present is moved instead
        present = box.stat().st_ctime_ns + int(box_age * SECOND)
        shift = (present - NOW) // SECOND
        status = lock_status(age - shift - ((present - NOW) % SECOND) / SECOND)
        assert stalelocks.judge(status, text.replace("HERE", HOST).encode(), str(box), present) == verdict

    @pytest.mark.parametrize("text", ["1:HERE", "1\n"])
    def test_a_process_that_began_after_the_lock_is_another_one_of_that_number(self, box: Path, text: str) -> None:
        said = text.replace("HERE", HOST).encode()
        present = box.stat().st_ctime_ns + 200 * SECOND
        before_it_began = lock_status(0)  # in 2001
        assert stalelocks.judge(before_it_began, said, str(box), present) == "old"
        assert stalelocks.judge(before_it_began, said, str(box), box.stat().st_ctime_ns) == ""

    def test_no_mailbox_is_an_unchanged_one(self, tmp_path: Path) -> None:
        assert stalelocks.judge(lock_status(121), b"0", str(tmp_path / "none"), NOW) == "old"


@contextmanager
def refused() -> Iterator[bool]:
    yield False


@contextmanager
def granted() -> Iterator[bool]:
    yield True


@pytest.fixture
def everything_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stalelocks, "STALE", -(10**6))


class TestBreaking:
    def test_a_dead_owner_is_broken(self, box: Path) -> None:
        lock = box.with_name("box.lock")
        lock.write_text(f"{dead_pid()}:{HOST}")
        with locks.dotlock(str(box), 0):
            assert lock.read_text() == f"{os.getpid()}:{HOST}"

    @pytest.mark.usefixtures("everything_is_old")
    def test_an_old_one_is_broken_only_with_the_kernel_lock(self, box: Path) -> None:
        lock = box.with_name("box.lock")
        lock.write_text("0\n")
        assert dotlocks.try_dotlock(str(box), obtained=refused) is None
        assert lock.read_text() == "0\n"
        held = dotlocks.try_dotlock(str(box), obtained=granted)
        assert held is not None
        assert lock.read_text() == f"{os.getpid()}:{HOST}"
        held.release()

    def test_of_a_dead_owner_no_kernel_lock_is_asked(self, box: Path) -> None:
        box.with_name("box.lock").write_text(f"{dead_pid()}:{HOST}")
        held = dotlocks.try_dotlock(str(box), obtained=refused)
        assert held is not None
        held.release()

    @pytest.mark.usefixtures("everything_is_old")
    @pytest.mark.parametrize(("order", "breaks"), [("dotlock,fcntl", True), ("fcntl,dotlock", True), ("dotlock", True)])
    def test_every_order_asks_for_the_kernel_lock(self, box: Path, order: str, breaks: bool) -> None:
        lock = box.with_name("box.lock")
        lock.write_text("0\n")
        rules = LockRules(tuple(order.split(",")), timeout=0)
        with opened(box) as fd:
            for call in ("lockf", "flock"):
                with child_holding(HOLD, box, fcntl.LOCK_EX, call):
                    with pytest.raises(StoreBusy), mailbox_lock(str(box), fd, rules):
                        pass
                    assert lock.read_text() == "0\n"
            with mailbox_lock(str(box), fd, rules):
                assert (lock.read_text() == f"{os.getpid()}:{HOST}") is breaks

    @pytest.mark.parametrize("make", [lambda path: path.symlink_to("elsewhere"), Path.mkdir, os.mkfifo])
    @pytest.mark.usefixtures("everything_is_old")
    def test_what_is_no_lock_file_is_said_and_stays(self, box: Path, make: Callable[[Path], None]) -> None:
        lock = box.with_name("box.lock")
        make(lock)
        before = lock.lstat()
        with pytest.raises(CannotCreate, match=r"box\.lock is a (symbolic link|directory|pipe)"):
            dotlocks.try_dotlock(str(box))
        assert lock.lstat() == before
        assert sorted(os.listdir(box.parent)) == ["box", "box.lock"]

    def test_one_breaker_at_a_time(self, box: Path) -> None:
        lock = box.with_name("box.lock")
        lock.write_text(f"{dead_pid()}:{HOST}")
        with opened(lock, os.O_RDONLY) as fd:
            fcntl.flock(fd, fcntl.LOCK_EX)
            with pytest.raises(StoreBusy), locks.dotlock(str(box), 0):
                pass
        assert lock.exists()

    def test_a_lock_that_another_breaker_replaced_stays(self, box: Path) -> None:
        lock = box.with_name("box.lock")
        lock.write_text(f"{dead_pid()}:{HOST}")

        @contextmanager
        def meanwhile() -> Iterator[bool]:
            lock.rename(box.with_name("kept"))  # so that its inode is not given again
            lock.write_text("1:elsewhere")
            yield True

        assert dotlocks.try_dotlock(str(box), obtained=meanwhile) is None
        assert lock.read_text() == "1:elsewhere"
