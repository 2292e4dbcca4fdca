"""``mstore mb2md``: mb2md's options, its folder names where it does not merge them, and none of its losses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.mstore import Ran, mstore
from support.peers import need, run

from mailstore import open_store


def record(number: int) -> bytes:
    return b"From joe@example.org Tue Nov 14 22:13:20 2023\nSubject: %d\n\ntext\n\n" % number


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home as mb2md's manual describes it."""
    for number, name in enumerate(("fffff", "ggg.mbx", "a.b", "a_b", "xxx/aaaa", "xxx/deep/er", "yyyy/huey", "inbox")):
        path = tmp_path / "oldmail" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(record(number))
    (tmp_path / "oldmail/empty").touch()
    (tmp_path / "oldmail/.hidden").write_bytes(b"no mail")
    (tmp_path / "oldmail/notes").write_bytes(b"no mail\n")
    return tmp_path


def mb2md(home: Path, *arguments: str, code: int = 0, **env: str) -> Ran:
    ran = mstore("mb2md", *arguments, "-q", env={"HOME": str(home), **env})
    assert ran.code == code, ran.err
    return ran


def folders(maildir: Path) -> dict[str, list[bytes]]:
    """Return the text of each message by folder."""
    with open_store(f"maildir:{maildir}", readonly=True) as store:
        return {
            str(info.path): [message.bytes() for message in store.folder(info.path)]
            for info in store.folders()
            if info.selectable
        }


def mail(number: int) -> list[bytes]:
    return [b"Subject: %d\n\ntext\n" % number]


ALL = {
    "INBOX": mail(7),
    "a_b": mail(3),
    "a_b_2": mail(2),
    "empty": [],
    "fffff": mail(0),
    "ggg": mail(1),
    "xxx/aaaa": mail(4),
    "xxx/deep/er": mail(5),
    "yyyy/huey": mail(6),
}


def test_a_whole_tree_with_extension_taken_off(home: Path) -> None:
    ran = mstore("mb2md", "-s", "oldmail", "-R", "-r", "mbx", env={"HOME": str(home)})
    assert ran.code == 0
    assert folders(home / "Maildir") == ALL
    assert f"\nLeft out: {home}/oldmail/notes: it does not begin with a From_ line\n" in ran.out


def test_run_again_it_copies_nothing(home: Path) -> None:
    mb2md(home, "-s", "oldmail", "-R", "-r", "mbx", "-d", "there")
    mb2md(home, "-s", "oldmail", "-R", "-r", "mbx", "-d", "there")
    assert folders(home / "there") == ALL


def test_without_recursion_directories_are_named_and_left_out(home: Path) -> None:
    ran = mb2md(home, "-s", "oldmail", "-r", "mbx")
    assert folders(home / "Maildir") == {name: text for name, text in ALL.items() if "/" not in name}
    assert [line for line in ran.err.splitlines() if "directory" in line] == [
        "mstore: left out: xxx is a directory, and there is no -R",
        "mstore: left out: yyyy is a directory, and there is no -R",
    ]


def test_one_directory_with_all_below_it(home: Path) -> None:
    mb2md(home, "-s", str(home / "oldmail"), "-f", "xxx/", "-d", str(home / "x"))
    assert folders(home / "x") == {"INBOX": [], "xxx/aaaa": mail(4), "xxx/deep/er": mail(5)}


def test_the_list_of_folders_chooses_and_subscribes(home: Path) -> None:
    (home / ".mailboxlist").write_text("/fffff\r\noldmail/xxx/aaaa\n\nnowhere\na.b\n")
    ran = mb2md(home, "-s", "oldmail", "-R", "-l", ".mailboxlist")
    assert folders(home / "Maildir") == {"INBOX": [], "a_b": mail(2), "fffff": mail(0), "xxx/aaaa": mail(4)}
    with open_store(f"maildir:{home}/Maildir", readonly=True) as store:
        assert {str(info.path) for info in store.folders() if info.subscribed} == {"a_b", "fffff", "xxx/aaaa"}
    assert "mstore: listed, but not found: nowhere\n" in ran.err


def test_one_file_becomes_the_inbox(home: Path) -> None:
    mb2md(home, "-s", "oldmail/fffff", "-d", "one")
    assert folders(home / "one") == {"INBOX": mail(0)}


def test_the_spool_is_what_mail_names(home: Path) -> None:
    (home / "spool").write_bytes(record(1))
    mb2md(home, "-m", MAIL=str(home / "spool"))
    mb2md(home, "-m", MAIL=str(home / "spool"))
    assert folders(home / "Maildir") == {"INBOX": mail(1)}


def test_lengths_count_where_they_are_said_to(home: Path) -> None:
    text = b"\n" + record(2) + b">From me\n"
    (home / "counted").write_bytes(
        b"From joe@example.org Tue Nov 14 22:13:20 2023\nContent-Length: %d\n\n%s\n" % (len(text), text) + record(3)
    )
    mb2md(home, "-c", "-s", "counted")
    assert folders(home / "Maildir") == {"INBOX": [b"\n" + text, *mail(3)]}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "give either -m or -s SOURCE"),
        (("-m", "-s", "oldmail"), "give either -m or -s SOURCE"),
        (("-s", "oldmail", "-R", "-f", "xxx"), "-R and -f exclude each other"),
        (("-s", "oldmail/fffff", "-R"), "need a directory"),
        (("-s", "oldmail", "-l", "nolist"), "the list of folders cannot be read: No such file or directory"),
    ],
)
def test_wrong_usage(home: Path, arguments: tuple[str, ...], says: str) -> None:
    assert says in mb2md(home, *arguments, code=64).err
    assert not (home / "Maildir").exists()


def test_nothing_there(home: Path) -> None:
    assert "nowhere" in mb2md(home, "-s", "nowhere", code=66).err
    assert "it does not begin with a From_ line" in mb2md(home, "-s", "oldmail/notes", code=65).err
    assert "no folder is to be converted" in mb2md(home, "-s", "oldmail", "-f", "zzz", code=1).err
    assert "no mail spool" in mb2md(home, "-m", MAIL=str(home / "none"), code=64).err


@pytest.mark.interop
def test_folders_are_called_as_mb2md_calls_them(home: Path) -> None:
    need("mb2md")
    os.unlink(home / "oldmail/a_b")  # mb2md would write a.b over it
    os.unlink(home / "oldmail/inbox")  # becomes .inbox, which no IMAP client can tell from INBOX
    mb2md(home, "-s", "oldmail", "-R", "-r", "mbx", "-d", "ours")
    run(["mb2md", "-s", "oldmail", "-R", "-r", "mbx", "-d", "theirs"], home=home, cwd=home)
    named = {path.parent.name for path in (home / "ours").glob(".*/cur")}
    filled = {path.parent.parent.name for path in (home / "theirs").glob(".*/cur/*")}
    assert named - {".empty"} == filled
