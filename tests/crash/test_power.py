"""The power is cut, as often as wanted: no acknowledged mail is missing, none is torn, none is there twice.

A deliverer writes into a mounted ext4 and notes each acknowledgement elsewhere. At moments of chance the file behind
the file system is cloned: what the machine had in memory is not in the clone. The clone is mounted (its journal is
replayed) and read. What was acknowledged before the clone was begun has to be there.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from crash.kit import FORMS, MESSAGES, THOROUGH, listed, location, message, other, see, source
from support.disks import clone, clones, ext4, mounted, run
from support.mstore import COMMAND, mstore
from support.peers import UTC, need

from mailstore import open_store

pytestmark = pytest.mark.root

LINE = 8
"""Bytes of an acknowledgement."""
WITHOUT_SYNC = ("strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync,syncfs")
WITHOUT_SYNC += ("-e", "inject=fsync,fdatasync,syncfs:retval=0")
"""Makes every sync of a command do nothing and say that it worked."""
NEVER = "commit=6000"
"""Keeps ext4 from writing its journal before somebody asks."""


class Deliverer:
    """A process that delivers, and how many messages it has acknowledged."""

    def __init__(self, where: str, single: int, batched: int, notes: Path, prefix: tuple[str, ...] = ()) -> None:
        self.total = single + batched
        self._notes = notes
        program = Path(__file__).with_name("deliverer.py")
        environment = {**UTC, "PYTHONPATH": ":".join(path for path in sys.path if path)}
        with notes.open("wb") as file:
            self._process = subprocess.Popen(
                [*prefix, sys.executable, program, where, str(single), str(batched)],
                stdin=subprocess.PIPE,
                stdout=file,
                env=environment,
            )

    def acknowledged(self) -> int:
        return self._notes.stat().st_size // LINE

    def wait_for(self, count: int) -> int:
        """Return how many are acknowledged once ``count`` are."""
        while (done := self.acknowledged()) < count:
            assert self._process.poll() is None, "the deliverer ended early"
            time.sleep(0.001)
        return done

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait(60) == 0

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()


@contextmanager
def disk(tmp_path: Path, *options: str) -> Iterator[tuple[Path, Path]]:
    """Yield a file with an ext4 in it, that ``clone`` can copy, and where it is mounted."""
    with clones(tmp_path) as place, ext4(place / "disk", tmp_path / "disk", NEVER, *options) as at:
        yield place / "disk", at


@contextmanager
def delivering(
    form: str, tmp_path: Path, at: Path, single: int, batched: int, prefix: tuple[str, ...] = ()
) -> Iterator[Deliverer]:
    """Make a store, all of it on the disk, and deliver into it."""
    open_store(location(form, at), create=True).close()
    run("sync", "-f", at)
    deliverer = Deliverer(location(form, at), single, batched, tmp_path / "acknowledged", prefix)
    try:
        yield deliverer
    finally:
        deliverer.kill()


def check(form: str, copy: Path, at: Path, acknowledged: int, total: int) -> None:
    """Look at what is left after the power cut: before recovery, after it, and after one more delivery."""
    with mounted(copy, at):
        there = see(form, at)
        forget_empty_lock(at)
        torn = there.count(-1)
        assert torn <= (form == "mbox"), "torn messages are visible"  # of an mbox the one that is being appended
        whole = there[: len(there) - torn] if form == "mbox" else there
        assert whole == list(range(len(whole))), "messages are missing, double, torn or out of order"
        assert acknowledged <= len(whole) <= total
        assert listed(form, at) == whole, "recovery took or added messages"
        with open_store(location(form, at)) as store:
            store.inbox.append(message(len(whole)))
        assert see(form, at) == listed(form, at) == [*whole, len(whole)]


def forget_empty_lock(at: Path) -> None:
    """Remove an mbox' dotlock whose text was not on the disk yet: it names no owner and would cost two minutes."""
    lock = at / "mbox.lock"
    if lock.exists() and not lock.read_bytes().strip(b"\0"):
        lock.unlink()


@pytest.mark.parametrize(
    ("form", "options", "single", "batched", "cuts"),
    [
        *((form, (), 250, 100, 4) for form in FORMS),
        *((form, ("data=writeback",), 40, 20, 1) for form in FORMS),
        *((form, ("barrier=0", "data=journal"), 60, 40, 2) for form in FORMS if THOROUGH),
    ],
)
def test_no_acknowledged_mail_is_lost(
    form: str, options: tuple[str, ...], single: int, batched: int, cuts: int, tmp_path: Path
) -> None:
    """350 mails in each format, 1,050 in all, and every one of them is acknowledged before the last cut."""
    total = single + batched
    chance = random.Random(f"{form}{options}")
    moments = sorted(chance.randrange(1, total) for _ in range(cuts * (10 if THOROUGH else 1)))
    with disk(tmp_path, *options) as (image, at):
        copies = []
        with delivering(form, tmp_path, at, single, batched) as deliverer:
            for moment in [*moments, total]:
                acknowledged = deliverer.wait_for(moment)
                time.sleep(chance.random() * 0.002)  # into the middle of the next delivery
                copies.append((clone(image, image.with_name(f"copy{len(copies)}")), acknowledged))
            deliverer.end()
        assert copies[-1][1] == total
        for copy, acknowledged in copies:
            check(form, copy, tmp_path / "after", acknowledged, total)


@pytest.mark.parametrize("form", FORMS)
def test_without_syncs_acknowledged_mail_is_lost(form: str, tmp_path: Path) -> None:
    """The test above can fail: the same deliverer, its syncs made ineffective, loses mail."""
    need("strace")
    with disk(tmp_path) as (image, at):
        with delivering(form, tmp_path, at, 50, 0, WITHOUT_SYNC) as deliverer:
            acknowledged = deliverer.wait_for(50)
            copy = clone(image, image.with_name("copy"))
            deliverer.end()
        assert see(form, at) == list(range(50))
        with mounted(copy, tmp_path / "after") as after:
            left = {number for number in see(form, after) if number >= 0}
            assert len(left) < acknowledged == 50


@pytest.mark.parametrize("form", FORMS)
def test_a_conversion_that_ended_is_on_the_disk(form: str, tmp_path: Path) -> None:
    """What ``mstore convert`` reports as done passes ``mstore verify`` after a power cut at that moment."""
    origin = source(other(form), tmp_path)
    with disk(tmp_path, "data=writeback") as (image, at):
        ran = mstore("convert", origin, location(form, at))
        copy = clone(image, image.with_name("copy"))
        assert ran.code == 0, ran.err
        with mounted(copy, tmp_path / "after") as after:
            ran = mstore("verify", origin, location(form, after))
            assert ran.code == 0, ran.err + ran.out
            assert sorted(see(form, after)) == list(range(MESSAGES))


@pytest.mark.parametrize("form", FORMS)
def test_a_conversion_that_was_cut_off_is_finished_by_the_next(form: str, tmp_path: Path) -> None:
    """Every message once, and the report says so; at any of some moments of chance."""
    origin = source(other(form), tmp_path)
    copies = []
    with disk(tmp_path) as (image, at):
        process = subprocess.Popen([*COMMAND, "convert", "-q", origin, location(form, at)])
        while process.poll() is None:
            copies.append(clone(image, image.with_name(f"copy{len(copies)}")))
            time.sleep(0.002)
        assert process.returncode == 0
        used = [copy for number, copy in enumerate(copies) if number >= len(copies) - (40 if THOROUGH else 3)]
        states = set()
        for copy in used:
            with mounted(copy, tmp_path / "after") as after:
                before = see(form, after)
                forget_empty_lock(after)
                assert before.count(-1) <= (form == "mbox")
                states.add(len(before))
                ran = mstore("convert", "--json", origin, location(form, after))
                assert ran.code == 0, ran.err
                assert (ran.json["messages"]["found"], ran.json["messages"]["failed"]) == (MESSAGES, 0)
                assert sorted(see(form, after)) == sorted(listed(form, after)) == list(range(MESSAGES))
        assert states <= set(range(MESSAGES + 1))
