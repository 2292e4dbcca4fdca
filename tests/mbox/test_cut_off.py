"""What stands where an append was interrupted is taken away, also when the system left NULs there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mailstore import open_store
from mailstore.drivers.mbox import journal

FIRST = b"Subject: first\n\nfirst\n"


@pytest.mark.parametrize("length", [-1, 3000])
@pytest.mark.parametrize("cleared", [0, 5, 64, 1616])
def test_an_append_whose_beginning_was_cleared(tmp_path: Path, cleared: int, length: int) -> None:
    """btrfs, out of quota, refuses to cut a file and has cleared the rest of the block by then."""
    box = tmp_path / "mbox"
    with open_store(f"mbox:{box}", create=True) as store:
        store.inbox.append(FIRST)
    before = box.read_bytes()
    record = b"From joe@example.org Wed Nov 25 11:09:42 2026\nSubject: second\n\n" + b"text\n" * 1000
    with box.open("r+b") as file:
        journal.Append(str(box), file.fileno(), len(before), record, length)
        file.seek(0, os.SEEK_END)
        file.write(b"\0" * cleared + record[cleared:2000])
    with open_store(f"mbox:{box}") as store:
        assert [message.bytes() for message in store.inbox] == [FIRST]
    assert box.read_bytes() == before


def test_mail_of_others_is_left_alone(tmp_path: Path) -> None:
    """The file was cut and another program appended there: what it wrote does not begin like our append."""
    box = tmp_path / "mbox"
    with open_store(f"mbox:{box}", create=True) as store:
        store.inbox.append(FIRST)
    size = box.stat().st_size
    with box.open("r+b") as file:
        journal.Append(str(box), file.fileno(), size, b"From joe@example.org Wed Nov 25 11:09:42 2026\n", 3000)
        file.seek(0, os.SEEK_END)
        file.write(b"From ann@example.org Wed Nov 25 11:09:43 2026\nSubject: hers\n\nhers\n\n")
    with open_store(f"mbox:{box}") as store:
        assert [message.bytes() for message in store.inbox] == [FIRST, b"Subject: hers\n\nhers\n"]


HERS = b"Subject: hers\n\nhers\n"
RECORD = b"From joe@example.org Wed Nov 25 11:09:42 2026\nStatus:   \nSubject: second\n\n" + b"text\n" * 6000


@pytest.mark.parametrize("length", [-1, len(RECORD)])
@pytest.mark.parametrize("torn", [40, 64, 2000, 2003, len(RECORD) - 500])
@pytest.mark.parametrize("guard", [b"", b"\n", b"\n\n"])
def test_mail_that_came_behind_half_an_append_stays(tmp_path: Path, torn: int, length: int, guard: bytes) -> None:
    """Whether its program saw to it that the line before was ended, or not."""
    box = tmp_path / "mbox"
    with open_store(f"mbox:{box}", create=True) as store:
        store.inbox.append(FIRST)
    with box.open("r+b") as file:
        journal.Append(str(box), file.fileno(), box.stat().st_size, RECORD, length)
        file.seek(0, os.SEEK_END)
        file.write(RECORD[:torn] + guard)
        for _ in range(2):
            file.write(b"From ann@example.org  Wed Nov 25 11:09:43 2026\n" + HERS + b"\n")
    with open_store(f"mbox:{box}") as store:
        assert [message.bytes() for message in store.inbox] == [FIRST, HERS, HERS]
        store.inbox.append(FIRST)
    with open_store(f"mbox:{box}", readonly=True) as store:
        assert [message.bytes() for message in store.inbox] == [FIRST, HERS, HERS, FIRST]


@pytest.mark.parametrize("torn", [40, 64, 2000, 2003, len(RECORD) - 500])
def test_mail_that_looks_like_ours_stays_behind_a_single_record(tmp_path: Path, torn: int) -> None:
    """Another user of ours keeps his journal elsewhere, and could not know; or a sender wrote Status first."""
    box = tmp_path / "mbox"
    with open_store(f"mbox:{box}", create=True) as store:
        store.inbox.append(FIRST)
    with box.open("r+b") as file:
        journal.Append(str(box), file.fileno(), box.stat().st_size, RECORD, len(RECORD))
        file.seek(0, os.SEEK_END)
        file.write(RECORD[:torn] + (b"\n" if RECORD[torn - 1 : torn] == b"\n" else b"\n\n"))
        file.write(b"From ann@example.org Wed Nov 25 11:09:43 2026\nStatus:   \n" + HERS + b"\n")
    with open_store(f"mbox:{box}") as store:
        assert [message.bytes() for message in store.inbox] == [FIRST, HERS]


def test_a_batch_of_ours_is_taken_back_whole(tmp_path: Path) -> None:
    """Its later records are ours too: they begin as ours do. Quoted From_ lines in their text begin nothing."""
    box = tmp_path / "mbox"
    with open_store(f"mbox:{box}", create=True) as store:
        store.inbox.append(FIRST)
    before = box.read_bytes()
    quoted = b">From ann@example.org Wed Nov 25 11:09:43 2026\n"
    data = (RECORD + quoted + b"\n") * 50
    with box.open("r+b") as file:
        journal.Append(str(box), file.fileno(), len(before), data, len(data) + 10)
        file.seek(0, os.SEEK_END)
        file.write(data)
    open_store(f"mbox:{box}").close()
    assert box.read_bytes() == before
