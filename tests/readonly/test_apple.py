"""Apple Mail: bundles of every age, exports, partial messages, flags and dates."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.foreign import Apple, emlx, file_name

from mailstore import BODY, INBOX, META, FolderPath, NotAStore, open_store
from mailstore.model.flags import ANSWERED, DELETED, DRAFT, FLAGGED, RECENT, SEEN
from mailstore.testing.observe import bodies, listing, paths

ONE, TWO = b"Subject: one\n\nbody\n", b"Subject: two\n\nbody\n"
MBOX = (
    b"From a@b Thu Jan  1 00:00:05 2015\nSubject: x\n\n>From here\n\n"
    b"From c@d Fri Jan  2 00:00:05 2015\nStatus: RO\nSubject: y\n\nb\n"
)


def put(file: Path, data: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


def test_the_tree_of_an_account(tmp_path: Path) -> None:
    """``V10/<UUID>``: mailboxes in mailboxes, a group that is no mailbox, what is not mail."""
    root = tmp_path / "V10" / "0A1B2C3D-0000-4000-8000-000000000001"
    written = Apple(root)
    written_to = ("INBOX", "Sent Messages", "Work", "Work/Old", "[Gmail]/All Mail")
    root.mkdir(parents=True)
    for name in written_to:
        written.append(FolderPath.parse(name), name.encode() + b"\n\n", 1)
    put(root / "INBOX.mbox/5F1C9E2A/Data/Attachments/1001/2/forwarded.emlx", emlx(b"an attachment"))
    put(root / "INBOX.mbox/Info.plist", b"")
    (root / "Empty.mbox").mkdir()
    with open_store(f"apple:{root}") as store:
        assert paths(store) == ["INBOX", "Empty", "Sent Messages", "Work", "Work/Old", "[Gmail]", "[Gmail]/All Mail"]
        for name in written_to:
            assert bodies(store.folder(name)) == [name.encode() + b"\n\n"]
    with open_store(f"apple:{tmp_path}/V10") as store:
        assert f"{root.name}/Work/Old" in paths(store)
        assert len(store.inbox) == 0
    with open_store(f"apple:{root}/Work.mbox") as store:
        assert paths(store) == ["INBOX", "Old"]


def test_old_bundles(tmp_path: Path) -> None:
    put(tmp_path / "INBOX.imapmbox/Messages/2.emlx", emlx(TWO))
    put(tmp_path / "INBOX.imapmbox/Messages/10.emlx", emlx(ONE))
    put(tmp_path / "Old.mbox/Messages/1.emlx", emlx(ONE))
    with open_store(f"apple:{tmp_path}") as store:
        assert [file_name(row) for row in store.inbox.rows(0)] == ["Messages/2.emlx", "Messages/10.emlx"]
        assert paths(store) == ["INBOX", "Old"]


def test_loose_messages(tmp_path: Path) -> None:
    put(tmp_path / "1.emlx", emlx(ONE))
    with open_store(f"apple:{tmp_path}") as store:
        assert bodies(store.inbox) == [ONE]


def test_an_export(tmp_path: Path) -> None:
    """The mbox file in it is read as one: quoting undone, dates and flags as there."""
    put(tmp_path / "Work.mbox/mbox", MBOX)
    put(tmp_path / "Work.mbox/table_of_contents", b"\0\1")
    put(tmp_path / "Plain.mbox", MBOX)
    with open_store(f"apple:{tmp_path}") as store:
        assert paths(store) == ["INBOX", "Work"]
        rows = list(store.folder("Work").rows(META | BODY))
        assert [row.body for row in rows] == [b"Subject: x\n\nFrom here\n", b"Subject: y\n\nb\n"]
        assert [row.flags & SEEN for row in rows] == [0, SEEN]
        assert [row.sender for row in rows] == ["a@b", "c@d"]
        reason = "plain files called .mbox, which the format mbox reads: 1 (Plain.mbox)"
        assert store.omissions() == [(str(tmp_path), reason, None, False)]
    with open_store(f"apple:{tmp_path}/Work.mbox") as store:
        assert len(store.inbox) == 2
    assert sorted(path.name for path in (tmp_path / "Work.mbox").iterdir()) == ["mbox", "table_of_contents"]


def test_an_mbox_beside_messages(tmp_path: Path) -> None:
    """Mail 2 moved its mail out of the old file and left that; or did not: it is a folder of its own."""
    put(tmp_path / "Work.mbox/mbox", MBOX)
    put(tmp_path / "Work.mbox/Messages/1.emlx", emlx(ONE))
    with open_store(f"apple:{tmp_path}") as store:
        assert paths(store) == ["INBOX", "Work", "Work (mbox)"]
        assert (len(store.folder("Work")), len(store.folder("Work (mbox)"))) == (1, 2)
        assert any("beside messages of their own" in fact for fact in store.evidence)


def test_an_export_that_is_no_mbox(tmp_path: Path) -> None:
    """Its folder cannot be read; the others can."""
    put(tmp_path / "Bad.mbox/mbox", b"garbage\n")
    put(tmp_path / "Good.mbox/mbox", MBOX)
    with open_store(f"apple:{tmp_path}") as store:
        assert paths(store) == ["INBOX", "Bad", "Good"]
        with pytest.raises(NotAStore):
            store.folder("Bad")
        assert len(store.folder("Good")) == 2
        assert store.usage().messages == 2


def test_flags_and_dates(tmp_path: Path) -> None:
    flags = {
        1: (SEEN, set()),
        1 << 1: (DELETED, set()),
        1 << 2: (ANSWERED, set()),
        1 << 4: (FLAGGED, set()),
        1 << 5: (RECENT, set()),
        1 << 6: (DRAFT, set()),
        1 << 8: (0, {"$Forwarded"}),
        1 << 24: (0, {"$Junk"}),
        1 << 25: (0, {"$NotJunk"}),
    }
    for number, bits in enumerate(flags, 1):
        put(tmp_path / f"X.mbox/Messages/{number}.emlx", emlx(ONE, bits, 1_581_123_200 + number))
    with open_store(f"apple:{tmp_path}/X.mbox") as store:
        rows = list(store.inbox.rows(META))
        assert [(row.flags, set(row.keywords)) for row in rows] == list(flags.values())
        assert [row.internal_date for row in rows] == [1_581_123_200 + number for number in range(1, 10)]
        assert {row.notes for row in rows} == {()}
        assert store.inbox.state().recent == 1


def test_a_partial_message_is_told(tmp_path: Path) -> None:
    partial = b"Subject: x\n\n--b\nX-Apple-Content-Length: 100\n\n--b--\n"
    put(tmp_path / "X.mbox/Messages/1.partial.emlx", emlx(partial, 1))
    put(tmp_path / "X.mbox/Attachments/1/2/picture.jpg", b"\xff\xd8")
    put(tmp_path / "X.mbox/Messages/2.emlx", emlx(ONE))
    put(tmp_path / "X.mbox/Messages/2.partial.emlx", emlx(partial))
    with open_store(f"apple:{tmp_path}/X.mbox") as store:
        rows = list(store.inbox.rows(META | BODY))
        assert [(file_name(row), row.body) for row in rows] == [
            ("Messages/1.partial.emlx", partial),
            ("Messages/2.emlx", ONE),
        ]
        assert [row.notes for row in rows] == [
            ("a partial message: its attachments lie beside it or were never fetched; carried without them",),
            (),
        ]


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    """A partial message beside the whole one, and what the mbox file of an export leaves out."""
    put(tmp_path / "X.mbox/Messages/2.emlx", emlx(ONE))
    put(tmp_path / "X.mbox/Messages/2.partial.emlx", emlx(TWO))
    put(tmp_path / "Y.mbox/mbox", MBOX.replace(b"Status: RO\n", b"X-Mozilla-Status: 0009\n"))
    with open_store(f"apple:{tmp_path}") as store:
        twins = "partial messages that lie beside the whole ones: 1 (2.partial.emlx)"
        assert store.omissions() == [
            (f"{tmp_path}/X.mbox", twins, None, False),
            ("Y", "deleted in Thunderbird, not compacted away yet", 1, False),
        ]
        assert f"{tmp_path}/X.mbox: left out: {twins}" in store.evidence


def test_damaged_files(tmp_path: Path) -> None:
    messages = tmp_path / "X.mbox/Messages"
    put(messages / "1.emlx", emlx(ONE)[:20])
    put(messages / "2.emlx", b"")
    put(messages / "3.emlx", b"%d\n" % len(TWO) + TWO)
    put(messages / "4.emlx", b"3\n" + emlx(TWO, 1).split(b"\n", 1)[1])
    with open_store(f"apple:{tmp_path}/X.mbox") as store:
        rows = list(store.inbox.rows(META | BODY))
        assert [row.body for row in rows][1:] == [b"", TWO, TWO]
        assert rows[3].flags == SEEN
        assert [bool(row.notes) for row in rows] == [True, True, True, True]
        assert any("cut off" in note for note in rows[0].notes)
        assert [len(blob) for blob in listing(store.inbox).values()] == [7, 7, 7, 7]


def test_inbox_is_found_in_any_case(tmp_path: Path) -> None:
    put(tmp_path / "Inbox.mbox/Messages/1.emlx", emlx(ONE))
    with open_store(f"apple:{tmp_path}") as store:
        assert bodies(store.folder(INBOX)) == [ONE]


def test_what_is_no_message_of_apples_is_told(tmp_path: Path) -> None:
    """A hidden message, one packed or saved by hand, a link: whoever migrates hears of each."""
    messages = tmp_path / "X.mbox/Messages"
    put(messages / "1.emlx", emlx(ONE))
    for name in (".2.emlx", "3.emlx.gz", "4.eml", "5.EMLX"):
        put(messages / name, emlx(TWO))
    put(tmp_path / "X.mbox/Info.plist", b"")
    put(tmp_path / "X.mbox/Messages/.old/6.emlx", emlx(TWO))
    put(tmp_path / "loose/7.eml", TWO)
    with open_store(f"apple:{tmp_path}") as store:
        assert bodies(store.folder("X")) == [ONE]
        what = "neither messages nor files of Apple Mail's own"
        names = "Messages/.2.emlx, Messages/.old, Messages/3.emlx.gz, Messages/4.eml, Messages/5.EMLX"
        assert store.omissions() == [
            (f"{tmp_path}/X.mbox", f"{what}: 5 ({names})", None, False),
            (f"{tmp_path}/loose", f"{what}: 1 (7.eml)", None, False),
        ]


def test_mailboxes_anywhere_in_a_mailbox(tmp_path: Path) -> None:
    """In a directory that is none, and messages far down: nothing has a depth at which it is not mail any more."""
    put(tmp_path / "X.mbox/Data/Y.mbox/Messages/1.emlx", emlx(ONE))
    put(tmp_path / "X.mbox" / "/".join("d" * 30) / "1.emlx", emlx(TWO))
    with open_store(f"apple:{tmp_path}") as store:
        assert paths(store) == ["INBOX", "X", "X/Y"]
        assert (bodies(store.folder("X")), bodies(store.folder("X/Y"))) == ([TWO], [ONE])


def test_a_mailbox_called_like_the_folder_of_an_mbox(tmp_path: Path) -> None:
    put(tmp_path / "Work.mbox/mbox", MBOX)
    put(tmp_path / "Work.mbox/Messages/1.emlx", emlx(ONE))
    put(tmp_path / "Work (mbox).mbox/Messages/1.emlx", emlx(TWO))
    with open_store(f"apple:{tmp_path}") as store:
        assert bodies(store.folder("Work (mbox)")) == [TWO]
        assert len(store.folder("Work (mbox) (2)")) == 2


def test_an_mbox_that_is_no_file(tmp_path: Path) -> None:
    """A link may lead anywhere: it is not followed."""
    put(tmp_path / "secret", MBOX)
    for name in ("Link", "Fifo"):
        (tmp_path / f"mail/{name}.mbox").mkdir(parents=True)
    (tmp_path / "mail/Link.mbox/mbox").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "mail/Fifo.mbox/mbox")
    with open_store(f"apple:{tmp_path}/mail") as store:
        assert store.usage().messages == 0
        assert [one.where for one in store.omissions()] == [f"{tmp_path}/mail/{name}.mbox" for name in ("Fifo", "Link")]
