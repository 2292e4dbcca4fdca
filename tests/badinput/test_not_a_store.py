"""What is no mail store, or a damaged one: one line that says so, the documented exit code, and nothing made."""

from __future__ import annotations

import gzip
import lzma
import os
import random
import sqlite3
from pathlib import Path

import pytest
from support.mstore import Ran, mstore

from mailstore import Arrival, Meta, open_store

READERS = ("info", "ls", "convert", "verify")


def command(reader: str, location: str, tmp_path: Path) -> list[str]:
    """Return a command line of ``reader`` that has to read ``location``."""
    if reader == "convert":
        return ["convert", location, f"maildir:{tmp_path}/made"]
    if reader == "verify":
        return ["verify", location, location]
    return [reader, location]


def refused(ran: Ran, code: int) -> None:
    """Check that a command ended in one line and with ``code``."""
    assert (ran.code, len(ran.err.strip().splitlines())) == (code, 1), ran.err
    assert ran.err.startswith("mstore: ")
    assert ran.out == ""


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n\0\0", b"Dear diary,\nno mail today.\n", b"\0" * 4096, b"From"])
def test_a_file_that_is_none(reader: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "thing").write_bytes(content)
    for form in ("", "mbox:", "maildir:", "sqlite:"):
        refused(mstore(*command(reader, f"{form}{tmp_path}/thing", tmp_path)), 65)
    assert os.listdir(tmp_path) == ["thing"]
    assert (tmp_path / "thing").read_bytes() == content


@pytest.mark.parametrize("reader", READERS)
def test_a_directory_that_is_none(reader: str, tmp_path: Path) -> None:
    (tmp_path / "dir/sub").mkdir(parents=True)
    (tmp_path / "dir/notes.txt").write_text("nothing\n")
    for form in ("", "maildir:", "sqlite:"):
        refused(mstore(*command(reader, f"{form}{tmp_path}/dir", tmp_path)), 65)
    assert os.listdir(tmp_path) == ["dir"]
    assert sorted(os.listdir(tmp_path / "dir")) == ["notes.txt", "sub"]


@pytest.mark.parametrize("reader", READERS)
def test_nothing_there(reader: str, tmp_path: Path) -> None:
    for location in ("mbox:{}/none", "maildir:{}/none", "sqlite:{}/none", "{}/none", "{}/none/", "{}/none.db"):
        refused(mstore(*command(reader, location.format(tmp_path), tmp_path)), 66)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("reader", READERS)
def test_special_files_do_not_hang(reader: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for form in ("", "mbox:", "maildir:", "sqlite:"):
        for path in (f"{tmp_path}/fifo", "/dev/null", "/dev/zero"):
            refused(mstore(*command(reader, f"{form}{path}", tmp_path)), 65)
    assert os.listdir(tmp_path) == ["fifo"]


def test_an_empty_file_is_an_empty_mbox(tmp_path: Path) -> None:
    (tmp_path / "box").touch()
    for form in ("", "mbox:"):
        ran = mstore("info", "--json", f"{form}{tmp_path}/box")
        assert (ran.code, ran.json["messages"], ran.json["format"]) == (0, 0, "mbox")
    assert mstore("convert", f"{tmp_path}/box", f"maildir:{tmp_path}/made").code == 0
    assert (tmp_path / "box").read_bytes() == b""
    refused(mstore("info", f"maildir:{tmp_path}/box"), 65)
    refused(mstore("info", f"sqlite:{tmp_path}/box"), 65)


def test_a_lone_separator_is_a_message_without_bytes(tmp_path: Path) -> None:
    for text in (b"From a@b Sun May  7 04:53:57 2006\n", b"From a@b Sun May  7 04:53:57 2006"):
        (tmp_path / "box").write_bytes(text)
        ran = mstore("ls", "--json", f"{tmp_path}/box")
        assert (ran.code, ran.json["size"]) == (0, 0)
        assert mstore("verify", f"{tmp_path}/box", f"{tmp_path}/box").code == 0


@pytest.mark.parametrize("cut", [1, 40, 300, 1500])
def test_a_truncated_mbox(cut: int, tmp_path: Path) -> None:
    """What is there is mail; nothing is invented, and every whole message before the cut is whole."""
    record = b"From a@example.org Sun May  7 04:53:57 2006\nSubject: x\n\n" + b"text\n" * 200 + b"\n"
    (tmp_path / "box").write_bytes((record * 3)[:-cut])
    ran = mstore("convert", "--json", f"mbox:{tmp_path}/box", f"maildir:{tmp_path}/out")
    whole = record.partition(b"\n")[2][:-1]
    with open_store(f"maildir:{tmp_path}/out", readonly=True) as store:
        bodies = [message.bytes() for message in store.inbox]
    assert (ran.code, ran.json["messages"]["copied"]) == (0, len(bodies))
    kept = 3 if cut < len(record) else 2
    assert len(bodies) == kept
    assert bodies[: kept - 1] == [whole] * (kept - 1)
    assert whole.startswith(bodies[-1])


def test_a_truncated_archive(tmp_path: Path) -> None:
    record = (
        b"From a@example.org Sun May  7 04:53:57 2006\nSubject: x\n\n" + random.Random(1).randbytes(3000).hex().encode()
    )
    for suffix, packed in (("gz", gzip.compress(record * 5)), ("xz", lzma.compress(record * 5))):
        path = tmp_path / f"box.mbox.{suffix}"
        path.write_bytes(packed[: len(packed) // 2])
        refused(mstore("convert", f"mbox:{path}", f"maildir:{tmp_path}/made"), 65)
        assert not (tmp_path / "made").exists()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database with 200 messages, checkpointed into one file."""
    with open_store(f"sqlite:{tmp_path}/mail.db", create=True) as store:
        store.inbox.append_many(
            Arrival(b"Subject: %d\n\n" % number + b"text\n" * 400, Meta(internal_date=number)) for number in range(200)
        )
    return tmp_path / "mail.db"


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 3]


def _scribble(content: bytes) -> bytes:
    noise = random.Random(2).randbytes(len(content) // 2)
    return content[:4096] + noise + content[4096 + len(noise) :]


def _header(content: bytes) -> bytes:
    return b"SQLite format 3\0" + b"\xff" * 84 + content[100:]


@pytest.mark.parametrize("damage", [_cut, _scribble, _header])
@pytest.mark.parametrize("reader", READERS)
def test_a_corrupt_database(reader: str, damage: object, database: Path, tmp_path: Path) -> None:
    assert callable(damage)
    for name in ("mail.db-wal", "mail.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    broken = damage(database.read_bytes())
    database.write_bytes(broken)
    ran = mstore(*command(reader, f"sqlite:{database}", tmp_path))
    assert ran.code in (1, 65), ran.err  # 1: parts of it could be read, and what could not is named
    assert ran.err.startswith("mstore: ")
    assert database.read_bytes() == broken


def test_another_programs_database(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "contacts.db") as other:
        other.execute("create table contacts (name text)")
    other.close()
    before = (tmp_path / "contacts.db").read_bytes()
    for reader in READERS:
        refused(mstore(*command(reader, f"sqlite:{tmp_path}/contacts.db", tmp_path)), 65)
        refused(mstore(*command(reader, f"{tmp_path}/contacts.db", tmp_path)), 65)
    refused(mstore("add", f"sqlite:{tmp_path}/contacts.db", data=b"Subject: x\n\n"), 65)
    assert (tmp_path / "contacts.db").read_bytes() == before
