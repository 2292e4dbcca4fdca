"""Programs that read mail count what we wrote as we do, see the same flags and the same bytes."""

from __future__ import annotations

import mailbox
import os
from pathlib import Path

import pytest
from support.mutt import mutt
from support.peers import need, run
from support.samples import SAMPLES, fill

from mailstore import open_store

pytestmark = pytest.mark.interop

FORMS = ("mbox", "maildir")


def bodies(*flags: str, without: str = "") -> list[bytes]:
    """Return the sample messages that carry all of ``flags`` and not ``without``, sorted."""
    return sorted(s.body for s in SAMPLES if set(flags) <= set(s.flags) and without not in s.flags)


@pytest.fixture(params=FORMS)
def box(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder of each file format with the sample mail."""
    path = tmp_path / "mbox"
    with open_store(f"{request.param}:{path}", create=True) as store:
        fill(store)
    return path


def _plain(message: bytes) -> bytes:
    """Drop the header lines that a reader of an mbox shows as part of the message."""
    head, _, body = message.partition(b"\n\n")
    hidden = (
        b"From ",
        b"Status:",
        b"X-Status:",
        b"X-Keywords:",
        b"X-UID:",
        b"X-IMAPbase:",
        b"Content-Length:",
        b"Lines:",
    )
    return b"\n".join(line for line in head.split(b"\n") if not line.startswith(hidden)) + b"\n\n" + body


def test_mutt(box: Path, tmp_path: Path) -> None:
    seen = mutt(box, tmp_path / "mutt")
    if box.is_dir():  # mutt ends each message it pipes with a line end more
        assert seen["all"] == sorted(body + b"\n" for body in bodies())
    assert len(seen["all"]) == len(SAMPLES)
    assert len(seen["unread"]) == len(bodies(without="\\Seen"))
    assert len(seen["flagged"]) == len(bodies("\\Flagged"))
    assert len(seen["replied"]) == len(bodies("\\Answered"))
    assert len(seen["deleted"]) == len(bodies("\\Deleted"))


def test_mblaze(tmp_path: Path) -> None:
    need("mlist")
    path = tmp_path / "mbox"
    with open_store(f"maildir:{path}", create=True) as store:
        fill(store)

    def listed(option: str) -> list[bytes]:
        return sorted(Path(name).read_bytes() for name in run(["mlist", option, path]).decode().splitlines())

    assert listed("-S") == bodies("\\Seen")
    assert listed("-s") == bodies(without="\\Seen")
    assert listed("-F") == bodies("\\Flagged")
    assert listed("-R") == bodies("\\Answered")
    assert listed("-T") == bodies("\\Deleted")
    assert listed("-D") == bodies("\\Draft")
    assert run(["mlist", "-i", path]).split()[:6] == [b"4", b"unseen", b"2", b"flagged", b"10", b"msg"]


def test_mailutils(box: Path, tmp_path: Path) -> None:
    need("messages", "frm")
    assert run(["messages", "-q", box], home=tmp_path) == b"%d\n" % len(SAMPLES)
    subjects = [line.split("\t")[1] for line in run(["frm", box], home=tmp_path, ok=(0, 1)).decode().splitlines()]
    assert sorted(subjects) == sorted(
        next(line for line in s.body.decode().split("\n") if line.startswith("Subject: "))[9:] for s in SAMPLES
    )


def test_python_maildir(tmp_path: Path) -> None:
    path = tmp_path / "mbox"
    with open_store(f"maildir:{path}", create=True) as store:
        fill(store)
        store.create("Archive/2020")
    letters = {"S": "\\Seen", "R": "\\Answered", "F": "\\Flagged", "T": "\\Deleted", "D": "\\Draft"}
    theirs = mailbox.Maildir(path, create=False)
    assert len(theirs) == len(SAMPLES)
    assert theirs.list_folders() == ["Archive.2020"]
    found = []
    for key in theirs.iterkeys():
        message = theirs.get_message(key)
        flags = frozenset(letters[letter] for letter in message.get_flags() if letter in letters)
        found.append((theirs.get_bytes(key), flags, int(message.get_date())))
    assert sorted(found) == sorted((s.body, frozenset(s.flags) & set(letters.values()), s.date) for s in SAMPLES)


def test_python_mbox(tmp_path: Path) -> None:
    path = tmp_path / "mbox"
    with open_store(f"mbox:{path}", create=True) as store:
        fill(store)
    before = path.read_bytes()
    theirs = mailbox.mbox(path, create=False)
    messages = list(theirs)
    theirs.close()
    found = [(message["Subject"], message["X-UID"].strip(), message.get_from()) for message in messages]
    assert [int(uid) for _, uid, _ in found] == [sample.uid for sample in SAMPLES]
    assert [line.split(" ")[0] for _, _, line in found] == [sample.sender for sample in SAMPLES]
    flags = {"R": "\\Seen", "A": "\\Answered", "F": "\\Flagged", "D": "\\Deleted", "T": "\\Draft"}
    for message, sample in zip(messages, SAMPLES, strict=True):
        assert {flags[letter] for letter in message.get_flags() if letter in flags} == {
            flag for flag in sample.flags if flag.startswith("\\")
        }
    assert path.read_bytes() == before


def test_git_mailsplit_finds_the_same_messages(tmp_path: Path) -> None:
    need("git")
    path = tmp_path / "mbox"
    with open_store(f"mbox:{path}", create=True) as store:
        fill(store)
    (tmp_path / "out").mkdir()
    run(["git", "mailsplit", "--mboxrd", f"-o{tmp_path}/out", "--", path], home=tmp_path)
    found = [_plain((tmp_path / "out" / name).read_bytes()) for name in sorted(os.listdir(tmp_path / "out"))]
    assert [text.rstrip(b"\n") for text in found] == [sample.body.rstrip(b"\n") for sample in SAMPLES]
