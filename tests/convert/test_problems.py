"""One message or folder that cannot be handled is named, counted and set aside; the rest goes on."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest
from convert import limited as kit
from convert.kit import quiet, seen
from convert.limited import limited

from mailstore import (
    FolderPath,
    InvalidFolderName,
    Location,
    MessageTooLarge,
    NoSuchFolder,
    NotAStore,
    ReadOnlyStore,
    Row,
    StorageFailure,
    StorageFull,
    Store,
    UnreadableMessage,
    UsageError,
    open_store,
)
from mailstore.convert import Report, convert
from mailstore.model.changes import Append
from mailstore.testing.observe import bodies

BAD = b"Subject: bad\n\nrefused\n"


@pytest.fixture
def old() -> Store:
    store = open_store("memory:")
    for body in (b"Subject: 1\n\n", BAD, b"Subject: 3\n\n"):
        store.inbox.append(body, uid=10 * (len(store.inbox) + 1))
    store.create("Work").append(b"Subject: work\n\n")
    return store


def counts(report: Report) -> tuple[int, int, int, int]:
    return report.found, report.copied, report.skipped, report.failed


def check_refused(report: Report, new: Store, rejected: Path, error: str) -> None:
    assert counts(report) == (4, 3, 0, 1)
    assert not report.ok
    assert report.verified is True
    (problem,) = report.problems
    assert (problem.folder, problem.position, problem.uid, problem.error) == ("INBOX", 2, 20, error)
    name = f"INBOX-2-{sha256(BAD).hexdigest()[:16]}.eml"
    assert problem.set_aside == str(rejected / name)
    assert [(path.name, path.read_bytes()) for path in rejected.iterdir()] == [(name, BAD)]
    assert {name: list(folder[2]) for name, folder in seen(new).items()} == {"INBOX": [10, 30], "Work": [1]}


def test_refused_when_staged(old: Store, tmp_path: Path) -> None:
    new, driver = limited()
    driver.refuse_staging = lambda arrival: MessageTooLarge("no such thing here") if arrival.body == BAD else None
    report = convert(old, new, quiet(rejected=str(tmp_path / "rejected")))
    check_refused(report, new, tmp_path / "rejected", "MessageTooLarge")
    assert driver.staged == []


def refuse_bad(append: Append) -> UnreadableMessage | None:
    return UnreadableMessage("cannot be kept") if append.staged.size == len(BAD) else None


@pytest.mark.parametrize("whole", [False, True], ids=["prefix", "all"])
def test_refused_when_committed(old: Store, tmp_path: Path, whole: bool) -> None:
    new, driver = limited()
    driver.refuse_commit = refuse_bad
    driver.whole_or_nothing = whole
    report = convert(old, new, quiet(rejected=str(tmp_path / "rejected")))
    check_refused(report, new, tmp_path / "rejected", "UnreadableMessage")
    assert driver.staged == []


def test_refused_before_it_is_tried(old: Store, tmp_path: Path) -> None:
    new, _ = limited(max_message=len(BAD) - 1)
    options = quiet(rejected=str(tmp_path / "rejected"), allow_loss=frozenset({"message-size"}))
    check_refused(convert(old, new, options), new, tmp_path / "rejected", "MessageTooLarge")


def test_what_was_refused_is_tried_again(old: Store, tmp_path: Path) -> None:
    new, driver = limited()
    driver.refuse_commit = refuse_bad
    options = quiet(rejected=str(tmp_path / "rejected"), journal=str(tmp_path / "journal"))
    convert(old, new, options)
    again = convert(old, new, options)
    assert counts(again) == (4, 0, 3, 1)
    assert len(again.problems) == 1
    assert len(list((tmp_path / "rejected").iterdir())) == 1
    driver.refuse_commit = lambda append: None
    last = convert(old, new, options)
    assert counts(last) == (4, 1, 3, 0)
    assert last.ok
    assert bodies(new.inbox) == [b"Subject: 1\n\n", b"Subject: 3\n\n", BAD]


def test_nothing_is_made_where_nothing_is_rejected(old: Store, tmp_path: Path) -> None:
    new, _ = limited()
    assert convert(old, new, quiet(rejected=str(tmp_path / "rejected"))).ok
    assert not (tmp_path / "rejected").exists()


def test_a_hostile_folder_name_stays_in_the_directory(tmp_path: Path) -> None:
    old, _ = open_store("memory:"), None
    for name in (("../../up",), ("..", "..", "up"), (".hidden",), ("nul\0",), ("x" * 400,)):
        old.folder(FolderPath(name), create=True).append(BAD)
    new, driver = limited()
    driver.refuse_commit = refuse_bad
    report = convert(old, new, quiet(rejected=str(tmp_path / "a" / "rejected")))
    assert counts(report) == (5, 0, 0, 5)
    found = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert len(found) == 5
    assert {path.parent for path in found} == {Path("a/rejected")}
    assert not any(path.name.startswith(".") for path in found)


def unreadable(row: Row) -> Row:
    if row.uid == 20:
        return row._replace(body=None, digest=None, error=UnreadableMessage("permission denied", uid=20))
    return row


def half_readable(row: Row) -> Row:
    return row._replace(error=UnreadableMessage("torn", uid=20)) if row.uid == 20 else row


def test_unreadable_in_the_source(old: Store, tmp_path: Path) -> None:
    source, driver = limited()
    driver.real = old.driver
    driver.spoil = unreadable
    new = open_store("memory:")
    report = convert(source, new, quiet(rejected=str(tmp_path / "rejected")))
    assert counts(report) == (4, 3, 0, 1)
    (problem,) = report.problems
    assert (problem.folder, problem.position, problem.uid, problem.reason) == ("INBOX", 2, 20, "permission denied")
    assert problem.set_aside == ""
    assert not report.ok
    assert not (tmp_path / "rejected").exists()


def test_half_readable_in_the_source_is_set_aside(old: Store, tmp_path: Path) -> None:
    source, driver = limited()
    driver.real = old.driver
    driver.spoil = half_readable
    new = open_store("memory:")
    report = convert(source, new, quiet(rejected=str(tmp_path / "rejected")))
    check_refused(report, new, tmp_path / "rejected", "UnreadableMessage")


def test_it_is_copied_once_it_can_be_read(old: Store, tmp_path: Path) -> None:
    source, driver = limited()
    driver.real = old.driver
    driver.spoil = unreadable
    new = open_store("memory:")
    options = quiet(journal=str(tmp_path / "journal"))
    convert(source, new, options)
    assert counts(convert(source, new, options)) == (4, 0, 3, 1)
    driver.spoil = lambda row: row
    report = convert(source, new, options)
    assert counts(report) == (4, 1, 3, 0)
    assert report.ok


def test_a_folder_that_ends_early(old: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    source, driver = limited()
    driver.real = old.driver
    driver.break_listing_after = 2
    monkeypatch.setattr(kit, "BROKEN", [StorageFailure("input/output error")])
    new = open_store("memory:")
    report = convert(source, new, quiet())
    assert [(problem.folder, problem.position, problem.error) for problem in report.problems] == [
        ("INBOX", 0, "StorageFailure")
    ]
    assert not report.ok
    assert bodies(new.inbox) == [b"Subject: 1\n\n", BAD]
    assert bodies(new.folder("Work")) == [b"Subject: work\n\n"]


def test_a_folder_that_cannot_be_read_at_all(old: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    source, driver = limited()
    driver.real = old.driver
    driver.break_listing_after = 0
    driver.break_state = True
    monkeypatch.setattr(kit, "BROKEN", [NotAStore("this is no mail")])
    report = convert(source, open_store("memory:"), quiet())
    assert [(problem.folder, problem.position, problem.error) for problem in report.problems] == [
        ("INBOX", 0, "NotAStore"),
        ("Work", 0, "NotAStore"),
    ]
    assert not report.ok


def test_a_folder_that_the_destination_cannot_have(old: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    new, driver = limited()

    def create(path: FolderPath) -> None:
        raise InvalidFolderName("no such names here", folder=str(path))

    monkeypatch.setattr(driver, "create", create, raising=False)
    report = convert(old, new, quiet())
    assert counts(report) == (4, 3, 0, 1)
    assert [(problem.folder, problem.position, problem.error) for problem in report.problems] == [
        ("Work", 0, "InvalidFolderName")
    ]


def test_a_full_disk_ends_it_and_what_was_copied_is_noted(old: Store, tmp_path: Path) -> None:
    new, driver = limited()
    options = quiet(journal=str(tmp_path / "journal"))
    driver.refuse_commit = lambda append: StorageFull("no space") if append.staged.size == len(BAD) else None
    with pytest.raises(StorageFull):
        convert(old, new, options)
    assert driver.staged == []
    driver.refuse_commit = lambda append: None
    report = convert(old, new, options)
    assert counts(report) == (4, 3, 1, 0)
    assert seen(new) == seen(old)


def test_a_difference_is_found_and_told(old: Store) -> None:
    new, driver = limited()
    driver.make_canonical = lambda body: body.replace(
        b"refused", b"REFUSED"
    )  # a store that alters and says it does not
    report = convert(old, new, quiet())
    assert counts(report) == (4, 4, 0, 0)
    assert report.verified is False
    assert not report.ok
    (problem,) = report.problems
    assert (problem.folder, problem.position, problem.error) == ("INBOX", 2, "digest")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"flags": 4}, "flags"),
        ({"keywords": frozenset({"x"})}, "keywords"),
        ({"internal_date": 1}, "internal-date"),
        ({"saved_date": 1}, "saved-date"),
        ({"sender": "someone"}, "sender"),
        ({"uidl": None}, "uidl"),
        ({"error": UnreadableMessage("gone bad")}, "unreadable"),
    ],
)
def test_every_kind_of_difference_is_found(change: dict[str, object], what: str) -> None:
    old = open_store("memory:")
    old.inbox.append(BAD, flags=["\\Seen", "word"], internal_date=77, saved_date=78, sender="", uidl="abc")
    new, driver = limited()
    driver.spoil = lambda row: row._replace(**change)
    report = convert(old, new, quiet())
    assert [problem.error for problem in report.problems] == [what]
    assert report.verified is False


def test_a_destination_opened_read_only(old: Store) -> None:
    with pytest.raises(ReadOnlyStore):
        convert(old, open_store("memory:", readonly=True), quiet())


def test_a_folder_that_is_not_there(old: Store) -> None:
    with pytest.raises(NoSuchFolder, match="Nope"):
        convert(old, open_store("memory:"), quiet(folders=(FolderPath(("Nope",)),)))


@pytest.mark.parametrize(
    ("source", "destination"),
    [
        ("sqlite:{0}/a.db", "sqlite:{0}/a.db"),
        ("sqlite:{0}/a.db", "sqlite:{0}/link.db"),
        ("sqlite:{0}/a.db?account=x", "sqlite:{0}/a.db?account=x"),
        ("memory:here", "memory:here"),
    ],
)
def test_a_store_is_not_copied_into_itself(source: str, destination: str, tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to("a.db")
    with (
        open_store(source.format(tmp_path), create=True) as one,
        open_store(destination.format(tmp_path), create=True) as other,
        pytest.raises(UsageError, match="both source and destination"),
    ):
        convert(one, other, quiet())


@pytest.mark.parametrize(
    ("source", "destination", "text"),
    [
        (Location("x", "/a/b"), Location("y", "/a/b"), "both"),
        (Location("x", "/a/b"), Location("x", "/a/b", {"layout": "fs"}), "both"),
        (Location("x", "/a/b", {"INBOX": "/var/spool/joe"}), Location("y", "/var/spool/joe"), "both"),
        (Location("x", "/a/b"), Location("y", "/c", {"INBOX": "/a/b"}), "both"),
        (Location("x", "/a/b"), Location("y", "/a/b/c"), "lies in the source"),
        (Location("x", "/a/b"), Location("y", "/z/../a/b/c/d"), "lies in the source"),
    ],
)
def test_stores_that_share_files_are_refused(source: Location, destination: Location, text: str) -> None:
    one, other = (Store(where, open_store("memory:").driver) for where in (source, destination))
    with pytest.raises(UsageError, match=text):
        convert(one, other, quiet())


def test_accounts_of_one_database_are_apart(tmp_path: Path) -> None:
    with (
        open_store(f"sqlite:{tmp_path}/a.db?account=x", create=True) as one,
        open_store(f"sqlite:{tmp_path}/a.db?account=y", create=True) as other,
    ):
        one.inbox.append(BAD)
        assert convert(one, other, quiet()).ok
        assert bodies(other.inbox) == [BAD]


def test_a_folder_name_that_the_destination_cannot_spell_fails_alone(tmp_path: Path) -> None:
    (tmp_path / "mail").mkdir()
    for name in (b"\xe9t\xe9", b"work"):
        (tmp_path / "mail" / os.fsdecode(name)).write_bytes(
            b"From joe Tue Nov 14 22:13:20 2023\nSubject: x\n\ntext\n\n"
        )
    with (
        open_store(f"mbox:{tmp_path}/mail", readonly=True) as old,
        open_store(f"maildir:{tmp_path}/new", create=True) as new,
    ):
        report = convert(old, new, quiet())
        assert [(one.folder, one.error) for one in report.problems] == [("\udce9t\udce9", "InvalidFolderName")]
        assert (report.found, report.copied, report.failed) == (2, 1, 1)
