"""Following a source that is in use, and the switch: everything is there, once; who comes in between waits."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from convert.kit import ON_DISK, location, quiet

from mailstore import StorageFull, Store, StoreBusy, UsageError, open_store
from mailstore.convert import Conversion, Followed, Follower, Report, Status, convert, look, pairing, verify_stores
from mailstore.convert import follow as follow_module
from mailstore.convert.record import FolderRecord
from mailstore.spi import FolderDriver
from mailstore.testing.observe import bodies, tree

DELIVERER = """
import os, sys, mailstore
where, until = sys.argv[1:]
number = 0
while not os.path.exists(until):
    with mailstore.open_store(where, lock_timeout=60) as store:
        store.inbox.append(b"Subject: %d\\n\\ncame meanwhile\\n" % number, flags=[])
        number += 1
        if number == 3:
            store.create("Made/meanwhile").append(b"Subject: there\\n\\n")
    print(number, flush=True)
"""


@contextmanager
def deliveries(where: str, until: Path) -> Iterator[Callable[[], int]]:
    """Deliver all the time in another process, until a file appears; gives what waits for its end and tells how many.

    They have begun when the block does.
    """
    words = [sys.executable, "-c", DELIVERER, where, str(until)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"

        def count() -> int:
            until.touch()
            assert process.stdout is not None
            lines = process.stdout.read().split()
            assert process.wait(60) == 0
            return int(lines[-1]) if lines else 1

        try:
            yield count
        finally:
            until.touch()


class Follow:
    """A follower with all that it told; what is to happen at a state is given by name."""

    def __init__(self, source: Store, destination: Store, **at: Callable[[Follower], object]) -> None:
        self.told: list[Status] = []
        self._at = at
        self.follower = Follower(source, destination, quiet(), tell=self._tell)

    def _tell(self, status: Status) -> None:
        self.told.append(status)
        self._at.get(status.state, lambda _: None)(self.follower)

    def run(self, at_switch: Callable[[], bool] = lambda: True, linger: float = 0.0) -> Followed:
        return self.follower.run(at_switch, linger)

    @property
    def states(self) -> list[str]:
        """What it was in, without repetitions."""
        found = [status.state for status in self.told]
        return [state for state, before in zip(found, [None, *found], strict=False) if state != before]


def fill(where: str, count: int = 20) -> None:
    with open_store(where, create=True) as store:
        store.inbox.append_many([])
        for number in range(count):
            store.inbox.append(f"Subject: old {number}\n\n".encode(), flags=["\\Seen"][: number % 2])
        store.create("Work").append(b"Subject: work\n\n", flags=["\\Flagged"])


@pytest.mark.parametrize("kind", ON_DISK)
def test_deliveries_all_the_time_and_a_switch(kind: str, tmp_path: Path) -> None:
    origin, target = location(kind, tmp_path, "from"), location("sqlite", tmp_path, "to")
    fill(origin)
    stop = tmp_path / "stop"
    with (
        open_store(origin, readonly=True) as old,
        open_store(target, create=True) as new,
        deliveries(origin, stop) as delivered,
    ):
        follow = Follow(old, new, following=Follower.switch)

        def at_switch() -> bool:
            with open_store(origin, lock_timeout=0) as other, pytest.raises(StoreBusy):
                other.inbox.append(b"Subject: kept out\n\n")
            stop.touch()
            return True

        ended = follow.run(at_switch, linger=0.5)
        count = delivered()
        assert ended.ok
        assert ended.switched
        assert ended.locked > 0
        assert bool(ended.gaps) is kind.startswith("maildir")
        assert follow.states == ["copying", "following", "switching", "ready", "lingering"]
        convert(old, new, quiet())  # what came after the end
        assert verify_stores(old, new).differences == []
        found = Counter(bodies(new.inbox))
        assert max(found.values()) == 1
        assert len(found) == 20 + count


@pytest.mark.parametrize("kind", ON_DISK)
def test_where_nobody_can_be_kept_out_states_are_compared(kind: str, tmp_path: Path) -> None:
    origin = location(kind, tmp_path, "from")
    fill(origin)
    before = tree(tmp_path)
    with (
        open_store(origin, readonly=True, mask=["hold"]) as old,
        open_store("memory:", create=True) as new,
    ):
        ended = Follow(old, new, following=Follower.switch).run()
        assert (ended.switched, ended.ok, ended.copied) == (True, True, 21)
        assert ended.gaps.endswith("has no locks that keep other programs out")
        assert verify_stores(old, new).same
    assert tree(tmp_path) == before


def test_changes_are_carried_as_they_come(tmp_path: Path) -> None:
    origin = location("maildir", tmp_path, "from")
    fill(origin)
    steps: list[Callable[[Store], object]] = [
        lambda store: store.inbox.append(b"Subject: first\n\n"),
        lambda store: store.create("New").append(b"Subject: second\n\n"),
        lambda store: store.folder("New").append(b"Subject: third\n\n"),
    ]

    def change(follower: Follower) -> None:
        if steps:
            with open_store(origin) as store:
                steps.pop(0)(store)
        elif follow.told[-1].copied == 24:
            follower.stop()

    with open_store(origin, readonly=True) as old, open_store("memory:", create=True) as new:
        follow = Follow(old, new, following=change)
        ended = follow.run()
        assert (ended.switched, ended.ok, ended.copied) == (False, True, 24)
        assert follow.states == ["copying", "following"]
        assert bodies(new.folder("New")) == [b"Subject: second\n\n", b"Subject: third\n\n"]


def test_told_to_stop_in_the_midst_it_can_go_on(tmp_path: Path) -> None:
    origin, target = location("mbox", tmp_path, "from"), location("maildir", tmp_path, "to")
    with open_store(origin, create=True) as store:
        store.inbox.append_many([])
        for number in range(6):
            store.inbox.append(f"Subject: {number}\n\n".encode() + b"x" * 600_000)
    with open_store(origin, readonly=True) as old, open_store(target, create=True) as new:
        follower = Follower(old, new, quiet(), lambda _: follower.stop())
        ended = follower.run()
        assert not ended.switched
        again = convert(old, new, quiet())
        assert again.ok
        assert verify_stores(old, new).same


def test_trouble_that_passes_is_told_and_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    origin = location("sqlite", tmp_path, "from")
    fill(origin)
    real, calls = Conversion.carry, []

    def carry(conversion: Conversion, folders: object = None) -> Report:
        calls.append(folders)
        if len(calls) in (1, 3):
            raise StorageFull("/: no space left")
        return real(conversion, folders)  # type: ignore[arg-type]

    monkeypatch.setattr(Conversion, "carry", carry)
    with open_store(origin, readonly=True) as old, open_store("memory:", create=True) as new:
        follow = Follow(old, new, following=Follower.switch)
        ended = follow.run()
        assert (ended.switched, ended.ok) == (True, True)
        assert [status.trouble for status in follow.told if status.state == "waiting"] == ["/: no space left"] * 2
        assert verify_stores(old, new).same


def test_a_switch_that_was_not_made_is_none(tmp_path: Path) -> None:
    origin = location("mbox", tmp_path, "from")
    fill(origin)
    answers = [False, True]
    with open_store(origin, readonly=True) as old, open_store("memory:", create=True) as new:
        follow = Follow(old, new, following=Follower.switch)
        assert follow.run(lambda: answers.pop(0)).switched
        assert answers == []
        assert follow.states.count("ready") == 2


def test_switches_that_are_not_made_come_ever_more_seldom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a command that fails keeps the source locked, and whoever delivers out, as long as the file is there."""
    origin = location("mbox", tmp_path, "from")
    fill(origin, 1)
    now, times, asked = [0.0], [1.0, 3.0, 7.0], []
    monkeypatch.setattr(follow_module, "clock", SimpleNamespace(monotonic=lambda: now[0]))

    def tell(status: Status) -> None:
        if status.state == "following":
            now[0] = times.pop(0)

    def wanted() -> bool:
        assert len(asked) < 9
        asked.append(now[0])
        return True

    with open_store(origin, readonly=True) as old, open_store("memory:", create=True) as new:
        follower = Follower(old, new, quiet(), tell=tell, switch_when=wanted)
        assert follower.run(lambda: not times).switched
    assert asked == [0.0, 1.0, 3.0, 7.0]


def test_a_source_that_is_locked_is_waited_for(tmp_path: Path) -> None:
    origin = location("sqlite", tmp_path, "from")
    fill(origin)
    with (
        open_store(origin) as other,
        open_store(origin, readonly=True, lock_timeout=0) as old,
        open_store("memory:", create=True) as new,
    ):
        assert other.holding is not None
        hold = other.holding.hold([other.inbox.path])
        hold.__enter__()

        def release(_: object) -> None:
            hold.__exit__(None, None, None)
            follow.follower.switch()

        follow = Follow(old, new, following=Follower.switch, waiting=release)
        assert follow.run().switched
        assert "no switch: " in next(status.trouble for status in follow.told if status.state == "waiting")


def test_a_source_that_vanished_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    spool, away = tmp_path / "joe", tmp_path / "away"
    spool.write_bytes(b"From joe@example.org Tue Nov 14 22:13:20 2023\nSubject: x\n\ntext\n\n")

    def unmount(follower: Follower) -> None:
        spool.rename(away)
        follower.switch()

    def mount(follower: Follower) -> None:
        away.rename(spool)
        follower.switch()

    with open_store(f"mbox:{spool}", readonly=True) as old, open_store("memory:") as new:
        ended = Follow(old, new, following=lambda one: None if away.exists() else unmount(one), waiting=mount)
        result = ended.run()
        trouble = next(status.trouble for status in ended.told if status.state == "waiting")
        assert trouble == f"no switch: {spool} is not there any more: is its file system mounted?"
        assert (result.switched, bodies(new.inbox)) == (True, [b"Subject: x\n\ntext\n"])


def test_a_store_is_not_followed_into_itself(tmp_path: Path) -> None:
    origin = location("maildir", tmp_path, "from")
    fill(origin)
    with open_store(origin, readonly=True) as old, open_store(origin) as new, pytest.raises(UsageError):
        Follower(old, new)


@pytest.mark.parametrize("kind", ON_DISK)
def test_a_pass_looks_at_what_changed_alone(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    origin = location(kind, tmp_path, "from")
    fill(origin)
    asked: list[bool] = []
    real = look.look

    def counted(source: FolderDriver, record: FolderRecord, *, history: bool) -> look.Look:
        asked.append(source.changes(record.token, 0).full if history else True)
        return real(source, record, history=history)

    monkeypatch.setattr(pairing, "look", counted)
    with (
        open_store(origin, readonly=True) as old,
        open_store("memory:", create=True) as new,
        Conversion(old, new) as way,
    ):
        assert way.carry().copied == 21
        way.carry()
        with open_store(origin) as store:
            store.inbox.append(b"Subject: late\n\n")
            store.inbox.add_flags([1], ["\\Flagged"])
        asked.clear()
        report = way.carry([old.inbox.path])
        assert (report.copied, report.updated, report.verified) == (1, 1, True)
        assert asked == [False]
        assert verify_stores(old, new).same
