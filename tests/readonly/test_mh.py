"""MH trees: folders, sequences public and private, the profile, removed messages, renumbering."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from support.foreign import Mh, file_name

from mailstore import BODY, INBOX, META, SIZE, FolderPath, LocationError, NotAStore, Store, open_store
from mailstore.convert import Options, convert
from mailstore.model.flags import ANSWERED, DELETED, FLAGGED, SEEN
from mailstore.testing.observe import listing, paths

WORK = FolderPath(("work",))


def body(number: int) -> bytes:
    return b"Subject: %d\n\nbody %d\n" % (number, number)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home directory with ``Mail``: INBOX with three unread messages, work with one."""
    written = Mh(tmp_path / "Mail")
    written.make()
    for number in range(1, 4):
        written.append(INBOX, body(number))
    written.append(WORK, body(9))
    return tmp_path


def marks(store: Store, folder: str = "INBOX") -> dict[str, tuple[int, set[str]]]:
    return {file_name(row): (row.flags, set(row.keywords)) for row in store.folder(folder).rows(0)}


def test_flags_and_keywords(home: Path) -> None:
    (home / "Mail/inbox/.mh_sequences").write_text(
        "unseen: 2\nreplied: 1 3\nflagged: 3\nforwarded: 1\ncur: 2\nAda: 1-3\nada: 1\nall: 1\n"
    )
    with open_store(f"mh:{home}/Mail") as store:
        assert marks(store) == {
            "1": (SEEN | ANSWERED, {"$Forwarded", "Ada"}),
            "2": (0, {"Ada"}),
            "3": (SEEN | ANSWERED | FLAGGED, {"Ada"}),
        }


@pytest.mark.parametrize("name", [".claws_mark", ".sylpheed_mark"])
def test_marks_of_claws_and_sylpheed(home: Path, name: str) -> None:
    (home / "Mail/inbox" / name).write_bytes(struct.pack("=7I", 2, 1, 1 << 2, 2, 1 << 3 | 1 << 4, 3, 1 << 1))
    with open_store(f"mh:{home}/Mail") as store:
        assert marks(store) == {"1": (SEEN | FLAGGED, set()), "2": (SEEN | ANSWERED | DELETED, set()), "3": (0, set())}
        token = store.inbox.changes().token
        (home / "Mail/inbox" / name).write_bytes(struct.pack("=3I", 2, 3, 0))
        delta = store.inbox.changes(token)
        assert {file_name(row): row.flags for batch in delta.batches for row in batch} == {"1": 0, "2": 0, "3": SEEN}


def test_without_sequences_all_is_read(home: Path) -> None:
    (home / "Mail/inbox/.mh_sequences").unlink()
    with open_store(f"mh:{home}/Mail") as store:
        assert {flags for flags, _ in marks(store).values()} == {SEEN}


def test_a_sequence_that_is_no_keyword_is_told(home: Path) -> None:
    (home / "Mail/inbox/.mh_sequences").write_text("odd name: 2\n")
    with open_store(f"mh:{home}/Mail") as store:
        notes = {file_name(row): row.notes[1:] for row in store.inbox.rows(META)}
        assert notes == {"1": (), "2": ("the sequence 'odd name' is no keyword; left out",), "3": ()}


def test_order_is_by_number(home: Path) -> None:
    (home / "Mail/inbox/1").rename(home / "Mail/inbox/10")
    with open_store(f"mh:{home}/Mail") as store:
        assert [file_name(row) for row in store.inbox.rows(0)] == ["2", "3", "10"]


def test_names_of_the_profile(home: Path) -> None:
    """Sequences under another name, other names for unread, the last command's sequence."""
    (home / ".mh_profile").write_text(
        "Path: Mail\nmh-sequences: .marks\nUnseen-Sequence: fresh unseen\nPrevious-Sequence: pseq\n"
    )
    (home / "Mail/inbox/.marks").write_text("fresh: 1\nunseen: 2\npseq: 1-3\nkeep: 3\n")
    with open_store(f"mh:{home}/Mail") as store:
        assert marks(store) == {"1": (0, set()), "2": (0, set()), "3": (SEEN, {"keep"})}
        assert any(".mh_profile" in fact for fact in store.evidence)
    (home / ".mh_profile").rename(home / "elsewhere")
    with open_store(f"mh:{home}/Mail?profile={home}/elsewhere") as store:
        assert marks(store)["3"] == (SEEN, {"keep"})
    with pytest.raises(LocationError, match="no such file"):
        open_store(f"mh:{home}/Mail?profile={home}/absent")


def test_a_profile_of_another_tree_says_nothing(home: Path) -> None:
    (home / ".mh_profile").write_text("Path: OtherMail\nmh-sequences: .marks\n")
    with open_store(f"mh:{home}/Mail") as store:
        assert marks(store)["1"] == (0, set())


@pytest.mark.parametrize("name", ["/etc/passwd", "../../x", ".", "", "*private*"])
def test_no_path_is_made_of_the_name_of_the_sequences(home: Path, name: str) -> None:
    (home / ".mh_profile").write_text(f"Path: Mail\nmh-sequences: {name}\n")
    with open_store(f"mh:{home}/Mail") as store:
        assert marks(store)["1"] == (SEEN, set())


@pytest.mark.parametrize("place", ["{home}/Mail", "/home/joe/Mail"])
def test_private_sequences(home: Path, place: str) -> None:
    """In the context, by the folder's whole path, as it is or was before the tree was moved."""
    place = place.format(home=home)
    (home / "Mail/context").write_text(
        f"Current-Folder: inbox\natr-mine-{place}/inbox: 2-3\natr-mine-{place}/work: 1\natr-other-/x/inbox: 1\n"
    )
    with open_store(f"mh:{home}/Mail") as store:
        assert [keywords for _, keywords in marks(store).values()] == [set(), {"mine"}, {"mine"}]
        assert marks(store, "work") == {"1": (0, {"mine"})}


def test_what_is_left_out_is_told(home: Path) -> None:
    inbox = home / "Mail/inbox"
    (inbox / "2").rename(inbox / ",2")
    (inbox / "#7").write_bytes(body(7))
    (inbox / "notes.txt").write_text("x")
    (inbox / ".xmhcache").write_text("x")
    (inbox / "007").write_bytes(body(7))
    (home / "Mail/link").symlink_to(home / "Mail/work")
    with open_store(f"mh:{home}/Mail") as store:
        assert [seen.body for seen in listing(store.inbox).values()] == [body(1), body(3)]
        assert store.omissions() == [
            (f"{home}/Mail/link", "a link to a directory; it is not followed", None, False),
            (f"{inbox}", "messages that were removed (rmm): 2 (#7, ,2)", 2, False),
            (f"{inbox}", "files that are not called by a number: 2 (007, notes.txt)", None, False),
        ]
        with open_store("memory:", create=True) as target:
            report = convert(store, target, Options())
            assert (report.ok, report.copied, report.left_out) == (True, 3, store.omissions())
        assert paths(store) == ["INBOX", "work"]


def test_folders(home: Path) -> None:
    """Nested ones, empty ones, and ones that are called by numbers."""
    for name in ("work/2019/deep", "empty", ",gone", ".hidden"):
        (home / "Mail" / name).mkdir(parents=True)
    (home / "Mail/work/2019/1").write_bytes(body(1))
    with open_store(f"mh:{home}/Mail") as store:
        assert paths(store) == ["INBOX", "empty", "work", "work/2019", "work/2019/deep"]
        assert [file_name(row) for row in store.folder("work").rows(0)] == ["1"]
        assert [file_name(row) for row in store.folder("work/2019").rows(0)] == ["1"]


def test_one_folder_is_inbox(home: Path) -> None:
    with open_store(f"mh:{home}/Mail/work") as store:
        assert paths(store) == ["INBOX"]
        assert [seen.body for seen in listing(store.inbox).values()] == [body(9)]


def test_messages_in_the_root_beside_an_inbox(home: Path) -> None:
    (home / "Mail/1").write_bytes(body(5))
    with open_store(f"mh:{home}/Mail") as store:
        assert paths(store) == ["INBOX", "Mail", "work"]
        assert [seen.body for seen in listing(store.folder("Mail")).values()] == [body(5)]


def test_names_that_are_one_name_to_imap(home: Path) -> None:
    (home / "Mail/Inbox").mkdir()
    (home / "Mail/Inbox/1").write_bytes(body(6))
    with open_store(f"mh:{home}/Mail") as store:
        assert paths(store) == ["INBOX", "INBOX (2)", "work"]
        assert [seen.body for seen in listing(store.inbox).values()] == [body(6)]
        assert len(listing(store.folder("INBOX (2)"))) == 3
        assert any("there is another folder INBOX" in fact for fact in store.evidence)


def test_renumbering_makes_other_messages(home: Path) -> None:
    """``folder -pack``: the number 2 is another message then, and no UID means two of them."""
    inbox = home / "Mail/inbox"
    with open_store(f"mh:{home}/Mail") as store:
        before = store.inbox.changes(None, BODY)
        uids = {row.body: row.uid for batch in before.batches for row in batch}
        (inbox / "1").unlink()
        (inbox / "2").rename(inbox / "1")
        (inbox / "3").rename(inbox / "2")
        delta = store.inbox.changes(before.token, BODY)
        after = {row.body: (file_name(row), row.uid) for batch in delta.batches for row in batch}
        assert delta.vanished == tuple(sorted(uids.values()))
        assert {message: key for message, (key, _) in after.items()} == {body(2): "1", body(3): "2"}
        assert min(uid for _, uid in after.values()) > max(uids.values())


def test_only_sequences_changed(home: Path) -> None:
    with open_store(f"mh:{home}/Mail") as store:
        token = store.inbox.changes().token
        (home / "Mail/inbox/.mh_sequences").write_text("unseen: 1-2\n")
        delta = store.inbox.changes(token, SIZE)
        assert [(file_name(row), row.flags) for batch in delta.batches for row in batch] == [("3", SEEN)]


def test_dates(home: Path) -> None:
    inbox = home / "Mail/inbox"
    (inbox / "1").write_bytes(
        b"Received: from a by b; Fri, 2 Jan 2015 00:00:00 +0100\nReceived: from x; Thu, 1 Jan 2015 00:00:00 +0000\n"
        b"Date: Wed, 31 Dec 2014 00:00:00 +0000\n\n"
    )
    (inbox / "2").write_bytes(b"Received: from a by b; no date\nDate: Wed, 31 Dec 2014 00:00:00 +0000\n\n")
    os.utime(inbox / "3", (5, 1_000_000_007))
    with open_store(f"mh:{home}/Mail") as store:
        assert [(row.internal_date, row.notes) for row in store.inbox.rows(META)] == [
            (1420153200, ("the format keeps no date: it is taken from Received:",)),
            (1419984000, ("the format keeps no date: it is taken from Date:",)),
            (1_000_000_007, ("the format keeps no date: it is the file's mtime",)),
        ]


def test_a_maildir_is_none(tmp_path: Path) -> None:
    for name in ("cur", "new", "tmp"):
        (tmp_path / name).mkdir()
    with pytest.raises(NotAStore, match="a Maildir"):
        open_store(f"mh:{tmp_path}")
    (tmp_path / "file").write_text("")
    with pytest.raises(NotAStore, match="is a directory"):
        open_store(f"mh:{tmp_path}/file")


def test_directories_and_links_that_are_left_out_are_told(home: Path) -> None:
    root = home / "Mail"
    for name in (".hidden", ",gone", "#gone"):
        (root / name).mkdir()
        (root / name / "1").write_bytes(body(1))
    (root / "work/draft").symlink_to(root / "inbox/1")
    with open_store(f"mh:{root}") as store:
        assert store.omissions() == [
            (f"{root}", "hidden directories, which are not looked into: 1 (.hidden)", None, False),
            (f"{root}", "directories that are no folders: 2 (#gone, ,gone)", None, False),
            (f"{root}/work", "files that are not called by a number: 1 (draft)", None, False),
        ]
