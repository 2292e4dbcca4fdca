"""Looks: shared, kept for a moment, and never waited for longer than was said."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator

import pytest

from mailstore.errors import MessageTooLarge, NoSuchStore, QuotaExceeded, StoreBusy
from mailstore.policy.lookups import Lookups

WAIT = 60.0
FULL = QuotaExceeded("full", resource="STORAGE", limit=1, usage=1, wanted=1)


class Mailboxes:
    """What is looked at: mailboxes with room; notes each look, and can hold them back.

    Attributes:
        room: bytes that fit, by key; a key without is not there.
        looks: what was looked at, in order.
        gates: looks at these keys wait until theirs is set.
    """

    def __init__(self) -> None:
        self.room: dict[str, int] = {}
        self.looks: list[tuple[str, int]] = []
        self.gates: dict[str, threading.Event] = {}
        self.begun = threading.Semaphore(0)
        self.time = 1000.0

    def check(self, key: str, size: int) -> None:
        self.looks.append((key, size))
        self.begun.release()
        if key in self.gates:
            assert self.gates[key].wait(WAIT)
        if key not in self.room:
            raise NoSuchStore(key)
        if size > self.room[key] + 1000:
            raise MessageTooLarge(key)
        if size > self.room[key]:
            raise FULL

    def clock(self) -> float:
        return self.time


@pytest.fixture
def mailboxes() -> Iterator[Mailboxes]:
    found = Mailboxes()
    yield found
    for gate in found.gates.values():
        gate.set()


def lookups(mailboxes: Mailboxes, timeout: float = WAIT, keep: float = 2.0, threads: int = 2) -> Lookups[str]:
    return Lookups(mailboxes.check, threads=threads, timeout=timeout, keep=keep, clock=mailboxes.clock)


def ask(found: Lookups[str], key: str, *sizes: int) -> list[BaseException | None]:
    """Ask about sizes one after the other."""

    async def work() -> list[BaseException | None]:
        return [await found.find(key, size) for size in sizes]

    return asyncio.run(work())


def test_what_was_found_decides_about_other_sizes(mailboxes: Mailboxes) -> None:
    mailboxes.room["joe"] = 100
    found = lookups(mailboxes)
    assert ask(found, "joe", 50, 50, 1, 0) == [None] * 4
    assert mailboxes.looks == [("joe", 50)]
    assert ask(found, "joe", 101, 101, 5000) == [FULL] * 3
    assert ask(found, "joe", 50, 7) == [None, None]
    assert mailboxes.looks == [("joe", 50), ("joe", 101)]
    assert ask(found, "joe", 100) == [None]
    assert mailboxes.looks == [("joe", 50), ("joe", 101), ("joe", 100)]
    assert ask(found, "joe", 99, 101) == [None, FULL]
    assert len(mailboxes.looks) == 3


def test_too_large_decides_about_what_is_larger_only(mailboxes: Mailboxes) -> None:
    mailboxes.room["joe"] = 100
    found = lookups(mailboxes)
    kinds = [type(error) for error in ask(found, "joe", 2000, 2001, 500, 100)]
    assert kinds == [MessageTooLarge, MessageTooLarge, QuotaExceeded, type(None)]
    assert mailboxes.looks == [("joe", 2000), ("joe", 500), ("joe", 100)]


def test_trouble_decides_about_any_size(mailboxes: Mailboxes) -> None:
    found = lookups(mailboxes)
    assert [type(error) for error in ask(found, "joe", 50, 1, 5000)] == [NoSuchStore] * 3
    assert mailboxes.looks == [("joe", 50)]


def test_what_was_found_holds_for_a_moment(mailboxes: Mailboxes) -> None:
    mailboxes.room["joe"] = 0
    found = lookups(mailboxes)
    assert ask(found, "joe", 5) == [FULL]
    mailboxes.room["joe"] = 10
    mailboxes.time += 1.9
    assert ask(found, "joe", 5) == [FULL]
    mailboxes.time += 0.1
    assert ask(found, "joe", 5) == [None]


def test_an_older_finding_holds_no_longer_for_a_newer_one(mailboxes: Mailboxes) -> None:
    mailboxes.room["joe"] = 10
    found = lookups(mailboxes)
    assert ask(found, "joe", 10) == [None]
    mailboxes.time += 1.5
    assert ask(found, "joe", 11) == [FULL]
    mailboxes.room["joe"] = 0
    mailboxes.time += 1.0
    assert ask(found, "joe", 10, 11) == [FULL, FULL]
    assert mailboxes.looks == [("joe", 10), ("joe", 11), ("joe", 10)]


def test_nothing_is_kept_where_that_is_wanted(mailboxes: Mailboxes) -> None:
    mailboxes.room["joe"] = 0
    found = lookups(mailboxes, keep=0)
    assert ask(found, "joe", 5) == [FULL]
    mailboxes.room["joe"] = 10
    assert ask(found, "joe", 5) == [None]


def run(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), WAIT))


async def begun(mailboxes: Mailboxes) -> None:
    """Wait until one look more has begun."""
    assert await asyncio.to_thread(mailboxes.begun.acquire, timeout=WAIT)


def test_who_comes_while_a_look_goes_on_shares_it(mailboxes: Mailboxes) -> None:
    mailboxes.room["joe"] = 100
    mailboxes.gates["joe"] = threading.Event()
    found = lookups(mailboxes, keep=0)

    async def work() -> None:
        tasks = [asyncio.create_task(found.find("joe", 50))]
        await begun(mailboxes)
        tasks += [asyncio.create_task(found.find("joe", size)) for size in (50, 7, 101)]
        await asyncio.sleep(0)
        mailboxes.gates["joe"].set()
        assert await asyncio.gather(*tasks) == [None, None, None, FULL]

    run(work)
    assert mailboxes.looks == [("joe", 50), ("joe", 101)]


def test_a_mailbox_that_hangs_takes_one_thread_and_nobodys_time(mailboxes: Mailboxes) -> None:
    mailboxes.room["ann"] = mailboxes.room["joe"] = 100
    mailboxes.gates["joe"] = threading.Event()
    found = lookups(mailboxes, timeout=0.05)

    async def work() -> None:
        for _ in range(3):
            late = await found.find("joe", 50)
            assert isinstance(late, StoreBusy)
            assert str(late) == "no answer within 0.05 seconds"
        mailboxes.time += 0.05
        assert isinstance(await found.find("joe", 50), StoreBusy)
        assert mailboxes.looks == [("joe", 50)]

    run(work)
    patient = lookups(mailboxes)  # the machine may be slow
    assert ask(patient, "ann", 50) == [None]


def test_a_look_that_ends_late_answers_the_next(mailboxes: Mailboxes) -> None:
    mailboxes.room["joe"] = 100
    mailboxes.gates["joe"] = threading.Event()
    found = lookups(mailboxes, timeout=0.05)

    async def work() -> None:
        assert isinstance(await found.find("joe", 50), StoreBusy)
        mailboxes.gates["joe"].set()
        while isinstance(await found.find("joe", 50), StoreBusy):
            await asyncio.sleep(0.01)
        assert await found.find("joe", 50) is None
        assert mailboxes.looks == [("joe", 50)]

    run(work)


def test_where_all_threads_hang_nobody_waits(mailboxes: Mailboxes) -> None:
    mailboxes.room.update(joe=100, ann=100, sue=100)
    mailboxes.gates.update(joe=threading.Event(), ann=threading.Event())
    found = lookups(mailboxes, timeout=WAIT)

    async def work() -> None:
        waiting = [asyncio.create_task(found.find(key, 50)) for key in ("joe", "ann")]
        for _ in waiting:
            await begun(mailboxes)
        third = asyncio.create_task(found.find("sue", 50))  # they do not hang yet: this one waits for its turn
        await asyncio.sleep(0)
        mailboxes.time += WAIT
        late = await found.find("eve", 50)
        assert isinstance(late, StoreBusy)
        assert str(late) == "all 2 threads hang at other mailboxes"
        for gate in mailboxes.gates.values():
            gate.set()
        assert await asyncio.gather(*waiting) == [None, None]
        assert isinstance(await third, StoreBusy)
        while isinstance(await found.find("sue", 50), StoreBusy):
            await asyncio.sleep(0.01)

    run(work)
    assert ("eve", 50) not in mailboxes.looks


def test_what_nobody_waits_for_any_more_is_not_looked_at(mailboxes: Mailboxes) -> None:
    mailboxes.room.update(joe=100, ann=100)
    mailboxes.gates["joe"] = threading.Event()
    found = lookups(mailboxes, timeout=0.05, threads=1)

    async def work() -> None:
        assert isinstance(await found.find("joe", 50), StoreBusy)
        assert isinstance(await found.find("ann", 50), StoreBusy)
        mailboxes.time += 0.05
        mailboxes.gates["joe"].set()
        while isinstance(await found.find("joe", 50), StoreBusy):
            await asyncio.sleep(0.01)

    run(work)
    assert ("ann", 50) not in mailboxes.looks


def test_one_who_gives_up_leaves_the_look_to_others(mailboxes: Mailboxes) -> None:
    mailboxes.room["joe"] = 100
    mailboxes.gates["joe"] = threading.Event()
    found = lookups(mailboxes)

    async def work() -> None:
        first, second = (asyncio.create_task(found.find("joe", 50)) for _ in range(2))
        await begun(mailboxes)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        mailboxes.gates["joe"].set()
        assert await second is None

    run(work)
    assert mailboxes.looks == [("joe", 50)]


def test_the_number_of_mailboxes_kept_is_limited(mailboxes: Mailboxes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailstore.policy.lookups._MOST_KEPT", 3)
    mailboxes.room.update(dict.fromkeys("abcd", 100))
    found = lookups(mailboxes)
    for key in "abcd":
        ask(found, key, 1)
    for key in "dcb":
        ask(found, key, 1)
    assert len(mailboxes.looks) == 4
    ask(found, "a", 1)
    assert len(mailboxes.looks) == 5


def test_closing_ends_the_threads(mailboxes: Mailboxes) -> None:
    mailboxes.room["joe"] = 1
    found = lookups(mailboxes)
    ask(found, "joe", 1)
    found.close()
    for thread in found._threads:
        thread.join(WAIT)
        assert not thread.is_alive()
