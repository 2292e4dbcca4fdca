import os
from pathlib import Path

import pytest
from support.maildirs import make, names, opened, put, rows, shown

from mailstore import FolderExists, FolderPath
from mailstore.model.changes import SetState
from mailstore.model.flags import RECENT, SEEN
from mailstore.model.info import Arrival, Meta
from mailstore.model.names import INBOX
from mailstore.system import fs

A = FolderPath(("A", "é"))


def arrivals(count: int, flags: int = 0) -> list[Arrival]:
    return [
        Arrival(
            b"%d\n" % n,
            Meta(flags, frozenset({f"k{n % 30}"}), internal_date=n, sender="s" if n % 2 else None),
            uid=2 * n,
        )
        for n in range(count)
    ]


def check(store, folder: str, count: int) -> None:
    found = rows(store, folder)
    assert [row.uid for row in found] == [1, *range(2, 2 * count, 2)]
    assert [row.body for row in found] == [b"%d\n" % n for n in range(count)]
    assert [row.internal_date for row in found] == list(range(count))
    assert [set(row.keywords) for row in found] == [{f"k{n % 30}"} for n in range(count)]
    assert [row.sender for row in found] == [None, "s"] * (count // 2)


@pytest.mark.parametrize("options", ["", "?layout=fs", "?index=courier"])
@pytest.mark.parametrize("path", [A, INBOX])
@pytest.mark.parametrize("count", [6, 80])
def test_a_folder_appears_whole(tmp_path: Path, options: str, path: FolderPath, count: int) -> None:
    with opened(tmp_path / "box", options, create=True) as store:
        fresh = store.driver.fresh(path)
        receipts = fresh.add(arrivals(count // 2)) + fresh.add(arrivals(count)[count // 2 :])
        assert not any(info.path == A for info in store.folders())
        assert names(tmp_path / "box") == []
        uids = fresh.publish(receipts, SetState(path, 4242, 500, 7))
        assert uids == [1, *range(2, 2 * count, 2)]
        fresh.discard()
        if "courier" not in options:
            check(store, str(path), count)
        state = store.folder(path).state()
        assert (state.uidvalidity, state.uidnext, state.messages) == (4242, 500, count)
        assert os.listdir(tmp_path / "box/tmp") == []
    with opened(tmp_path / "box", options) as store:
        if "courier" not in options:
            check(store, str(path), count)
        assert [set(row.keywords) for row in rows(store, str(path))] == [{f"k{n % 30}"} for n in range(count)]
        assert store.folder(path).append(b"x\n").uid == 500


def test_recent_messages_go_to_new(tmp_path: Path) -> None:
    for path in (A, INBOX):
        with opened(tmp_path / str(path).replace("/", ""), create=True) as store:
            fresh = store.driver.fresh(path)
            three = [Arrival(b"1\n", Meta(SEEN)), Arrival(b"2\n", Meta(RECENT)), Arrival(b"3\n", Meta(SEEN | RECENT))]
            fresh.publish(fresh.add(three), None)
            assert shown(store, str(path)) == {1: ("\\Seen",), 2: ("\\Recent",), 3: ("\\Seen", "\\Recent")}


def test_children_agree_on_keyword_letters(tmp_path: Path) -> None:
    with opened(tmp_path / "box", create=True) as store:
        fresh = store.driver.fresh(A)
        parts = [fresh.add([Arrival(b"0\n", Meta(keywords=frozenset({"first"})))])]
        for number in range(3):
            reader, writer = os.pipe()
            pid = os.fork()
            if pid == 0:
                status = 1
                try:
                    import pickle

                    words = frozenset({f"own{number}", "shared"})
                    os.write(writer, pickle.dumps(fresh.add([Arrival(b"%d\n" % number, Meta(keywords=words))])))
                    status = 0
                finally:
                    os._exit(status)
            os.close(writer)
            import pickle

            with os.fdopen(reader, "rb") as file:
                parts.append(pickle.load(file))
            assert os.waitpid(pid, 0)[1] == 0
        fresh.publish([receipt for part in parts for receipt in part], None)
        assert [sorted(row.keywords) for row in rows(store, "A/é", 0)] == [
            ["first"], ["own0", "shared"], ["own1", "shared"], ["own2", "shared"]
        ]  # fmt: skip


def test_only_folders_that_never_showed_a_uid(tmp_path: Path) -> None:
    with opened(tmp_path / "box", create=True) as store:
        store.inbox.append(b"x\n")
        store.inbox.expunge([1], only_deleted=False)
        assert store.driver.fresh(INBOX) is None
        store.create("A")
        fresh = store.driver.fresh(FolderPath(("A",)))
        fresh.publish(fresh.add(arrivals(2)), None)
        assert store.driver.fresh(FolderPath(("A",))) is None


@pytest.mark.parametrize("sub", ["new", "cur"])
def test_mail_that_came_meanwhile_is_not_lost(tmp_path: Path, sub: str) -> None:
    box = tmp_path / "box"
    with opened(box, create=True) as store:
        fresh = store.driver.fresh(INBOX)
        receipts = fresh.add(arrivals(4))
        put(box, f"{sub}/1.other.h", b"other\n")
        with pytest.raises(FolderExists):
            fresh.publish(receipts, None)
        fresh.discard()
        assert [row.body for row in rows(store)] == [b"other\n"]
        fresh = store.driver.fresh(A)
        receipts = fresh.add(arrivals(4))
        store.create(A).append(b"other\n")
        with pytest.raises(FolderExists):
            fresh.publish(receipts, None)
        fresh.discard()
        assert [row.body for row in rows(store, "A/é")] == [b"other\n"]
        assert os.listdir(box / "tmp") == []


class Killed(BaseException):
    pass


def test_a_publication_of_two_directories_is_finished_after_a_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = tmp_path / "box"
    with opened(box, create=True) as store:
        fresh = store.driver.fresh(INBOX)
        receipts = fresh.add([Arrival(b"1\n", Meta(SEEN)), Arrival(b"2\n", Meta(RECENT))])
        real = fs.calls.rename

        def rename(source: str, target: str) -> None:
            if target == str(box / "cur"):
                raise Killed
            real(source, target)

        monkeypatch.setattr(fs.calls, "rename", rename)
        with pytest.raises(Killed):
            fresh.publish(receipts, None)
        monkeypatch.undo()
    with opened(box) as store:
        assert shown(store) == {1: ("\\Seen",), 2: ("\\Recent",)}
        assert [row.body for row in rows(store)] == [b"1\n", b"2\n"]


def test_a_folder_in_place_of_a_virtual_parent(tmp_path: Path) -> None:
    box = make(tmp_path / "box", "A/B")
    put(box / "A/B", "cur/1.a.h:2,S", b"below\n")
    with opened(box) as store:
        fresh = store.driver.fresh(FolderPath(("A",)))
        fresh.publish(fresh.add(arrivals(4)), None)
        check(store, "A", 4)
        assert [row.body for row in rows(store, "A/B")] == [b"below\n"]


def test_shards_are_the_listing_in_parts(tmp_path: Path) -> None:
    with opened(tmp_path / "box", create=True) as store:
        fresh = store.driver.fresh(A)
        fresh.publish(fresh.add(arrivals(50)), None)
        folder = store.driver.folder(A)
        for count in (1, 2, 3, 100):
            shards = folder.shards(count)
            assert 1 <= len(shards) <= count
            found = [row for shard in shards for batch in folder.read_shard(shard, 2047) for row in batch]
            assert found == [row for batch in folder.changes(None, 2047).batches for row in batch]


def test_what_has_no_receipt_is_not_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path / "box", create=True) as store:
        fresh = store.driver.fresh(A)
        real, calls = fs.create_file, []

        def create_file(path: str, *arguments: object, **options: object) -> None:
            calls.append(path)
            if len(calls) == 3:
                raise OSError(5, "Input/output error")
            real(path, *arguments, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(fs, "create_file", create_file)
        with pytest.raises(Exception, match="Input/output error"):
            fresh.add(arrivals(6))
        monkeypatch.undo()
        assert fresh.publish(fresh.add(arrivals(6)), None) == [1, 2, 4, 6, 8, 10]
        check(store, "A/é", 6)
