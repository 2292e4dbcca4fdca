"""What a power cut may leave of an append: the length without the bytes, or some of their pages."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mailstore import open_store
from mailstore.drivers.mbox import inplace, journal, note
from mailstore.drivers.mbox.held import Held
from mailstore.system.lockrules import LockRules
from mailstore.testing.observe import listing

MAIL = b"Subject: x\n\nbody\n"

OLD = b"From a@b Thu Nov  9 22:33:52 2023\nSubject: old\n\nold\n\n"
NEW = b"From c@d Thu Nov  9 22:33:53 2023\nSubject: new\n\n" + b"new\n" * 2000 + b"\n"
WITH_NULS = NEW.replace(b"new\n" * 2000, b"\0\0\0\n" * 2000)


def begin(box: Path, data: bytes) -> None:
    """Write down that ``data`` is being appended, and get no further."""
    box.write_bytes(OLD)
    fd = os.open(box, os.O_RDWR)
    try:
        journal.Append(str(box), fd, len(OLD), data, len(data))
    finally:
        os.close(fd)


def seen(box: Path) -> list[bytes]:
    with open_store(f"mbox:{box}") as store:
        return [message.body for message in listing(store.inbox).values()]


@pytest.mark.parametrize(
    "there",
    [
        b"\0" * len(NEW),
        b"\0" * 512,
        NEW[:4096] + b"\0" * (len(NEW) - 4096),
        b"\0" * 4096 + NEW[4096:],
        NEW[:512] + b"\0" * 512 + NEW[1024:],
        NEW[:512],
        NEW[:20] + b"\0" * 1000,
    ],
    ids=["length", "some of the length", "first page", "all but the first page", "a hole", "shorter", "odd"],
)
def test_length_without_the_bytes(tmp_path: Path, there: bytes) -> None:
    box = tmp_path / "box"
    begin(box, NEW)
    with box.open("ab") as file:
        file.write(there)
    assert seen(box) == [b"Subject: old\n\nold\n"]
    assert box.read_bytes() == OLD


@pytest.mark.parametrize("data", [NEW, WITH_NULS], ids=["text", "NULs"])
def test_complete(tmp_path: Path, data: bytes) -> None:
    box = tmp_path / "box"
    begin(box, data)
    with box.open("ab") as file:
        file.write(data)
    assert len(seen(box)) == 2
    assert box.read_bytes() == OLD + data


def test_complete_and_changed_since(tmp_path: Path) -> None:
    """That the append is complete was said, and did not get to the disk; a flag was set in place since."""
    box = tmp_path / "box"
    begin(box, WITH_NULS)
    changed = OLD + WITH_NULS.replace(b"Subject: new", b"Status: RO \n")
    box.write_bytes(changed)
    assert len(seen(box)) == 2
    assert box.read_bytes() == changed


def test_shorter_since_it_was_rewritten_in_place(tmp_path: Path) -> None:
    """A file with two names is rewritten in its place: what was said of an append to it does not hold any more."""
    box = tmp_path / "box"
    begin(box, NEW)
    os.link(box, tmp_path / "second")
    shorter = OLD + NEW[:-1000] + b"\n"
    fd = os.open(box, os.O_RDWR)
    os.pwrite(fd, NEW, len(OLD))
    inplace.copy_over(str(box), fd, iter([shorter]), lambda: None)
    os.close(fd)
    assert len(seen(box)) == 2
    assert box.read_bytes() == shorter


def test_closing_leaves_the_note_of_an_append_that_another_has_begun(tmp_path: Path) -> None:
    box = tmp_path / "box"
    with open_store(f"mbox:{box}", create=True) as store:
        store.inbox.append(MAIL)
        assert note.is_kept(str(box))
        with Held(str(box), LockRules(timeout=1.0)):
            store.close()
            assert note.is_kept(str(box))
    with open_store(f"mbox:{box}") as store:
        store.inbox.append(MAIL)
    assert not note.is_kept(str(box))
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".lock") == []


def test_closing_makes_no_mailbox_that_is_gone(tmp_path: Path) -> None:
    box = tmp_path / "box"
    with open_store(f"mbox:{box}", create=True) as store:
        store.inbox.append(MAIL)
        box.unlink()
    assert not box.exists()
