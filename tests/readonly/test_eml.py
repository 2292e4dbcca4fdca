"""Directories of ``.eml`` files: names and order, flags that programs left in the messages, what is no message."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.foreign import file_name

from mailstore import META, LocationError, open_store
from mailstore.model.flags import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN
from mailstore.testing.observe import bodies, paths


def fill(directory: Path, *names: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        (directory / name).write_bytes(b"Subject: %s\n\nbody\n" % name.encode("utf-8", "surrogateescape"))


def test_natural_order(tmp_path: Path) -> None:
    fill(tmp_path, "10.eml", "9.EML", "mail 2.eml", "mail 11.eml", "Mail.Eml", ".hidden.eml", "1.eml.txt")
    with open_store(f"eml:{tmp_path}") as store:
        assert [file_name(row) for row in store.inbox.rows(0)] == [
            "9.EML",
            "10.eml",
            "Mail.Eml",
            "mail 2.eml",
            "mail 11.eml",
        ]


def test_folders(tmp_path: Path) -> None:
    """A directory with messages, or with nothing at all, is a folder; one with attachments is none."""
    fill(tmp_path / "a/b", "1.eml")
    fill(tmp_path / "empty")
    fill(tmp_path / "attachments", "x.pdf", "y.pdf")
    with open_store(f"eml:{tmp_path}") as store:
        assert paths(store) == ["INBOX", "a/b", "empty"]
        assert [info.selectable for info in store.folders() if str(info.path) == "a"] == [False]
        assert len(store.inbox) == 0
        reason = "files that are not called .eml: 2 (x.pdf, y.pdf)"
        assert store.omissions() == [(f"{tmp_path}/attachments", reason, None, False)]
        assert f"{tmp_path}/attachments: left out: {reason}" in store.evidence


def test_flags_of_the_messages_own_fields(tmp_path: Path) -> None:
    heads = {
        "1": b"X-Mozilla-Status: 1007\nX-Mozilla-Keys: Work  \n",
        "2": b"X-Mozilla-Status: 0008\n",
        "3": b"Status: RO\nX-Status: AT\nX-Keywords: a b\n",
        "4": b"Subject: none\n",
        "5": b"x-mozilla-status: 0001\nStatus: not by the grammar\nX-UID: 7\n",
    }
    for name, head in heads.items():
        (tmp_path / f"{name}.eml").write_bytes(head + b"\nStatus: RO\n")
    with open_store(f"eml:{tmp_path}") as store:
        assert [(row.flags, set(row.keywords), len(row.notes)) for row in store.inbox.rows(META)] == [
            (SEEN | ANSWERED | FLAGGED, {"$Forwarded", "Work"}, 2),
            (DELETED, set(), 2),
            (SEEN | ANSWERED | DRAFT, {"a", "b"}, 2),
            (0, set(), 1),
            (0, set(), 1),
        ]
        assert bodies(store.inbox) == [head + b"\nStatus: RO\n" for head in heads.values()]
    with open_store(f"eml:{tmp_path}?flags=none") as store:
        assert {(row.flags, row.keywords) for row in store.inbox.rows(META)} == {(0, frozenset())}
    with pytest.raises(LocationError, match="headers, none"):
        open_store(f"eml:{tmp_path}?flags=all")


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    fill(tmp_path, "caf\udce9.eml")
    with open_store(f"eml:{tmp_path}") as store:
        assert [file_name(row) for row in store.inbox.rows(0)] == ["caf\udce9.eml"]
        assert len(bodies(store.inbox)) == 1


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    """Links and what is hidden hold mail like anything else."""
    fill(tmp_path, "1.eml", ".2.eml", "notes")
    fill(tmp_path / ".old", "3.eml")
    (tmp_path / "link").symlink_to("1.eml")
    (tmp_path / "loop").symlink_to("loop")
    with open_store(f"eml:{tmp_path}") as store:
        assert len(store.inbox) == 1
        assert store.omissions() == [
            (str(tmp_path), "hidden directories, which are not looked into: 1 (.old)", None, False),
            (str(tmp_path), "files that are not called .eml: 3 (link, loop, notes)", None, False),
            (str(tmp_path), "hidden files called .eml: 1 (.2.eml)", None, False),
        ]
