"""Reading in forked processes, for destinations that take messages from one process only."""

from __future__ import annotations

import os
import signal

import pytest
from convert.kit import put, seen
from convert.limited import limited
from convert.shortcuts import FreshDriver, fresh

from mailstore import FolderPath, MessageChanged, Row, SetState, StorageFailure, Store, UnreadableMessage, open_store
from mailstore.convert import Options, Report, convert, reading
from mailstore.model.info import Arrival, Meta
from mailstore.testing.samples import large

WORK = FolderPath(("Work",))
TOP = os.getpid()


@pytest.fixture(autouse=True)
def _fork_for_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "WORTH_FORKING", 1)


@pytest.fixture
def old() -> Store:
    store, _ = fresh()
    arrivals = [
        Arrival(f"Subject: {n}\n\n".encode(), Meta(n, frozenset({f"k{n}"}), n * 100, n, f"{n}@x"), None, n * 2)
        for n in range(1, 12)
    ]
    arrivals[3] = arrivals[3]._replace(body=large((2 << 20) + 77))
    arrivals[7] = arrivals[7]._replace(body=large((1 << 20) + 1))
    put(store, WORK, arrivals, SetState(WORK, 777, 50))
    return store


def driver_of(store: Store) -> FreshDriver:
    assert isinstance(store.driver, FreshDriver)
    return store.driver


def run(old: Store, new: Store, processes: int) -> Report:
    return convert(old, new, Options(processes=processes, folders=(WORK,)))


def counts(report: Report) -> tuple[int, int, int, int]:
    return report.found, report.copied, report.skipped, report.failed


each_number = pytest.mark.parametrize("processes", [1, 2, 3])


@each_number
def test_everything_arrives_in_order(old: Store, processes: int) -> None:
    pids: list[int] = []
    driver_of(old).spoil = lambda row: row._replace(notes=(f"read by {os.getpid()}",))
    new = open_store("memory:")
    report = run(old, new, processes)
    assert counts(report) == (11, 11, 0, 0)
    assert report.ok
    assert seen(new)["Work"] == seen(old)["Work"]
    assert report.folders[0].uids_kept
    pids = [int(note.split()[-1]) for note in report.notes]
    assert len(pids) == (processes + 1 if processes > 1 else 1)
    assert sum(report.notes.values()) == 11


@pytest.mark.parametrize("position", [1, 9])
@each_number
def test_one_that_cannot_be_read_is_told_by_its_position(old: Store, processes: int, position: int) -> None:
    def spoil(row: Row) -> Row:
        return row._replace(body=None, error=UnreadableMessage("torn")) if row.uid == 2 * position else row

    driver_of(old).spoil = spoil
    report = run(old, open_store("memory:"), processes)
    assert counts(report) == (11, 10, 0, 1)
    (problem,) = report.problems
    assert (problem.folder, problem.position, problem.reason) == ("Work", position, "torn")
    assert problem.uid == 2 * position


@each_number
def test_one_that_is_refused_is_told_by_its_position(old: Store, processes: int) -> None:
    new, driver = limited()
    driver.refuse_commit = lambda append: UnreadableMessage("not this") if append.uid == 8 else None
    report = run(old, new, processes)
    assert counts(report) == (11, 10, 0, 1)
    assert [(problem.position, problem.uid) for problem in report.problems] == [(4, 8)]
    assert list(seen(new)["Work"][2]) == [2, 4, 6, 10, 12, 14, 16, 18, 20, 22]


def spoil_in_children(error: BaseException | None) -> object:
    """Return what ends a child, by an error or by a kill, when it comes to the eighth message."""

    def spoil(row: Row) -> Row:
        if os.getpid() != TOP and row.uid == 16:
            if error is None:
                os.kill(os.getpid(), signal.SIGKILL)
            else:
                raise error
        return row

    return spoil


@pytest.mark.parametrize("error", [None, MessageChanged("it moved"), StorageFailure("no"), ZeroDivisionError()])
@pytest.mark.parametrize("processes", [2, 3])
def test_what_a_reader_does_not_give_is_read_here(old: Store, processes: int, error: BaseException | None) -> None:
    driver_of(old).spoil = spoil_in_children(error)  # type: ignore[assignment]
    new = open_store("memory:")
    report = run(old, new, processes)
    assert counts(report) == (11, 11, 0, 0)
    assert report.problems == []
    assert report.ok
    assert seen(new)["Work"] == seen(old)["Work"]


def test_what_nobody_can_read_is_a_problem(old: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    driver_of(old).break_listing_after = 7
    monkeypatch.setattr("convert.limited.BROKEN", [StorageFailure("input/output error")])
    new = open_store("memory:")
    report = run(old, new, 1)
    assert [(problem.folder, problem.position, problem.error) for problem in report.problems] == [
        ("Work", 0, "StorageFailure")
    ]
    assert not report.ok
