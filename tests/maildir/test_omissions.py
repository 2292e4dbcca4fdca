"""What a Maildir's tree holds and no folder shows: nobody should find out years later that it stayed behind."""

from __future__ import annotations

import os
from pathlib import Path

from support.mstore import mstore
from support.privilege import unprivileged

from mailstore import Omission, open_store

LINK = "a link to a directory, which is not followed"
OTHER = "a Maildir that no folder of this layout is"


def maildir(path: Path) -> Path:
    """Make a Maildir with one message."""
    for part in ("cur", "new", "tmp"):
        (path / part).mkdir(parents=True)
    (path / "new" / "1.x").write_bytes(b"Subject: x\n\ntext\n")
    return path


def omissions(location: str) -> list[Omission]:
    with open_store(location, readonly=True) as store:
        return store.omissions()


def test_a_plain_store_leaves_nothing_out(tmp_path: Path) -> None:
    maildir(tmp_path / "m")
    maildir(tmp_path / "m/.Sent")
    for name in ("maildirsize", "dovecot.index.log", "courierimapsubscribed"):
        (tmp_path / "m" / name).touch()
    (tmp_path / "m/.procmail").mkdir()
    (tmp_path / "m/courierimapkeywords").mkdir()
    assert omissions(f"maildir:{tmp_path}/m") == []


def test_what_is_left_out_of_a_maildir_plus_plus(tmp_path: Path) -> None:
    root = maildir(tmp_path / "m")
    maildir(root / ".Sent")
    maildir(root / "old/2001")
    maildir(tmp_path / "shared")
    (root / ".Shared").symlink_to(tmp_path / "shared")
    assert omissions(f"maildir:{root}?layout=%2B%2B") == [
        Omission(f"{root}/.Shared", LINK),
        Omission(f"{root}/old", OTHER, damaged=True),
    ]


def test_what_is_left_out_of_a_tree(tmp_path: Path) -> None:
    root = tmp_path / "m"
    maildir(root / "INBOX")
    maildir(root / "a/b")
    maildir(tmp_path / "shared")
    (root / "a/link").symlink_to(tmp_path / "shared")
    assert omissions(f"maildir:{root}?layout=fs") == [Omission(f"{root}/a/link", LINK)]


def test_a_conversion_fails_for_a_folder_that_it_may_not_read(tmp_path: Path) -> None:
    prefix = unprivileged()
    root = maildir(tmp_path / "m")
    closed = maildir(root / ".Closed")
    closed.chmod(0)
    try:
        ran = mstore("convert", f"maildir:{root}", f"maildir:{tmp_path}/new", "--json", prefix=prefix)
    finally:
        closed.chmod(0o700)
    assert ran.code == 1
    assert ran.err == f"mstore: {closed}: permission denied\n"
    assert ran.json["left_out"] == [
        {"where": str(closed), "reason": "permission denied", "messages": None, "damaged": True}
    ]
    assert (ran.json["messages"]["found"], ran.json["messages"]["copied"]) == (1, 1)
    assert os.listdir(tmp_path / "new/cur") == []


def test_an_mbox_tree_tells_mail_that_it_does_not_show(tmp_path: Path) -> None:
    prefix = unprivileged()
    root = tmp_path / "mail"
    root.mkdir()
    for name in ("work", ".hidden", "closed"):
        (root / name).write_bytes(b"From joe@example.org Tue Nov 14 22:13:20 2023\nSubject: x\n\ntext\n\n")
    (root / "notes").write_bytes(b"no mail\n")
    (root / "closed").chmod(0)
    ran = mstore("convert", f"mbox:{root}", f"maildir:{tmp_path}/new", "--json", prefix=prefix)
    assert ran.code == 1
    assert [(one["where"], one["reason"], one["damaged"]) for one in ran.json["left_out"]] == [
        (f"{root}/.hidden", "a hidden file, though it is mail", True),
        (f"{root}/closed", "Permission denied", True),
        (f"{root}/notes", "it does not begin with a From_ line", False),
    ]
