"""The commands on stores on disk: pipes between processes, and reading leaves no trace."""

import hashlib
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest


def snapshot(root: Path):
    """Everything below ``root``: kind, bytes, times."""
    found = {}
    for entry in sorted([root, *root.rglob("*")]):
        status = entry.lstat()
        content = entry.read_bytes() if entry.is_file() and not entry.is_symlink() else None
        found[str(entry)] = (status.st_mode, status.st_mtime_ns, status.st_size, content)
    return found


@pytest.fixture
def stores(tmp_path):
    return tmp_path / "stores"


def plain_maildir(root: Path, count: int) -> str:
    """A Maildir as qmail leaves it: no list of UIDs."""
    for name in ("cur", "new", "tmp"):
        (root / name).mkdir(parents=True)
    for number in range(1, count + 1):
        (root / "cur" / f"17000000{number:02}.M1P1.host:2,S").write_bytes(b"From: a@b\nSubject: %d\n\nbody\n" % number)
    return f"maildir:{root}"


def plain_mbox(path: Path, count: int) -> str:
    """An mbox as procmail leaves it: no X-UID."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        b"".join(
            b"From a@b Sat Nov 22 13:00:%02d 2025\nFrom: a@b\nSubject: %d\n\nbody\n\n" % (number, number)
            for number in range(1, count + 1)
        )
    )
    return f"mbox:{path}"


READERS = [
    ("info",),
    ("info", "--json"),
    ("ls",),
    ("ls", "-r", "--json", "--digest"),
    ("cat", "1-"),
    ("folder", "list"),
]


@pytest.mark.parametrize("arguments", READERS, ids=" ".join)
def test_reading_leaves_no_trace(mstore, on_disk, stores, arguments):
    before = snapshot(stores)
    command, *rest = arguments
    words = [command, rest.pop(0)] if command == "folder" else [command]
    ran = mstore(*words, on_disk, *rest)
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert snapshot(stores) == before


def test_comparing_and_planning_leave_no_trace(mstore, on_disk, stores, tmp_path):
    before = snapshot(stores)
    assert mstore("verify", on_disk, on_disk).exit_code == 0
    assert mstore("convert", on_disk, f"sqlite:{tmp_path}/out.db", "--dry-run").exit_code == 0
    assert not (tmp_path / "out.db").exists()
    assert mstore("convert", on_disk, f"sqlite:{tmp_path}/out.db").exit_code == 0
    assert snapshot(stores) == before


def test_every_verb(mstore, on_disk, messages):
    rows = mstore("ls", on_disk, "-r", "--json", "--digest").objects
    assert [(row["folder"], row["uid"]) for row in rows] == [
        ("INBOX", 1), ("INBOX", 2), ("INBOX", 3), ("Archive/2024", 1),
    ]  # fmt: skip
    names = ("plain", "encoded", "hostile", "plain")
    assert [row["sha256"] for row in rows] == [hashlib.sha256(messages[name]).hexdigest() for name in names]
    assert rows[0]["keywords"] == ["$Forwarded", "Work"]
    assert rows[0]["internal_date"] == "2023-11-14T22:13:20+00:00"
    assert mstore("cat", on_disk, "3").stdout == messages["hostile"]
    listing = mstore("ls", on_disk).stdout
    assert mstore("flag", on_disk, "-a", "deleted", "-r", "Work", "-", stdin=listing).exit_code == 0
    assert mstore("add", on_disk, "-f", "Archive/2024", stdin=b"Subject: new\n\nx\n").lines == ["Archive/2024:2"]
    assert mstore("copy", on_disk, on_disk, "1", "-t", "New/Deep", "--create").lines == ["New/Deep:1"]
    assert mstore("move", on_disk, on_disk, "2", "-t", "Archive/2024").lines == ["Archive/2024:3"]
    assert mstore("expunge", on_disk).lines == ["INBOX:1", "INBOX:3"]
    assert mstore("ls", on_disk).lines == []
    assert mstore("cat", on_disk, "Archive/2024:3").stdout == messages["encoded"]
    assert mstore("folder", "rename", on_disk, "New", "Old").exit_code == 0
    assert mstore("folder", "subscribe", on_disk, "Old/Deep", "Gone").exit_code == 0
    assert mstore("folder", "list", on_disk, "--subscribed").lines == ["Gone", "Old/Deep"]
    assert mstore("folder", "delete", on_disk, "Old/Deep").exit_code == 64
    assert mstore("folder", "delete", on_disk, "Old/Deep", "--force").exit_code == 0
    assert mstore("folder", "list", on_disk).lines == ["INBOX", "Archive/2024"]
    assert mstore("info", on_disk, "--json").object["messages"] == 3


def test_hostile_folder_names(mstore, on_disk, stores):
    names = ["..\\/x", "\\x00nul", "trailing\\x20", ".dot", "a.b", "a&b", "Grüße 漢字", "-dash", "\\x20lead", "x" * 200]
    for name in names:
        assert mstore("folder", "create", on_disk, "--", name).exit_code == 0, name
        assert mstore("add", on_disk, f"--folder={name}", stdin=b"Subject: x\n\nx\n").exit_code == 0
    assert set(mstore("folder", "list", on_disk).lines) == {"INBOX", "Archive/2024", *names}
    ran = mstore("ls", on_disk, "-r")
    assert len(ran.lines) == 4 + len(names)
    assert mstore("flag", on_disk, "-a", "seen", "-", stdin=ran.stdout).exit_code == 0
    assert {entry.name for entry in stores.parent.iterdir()} == {"stores"}


@pytest.mark.parametrize("make", [plain_maildir, plain_mbox])
def test_a_pipe_into_a_store_without_a_record_of_uids(mstore_command, make, tmp_path):
    location = make(tmp_path / "mail", 20)
    mstore = shlex.join(mstore_command)
    script = f'{mstore} ls "$1" | grep "1$" | {mstore} flag "$1" -a flagged -r seen - && {mstore} ls "$1"'
    done = subprocess.run(["/bin/sh", "-c", script, "sh", location], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[:2] == ["INBOX:1", "INBOX:11"]
    assert len(lines) == 22
    assert [line.split()[0].partition("@")[0] for line in lines if " N.F.. " in line] == ["INBOX:1", "INBOX:11"]


@pytest.mark.parametrize("make", [plain_maildir, plain_mbox])
def test_what_was_listed_is_never_taken_for_another_message(mstore, make, tmp_path):
    """Another program removes message 1 between ``ls`` and ``expunge``: without a record all numbers move on."""
    location = make(tmp_path / "mail", 3)
    items = [line.split()[0] for line in mstore("ls", location).lines]
    assert all("@" in item for item in items)
    if make is plain_maildir:
        next((tmp_path / "mail" / "cur").glob("*01.M*")).unlink()
    else:
        text = (tmp_path / "mail").read_bytes()
        (tmp_path / "mail").write_bytes(text[text.index(b"\nFrom a@b") + 1 :])
    ran = mstore("expunge", "--force", location, "-", stdin=items[1].encode() + b"\n")
    assert (ran.exit_code, ran.stdout) == (1, b"")
    assert "another message has this number now" in ran.stderr
    assert len(mstore("ls", location).lines) == 2


def test_maildirmake(mstore, tmp_path):
    location = f"maildir:{tmp_path}/Maildir"
    assert mstore("folder", "create", location).exit_code == 0
    assert {"cur", "new", "tmp"} <= {entry.name for entry in (tmp_path / "Maildir").iterdir()}
    assert not os.stat(tmp_path / "Maildir").st_mode & 0o077
    assert mstore("folder", "create", location).exit_code == 73
    assert mstore("folder", "create", location, "Sent").exit_code == 0
    assert (tmp_path / "Maildir" / ".Sent" / "maildirfolder").exists()
    assert mstore("folder", "list", location).lines == ["INBOX", "Sent"]


def test_bare_paths(mstore, tmp_path, monkeypatch):
    """The mail world's convention: a slash is a Maildir, .db is SQLite, the rest an mbox."""
    monkeypatch.chdir(tmp_path)
    for path, kind in (("new/", "maildir++"), ("mail.db", "sqlite"), ("box", "mbox")):
        assert mstore("add", path, "--create", stdin=b"Subject: x\n\nx\n").exit_code == 0
        assert mstore("info", path.rstrip("/"), "--json").object["format"] == kind


def test_an_mbox_is_a_file_unless_folders_are_to_go_there(mstore, memory, tmp_path):
    one = ("--folder", "INBOX")
    for name, arguments, is_file in (
        ("a", ("convert", memory, f"mbox:{tmp_path}/a", *one), True),
        ("b", ("convert", memory, f"mbox:{tmp_path}/b"), False),
        ("c", ("copy", memory, f"mbox:{tmp_path}/c", "1-", "--create"), True),
        ("d", ("copy", memory, f"mbox:{tmp_path}/d", "Archive/2024:1", "--create"), False),
        ("e", ("copy", memory, f"mbox:{tmp_path}/e", "1-", "-t", "Other", "--create"), False),
        ("f", ("folder", "create", f"mbox:{tmp_path}/f"), True),
        ("g", ("folder", "create", f"mbox:{tmp_path}/g", "Sent"), False),
    ):
        assert mstore(*arguments).exit_code == 0, arguments
        assert (tmp_path / name).is_file() is is_file, arguments
    for name, folder, is_file in (("h", "INBOX", True), ("i", "Sent", False)):
        ran = mstore("add", f"mbox:{tmp_path}/{name}", "--create", "-f", folder, stdin=b"Subject: x\n\nx\n")
        assert ran.lines == [f"{folder}:1"]
        assert (tmp_path / name).is_file() is is_file


def test_a_store_that_is_locked_is_tried_again_later(mstore, tmp_path):
    location = plain_mbox(tmp_path / "mail", 1)
    script = "import fcntl,sys; f=open(sys.argv[1],'rb+'); fcntl.lockf(f, fcntl.LOCK_EX); print(flush=True); input()"
    holder = subprocess.Popen(
        [sys.executable, "-c", script, tmp_path / "mail"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    holder.stdout.readline()
    ran = mstore("add", location, "--lock-timeout", "0", "--json", stdin=b"Subject: x\n\n")
    holder.communicate(b"\n")
    assert ran.exit_code == 75
    assert ran.object["error"]["kind"] == "StoreBusy"
    assert ran.object["error"]["temporary"] is True
    assert mstore("add", location, "--lock-timeout", "0", stdin=b"Subject: x\n\n").exit_code == 0
