"""A destination that somebody removed is filled again: nothing that a journal or an index remembers stands for mail."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.converting import location
from support.mstore import mstore

from mailstore import open_store

BODIES = [b"Subject: %d\n\n%d\n" % (number, number) for number in range(3)]


@pytest.mark.parametrize("form", ["mbox", "mboxtree", "maildir", "maildir++", "sqlite"])
def test_a_removed_destination_is_copied_to_again(form: str, tmp_path: Path) -> None:
    with open_store(f"maildir:{tmp_path}/source", create=True) as store:
        for body in BODIES:
            store.inbox.append(body)
            store.folder("Sent", create=True).append(body)
    chosen = ("--folder", "INBOX") if form == "mbox" else ()
    count = 3 if form == "mbox" else 6
    there = location(form, tmp_path / "there")
    path = Path(there.partition(":")[2].partition("?")[0])
    for _ in range(2):
        ran = mstore("convert", "--json", *chosen, f"maildir:{tmp_path}/source", there)
        assert (ran.code, ran.json["messages"]["copied"]) == (0, count)
        with open_store(there, readonly=True) as store:
            assert [message.bytes() for message in store.inbox] == BODIES
        shutil.rmtree(path) if path.is_dir() else path.unlink()
