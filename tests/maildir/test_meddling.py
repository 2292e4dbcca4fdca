"""Other programs, backups and people that meddle with a Maildir while it is in use."""

import os
from contextlib import closing
from pathlib import Path

import apsw
import pytest
from support.maildirs import age, make, names, opened, put, rows, shown

from mailstore import CannotCreate, FolderExists, StorageFailure, StoreBusy, open_store
from mailstore.drivers.maildir import journal
from mailstore.model.flags import RECENT, SEEN
from mailstore.model.info import CRLF_SIZE, META, SIZE, Arrival, Meta
from mailstore.model.names import INBOX
from mailstore.system import fs

GUID = "0123456789abcdef0123456789abcdef"
STAGED = [Arrival(b"a\n", Meta(RECENT)), Arrival(b"b\n", Meta(SEEN))]


def late_mail(monkeypatch: pytest.MonkeyPatch, box: Path, *files: str) -> None:
    """Let mail come in just before a publishing renames ``cur``."""
    rename = journal._rename

    def renamed(root: str, source: str, target: str) -> None:
        if target.endswith("cur"):
            for file in files:
                put(box, file, file.encode())
        rename(root, source, target)

    monkeypatch.setattr(journal, "_rename", renamed)


def test_mail_that_comes_while_a_publishing_fails_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = make(tmp_path / "box")
    with opened(box) as store:
        fresh = store.fresh_folders.fresh(INBOX)  # type: ignore[union-attr]
        assert fresh is not None
        receipts = fresh.add(STAGED)
        late_mail(monkeypatch, box, "cur/1.theirs.h:2,S", "new/2.theirs.h")
        with pytest.raises(FolderExists):
            fresh.publish(receipts, None)
        fresh.discard()
        assert [row.body for row in rows(store)] == [b"cur/1.theirs.h:2,S", b"new/2.theirs.h"]
        assert sorted(name for name in os.listdir(box) if name in ("cur", "new", "tmp")) == ["cur", "new", "tmp"]
        assert os.listdir(box / "tmp") == []


def test_mail_that_comes_while_the_disk_fails_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = make(tmp_path / "box")
    with opened(box) as store:
        fresh = store.fresh_folders.fresh(INBOX)  # type: ignore[union-attr]
        assert fresh is not None
        receipts = fresh.add(STAGED)

        def failing(root: str, pairs: object, calls: list[int] = []) -> None:  # noqa: B006
            calls.append(1)
            if len(calls) == 1:
                put(box, "new/2.theirs.h", b"theirs\n")
                raise OSError(5, "Input/output error")

        monkeypatch.setattr(journal, "_sync", failing)
        with pytest.raises(StorageFailure):
            fresh.publish(receipts, None)
        monkeypatch.undo()
        fresh.discard()
        assert [row.body for row in rows(store)] == [b"theirs\n"]
        assert names(box) == ["new/2.theirs.h"]
        assert store.inbox.append(b"x\n").uid == 2


def twin(root: Path) -> Path:
    """One file under two names, as a crash between link and unlink leaves it."""
    box = make(root)
    put(box, "cur/1.a.h:2,S")
    os.link(box / "cur/1.a.h:2,S", box / "cur/1.a.h:2,FS")
    return box


@pytest.mark.parametrize("flags", [["\\Seen"], ["\\Seen", "\\Flagged"], ["\\Draft"], []])
def test_flags_of_a_file_with_two_names_are_set(tmp_path: Path, flags: list[str]) -> None:
    box = twin(tmp_path / "box")
    with opened(box) as store:
        store.inbox.set_flags([1], ["\\Answered"])
        os.link(box / "cur/1.a.h:2,R", box / "cur/1.a.h:2,FS")
        store.inbox.set_flags([1], flags)
        store.inbox.set_flags([1], ["\\Answered"])
        store.inbox.set_flags([1], flags)
        assert set(shown(store)[1]) == set(flags)
    assert len(names(box)) == 1
    with opened(box, index="memory") as store:
        assert set(shown(store)[1]) == set(flags)


@pytest.mark.parametrize("verb", ["expunge", "move", "flag"])
def test_a_second_name_is_known_after_a_reopening(tmp_path: Path, verb: str) -> None:
    box = twin(tmp_path / "box")
    age(box / "cur", box / "new")
    for _ in range(2):
        with opened(box) as store:
            assert len(shown(store)) == 1
    with opened(box) as store:
        if verb == "expunge":
            assert store.inbox.expunge([1], only_deleted=False) == (1,)
        elif verb == "move":
            assert store.inbox.move([1], store.create("A")).pairs == ((1, 1),)
        else:
            store.inbox.set_flags([1], ["\\Draft"])
    assert names(box) == (["cur/1.a.h:2,D"] if verb == "flag" else [])


def test_a_directory_among_the_messages_is_told_of_after_a_reopening(tmp_path: Path) -> None:
    box = make(tmp_path / "box")
    put(box, "cur/1.a.h:2,S")
    (box / "cur/folder").mkdir()
    age(box / "cur", box / "new")
    for _ in range(3):
        with opened(box) as store:
            assert [row.error is None for row in rows(store)] == [False, True]


def test_a_uidlist_that_was_written_over_is_read_anew(tmp_path: Path) -> None:
    box = make(tmp_path / "box")
    put(box, "cur/1.a.h:2,S")
    put(box, "cur/2.b.h:2,S")
    with opened(box) as store:
        store.inbox.state()
        with (box / "dovecot-uidlist").open("r+") as file:  # cp(1) keeps the inode
            file.write(
                f"3 V77 N900 G{GUID}\n500 :1.a.h\n800 :2.b.h\n" + "".join(f"{900 + n} :x{n}.h\n" for n in range(9))
            )
        assert ([row.uid for row in rows(store)], store.inbox.state().uidvalidity) == ([500, 800], 77)
        with (box / "dovecot-uidlist").open("r+") as file:
            file.write(
                f"3 V77 N900 G{GUID}\n600 :1.a.h\n700 :2.b.h\n" + "".join(f"{900 + n} :y{n}.h\n" for n in range(29))
            )
        assert ([row.uid for row in rows(store)], store.inbox.state().uidvalidity) == ([600, 700], 77)
        assert store.inbox.append(b"x\n").uid == 929


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", ["dovecot-uidvalidity", "mailstore-intent", "dovecot-uidlist", "subscriptions"])
def test_a_fifo_instead_of_a_record_stops_nothing(tmp_path: Path, name: str) -> None:
    box = make(tmp_path / "box")
    put(box, "cur/1.a.h:2,S")
    os.mkfifo(box / name)
    with opened(box) as store:
        assert len(shown(store)) == 1
        store.create("A").append(b"x\n")
        store.subscribe("A")
        store.delete("A")
        assert store.inbox.append(b"x\n").uid == 2


@pytest.mark.timeout(20)
def test_a_fifo_instead_of_a_long_name_stops_nothing(tmp_path: Path) -> None:
    box = make(tmp_path / "box")
    with opened(box) as store:
        store.create("n" * 300)
        (folder,) = box.glob(".n*")
        os.unlink(folder / "mailstore-name")
        os.mkfifo(folder / "mailstore-name")
        assert len(store.folders()) == 2
    assert fs.TEMPORARY not in "".join(os.listdir(box / "tmp"))


@pytest.mark.parametrize("index", ["auto", "beside"])
def test_a_path_that_is_no_utf_8_holds_a_store(tmp_path: Path, index: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    root = tmp_path / os.fsdecode(b"caf\xe9")
    for number in (1, 2):
        with opened(root, create=True, index=index) as store:
            assert store.inbox.append(b"x\n").uid == number
    with opened(root, readonly=True, index=index) as store:
        assert [row.uid for row in rows(store)] == [1, 2]
    assert names(root) != []


def test_a_path_that_is_too_long_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(CannotCreate, match="too long"):
        opened(Path(f"{tmp_path}{'/a' * 3000}"), create=True)
    assert os.listdir(tmp_path) == []


def test_a_wrong_size_in_a_name_is_not_believed(tmp_path: Path) -> None:
    box = make(tmp_path / "box")
    put(box, "cur/1.a.h,S=5,W=7:2,S", b"Subject: x\n\nbody\n")
    put(box, "cur/2.b.h,S=17,W=20:2,S", b"Subject: x\n\nbody\n")
    for want in (SIZE, CRLF_SIZE, SIZE | CRLF_SIZE, META | SIZE | CRLF_SIZE):
        with opened(box) as store:
            listed = rows(store, want=want)
            assert not want & SIZE or [row.size for row in listed] == [17, 17]
            assert not want & CRLF_SIZE or [row.crlf_size for row in listed] == [20, 20]


def test_what_could_not_be_stored_is_not_taken_for_stored(tmp_path: Path) -> None:
    """The index was locked: the next look begins with what is in the file, for keywords too."""
    place = f"maildir:{tmp_path}/M"
    root = tmp_path / "M"
    with open_store(place, create=True) as store:
        store.inbox.append(b"first", flags=["one"])
    with open_store(place, lock_timeout=0.1) as store, open_store(place) as other:
        assert [row.keywords for row in store.inbox.rows(0)] == [{"one"}]
        (root / "dovecot-keywords").write_text("0 another\n")
        (root / "new" / "1700000000.M1P1.host").write_bytes(b"second")
        age(root / "new", root / "cur")  # so that the stamp is trusted
        with closing(apsw.Connection(str(root / "mailstore.index"))) as writer:
            writer.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreBusy):
                list(store.inbox.rows(0))
            writer.execute("ROLLBACK")
        shown = [(row.uid, row.modseq, row.keywords) for row in store.inbox.rows(0)]
        assert shown == [(row.uid, row.modseq, row.keywords) for row in other.inbox.rows(0)]
        assert [keywords for _, _, keywords in shown] == [{"another"}, set()]
