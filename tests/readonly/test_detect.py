"""What a bare path is taken for: the formats that are only read are found, and take nothing away from the others."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.foreign import Apple, Eml, Mh, emlx

from mailstore import INBOX, AmbiguousLocation, FolderPath, NotAStore, detect, open_store, parse_location

MAIL = b"Subject: x\n\nbody\n"
MBOX = b"From a@b Thu Jan  1 00:00:05 2015\n" + MAIL


def formats(path: Path) -> list[str]:
    return [found.format for found in detect(str(path))]


def put(file: Path, data: bytes = MAIL) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


@pytest.mark.parametrize(
    ("kind", "name", "evidence"),
    [
        (Mh, "mh", "in inbox: a file .mh_sequences"),
        (Eml, "eml", "1 files called .eml (message 1.eml)"),
        (Apple, "apple", "messages called .emlx in INBOX.mbox"),
    ],
)
def test_found(kind: type, name: str, evidence: str, tmp_path: Path) -> None:
    written = kind(tmp_path / "store")
    written.make()
    written.append(INBOX, MAIL)
    written.append(FolderPath(("A", "B")), MAIL)
    (found,) = detect(str(tmp_path / "store"))
    assert (found.format, found.evidence) == (name, evidence)
    assert parse_location(str(tmp_path / "store")).format == name
    with open_store(tmp_path / "store") as store:
        assert len(store.inbox) == 1


@pytest.mark.parametrize("name", [".mh_sequences", ".xmhcache", ".mew_cache", ".sylpheed_cache", ".claws_mark"])
def test_mh_by_a_file_of_its_programs(name: str, tmp_path: Path) -> None:
    put(tmp_path / "store" / name, b"")
    assert formats(tmp_path / "store") == ["mh"]


def test_mh_by_its_messages(tmp_path: Path) -> None:
    put(tmp_path / "store/work/12")
    assert formats(tmp_path / "store") == ["mh"]
    put(tmp_path / "store/work/13", b"no header\n")
    assert formats(tmp_path / "store") == []


def test_apple_of_every_age(tmp_path: Path) -> None:
    put(tmp_path / "a/X.mbox/mbox", MBOX)
    put(tmp_path / "a/X.mbox/table_of_contents", b"\0")
    put(tmp_path / "b/Messages/1.emlx", emlx(MAIL))
    put(tmp_path / "c/Old.imapmbox/Messages/1.emlx", emlx(MAIL))
    put(tmp_path / "V10/0A1B2C3D/INBOX.mbox/5F1C9E2A/Data/1/Messages/1.emlx", emlx(MAIL))
    for name in ("a", "a/X.mbox", "b", "c", "c/Old.imapmbox", "V10"):
        assert formats(tmp_path / name) == ["apple"], name


def test_other_stores_stay_what_they_are(tmp_path: Path) -> None:
    for name in ("cur", "new", "tmp"):
        (tmp_path / "maildir" / name).mkdir(parents=True)
    put(tmp_path / "maildir/cur/1.eml")  # as Thunderbird calls them
    put(tmp_path / "maildir/.mh_sequences", b"")
    put(tmp_path / "maildirs/INBOX/cur/1.eml")
    (tmp_path / "maildirs/INBOX/new").mkdir()
    put(tmp_path / "maildirs/INBOX/12")
    put(tmp_path / "tree/Inbox", MBOX)
    put(tmp_path / "tree/saved.eml")
    put(tmp_path / "years/2019", MBOX)
    put(tmp_path / "years/2020", MBOX)
    put(tmp_path / "sbd/Inbox", MBOX)
    put(tmp_path / "sbd/Inbox.sbd/Work", MBOX)
    put(tmp_path / "Plain.mbox", MBOX)
    assert {path.name: formats(path) for path in tmp_path.iterdir()} == {
        "maildir": ["maildir"],
        "maildirs": ["maildir"],
        "tree": ["mbox"],
        "years": ["mbox"],
        "sbd": ["mbox"],
        "Plain.mbox": ["mbox"],
    }


def test_what_is_no_store(tmp_path: Path) -> None:
    put(tmp_path / "pictures/1.jpg", b"\xff")
    put(tmp_path / "numbers/1", b"\x7fELF")
    put(tmp_path / "X.mbox/other", b"x")
    (tmp_path / "proc/1").mkdir(parents=True)
    for path in tmp_path.iterdir():
        assert formats(path) == [], path
        with pytest.raises(NotAStore):
            parse_location(str(path))


def test_what_can_be_read_in_two_ways(tmp_path: Path) -> None:
    """Is an error that lists them: half of the mail would not be seen."""
    put(tmp_path / "inbox/1")
    put(tmp_path / "inbox/.mh_sequences", b"")
    put(tmp_path / "export/1.eml")
    with pytest.raises(AmbiguousLocation) as caught:
        parse_location(str(tmp_path))
    assert caught.value.readings == (f"mh:{tmp_path}", f"eml:{tmp_path}")
