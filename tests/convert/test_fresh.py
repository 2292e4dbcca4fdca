"""Folders published whole, in one process and in several, over stores in memory that offer the shortcuts."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from convert.kit import put, seen
from convert.shortcuts import FreshDriver, fresh

from mailstore import FolderExists, FolderPath, MessageTooLarge, SetState, StorageFull, Store, UnreadableMessage
from mailstore.convert import Options, Report, convert, reading
from mailstore.convert import fresh as convert_fresh
from mailstore.model.changes import Append
from mailstore.model.info import Arrival, Meta

WORK = FolderPath(("Work",))


@pytest.fixture(autouse=True)
def _fork_for_little(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (convert_fresh, reading):
        monkeypatch.setattr(module, "WORTH_FORKING", 1)


@pytest.fixture
def old() -> Store:
    store, _ = fresh()
    for path in (FolderPath(("INBOX",)), WORK):
        arrivals = [
            Arrival(
                f"Subject: {n}\n\n".encode(), Meta(n, frozenset({f"k{n}"}), n * 100, n, f"{n}@x", None), None, n * 2
            )
            for n in range(1, 12)
        ]
        put(store, path, arrivals, SetState(path, 777, 50))
    return store


def run(old: Store, new: Store, processes: int, **options: Any) -> Report:
    return convert(old, new, Options(processes=processes, **options))


def counts(report: Report) -> tuple[int, int, int, int]:
    return report.found, report.copied, report.skipped, report.failed


each_number = pytest.mark.parametrize("processes", [1, 2, 3])


@each_number
def test_everything_arrives(old: Store, processes: int) -> None:
    new, driver = fresh()
    report = run(old, new, processes)
    assert counts(report) == (22, 22, 0, 0)
    assert report.ok
    assert report.verified is True
    assert driver.published == 2
    assert len(driver.pids) == (processes + 1 if processes > 1 else 1)
    assert os.getpid() in driver.pids
    assert seen(new) == seen(old)
    assert all(folder.uids_kept for folder in report.folders)


@each_number
def test_run_again_nothing_is_copied(old: Store, processes: int, tmp_path: Path) -> None:
    """Keys that several parts have in common do not confuse the journal, nor do equal messages."""
    old.folder(WORK).append(b"Subject: 1\n\n")
    new, _ = fresh()
    for expected in (23, 0):
        report = run(old, new, processes, journal=str(tmp_path / "journal"))
        assert counts(report) == (23, expected, 23 - expected, 0)
        assert report.ok
    assert seen(new) == seen(old)


@each_number
def test_one_that_cannot_be_read_is_told_by_its_position(old: Store, processes: int) -> None:
    new, _ = fresh()
    assert isinstance(old.driver, FreshDriver)
    old.driver.spoil = lambda row: row._replace(body=None, error=UnreadableMessage("torn")) if row.uid == 18 else row
    report = run(old, new, processes, folders=(WORK,))
    assert counts(report) == (11, 10, 0, 1)
    (problem,) = report.problems
    assert (problem.folder, problem.position, problem.uid, problem.reason) == ("Work", 9, 18, "torn")


@each_number
def test_one_that_is_refused_sends_the_folder_the_general_way(old: Store, processes: int, tmp_path: Path) -> None:
    new, driver = fresh()

    def refuse(arrival: Arrival) -> None:
        if arrival.uid == 6:
            raise MessageTooLarge("not this one")

    driver.on_add = refuse
    driver.refuse_staging = lambda arrival: MessageTooLarge("not this one") if arrival.uid == 6 else None
    report = run(old, new, processes, rejected=str(tmp_path / "rejected"))
    assert counts(report) == (22, 20, 0, 2)
    assert driver.published == 0
    assert [(problem.folder, problem.position) for problem in report.problems] == [("INBOX", 3), ("Work", 3)]
    assert list(seen(new)["Work"][2]) == [2, 4, 8, 10, 12, 14, 16, 18, 20, 22]


@each_number
def test_a_full_disk_leaves_nothing(old: Store, processes: int) -> None:
    new, driver = fresh()

    def fill(arrival: Arrival) -> None:
        if arrival.uid == 20:
            raise StorageFull("no space")

    driver.on_add = fill
    with pytest.raises(StorageFull):
        run(old, new, processes)
    assert driver.published == 0
    assert driver.discarded == 1
    assert len(new.inbox) == 0


@pytest.mark.parametrize("processes", [2, 3])
def test_a_child_that_dies_leaves_nothing(old: Store, processes: int, tmp_path: Path) -> None:
    new, driver = fresh()
    driver.on_add = lambda arrival: os.kill(os.getpid(), signal.SIGKILL) if arrival.uid == 20 else None
    with pytest.raises(Exception, match="died"):
        run(old, new, processes, journal=str(tmp_path / "journal"))
    assert len(new.inbox) == 0
    driver.on_add = lambda arrival: None
    assert counts(run(old, new, processes, journal=str(tmp_path / "journal"))) == (22, 22, 0, 0)


@each_number
def test_mail_that_comes_meanwhile_stays(old: Store, processes: int) -> None:
    new, driver = fresh()
    real = new.folder("INBOX")

    def arrive() -> None:
        if not len(real):
            real.append(b"Subject: quick\n\n")
            raise FolderExists("INBOX has mail", folder="INBOX")

    driver.on_publish = arrive
    report = run(old, new, processes)
    assert counts(report) == (22, 22, 0, 0)
    assert [message.body for message in seen(new)["INBOX"][2].values()][:2] == [
        b"Subject: quick\n\n",
        b"Subject: 1\n\n",
    ]
    assert driver.published == 1
    assert [folder.uids_kept for folder in report.folders] == [False, True]


@each_number
def test_killed_after_publishing_and_run_again(old: Store, processes: int, tmp_path: Path) -> None:
    new, driver = fresh()
    real = driver.real.commit

    class Killed(BaseException):
        pass

    def commit(changes: Sequence[Any], **options: Any) -> Any:
        outcomes = real(changes, **options)
        if any(isinstance(change, Append) for change in changes):
            raise Killed
        return outcomes

    driver.real.commit = commit
    with pytest.raises(Killed):
        run(old, new, processes, journal=str(tmp_path / "journal"))
    del driver.real.commit
    assert len(new.inbox) == 11
    report = run(old, new, processes, journal=str(tmp_path / "journal"))
    assert counts(report) == (22, 11, 11, 0)
    assert report.ok
    assert seen(new) == seen(old)


@each_number
def test_a_folder_of_very_many_goes_the_general_way(
    old: Store, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convert_fresh, "MOST", 10)
    new, driver = fresh()
    report = run(old, new, processes)
    assert counts(report) == (22, 22, 0, 0)
    assert report.ok
    assert (driver.published, driver.discarded) == (0, 2)
    assert seen(new) == seen(old)
