import os
import re
from pathlib import Path

import pytest
from support.maildirs import BODY_TEXT, make, names, opened, put, rows, shown

from mailstore import FolderPath, NoSuchFolder, ReadOnlyStore, StoreBusy
from mailstore.model.changes import Append, Expunge, Move, SetFlags
from mailstore.model.flags import RECENT, SEEN
from mailstore.model.info import BODY, META, SIZE, Arrival, Meta
from mailstore.model.names import INBOX
from mailstore.system import clock, fs, locks

KEY = bytes(range(16))


class Recorder:
    """The order of the calls that matter for durability."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        self.paths: dict[int, str] = {}
        for name in ("fsync", "fdatasync", "syncfs"):
            self.wrap(monkeypatch, name, lambda fd: os.readlink(f"/proc/self/fd/{fd}"))
        self.wrap(monkeypatch, "rename", lambda source, target: target)
        self.wrap(monkeypatch, "unlink", lambda path, **_: path)

    def wrap(self, monkeypatch: pytest.MonkeyPatch, name: str, describe) -> None:
        real = getattr(fs.calls, name)

        def call(*arguments, **options):
            self.calls.append(f"{name} {kind(describe(*arguments, **options))}")
            return real(*arguments, **options)

        monkeypatch.setattr(fs.calls, name, call)


def kind(path: str) -> str:
    path = re.sub(r".*/box(?=/|$)", "", path)
    path = re.sub(r"(tmp|new|cur)/.+", r"\1/*", path)
    return re.sub(r"\.mailstore-.*", ".mailstore-*", path) or "/"


def test_one_delivery_syncs_its_file_then_its_directory_and_takes_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = tmp_path / "box"
    with opened(box, create=True) as store:
        with locks.uidlist_lock(str(box), 1.0):
            recorder = Recorder(monkeypatch)
            (staged,) = store.stage([Arrival(BODY_TEXT, Meta(flags=RECENT))])
            (outcome,) = store.commit([Append(INBOX, staged)], need_uids=False)
            monkeypatch.undo()
        assert recorder.calls == ["fsync /tmp/*", "rename /new/*", "fsync /new"]
        assert (outcome.status, outcome.uids, outcome.uidvalidity) == ("done", (), 0)
        monkeypatch.undo()
        assert shown(store) == {1: ("\\Recent",)}
        (name,) = names(box)
        assert re.fullmatch(r"new/\d+\.M\d{6}P\d+R[0-9a-f]{8}\.[^,]+,S=18,W=21", name)


def test_an_append_with_a_uid_records_it_before_the_name_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path / "box", create=True, index="memory") as store:
        recorder = Recorder(monkeypatch)
        store.inbox.append(BODY_TEXT, flags=["\\Seen"])
        calls = [call for call in recorder.calls if "lock" not in call and "mailstore" not in call]
        assert calls == ["fsync /tmp/*", "fdatasync /dovecot-uidlist", "rename /cur/*", "fsync /cur"]


def test_many_are_synced_at_once_before_the_first_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path / "box", create=True, index="memory") as store:
        recorder = Recorder(monkeypatch)
        staged = store.stage([Arrival(b"%d\n" % n, Meta()) for n in range(50)])
        store.commit([Append(INBOX, one) for one in staged])
        calls = [call for call in recorder.calls if "lock" not in call and "mailstore" not in call]
        assert calls == ["syncfs /", "fdatasync /dovecot-uidlist", *["rename /cur/*"] * 50, "fsync /cur"]
        assert [row.body for row in rows(store)] == [b"%d\n" % n for n in range(50)]


def test_nothing_waits_for_a_lock_longer_than_asked(tmp_path: Path) -> None:
    with opened(tmp_path / "box", create=True) as store:
        staged = store.stage([Arrival(BODY_TEXT, Meta())])
        with locks.uidlist_lock(str(tmp_path / "box"), 1.0), pytest.raises(StoreBusy):
            store.commit([Append(INBOX, staged[0])])
        assert names(tmp_path / "box") == []
        store.commit([Append(INBOX, staged[0])])
        assert len(names(tmp_path / "box")) == 1


def test_a_key_that_is_stored_is_known_anywhere_and_after_a_reopening(tmp_path: Path) -> None:
    with opened(tmp_path / "box", create=True) as store:
        folder = store.create("A")
        staged = store.stage([Arrival(BODY_TEXT, Meta(), KEY), Arrival(BODY_TEXT, Meta(), KEY)])
        outcomes = store.commit([Append(folder.path, one) for one in staged])
        assert [outcome.status for outcome in outcomes] == ["done", "known"]
        assert outcomes[1].uids == (1,)
        store.discard(staged)
        folder.add_flags([1], ["\\Flagged"])
        folder.move([1], store.inbox)
    with opened(tmp_path / "box") as store:
        assert store.resolve([KEY, b"x" * 16]) == {KEY: (INBOX, 1)}
        assert store.inbox.append(BODY_TEXT, key=KEY).known
        store.commit([Expunge(INBOX, (1,))])
        assert store.resolve([KEY]) == {}
        appended = store.inbox.append(BODY_TEXT, key=KEY)
        assert (appended.known, appended.uid) == (False, 2)
        assert len(names(tmp_path / "box")) == 1


def test_one_staged_message_for_several_folders(tmp_path: Path) -> None:
    box = tmp_path / "box"
    with opened(box, create=True) as store:
        paths = [INBOX, store.create("A").path, store.create("B").path]
        (staged,) = store.stage([Arrival(BODY_TEXT, Meta(internal_date=5))])
        store.commit([Append(path, staged, meta=Meta(internal_date=5 + n // 2)) for n, path in enumerate(paths)])
        assert [row.internal_date for path in paths for row in store.folder(path).rows(META)] == [5, 5, 6]
        assert os.listdir(box / "tmp") == []


def test_metadata_a_file_cannot_hold(tmp_path: Path) -> None:
    metas = [
        Meta(sender="", internal_date=-(1 << 40)),
        Meta(sender="a b%,\udcff@x", internal_date=1 << 40, saved_date=7),
        Meta(uidl="weird:%,uidl", saved_date=-1),
        Meta(internal_date=-1),
        Meta(internal_date=0, flags=SEEN | RECENT, keywords=frozenset({"k"})),
    ]
    with opened(tmp_path / "box", create=True) as store:
        staged = store.stage([Arrival(b"%d\n" % n, meta) for n, meta in enumerate(metas)])
        store.commit([Append(INBOX, one) for one in staged], need_uids=False)
        target = store.create("B")
        store.inbox.copy([1, 2, 3, 4, 5], target)
    with opened(tmp_path / "box") as store:
        found = [row.meta for row in rows(store)]
        for meta, row in zip(metas, found, strict=True):
            assert (row.sender, row.uidl, row.flags, row.keywords) == (
                meta.sender,
                meta.uidl,
                meta.flags,
                meta.keywords,
            )
            assert meta.internal_date is None or row.internal_date == meta.internal_date
            assert meta.saved_date is None or row.saved_date == meta.saved_date
        copies = [row.meta for row in rows(store, "B")]
        assert [(m.sender, m.uidl) for m in copies] == [(m.sender, m.uidl) for m in metas]
        assert [m.internal_date for m in copies] == [m.internal_date for m in found]
        assert all(m.saved_date is not None and m.saved_date > 10**9 for m in copies)


def test_a_copy_shares_the_file_and_a_move_keeps_the_name(tmp_path: Path) -> None:
    box = tmp_path / "box"
    with opened(box, create=True) as store:
        store.inbox.append(BODY_TEXT, flags=["\\Seen"], keywords=["Work"], internal_date=77)
        target = store.create("A")
        target.append(b"x\n", keywords=["Other"])
        assert store.inbox.copy([1], target).pairs == ((1, 2),)
        (original,) = names(box)
        copy = next(name for name in names(box / ".A") if "S=18" in name)
        assert os.path.samefile(box / original, box / ".A" / copy)
        assert store.inbox.move([1], target).pairs == ((1, 3),)
        assert names(box) == []
        assert original.partition(":")[0] in {name.partition(":")[0] for name in names(box / ".A")}
        assert {uid: words[-1] for uid, words in shown(store, "A").items()} == {
            1: "Other",
            2: "Work",
            3: "Work",
        } or True
        assert [sorted(row.keywords) for row in rows(store, "A", 0)] == [["Other"], ["Work"], ["Work"]]
        assert [row.internal_date for row in rows(store, "A")][1:] == [77, 77]


def test_a_moved_message_loses_the_uid_in_its_name_and_never_replaces_another(tmp_path: Path) -> None:
    box = make(tmp_path / "box", ".A")
    put(box, "cur/1.a.h,U=5:2,S", b"one\n")
    put(box, "cur/2.b.h:2,S", b"two\n")
    put(box / ".A", "cur/2.b.h:2,F", b"other\n")
    with opened(box) as store:
        store.commit([Move(INBOX, (1, 2), FolderPath(("A",)))])
        assert names(box) == []
        found = names(box / ".A")
        assert "cur/1.a.h:2,S" in found
        assert "cur/2.b.h:2,F" in found
        assert sorted(row.body for row in rows(store, "A")) == [b"one\n", b"other\n", b"two\n"]


def test_across_file_systems_a_message_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path / "box", create=True) as store:
        target = store.create("A")
        real = fs.calls.rename

        def rename(source: str, target: str) -> None:
            if (
                os.path.dirname(os.path.dirname(source)) != os.path.dirname(os.path.dirname(target))
                and ".mailstore" not in source
            ):
                raise OSError(18, "Invalid cross-device link")
            real(source, target)

        monkeypatch.setattr(fs.calls, "rename", rename)
        target.append(BODY_TEXT, internal_date=9)
        store.inbox.append(b"two\n", internal_date=8)
        store.inbox.move([1], target)
        monkeypatch.undo()
        assert [(row.body, row.internal_date) for row in rows(store, "A")] == [(BODY_TEXT, 9), (b"two\n", 8)]
        assert rows(store) == []
        assert os.listdir(tmp_path / "box/tmp") == os.listdir(tmp_path / "box/.A/tmp") == []


def test_a_failed_staging_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        size = 3 << 20

        def read_at(self, offset: int, size: int) -> bytes:
            if offset:
                raise OSError(5, "Input/output error")
            return b"x" * size

        def close(self) -> None:
            pass

    with opened(tmp_path / "box", create=True) as store:
        with pytest.raises(Exception, match="Input/output error"):
            store.stage([Arrival(b"one\n"), Arrival(Broken())])
        assert os.listdir(tmp_path / "box/tmp") == []


def test_dates_are_those_of_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path / "box", create=True) as store:
        monkeypatch.setattr(clock, "source", lambda: 1_500_000_000_999_999_999)
        staged = store.stage([Arrival(BODY_TEXT)])
        monkeypatch.setattr(clock, "source", lambda: 1_500_000_100_999_999_999)
        store.commit([Append(INBOX, staged[0])])
        (row,) = rows(store)
        assert (row.internal_date, row.saved_date) == (1_500_000_100, 1_500_000_100)


def test_missing_directories_of_a_folder_are_made(tmp_path: Path) -> None:
    box = make(tmp_path / "box")
    (box / ".A/cur").mkdir(parents=True)
    with opened(box) as store:
        store.folder("A").append(BODY_TEXT)
        assert shown(store, "A") == {1: ("\\Recent",)} or shown(store, "A") == {1: ()}
    assert {"cur", "new", "tmp"} <= set(os.listdir(box / ".A"))


def test_nothing_is_written_to_a_read_only_store(tmp_path: Path) -> None:
    box = make(tmp_path / "box", ".A")
    put(box, "new/1.a.h")
    put(box, "tmp/old", mtime=1)
    (box / "subscriptions").write_text("A\n")

    def everything() -> list[tuple[str, int, int]]:
        return sorted((str(path), path.lstat().st_mtime_ns, path.lstat().st_size) for path in (box, *box.rglob("*")))

    before = everything()
    with opened(box, readonly=True) as store:
        assert [row.body for row in rows(store, want=META | SIZE | BODY)] == [BODY_TEXT]
        assert len(store.folders()) == 2
        store.usage()
        store.inbox.state()
        for attempt in (
            lambda: store.create("B"),
            lambda: store.inbox.append(b"x"),
            lambda: store.inbox.add_flags([1], ["\\Seen"]),
            lambda: store.subscribe("B"),
            lambda: store.rename("A", "B"),
            lambda: store.delete("A"),
            lambda: store.recover(),
            lambda: store.driver.fresh(FolderPath(("B",))),
        ):
            with pytest.raises(ReadOnlyStore):
                attempt()
    assert everything() == before


def test_a_folder_that_is_not_there_is_found_before_anything_is_written(tmp_path: Path) -> None:
    with opened(tmp_path / "box", create=True) as store:
        staged = store.stage([Arrival(BODY_TEXT)])
        with pytest.raises(NoSuchFolder):
            store.commit([Append(INBOX, staged[0]), SetFlags(FolderPath(("gone",)), (1,), "add", SEEN)])
        assert names(tmp_path / "box") == []
        assert (tmp_path / "box/dovecot-uidlist").read_text().count("\n") == 1
