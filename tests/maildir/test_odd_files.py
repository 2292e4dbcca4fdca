"""What lies in ``cur`` may be anything; the rest goes on, and nothing hangs."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support.maildirs import BODY_TEXT, make, names, opened, put, rows
from support.privilege import unprivileged

from mailstore import UnreadableMessage
from mailstore.model.info import BODY, CRLF_SIZE, HEADER, INTERNAL_DATE, META, SIZE
from mailstore.system import clock


def errors(store, want: int = META | SIZE | BODY) -> dict[str, str]:
    return {row.key: str(row.error).rpartition(": ")[2] for row in rows(store, want=want) if row.error is not None}


@pytest.mark.parametrize("want", [META | SIZE | BODY, HEADER, INTERNAL_DATE])
def test_things_that_are_no_messages(tmp_path: Path, want: int) -> None:
    box = make(tmp_path / "box")
    put(box, "cur/1.good.h:2,S")
    os.mkfifo(box / "cur/2.fifo.h:2,S")
    os.symlink("nowhere", box / "cur/3.dangling.h:2,S")
    os.symlink(box / "cur/1.good.h:2,S", box / "cur/4.link.h:2,S")
    os.symlink("5.loop.h:2,S", box / "cur/5.loop.h:2,S")
    (box / "cur/6.dir.h:2,S").mkdir()
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(os.path.relpath(box / "cur/7.socket.h"))
    put(box, "new/8.good.h")
    with opened(box, readonly=True) as store:
        found = rows(store, want=want)
        good = [row.key for row in found if row.error is None]
        assert good == ["1.good.h", "8.good.h"]
        assert errors(store, want) == {
            "2.fifo.h": "a FIFO, not a file",
            "3.dangling.h": "a symbolic link, which is not followed"
            + (", not a file" if want == INTERNAL_DATE else ""),
            "4.link.h": "a symbolic link, which is not followed" + (", not a file" if want == INTERNAL_DATE else ""),
            "5.loop.h": "a symbolic link, which is not followed" + (", not a file" if want == INTERNAL_DATE else ""),
            "cur/6.dir.h:2,S": "a directory, not a message",
            "7.socket.h": errors(store, want)["7.socket.h"],
        }
        (directory,) = [row for row in found if "dir" in row.key]
        assert directory.uid == 0
        assert isinstance(directory.error, UnreadableMessage)
        fifo = next(row for row in found if "fifo" in row.key)
        with pytest.raises(UnreadableMessage, match="a FIFO"):
            store.driver.folder(store.inbox.path).open(fifo.uid)
    listening.close()


def test_a_file_we_may_not_read(tmp_path: Path) -> None:
    box = make(tmp_path / "box")
    put(box, "cur/1.a.h:2,S")
    put(box, "cur/2.b.h:2,S").chmod(0)
    put(box, "cur/3.c.h:2,S")
    tmp_path.chmod(0o755)
    code = (
        "import sys; from mailstore import open_store; from mailstore.model.info import BODY\n"
        "store = open_store('maildir:' + sys.argv[1], readonly=True)\n"
        "print([(row.uid, row.error and type(row.error).__name__) for row in store.inbox.rows(BODY)])"
    )
    done = subprocess.run([*unprivileged(), sys.executable, "-c", code, str(box)], capture_output=True, text=True)
    assert done.stdout == "[(1, None), (2, 'UnreadableMessage'), (3, None)]\n", done.stderr


def test_a_wrong_size_in_the_name_is_noted_and_not_believed(tmp_path: Path) -> None:
    box = make(tmp_path / "box")
    put(box, "cur/1.a.h,S=999,W=1001:2,S", b"a: b\n\nc\n")
    put(box, "cur/2.b.h,S=8,W=11:2,S", b"a: b\n\nc\n")
    with opened(box) as store:
        assert [row.size for row in rows(store, want=SIZE)] == [8, 8]
        wrong, right = rows(store, want=SIZE | CRLF_SIZE | BODY)
        assert (wrong.size, wrong.body, wrong.crlf_size) == (8, b"a: b\n\nc\n", 11)
        assert wrong.notes == ("the file name says ,S=999, the file has 8 bytes",)
        assert (right.size, right.crlf_size, right.notes) == (8, 11, ())
        assert [row.size for row in rows(store, want=SIZE)] == [8, 8]
        assert [row.crlf_size for row in rows(store, want=CRLF_SIZE)] == [11, 11]
        assert store.inbox.state().size == 16
        copied = store.create("A")
        store.inbox.copy([1], copied)
        (copy,) = rows(store, "A", SIZE | CRLF_SIZE)
        assert (copy.size, copy.crlf_size, copy.notes) == (8, 11, ())
        assert ",S=8,W=11" in copy.key


def test_a_file_without_a_size_in_its_name(tmp_path: Path) -> None:
    box = make(tmp_path / "box")
    put(box, "cur/1.a.h:2,S")
    with opened(box, readonly=True) as store:
        (row,) = rows(store, want=SIZE | CRLF_SIZE)
        assert (row.size, row.crlf_size) == (len(BODY_TEXT), len(BODY_TEXT) + 3)
        assert store.inbox.state().size == len(BODY_TEXT)
        assert store.usage() == (1, len(BODY_TEXT))


def test_a_message_that_is_renamed_between_listing_and_reading(tmp_path: Path) -> None:
    box = make(tmp_path / "box")
    for number in range(4):
        put(box, f"new/{number}.a.h", b"%d\n" % number)
    with opened(box, readonly=True) as store:
        folder = store.driver.folder(store.inbox.path)
        delta = folder.changes(None, BODY | SIZE)
        for number in range(3):
            os.rename(box / f"new/{number}.a.h", box / f"cur/{number}.a.h:2,S")
        (box / "new/3.a.h").unlink()
        found = [row for batch in delta.batches for row in batch]
        assert [(row.uid, row.body, row.error) for row in found] == [
            (1, b"0\n", None),
            (2, b"1\n", None),
            (3, b"2\n", None),
        ]


def test_hostile_names(tmp_path: Path) -> None:
    box = make(tmp_path / "box")
    odd = ["-rf", "a\nb", "\udcff\udcfe.h", "x" * 250, "1.a.h:2,S:2,F", " ", "%s", "ü.h:2,S", ":2,S", "a:b:2,S"]
    for number, name in enumerate(odd):
        put(box, f"cur/{name}", b"%d\n" % number)
    with opened(box, readonly=True) as store:
        assert sorted(row.body for row in rows(store)) == [b"%d\n" % number for number in range(len(odd))]
    with opened(box) as store:
        found = rows(store)
        assert sorted(row.body for row in found) == [b"%d\n" % number for number in range(len(odd))]
        for row in found:
            if row.key != "x" * 250:
                store.inbox.add_flags([row.uid], ["\\Flagged"])
        assert sorted(row.body for row in rows(store) if row.flags & 4) == sorted(
            b"%d\n" % number for number in range(len(odd)) if number != 3
        )
    with opened(box) as store:
        assert {row.uid: row.body for row in rows(store)} == {row.uid: row.body for row in found}


def test_a_link_in_the_place_of_a_folder_is_told_and_not_followed(tmp_path: Path) -> None:
    elsewhere = make(tmp_path / "elsewhere")
    put(elsewhere, "cur/1.a.h:2,S")
    box = make(tmp_path / "box", ".Real")
    os.symlink(elsewhere, box / ".Linked")
    os.symlink(box, box / ".Loop")
    with opened(box, readonly=True) as store:
        assert [str(info.path) for info in store.folders()] == ["INBOX", "Real"]
        assert ".Linked is a link to a directory and is not followed" in store.evidence
        assert ".Loop is a link to a directory and is not followed" in store.evidence


def test_leftovers_in_tmp_go_after_36_hours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = make(tmp_path / "box", ".A")
    for folder in (box, box / ".A"):
        put(folder, "tmp/old", mtime=1)
    (box / "tmp/.mailstore-gone-1/cur").mkdir(parents=True)
    put(box, "tmp/.mailstore-gone-1/cur/x")
    (box / "tmp/somebody").mkdir()
    put(box, ".mailstore-1-abc")
    with opened(box) as store:
        assert sorted(os.listdir(box / "tmp")) == [".mailstore-gone-1", "old", "somebody"]

        later = clock.now_ns() + 36 * 3600 * 10**9 + 10**9
        monkeypatch.setattr(clock, "source", lambda: later)
        assert store.recover() == (0, 0, 4)
        assert os.listdir(box / "tmp") == ["somebody"]
        assert os.listdir(box / ".A/tmp") == []
        assert not (box / ".mailstore-1-abc").exists()
    assert names(box) == []


def test_a_store_we_may_only_read_opened_for_writing(tmp_path: Path) -> None:
    box = make(tmp_path / "box")
    put(box, "cur/1.a.h:2,S")
    for path in (box, box / "cur", box / "new", box / "tmp"):
        path.chmod(0o555)
    code = (
        "import sys; from mailstore import ReadOnlyStore, open_store\n"
        "store = open_store('maildir:' + sys.argv[1], index='memory')\n"
        "print([(row.uid, row.recorded) for row in store.inbox.rows(0)])\n"
        "try:\n  store.inbox.append(b'x')\n"
        "except ReadOnlyStore as error:\n  print(str(error).rpartition(': ')[2])"
    )
    done = subprocess.run([*unprivileged(), sys.executable, "-c", code, str(box)], capture_output=True, text=True)
    assert done.stdout == "[(1, False)]\nPermission denied\n", done.stderr


def test_a_hidden_folder_that_is_still_being_filled_is_not_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = make(tmp_path / "box")
    for hidden in ("busy", "dead"):
        make(box / f"tmp/.mailstore-folder-{hidden}")
    later = clock.now_ns() + 36 * 3600 * 10**9 + 10**9
    os.utime(box / "tmp/.mailstore-folder-busy/cur", ns=(later, later))
    with opened(box) as store:
        monkeypatch.setattr(clock, "source", lambda: later)
        assert store.recover().removed == 1
    assert os.listdir(box / "tmp") == [".mailstore-folder-busy"]
