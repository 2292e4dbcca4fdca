"""A signal in the middle of a write: what other programs see when the lock is released is whole."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from mailstore import open_store
from mailstore.delivery import deliver
from mailstore.system import fs

FIRST, SECOND = b"Subject: first\n\n" + b"first\n" * 500, b"Subject: second\n\nsecond\n"


@pytest.fixture
def box(tmp_path: Path) -> Path:
    with open_store(f"mbox:{tmp_path / 'box'}", create=True) as store:
        store.inbox.append(FIRST)
        store.inbox.append(SECOND)
    return tmp_path / "box"


def interrupting(box: Path, begin: int) -> fs.Calls:
    """Return calls of which the first that writes into the mailbox from ``begin`` on writes five bytes only."""
    table, left = fs.Calls(), [1]
    write = table.pwrite

    def pwrite(fd: int, data: bytes, offset: int) -> int:
        if left and offset >= begin and os.path.samestat(os.fstat(fd), os.stat(box)):
            left.pop()
            write(fd, data[:5], offset)
            raise KeyboardInterrupt
        return write(fd, data, offset)

    table.pwrite = pwrite
    return table


@pytest.mark.parametrize("uids", [True, False], ids=["append", "delivery"])
def test_half_an_append_is_taken_back(box: Path, uids: bool) -> None:
    size = box.stat().st_size
    with open_store(f"mbox:{box}") as store:
        append = partial(store.inbox.append, SECOND) if uids else partial(deliver, SECOND, f"mbox:{box}")
        with fs.replaced(interrupting(box, size)), pytest.raises(KeyboardInterrupt):
            append()
        assert box.stat().st_size == size
        store.inbox.append(SECOND)
        assert [message.bytes() for message in store.inbox] == [FIRST, SECOND, SECOND]


def test_a_rewrite_that_was_begun_is_finished(box: Path) -> None:
    with open_store(f"mbox:{box}") as store:
        first = next(iter(store.inbox)).uid
        with fs.replaced(interrupting(box, 0)), pytest.raises(KeyboardInterrupt):
            store.inbox.expunge([first], only_deleted=False)
        text = box.read_bytes()
        assert text.startswith(b"From ")
        assert b"Subject: second" in text
        assert b"first" not in text
        assert [name for name in os.listdir(box.parent) if "copy" in name] == []
        assert [message.bytes() for message in store.inbox] == [SECOND]
