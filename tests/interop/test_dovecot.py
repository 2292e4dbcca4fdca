"""Dovecot reads what we write, with the same UIDs, flags, keywords, dates and bytes; and we read what it writes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.dovecot import Dovecot, Seen
from support.facts import Fact, facts, uids
from support.mboxes import quote_rd
from support.mstore import mstore
from support.samples import SAMPLES, UIDNEXT, UIDVALIDITY, fill

from mailstore import open_store

pytestmark = pytest.mark.interop


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that Dovecot's user can reach; pytest closes its own to others."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def wanted(form: str) -> list[Seen]:
    """Return what Dovecot must show of the samples: it never unquotes the ``>From `` lines of an mbox."""
    shown = quote_rd if form == "mbox" else bytes
    return [Seen(sample.uid, frozenset(sample.flags), sample.date, shown(sample.body)) for sample in SAMPLES]


def layout(form: str, root: Path) -> tuple[str, str]:
    """Return our location and Dovecot's for a store of ``form`` at ``root``."""
    root.mkdir()
    if form == "mbox":
        return f"mbox:{root}/mail?layout=plain&inbox={root}/inbox", f"mbox:{root}/mail:INBOX={root}/inbox"
    return f"maildir:{root}/Maildir", f"maildir:{root}/Maildir"


@pytest.mark.parametrize("form", ["maildir", "mbox"])
def test_dovecot_reads_what_we_wrote(form: str, place: Path) -> None:
    ours, theirs = layout(form, place / "home")
    with open_store(ours, create=True) as store:
        fill(store)
        fill(store, "Archive/2020")
    dovecot = Dovecot(place / "home", theirs)
    for folder in ("INBOX", "Archive/2020"):
        assert dovecot.look(folder) == wanted(form)
        status = dovecot.status(folder)
        assert (status["uidvalidity"], status["uidnext"]) == (UIDVALIDITY, UIDNEXT)
        assert (status["messages"], status["unseen"]) == (len(SAMPLES), 4)


@pytest.mark.parametrize("form", ["maildir", "mbox"])
def test_dovecot_reads_what_convert_wrote(form: str, place: Path) -> None:
    ours, theirs = layout(form, place / "home")
    with open_store(f"sqlite:{place}/mail.db", create=True) as store:
        fill(store)
    assert mstore("convert", f"sqlite:{place}/mail.db", ours).code == 0
    dovecot = Dovecot(place / "home", theirs)
    assert dovecot.look() == wanted(form)
    assert dovecot.status()["uidvalidity"] == UIDVALIDITY
    assert dovecot.status()["uidnext"] == UIDNEXT


@pytest.mark.parametrize("form", ["maildir", "mbox"])
def test_we_see_what_dovecot_changed(form: str, place: Path) -> None:
    ours, theirs = layout(form, place / "home")
    with open_store(ours, create=True) as store:
        fill(store)
    dovecot = Dovecot(place / "home", theirs)
    dovecot.flag("INBOX", 4, "\\Seen", "\\Flagged", "later")
    dovecot.flag("INBOX", 7, "work")
    dovecot.doveadm("expunge", "mailbox", "INBOX", "uid", "20,21")
    dovecot.save(b"Subject: saved\n\nby Dovecot\n")
    seen = dovecot.look()
    assert [one.uid for one in seen] == [3, 4, 7, 8, 40, 41, 42, 89, 90]
    with open_store(ours) as store:
        shown = quote_rd if form == "mbox" else bytes
        found = [(message.uid, message.flags - {"\\Recent"}, shown(message.bytes())) for message in store.inbox]
        assert found == [(one.uid, one.flags, one.text) for one in seen]
        assert store.inbox.state().uidvalidity == UIDVALIDITY
        assert found[1][1] == {"\\Seen", "\\Flagged", "later"}


@pytest.mark.parametrize("form", ["maildir", "mbox"])
def test_we_read_what_dovecot_wrote(form: str, place: Path) -> None:
    ours, theirs = layout(form, place / "home")
    dovecot = Dovecot(place / "home", theirs)
    for sample in SAMPLES:
        dovecot.save(sample.body)
    dovecot.doveadm("mailbox", "create", "Sent")
    dovecot.doveadm("mailbox", "subscribe", "Sent")
    dovecot.save(SAMPLES[0].body, "Sent")
    for uid, sample in enumerate(SAMPLES, 1):
        dovecot.flag("INBOX", uid, *sample.flags)
    seen = dovecot.look()
    status = dovecot.status()
    with open_store(ours, readonly=True) as store:
        found = [
            Seen(m.uid, m.flags - {"\\Recent"}, int(m.internal_date.timestamp()), m.bytes())
            for m in store.inbox
            if m.internal_date
        ]
        assert found == seen
        assert [one.text for one in found] == [sample.body for sample in SAMPLES]
        assert [one.flags for one in found] == [frozenset(sample.flags) for sample in SAMPLES]
        assert store.inbox.state().uidvalidity == status["uidvalidity"]
        assert store.inbox.state().uidnext == status["uidnext"]
        listed = {str(info.path): info.subscribed for info in store.folders() if info.selectable}
        assert listed == {"INBOX": False, "Sent": True}
        assert [message.bytes() for message in store.folder("Sent")] == [SAMPLES[0].body]


@pytest.mark.parametrize("form", ["maildir", "mbox"])
def test_dovecot_mail_goes_around_and_comes_back(form: str, place: Path) -> None:
    """Dovecot's store -> SQLite -> a new store: Dovecot sees there what it saw before."""
    first, theirs = layout(form, place / "first")
    dovecot = Dovecot(place / "first", theirs)
    for sample in SAMPLES:
        dovecot.save(sample.body)
    for uid, sample in enumerate(SAMPLES, 1):
        dovecot.flag("INBOX", uid, *sample.flags)
    dovecot.doveadm("expunge", "mailbox", "INBOX", "uid", "2,10")
    before, status = dovecot.look(), dovecot.status()
    second, theirs = layout(form, place / "second")
    if form == "mbox":
        second += "&dialect=mboxcl2"  # as Dovecot writes it: nothing is quoted
    assert mstore("convert", first, f"sqlite:{place}/mail.db").code == 0
    assert mstore("convert", f"sqlite:{place}/mail.db", second).code == 0
    again = Dovecot(place / "second", theirs)
    # one line of ours says that the lines ">From " of that one message are as they are (docs/formats/mbox.md)
    seen = [one._replace(text=one.text.removeprefix(b"X-Mailstore: asis\n")) for one in again.look()]
    assert seen == before
    assert again.status() == status


def test_folders_and_subscriptions_are_the_same_to_dovecot(place: Path) -> None:
    ours, theirs = layout("maildir", place / "home")
    names = ["INBOX", "Entwürfe", "Lists/mutt/2020", "R&D", "Tom & Jerry/東京", "trailing space /x"]
    with open_store(ours, create=True) as store:
        for name in names[1:]:
            store.create(name)
        store.subscribe("Entwürfe")
        store.subscribe("R&D")
    dovecot = Dovecot(place / "home", theirs)
    assert set(names) <= set(dovecot.folders())
    assert dovecot.subscribed() == ["Entwürfe", "R&D"]
    dovecot.doveadm("mailbox", "create", "Größe/Ünter")
    dovecot.doveadm("mailbox", "subscribe", "Größe/Ünter")
    dovecot.doveadm("mailbox", "rename", "Lists/mutt", "Listen/köter")
    with open_store(ours, readonly=True) as store:
        listed = {str(info.path) for info in store.folders() if info.selectable}
        assert listed == {*names, "Größe/Ünter", "Listen/köter/2020"} - {"Lists/mutt/2020"}
        subscribed = {str(info.path) for info in store.folders() if info.subscribed}
        assert subscribed == {"Entwürfe", "R&D", "Größe/Ünter"}


@pytest.mark.parametrize("form", ["maildir", "mbox"])
def test_both_deliver_in_turn_and_no_uid_is_given_twice(form: str, place: Path) -> None:
    ours, theirs = layout(form, place / "home")
    with open_store(ours, create=True) as store:
        store.inbox.append(b"Subject: 0\n\nours\n")
    dovecot = Dovecot(place / "home", theirs)
    for turn in range(1, 4):
        dovecot.save(b"Subject: %d\n\ntheirs\n" % turn)
        with open_store(ours) as store:
            store.inbox.append(b"Subject: %d\n\nours\n" % turn)
        dovecot.own()
        assert dovecot.uids() == list(range(1, 2 * turn + 2))
    with open_store(ours, readonly=True) as store:
        subjects = [message.header().partition(b"\n")[0] for message in store.inbox]
        assert subjects == [b"Subject: %d" % ((at + 1) // 2) for at in range(7)]
        assert [row.uid for row in store.inbox.rows(0)] == list(range(1, 8))


def test_more_keywords_than_letters(place: Path) -> None:
    """Dovecot's file names hold 26 keywords; the first 26 must be seen by both, and ours must all come back."""
    ours, theirs = layout("maildir", place / "home")
    words = [f"word{number:02d}" for number in range(30)]
    with open_store(ours, create=True) as store:
        for word in words:
            store.inbox.append(b"Subject: k\n\n" + word.encode() + b"\n", flags=["\\Seen", word])
    with open_store(ours) as store:
        assert [sorted(message.keywords) for message in store.inbox] == [[word] for word in words]
    dovecot = Dovecot(place / "home", theirs)
    seen = [one.flags for one in dovecot.look()]
    assert seen[:26] == [frozenset({"\\Seen", word}) for word in words[:26]]
    assert all("\\Seen" in flags for flags in seen)
    with open_store(ours) as store:
        assert [sorted(message.keywords) for message in store.inbox] == [[word] for word in words]


def test_our_maildir_after_dovecot_moved_new_mail(place: Path) -> None:
    r"""An IMAP session moves mail from ``new`` to ``cur``: for us the same messages, no longer recent."""
    ours, theirs = layout("maildir", place / "home")
    with open_store(ours, create=True) as store:
        store.inbox.append(b"Subject: 1\n\nnew\n", internal_date=1_500_000_000)
        before = facts(store.inbox), uids(store)
    dovecot = Dovecot(place / "home", theirs)
    dovecot.doveadm("fetch", "uid", "all")
    for name in os.listdir(place / "home/Maildir/new"):
        os.rename(place / "home/Maildir/new" / name, place / "home/Maildir/cur" / f"{name}:2,")
    with open_store(ours) as store:
        assert (facts(store.inbox), uids(store)) == before
        assert before[0] == [Fact(before[0][0].digest, frozenset(), 1_500_000_000, None)]
