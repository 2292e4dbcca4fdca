"""Trees as other programs leave them: mbsync's layouts, mixtures of layouts and formats."""

from pathlib import Path

import pytest
from support.maildirs import make, opened, put

from mailstore import open_store
from mailstore.errors import AmbiguousLocation, LocationError

MAIL = b"From a@x Thu Nov  9 22:33:52 2023\nSubject: 1\n\nx\n"


def selectable(root: Path, options: str = "") -> list[str]:
    with opened(root, options, readonly=True) as store:
        return [str(info.path) for info in store.folders() if info.selectable]


def messages(root: Path, options: str = "") -> dict[str, list[int]]:
    with opened(root, options, readonly=True) as store:
        folders = [info.path for info in store.folders() if info.selectable]
        return {str(path): [row.uid for row in store.folder(path).rows(0)] for path in folders}


def mbsync_box(box: Path, uid: int) -> None:
    make(box)
    put(box, f"cur/1700000000.1_1.host,U={uid}:2,S")
    (box / ".uidvalidity").write_text(f"1700000123\n{uid}\n")


@pytest.mark.parametrize(
    ("directories", "folders"),
    [
        (["INBOX", "work", "work/lists"], ["INBOX", "work", "work/lists"]),
        (["INBOX", "work", "work/.lists", "work/.lists/.old"], ["INBOX", "work", "work/lists", "work/lists/old"]),
        (["INBOX", "INBOX/.sub", "work"], ["INBOX", "INBOX/sub", "work"]),
        ([".", ".work", ".work.lists", "..sub", "..sub.deep"],
         ["INBOX", "INBOX/sub", "INBOX/sub/deep", "work", "work/lists"]),
    ],
    ids=["Verbatim", "Legacy", "Legacy below INBOX", "Maildir++"],
)  # fmt: skip
def test_mbsyncs_layouts(directories: list[str], folders: list[str], tmp_path: Path) -> None:
    for uid, name in enumerate(directories, 4):
        mbsync_box(tmp_path / "Mail" / name, uid)
    found = messages(tmp_path / "Mail")
    assert list(found) == folders
    assert sorted(uid for uids in found.values() for uid in uids) == list(range(4, 4 + len(directories)))
    with opened(tmp_path / "Mail", readonly=True) as store:
        assert store.omissions() == []
        assert {store.folder(name).state().uidvalidity for name in folders} == {1700000123}


def test_legacy_with_its_inbox_elsewhere_and_as_the_root(tmp_path: Path) -> None:
    for name in ("Mail/work", "Mail/work/.lists", "In", "In/.sub"):
        make(tmp_path / name)
    assert selectable(tmp_path / "Mail", f"?inbox={tmp_path}/In") == ["INBOX", "work", "work/lists"]
    make(tmp_path / "In", "work", "work/.lists")
    assert selectable(tmp_path / "In", "?layout=legacy") == ["INBOX", "INBOX/sub", "work", "work/lists"]


def test_legacy_is_not_written_to(tmp_path: Path) -> None:
    for name in ("INBOX", "work", "work/.lists"):
        make(tmp_path / "Mail" / name)
    for options in ("", "?layout=legacy"):
        with pytest.raises(LocationError, match="layout legacy is read and not written to"):
            opened(tmp_path / "Mail", options)


def test_a_directory_of_accounts_is_no_tree(tmp_path: Path) -> None:
    for name in ("ann", "ann/.Sent", "joe", "joe/.Sent"):
        make(tmp_path / "example.org" / name)
    with pytest.raises(AmbiguousLocation, match="or several accounts") as caught:
        opened(tmp_path / "example.org", readonly=True)
    assert caught.value.readings == (
        f"maildir:{tmp_path}/example.org?layout=legacy",
        f"maildir:{tmp_path}/example.org/ann",
        f"maildir:{tmp_path}/example.org/joe",
    )


def test_mail_of_another_format_is_told(tmp_path: Path) -> None:
    for name in ("INBOX", "work"):
        make(tmp_path / "Mail" / name)
    (tmp_path / "Mail/old.mbox").write_bytes(MAIL)
    (tmp_path / "Mail/notes.txt").write_bytes(b"From here on, no mail\n")
    with opened(tmp_path / "Mail", readonly=True) as store:
        assert [(one.where, one.reason, one.damaged) for one in store.omissions()] == [
            (f"{tmp_path}/Mail/old.mbox", "an mbox file among Maildirs: a store of its own", True)
        ]
    with open_store(f"mbox:{tmp_path}/Mail", readonly=True) as store:
        assert [str(info.path) for info in store.folders() if info.selectable] == ["INBOX", "old.mbox"]
        told = {(one.where, one.damaged): one.reason for one in store.omissions()}
        assert told == {
            (f"{tmp_path}/Mail/INBOX", True): "a Maildir among mbox files: a store of its own",
            (f"{tmp_path}/Mail/work", True): "a Maildir among mbox files: a store of its own",
            (f"{tmp_path}/Mail/notes.txt", False): "it does not begin with a From_ line",
        }


def test_messages_in_the_root_are_told_where_inbox_is_elsewhere(tmp_path: Path) -> None:
    make(tmp_path / "M", ".a")
    make(tmp_path / "In")
    put(tmp_path / "M", "cur/1.a.h:2,")
    with opened(tmp_path / "M", f"?inbox={tmp_path}/In", readonly=True) as store:
        assert [(one.where, one.damaged) for one in store.omissions()] == [(f"{tmp_path}/M", True)]
        assert selectable(tmp_path / "M", f"?inbox={tmp_path}/In") == ["INBOX", "a"]
