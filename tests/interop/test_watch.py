"""The programs of the field change mail: each change shows up as the right typed event."""

from __future__ import annotations

import mailbox
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.dovecot import Dovecot
from support.peers import need, run

from mailstore import FolderPath, Store, open_store
from mailstore.watch import (
    Event,
    FlagsChanged,
    FolderCreated,
    FolderDeleted,
    FolderRenamed,
    MessageAppended,
    MessageExpunged,
    MessageMoved,
    SubscriptionChanged,
    Watch,
)

pytestmark = pytest.mark.interop

INBOX, ARCHIVE = FolderPath(("INBOX",)), FolderPath(("Archive",))
MAIL = b"From: joe@example.org\nSubject: x\n\nbody\n"
SEEN, DELETED = 1, 16


def heard(watch: Watch, count: int = 1) -> list[Event]:
    """Return the next ``count`` events; fewer only after twenty seconds."""
    events: list[Event] = []
    end = time.monotonic() + 20
    while len(events) < count and time.monotonic() < end:
        events += watch.batch(0.5)
    return events


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that a program which is not root reaches."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest.fixture(params=["maildir", "mbox"])
def box(request: pytest.FixtureRequest, place: Path) -> Iterator[tuple[str, Path, Store]]:
    path = place / "box"
    with open_store(f"{request.param}:{path}", create=True) as store:
        yield request.param, path, store


def test_procmail_delivers(box: tuple[str, Path, Store], tmp_path: Path) -> None:
    need("procmail")
    kind, path, store = box
    rc = tmp_path / "rc"
    rc.write_text(f"DEFAULT={path}{'/' if kind == 'maildir' else ''}\n:0{':' if kind == 'mbox' else ''}\n$DEFAULT\n")
    with store.watch() as watch:
        run(["procmail", "-f", "ann@example.org", rc], data=MAIL, home=tmp_path)
        (event,) = heard(watch)
        assert isinstance(event, MessageAppended)
        assert (event.folder, event.uid, event.own) == (INBOX, 1, False)
        assert store.inbox.get(1).bytes().endswith(b"body\n")


def test_maildrop_delivers(box: tuple[str, Path, Store], tmp_path: Path) -> None:
    need("maildrop")
    _, path, store = box
    rules = tmp_path / "filter"
    rules.write_text(f'to "{path}"\n')
    rules.chmod(0o600)
    with store.watch() as watch:
        run(["maildrop", rules], data=MAIL, home=tmp_path)
        (event,) = heard(watch)
        assert isinstance(event, MessageAppended)
        assert event.uid == 1


def test_the_library_mailbox_adds_flags_and_removes(box: tuple[str, Path, Store]) -> None:
    kind, path, store = box
    other = mailbox.Maildir(path) if kind == "maildir" else mailbox.mbox(path)
    with store.watch() as watch:
        other.lock()
        key = other.add(MAIL)
        other.flush()
        other.unlock()
        (event,) = heard(watch)
        assert isinstance(event, MessageAppended)
        other.lock()
        message = other[key]
        message.add_flag("F")
        if kind == "maildir":
            message.set_subdir("cur")
        other[key] = message
        other.flush()
        other.unlock()
        events = heard(watch)
        # mailbox.Maildir gives a changed message a new file name, and mailbox.mbox leaves ours alone
        assert any(isinstance(event, FlagsChanged | MessageAppended) and event.flags & 4 for event in events)
        other.lock()
        other.clear()
        other.flush()
        other.unlock()
        other.close()
        assert any(isinstance(event, MessageExpunged) for event in heard(watch))


def test_mv_and_rm_in_a_maildir(tmp_path: Path) -> None:
    path = tmp_path / "box"
    with open_store(f"maildir:{path}", create=True) as store:
        store.create("Archive")
        store.inbox.append(MAIL)
        with store.watch() as watch:
            (name,) = os.listdir(path / "new")
            run(["mv", path / "new" / name, path / "cur" / f"{name}:2,S"])
            (event,) = heard(watch)
            assert isinstance(event, FlagsChanged)
            assert (event.uid, event.flags & SEEN) == (1, SEEN)
            run(["mv", path / "cur" / f"{name}:2,S", path / ".Archive" / "cur" / f"{name}:2,S"])
            (event,) = heard(watch)
            assert isinstance(event, MessageMoved)
            assert (event.source, event.source_uid, event.folder) == (INBOX, 1, ARCHIVE)
            run(["rm", path / ".Archive" / "cur" / f"{name}:2,S"])
            (event,) = heard(watch)
            assert (type(event), event.folder, event.uid) == (MessageExpunged, ARCHIVE, 1)
            run(["mv", path / ".Archive", path / ".Old"])
            (event,) = heard(watch)
            assert isinstance(event, FolderRenamed)
            assert (event.old, event.folder) == (ARCHIVE, FolderPath(("Old",)))
            run(["rm", "-r", path / ".Old"])
            assert [type(event) for event in heard(watch)] == [FolderDeleted]


def test_dovecot_changes_everything(place: Path) -> None:
    need("doveadm")
    home = place / "home"
    home.mkdir()
    with open_store(f"maildir:{home}/M", create=True) as store:
        dovecot = Dovecot(home, f"maildir:{home}/M")
        with store.watch() as watch:
            dovecot.save(MAIL)
            (event,) = heard(watch)
            assert isinstance(event, MessageAppended)
            dovecot.own()
            dovecot.flag("INBOX", 1, "\\Seen", "work")
            flags = [event for event in heard(watch) if isinstance(event, FlagsChanged)]
            assert (flags[-1].uid, flags[-1].flags & SEEN) == (1, SEEN)
            dovecot.doveadm("mailbox", "create", "-s", "Archive")
            events = heard(watch, 2)
            assert {type(event) for event in events} == {FolderCreated, SubscriptionChanged}
            dovecot.own()
            dovecot.doveadm("move", "Archive", "mailbox", "INBOX", "uid", "1")
            events = heard(watch, 1)
            events += watch.batch(1)
            told = {type(event): event for event in events}
            if MessageMoved in told:
                assert told[MessageMoved].folder == ARCHIVE
            else:
                assert told[MessageAppended].folder == ARCHIVE
                assert told[MessageExpunged].folder == INBOX
            dovecot.own()
            dovecot.doveadm("expunge", "mailbox", "Archive", "all")
            assert [type(event) for event in heard(watch)] == [MessageExpunged]
            dovecot.doveadm("mailbox", "rename", "Archive", "Old")
            events = heard(watch, 1)
            assert any(isinstance(event, FolderRenamed) for event in events)
            assert [row.uid for row in store.inbox.rows(0)] == dovecot.uids()


def test_dovecots_delivery_agent(box: tuple[str, Path, Store], place: Path) -> None:
    need("doveadm")
    lda = "/usr/lib/dovecot/dovecot-lda"
    if not os.path.exists(lda):
        need("dovecot-lda")
    kind, path, store = box
    home = place / "lda"
    home.mkdir()
    config = home / "dovecot.conf"
    location = f"maildir:{path}" if kind == "maildir" else f"mbox:{home}/tree:INBOX={path}"
    config.write_text(
        f"mail_location = {location}\nfirst_valid_uid = 0\nfirst_valid_gid = 0\nssl = no\nlog_path = /dev/stderr\n"
        f"base_dir = {home}/run\nstate_dir = {home}/run\npostmaster_address = postmaster@example.org\n"
        "mbox_write_locks = fcntl dotlock\nlda_mailbox_autocreate = yes\n"
    )
    if os.getuid() == 0:
        for name in (place, *place.rglob("*")):
            os.chown(name, 65534, 65534)
    with store.watch() as watch:
        run(
            [lda, "-c", config, "-f", "ann@example.org"],
            data=MAIL,
            home=home,
            user=65534 if os.getuid() == 0 else None,
        )
        (event,) = heard(watch)
        assert isinstance(event, MessageAppended)
        assert event.uid == 1


def test_mutt_saves_a_copy(box: tuple[str, Path, Store], tmp_path: Path) -> None:
    need("mutt")
    kind, path, store = box
    rc = tmp_path / "muttrc"
    rc.write_text(
        f'set record="{path}" copy=yes sendmail=/bin/true mbox_type={"Maildir" if kind == "maildir" else "mbox"}\n'
        "set dotlock_program=/usr/bin/mutt_dotlock confirmcreate=no\n"
    )
    with store.watch() as watch:
        run(["mutt", "-n", "-F", rc, "-s", "hello", "joe@example.org"], data=b"body\n", home=tmp_path)
        events = heard(watch)
        assert [type(event) for event in events][:1] == [MessageAppended]
        assert events[0].uid == 1
