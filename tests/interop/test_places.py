"""Stores as Dovecot's mail_location lays them out: what it made is read, all of it, with its bookkeeping."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.clients import imap_view
from support.dovecot import Dovecot

from mailstore import open_store
from mailstore.errors import LocationError

pytestmark = pytest.mark.interop


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that the servers' user can reach; pytest closes its own to others."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize(
    "location",
    [
        "maildir:{0}/M:CONTROL={0}/c:INDEX={0}/i",
        "maildir:{0}/M:LAYOUT=fs:CONTROL={0}/c",
        "maildir:{0}/M:LAYOUT=fs:DIRNAME=mAil:NO-NOSELECT",
        "maildir:{0}/M:LAYOUT=fs:FULLDIRNAME=mAil:CONTROL={0}/c",
        "maildir:{0}/M:INBOX={0}/Inbox",
        "maildir:{0}/M:LAYOUT=fs:INBOX={0}/Inbox:INDEX=MEMORY",
        "maildir:{0}/M:SUBSCRIPTIONS=subs:UTF-8",
        "mbox:{0}/m:INBOX={0}/inb:DIRNAME=mBox",
        "mbox:{0}/m:DIRNAME=mBox",
        "mbox:{0}/m:INBOX={0}/inb:CONTROL={0}/c:SUBSCRIPTIONS=subs:INDEX={0}/i",
        "mbox:{0}/m:LAYOUT=fs:SUBSCRIPTIONS=subs",
    ],
)
def test_what_dovecot_put_there_is_read(location: str, place: Path) -> None:
    location = location.format(place)
    dovecot = Dovecot(place, location)
    names = ["INBOX", "Ärger/b"]
    for number, name in enumerate(names, 1):
        if name != "INBOX":
            dovecot.doveadm("mailbox", "create", "-s", name)
        for text in range(number + 1):
            dovecot.save(b"Subject: %d\n\n%s\n" % (text, name.encode()), name)
        dovecot.flag(name, 2, "\\Seen", "work")
        dovecot.doveadm("expunge", "mailbox", name, "uid", "1")
    if location.startswith("mbox"):
        imap_view(dovecot)  # writes the numbers into the files
    with open_store(location, readonly=True) as store:
        assert [str(info.path) for info in store.folders() if info.selectable] == names
        assert [str(info.path) for info in store.folders() if info.subscribed] == ["Ärger/b"]
        assert store.omissions() == []
        for name in names:
            state, status = store.folder(name).state(), dovecot.status(name)
            assert (state.uidvalidity, state.uidnext) == (status["uidvalidity"], status["uidnext"])
            found = [(one.uid, one.flags - {"\\Recent"}, one.bytes()) for one in store.folder(name)]
            assert found == [(one.uid, one.flags, one.text) for one in dovecot.look(name)]
            assert all(message.row.recorded for message in store.folder(name))


@pytest.mark.parametrize("setting", ["INBOX={0}/x", "CONTROL={0}/c", "DIRNAME=d"])
def test_such_a_maildir_is_not_written_to(setting: str, tmp_path: Path) -> None:
    (tmp_path / "M/a/d/cur").mkdir(parents=True)
    with pytest.raises(LocationError, match="is read and not written to"):
        open_store(f"maildir:{tmp_path}/M:{setting.format(tmp_path)}", create=True)
