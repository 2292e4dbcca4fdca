"""Forked children: results in order, errors told, no child left behind."""

from __future__ import annotations

import os
import signal
import threading
from functools import partial

import pytest

from mailstore import NoSuchFolder, StorageFailure, StorageFull
from mailstore.convert.workers import Tell, can_fork, run_jobs


def count(number: int, tell: Tell) -> tuple[int, int]:
    for step in range(3):
        tell((number, step))
    return number, os.getpid()


def test_results_come_in_the_order_of_the_jobs() -> None:
    heard: list[object] = []
    results = run_jobs([partial(count, number) for number in range(3)], heard.append)
    assert [number for number, _ in results] == [0, 1, 2]
    assert len({os.getpid(), *(pid for _, pid in results)}) == 4
    for number in range(3):
        assert [told for told in heard if told[0] == number] == [(number, step) for step in range(3)]  # type: ignore[index]
    assert_no_children()


def assert_no_children() -> None:
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def full(tell: Tell) -> None:
    raise StorageFull("no space on the other disk")


def gone(tell: Tell) -> None:
    raise NoSuchFolder("no folder x", folder="x")


def die(tell: Tell) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def stumble(tell: Tell) -> None:
    raise ZeroDivisionError


def wait(tell: Tell) -> None:
    signal.pause()


@pytest.mark.parametrize(
    ("job", "error", "text"),
    [
        (full, StorageFull, "no space on the other disk"),
        (gone, StorageFailure, "no folder x"),
        (die, StorageFailure, "died"),
        (stumble, StorageFailure, "died"),
    ],
)
def test_what_fails_in_a_child_fails_here_and_ends_the_others(
    job: partial[None], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        run_jobs([wait, job, wait], lambda told: None)
    assert_no_children()


def test_large_results_pass() -> None:
    (result,) = run_jobs([lambda tell: b"x" * (5 << 20)], lambda told: None)
    assert result == b"x" * (5 << 20)


def test_a_child_runs_none_of_its_parents_clean_up() -> None:
    cleaned: list[int] = []

    class Guard:
        def __del__(self) -> None:
            cleaned.append(os.getpid())

    guard = Guard()
    run_jobs([lambda tell: None], lambda told: None)
    assert cleaned == []
    del guard
    assert cleaned == [os.getpid()]


def test_no_fork_beside_threads() -> None:
    assert can_fork()
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    thread.start()
    try:
        assert not can_fork()
    finally:
        release.set()
        thread.join()
