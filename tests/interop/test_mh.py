"""MH trees that nmh and Python's ``mailbox`` wrote: the same messages, the same flags."""

from __future__ import annotations

import mailbox
from pathlib import Path

import pytest
from support.foreign import file_name
from support.peers import need, run
from support.samples import SAMPLES

from mailstore import BODY, open_store
from mailstore.model.flags import ANSWERED, FLAGGED, SEEN
from mailstore.testing.observe import bodies, paths

pytestmark = pytest.mark.interop

NMH = Path("/usr/bin/mh")


def message(number: int) -> bytes:
    return b"From: a@example.org\nDate: Thu, 01 Jan 2015 00:00:0%d +0000\nSubject: %d\n\nbody\n" % (number, number)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home directory in which nmh stored five messages."""
    if not NMH.is_dir():
        need("nmh-programs-in-usr-bin-mh")
    (tmp_path / ".mh_profile").write_text(f"Path: {tmp_path}/Mail\nUnseen-Sequence: unseen\n")
    (tmp_path / "Mail").mkdir()
    for number in range(1, 6):
        nmh(tmp_path, "rcvstore", "+inbox", "-create", data=message(number))
    return tmp_path


def nmh(home: Path, *command: str, data: bytes = b"") -> bytes:
    program = NMH / command[0] if (NMH / command[0]).exists() else Path("/usr/lib/mh") / command[0]
    return run([program, *command[1:]], data=data, home=home)


def marks(home: Path, folder: str = "INBOX") -> list[tuple[str, int, set[str]]]:
    with open_store(f"mh:{home}/Mail", readonly=True) as store:
        return [(file_name(row), row.flags, set(row.keywords)) for row in store.folder(folder).rows(0)]


def test_sequences_of_nmh(home: Path) -> None:
    assert marks(home) == [(str(number), 0, set()) for number in range(1, 6)]
    nmh(home, "mark", "+inbox", "1-3", "5", "-sequence", "unseen", "-delete")
    nmh(home, "mark", "+inbox", "2", "5", "-sequence", "flagged", "-add")
    nmh(home, "mark", "+inbox", "3", "-sequence", "replied", "-add", "-public")
    nmh(home, "mark", "+inbox", "3-4", "-sequence", "work", "-add", "-public")
    nmh(home, "mark", "+inbox", "1", "4", "-sequence", "mine", "-add", "-nopublic")
    assert "atr-mine-" in (home / "Mail/context").read_text()
    assert marks(home) == [
        ("1", SEEN, {"mine"}),
        ("2", SEEN | FLAGGED, set()),
        ("3", SEEN | ANSWERED, {"work"}),
        ("4", 0, {"mine", "work"}),
        ("5", SEEN | FLAGGED, set()),
    ]


def test_what_nmh_does_meanwhile(home: Path) -> None:
    """Removing, refiling and renumbering: what the open store shows is what the folder holds."""
    with open_store(f"mh:{home}/Mail", readonly=True) as store:
        token = store.inbox.changes().token
        nmh(home, "rmm", "+inbox", "2")
        nmh(home, "refile", "-src", "+inbox", "4", "+work", "-nolink")
        delta = store.inbox.changes(token)
        assert (delta.full, len(delta.vanished)) == (False, 2)
        assert bodies(store.inbox) == [message(1), message(3), message(5)]
        assert bodies(store.folder("work")) == [message(4)]
        assert any("removed (rmm)" in fact for fact in store.evidence)
        before = store.inbox.changes()
        nmh(home, "folder", "+inbox", "-pack")
        delta = store.inbox.changes(before.token, BODY)
        assert [(file_name(row), row.body) for batch in delta.batches for row in batch] == [
            ("2", message(3)),
            ("3", message(5)),
        ]
        assert bodies(store.inbox) == [message(1), message(3), message(5)]


def test_nmh_counts_as_we_do(home: Path) -> None:
    listed = nmh(home, "scan", "+inbox", "-format", "%(msg)").split()
    with open_store(f"mh:{home}/Mail", readonly=True) as store:
        assert [file_name(row).encode() for row in store.inbox.rows(0)] == listed
        assert paths(store) == ["INBOX"]


def test_python_mailbox(tmp_path: Path) -> None:
    box = mailbox.MH(tmp_path / "Mail")
    inbox = box.add_folder("inbox")
    for sample in SAMPLES:
        one = mailbox.MHMessage(mailbox.MaildirMessage())
        one.set_sequences([] if "\\Seen" in sample.flags else ["unseen"])
        number = inbox.add(one)
        Path(tmp_path, "Mail/inbox", str(number)).write_bytes(sample.body)
    inbox.set_sequences({**inbox.get_sequences(), "flagged": [1], "replied": [1, 2], "label": [2]})
    with open_store(f"mh:{tmp_path}/Mail", readonly=True) as store:
        assert bodies(store.inbox) == [sample.body for sample in SAMPLES]
        found = [(row.flags, set(row.keywords)) for row in store.inbox.rows(0)]
    for number, (sample, (flags, keywords)) in enumerate(zip(SAMPLES, found, strict=True), 1):
        wanted = (SEEN if "\\Seen" in sample.flags else 0) | (FLAGGED if number == 1 else 0)
        assert flags == wanted | (ANSWERED if number in (1, 2) else 0)
        assert keywords == ({"label"} if number == 2 else set())
