"""What other programs delivered or converted, we read: counts, flags, dates and bytes."""

from __future__ import annotations

import mailbox
import os
import re
import time
from pathlib import Path

import pytest
from support.mboxes import survives
from support.mstore import mstore
from support.peers import need, run
from support.samples import SAMPLES, fill

from mailstore import FolderPath, open_store

pytestmark = pytest.mark.interop

MESSAGES = [sample.body for sample in SAMPLES]


def read(location: str, folder: str = "INBOX") -> list[bytes]:
    """Return the messages of a folder in order."""
    with open_store(location, readonly=True) as store:
        return [message.bytes() for message in store.folder(folder)]


def test_maildirmake_and_ours_make_the_same(tmp_path: Path) -> None:
    need("maildirmake")
    run(["maildirmake", tmp_path / "theirs"])
    run(["maildirmake", "-f", "Lists.mutt", tmp_path / "theirs"])
    assert mstore("folder", "create", f"maildir:{tmp_path}/ours").code == 0
    assert mstore("folder", "create", f"maildir:{tmp_path}/ours", "Lists/mutt").code == 0

    def tree(root: Path) -> set[str]:
        return {
            str(path.relative_to(root)) for path in root.rglob("*") if path.is_dir() or path.name == "maildirfolder"
        }

    assert tree(tmp_path / "ours") == tree(tmp_path / "theirs")
    with open_store(f"maildir:{tmp_path}/theirs", readonly=True) as store:
        paths = [info.path for info in store.folders() if info.selectable]
        assert paths == [FolderPath(("INBOX",)), FolderPath(("Lists", "mutt"))]


def test_deliverquota(tmp_path: Path) -> None:
    need("maildirmake", "deliverquota")
    run(["maildirmake", tmp_path / "mbox"])
    for message in MESSAGES:
        run(["deliverquota", tmp_path / "mbox", "10000000S"], data=message)
    assert sorted(read(f"maildir:{tmp_path}/mbox")) == sorted(MESSAGES)
    with open_store(f"maildir:{tmp_path}/mbox") as store:
        assert all(message.flags == {"\\Recent"} for message in store.inbox)
        assert {message.size for message in store.inbox} == {len(message) for message in MESSAGES}


def test_deliverquota_into_ours(tmp_path: Path) -> None:
    need("deliverquota")
    with open_store(f"maildir:{tmp_path}/mbox", create=True) as store:
        fill(store)
        run(["deliverquota", tmp_path / "mbox", "10000000S"], data=b"Subject: late\n\nlate\n")
        assert [message.bytes() for message in store.inbox] == [*MESSAGES, b"Subject: late\n\nlate\n"]
        assert [row.uid for row in store.inbox.rows(0)][-1] == 90


@pytest.mark.parametrize(("form", "end"), [("maildir", "/"), ("mbox", "")])
def test_maildrop(form: str, end: str, tmp_path: Path) -> None:
    need("maildrop", "maildirmake")
    (tmp_path / "filter").write_text(f'to "{tmp_path}/mbox{end}"\n')
    (tmp_path / "filter").chmod(0o600)
    if form == "maildir":
        run(["maildirmake", tmp_path / "mbox"])
    for message in MESSAGES:
        run(["maildrop", "-f", "ann@example.org", tmp_path / "filter"], data=message, home=tmp_path, cwd=tmp_path)
    found = read(f"{form}:{tmp_path}/mbox" + ("?dialect=mboxrd" if form == "mbox" else ""))
    assert sorted(found) == sorted(MESSAGES)
    if form == "mbox":
        assert found == MESSAGES
        with open_store(f"mbox:{tmp_path}/mbox", readonly=True) as store:
            assert {message.sender for message in store.inbox} == {"ann@example.org"}


@pytest.mark.parametrize(("form", "end"), [("maildir", "/"), ("mbox", "")])
def test_procmail(form: str, end: str, tmp_path: Path) -> None:
    need("procmail")
    rc = tmp_path / "rc"
    rc.write_text(f"MAILDIR={tmp_path}\nDEFAULT={tmp_path}/mbox{end}\nLOGFILE={tmp_path}/log\n")
    for message in MESSAGES:
        run(["procmail", "-f", "ann@example.org", rc], data=message, home=tmp_path, cwd=tmp_path)
    found = read(f"{form}:{tmp_path}/mbox" + ("?dialect=mboxo" if form == "mbox" else ""))
    if form == "maildir":
        assert sorted(_without_from_line(one) for one in found) == sorted(MESSAGES)
    else:
        # besides one level of ">" it loses how many empty lines a message ends in
        assert [one.rstrip(b"\n") for one in found] == [survives("mboxo", one).rstrip(b"\n") for one in MESSAGES]


def _without_from_line(message: bytes) -> bytes:
    """Procmail leaves the From_ line in front of a message that it drops into a Maildir."""
    return message.partition(b"\n")[2] if message.startswith(b"From ") else message


def test_procmail_appends_to_ours(tmp_path: Path) -> None:
    need("procmail")
    rc = tmp_path / "rc"
    rc.write_text(f"MAILDIR={tmp_path}\nDEFAULT={tmp_path}/mbox\nLOGFILE={tmp_path}/log\n")
    with open_store(f"mbox:{tmp_path}/mbox", create=True) as store:
        fill(store)
        run(["procmail", "-f", "ann@example.org", rc], data=b"Subject: late\n\nlate\n", home=tmp_path, cwd=tmp_path)
        assert [message.bytes() for message in store.inbox] == [*MESSAGES, b"Subject: late\n\nlate\n"]
        assert [row.uid for row in store.inbox.rows(0)] == [*(sample.uid for sample in SAMPLES), 90]


def test_mb2md(tmp_path: Path) -> None:
    r"""It drops \Draft and all keywords, keeps the separating empty line, unquotes one ``>`` only."""
    need("mb2md")
    with open_store(f"mbox:{tmp_path}/mbox", create=True) as store:
        fill(store)
    run(["mb2md", "-s", tmp_path / "mbox", "-d", tmp_path / "out"], home=tmp_path)
    kept = {"\\Seen", "\\Answered", "\\Flagged", "\\Deleted"}
    with open_store(f"maildir:{tmp_path}/out", readonly=True) as store:
        found = sorted(
            (_subject(m.bytes()), m.flags - {"\\Recent"}, m.internal_date.timestamp())
            for m in store.inbox
            if m.internal_date
        )
        assert found == sorted((_subject(s.body), frozenset(s.flags) & kept, s.date) for s in SAMPLES)
        assert len(store.inbox) == len(SAMPLES)


def _subject(message: bytes) -> bytes:
    return next(line for line in message.split(b"\n") if line.startswith(b"Subject:"))


def test_mbsync(tmp_path: Path) -> None:
    """Mbsync notes UIDs in file names (``,U=``) and adds a header line to what it copies; all else is the same."""
    need("mbsync")
    with open_store(f"maildir:{tmp_path}/near", create=True) as store:
        fill(store)
    (tmp_path / "far").mkdir()
    config = tmp_path / "mbsyncrc"
    config.write_text(
        f"MaildirStore near\nPath {tmp_path}/\nInbox {tmp_path}/near\n\n"
        f"MaildirStore far\nPath {tmp_path}/far/\nInbox {tmp_path}/far/INBOX\n\n"
        "Channel c\nFar :far:\nNear :near:\nCreate Both\nSync All\nCopyArrivalDate yes\nSyncState *\n"
    )
    run(["mbsync", "-c", config, "c"], home=tmp_path)
    assert any(",U=" in name for name in os.listdir(tmp_path / "far/INBOX/cur"))
    system = {"\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft"}
    for side in ("near", "far/INBOX"):
        with open_store(f"maildir:{tmp_path}/{side}", readonly=True) as store:
            found = sorted((_without_tuid(message.bytes()), message.flags & system) for message in store.inbox)
            assert found == sorted((sample.body, frozenset(sample.flags) & system) for sample in SAMPLES)


def _without_tuid(message: bytes) -> bytes:
    return re.sub(rb"(?m)^X-TUID: .*\n", b"", message)


def test_python_maildir(tmp_path: Path) -> None:
    theirs = mailbox.Maildir(tmp_path / "mbox", create=True)
    for sample in SAMPLES:
        message = mailbox.MaildirMessage(sample.body)
        message.set_flags(
            "".join({"\\Seen": "S", "\\Answered": "R", "\\Flagged": "F"}.get(f, "") for f in sample.flags)
        )
        message.set_subdir("cur")
        message.set_date(sample.date)
        theirs.add(message)
    theirs.add_folder("Sent").add(b"Subject: sent\n\nsent\n")
    with open_store(f"maildir:{tmp_path}/mbox", readonly=True) as store:
        kept = {"\\Seen", "\\Answered", "\\Flagged"}
        found = sorted(
            (m.bytes().count(b"\n"), m.flags, m.internal_date.timestamp()) for m in store.inbox if m.internal_date
        )
        assert found == sorted((s.body.count(b"\n"), frozenset(s.flags) & kept, s.date) for s in SAMPLES)
        assert [message.bytes() for message in store.folder("Sent")] == [b"Subject: sent\n\nsent\n"]


def test_python_mbox(tmp_path: Path) -> None:
    """Its writer quotes as mboxo and its reader never unquotes."""
    theirs = mailbox.mbox(tmp_path / "mbox", create=True)
    for sample in SAMPLES:
        message = mailbox.mboxMessage(sample.body)
        message.set_from(sample.sender, time.gmtime(sample.date))
        message.set_flags(
            "".join({"\\Seen": "R", "\\Answered": "A", "\\Flagged": "F"}.get(f, "") for f in sample.flags)
        )
        theirs.add(message)
    theirs.close()
    kept = {"\\Seen", "\\Answered", "\\Flagged"}
    with open_store(f"mbox:{tmp_path}/mbox", readonly=True) as store:
        found = [
            (m.sender, m.flags - {"\\Recent"}, m.internal_date.timestamp()) for m in store.inbox if m.internal_date
        ]
        assert found == [(s.sender, frozenset(s.flags) & kept, s.date) for s in SAMPLES]
        assert [_subject(message.bytes()) for message in store.inbox] == [_subject(body) for body in MESSAGES]
