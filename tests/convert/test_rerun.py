"""Run again: nothing twice, nothing missing, whatever happened in between."""

from __future__ import annotations

from pathlib import Path

import pytest
from convert.kit import ON_DISK, fill, location, make, put, quiet, reopen, seen

from mailstore import Arrival, FolderPath, SetState, Store, open_store
from mailstore.convert import Report, convert, plan
from mailstore.testing.observe import bodies

WORK = FolderPath(("Work",))


@pytest.fixture(params=ON_DISK)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def old(quick_path: Path) -> Store:
    """A source on disk with three messages in each of two folders."""
    with make("sqlite", quick_path, "from") as store:
        for path in ("INBOX", "Work"):
            for n in (1, 2, 3):
                store.folder(path, create=True).append(f"Subject: {n}\n\n{path}\n".encode(), uid=n * 2)
    return reopen(store)


def run(old: Store, kind: str, quick_path: Path) -> tuple[Report, dict[str, object]]:
    """Convert in a session of its own; returns the report and what is there then."""
    with open_store(location(kind, quick_path, "to"), create=True) as new:
        report = convert(old, new, quiet())
    with open_store(location(kind, quick_path, "to")) as new:
        return report, dict(seen(new))


def counts(report: Report) -> tuple[int, int, int, int]:
    return report.found, report.copied, report.skipped, report.failed


def test_a_finished_conversion_copies_nothing(old: Store, kind: str, quick_path: Path) -> None:
    first, before = run(old, kind, quick_path)
    assert counts(first) == (6, 6, 0, 0)
    second, after = run(old, kind, quick_path)
    assert counts(second) == (6, 0, 6, 0)
    assert second.ok
    assert second.verified is True
    assert after == before == seen(old)


@pytest.mark.parametrize("source", ON_DISK)
def test_whatever_the_source_nothing_is_copied_again(source: str, quick_path: Path) -> None:
    with make(source, quick_path, "from") as old:
        fill(old)
    for expected in (True, False):
        with reopen(old, readonly=True) as old, open_store(location("sqlite", quick_path, "to"), create=True) as new:
            report = convert(old, new, quiet())
            assert report.ok
            assert bool(report.copied) is expected
            assert report.copied + report.skipped == report.found


def test_only_what_is_new_is_copied(old: Store, kind: str, quick_path: Path) -> None:
    run(old, kind, quick_path)
    old.inbox.append(b"Subject: new\n\nnew\n", flags=["\\Flagged", "Word"])
    old.folder("Work").append(b"Subject: 1\n\nWork\n")  # the same bytes as one that is there: another message
    old.create("Later").append(b"Subject: later\n\n")
    report, after = run(old, kind, quick_path)
    assert counts(report) == (9, 3, 6, 0)
    assert report.ok
    assert after == seen(old)


def test_what_was_deleted_there_does_not_come_back(old: Store, kind: str, quick_path: Path) -> None:
    run(old, kind, quick_path)
    with open_store(location(kind, quick_path, "to")) as new:
        new.inbox.expunge([4], only_deleted=False)
    report, after = run(old, kind, quick_path)
    assert counts(report) == (6, 0, 6, 0)
    assert report.ok
    assert list(after["INBOX"][2]) == [2, 6]  # type: ignore[index]


def test_what_was_all_deleted_there_does_not_come_back(old: Store, quick_path: Path) -> None:
    run(old, "sqlite", quick_path)
    with open_store(location("sqlite", quick_path, "to")) as new:
        new.inbox.expunge([2, 4, 6], only_deleted=False)
    report, after = run(old, "sqlite", quick_path)
    assert counts(report) == (6, 0, 6, 0)
    assert len(after["INBOX"][2]) == 0  # type: ignore[index]


def test_other_mail_under_the_same_numbers_hides_nothing(old: Store, kind: str, quick_path: Path) -> None:
    run(old, kind, quick_path)
    with open_store(location(kind, quick_path, "to")) as new:
        validity = new.folder("Work").state().uidvalidity
        new.delete("Work")
        others = [Arrival(f"Subject: other {n}\n\n".encode(), uid=2 * n) for n in range(1, 5)]
        put(new, WORK, others, SetState(WORK, validity, 20))
    report, after = run(old, kind, quick_path)
    assert counts(report) == (6, 3, 3, 0)
    assert list(after["Work"][2]) == [2, 4, 6, 8, 20, 21, 22]  # type: ignore[index]


def test_what_was_deleted_in_the_source_stays(old: Store, kind: str, quick_path: Path) -> None:
    _, before = run(old, kind, quick_path)
    old.inbox.expunge([4], only_deleted=False)
    report, after = run(old, kind, quick_path)
    assert counts(report) == (5, 0, 5, 0)
    assert after == before


def test_a_folder_that_was_deleted_there_is_copied_again(old: Store, kind: str, quick_path: Path) -> None:
    _, before = run(old, kind, quick_path)
    with open_store(location(kind, quick_path, "to")) as new:
        new.delete("Work")
    report, after = run(old, kind, quick_path)
    assert counts(report) == (6, 3, 3, 0)
    assert after == before


def test_a_journal_that_outlives_its_destination_hides_nothing(old: Store, quick_path: Path) -> None:
    _, before = run(old, "sqlite", quick_path)
    for path in quick_path.glob("to-sqlite*"):
        path.unlink()
    report, after = run(old, "sqlite", quick_path)
    assert counts(report) == (6, 6, 0, 0)
    assert after == before


def test_a_folder_that_was_replaced_by_some_of_its_messages_gets_the_others(
    old: Store, kind: str, quick_path: Path
) -> None:
    run(old, kind, quick_path)
    with open_store(location(kind, quick_path, "to")) as new:
        new.delete("Work")
        for n in (3, 1):
            new.folder("Work", create=True).append(f"Subject: {n}\n\nWork\n".encode())
    report, after = run(old, kind, quick_path)
    assert counts(report) == (6, 1, 5, 0)
    assert [message.body for message in after["Work"][2].values()] == [  # type: ignore[index]
        b"Subject: 3\n\nWork\n",
        b"Subject: 1\n\nWork\n",
        b"Subject: 2\n\nWork\n",
    ]


def test_a_rerun_into_a_store_with_mail_of_its_own(old: Store, kind: str, quick_path: Path) -> None:
    with make(kind, quick_path, "to") as new:
        new.inbox.append(b"Subject: mine\n\n")
    first, _ = run(old, kind, quick_path)
    assert counts(first) == (6, 6, 0, 0)
    assert [folder.uids_kept for folder in first.folders] == [False, True]
    with open_store(location(kind, quick_path, "to")) as new:
        new.inbox.append(b"Subject: mine, too\n\n")
    second, _ = run(old, kind, quick_path)
    assert counts(second) == (6, 0, 6, 0)
    with open_store(location(kind, quick_path, "to")) as new:
        assert bodies(new.inbox) == [
            b"Subject: mine\n\n",
            *(f"Subject: {n}\n\nINBOX\n".encode() for n in (1, 2, 3)),
            b"Subject: mine, too\n\n",
        ]


def test_two_sources_into_one_store(old: Store, quick_path: Path) -> None:
    with make("sqlite", quick_path, "other") as other:
        other.inbox.append(b"Subject: 1\n\nINBOX\n")
        other.inbox.append(b"Subject: other\n\n")
        for source, expected in (
            (old, (6, 6, 0, 0)),
            (other, (2, 2, 0, 0)),
            (old, (6, 0, 6, 0)),
            (other, (2, 0, 2, 0)),
        ):
            report, _ = run(source, "maildir++", quick_path)
            assert counts(report) == expected


def test_one_source_into_two_accounts_of_a_database(old: Store, quick_path: Path) -> None:
    for expected in (6, 0):
        for account in ("a", "b"):
            with open_store(f"sqlite:{quick_path}/both.db?account={account}", create=True) as new:
                report = convert(old, new, quiet())
                assert counts(report) == (6, expected, 6 - expected, 0)
                assert seen(new) == seen(old)


def test_messages_that_lost_their_keys_are_known_by_their_bytes(old: Store, kind: str, quick_path: Path) -> None:
    """A folder that was renamed away and back by copying: other UIDs, other keys, the same mail."""
    run(old, kind, quick_path)
    work = old.folder("Work")
    copied = old.create("Copy")
    work.move([row.uid for row in work.rows()], copied)
    old.delete("Work")
    old.rename("Copy", "Work")
    report, after = run(old, kind, quick_path)
    assert counts(report) == (6, 0, 6, 0)
    assert len(after["Work"][2]) == 3  # type: ignore[index]


def test_a_plan_tells_what_is_there_already(old: Store, quick_path: Path) -> None:
    run(old, "sqlite", quick_path)
    old.inbox.append(b"Subject: new\n\n")
    with open_store(location("sqlite", quick_path, "to"), readonly=True) as new:
        found = plan(old, new)
    assert (found.messages, found.already) == (7, 6)


def test_what_was_not_compared_is_compared_by_the_next_run(old: Store, kind: str, quick_path: Path) -> None:
    with open_store(location(kind, quick_path, "to"), create=True) as new:
        report = convert(old, new, quiet(verify=False))
        assert report.verified is None
        assert report.ok
        new.folder("Work").expunge([4], only_deleted=False)
    report, _ = run(old, kind, quick_path)
    assert counts(report) == (6, 0, 6, 0)
    assert report.verified is False
    assert [(problem.folder, problem.uid, problem.error) for problem in report.problems] == [("Work", 4, "missing")]
    assert not report.ok
