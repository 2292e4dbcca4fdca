"""A switch to another store or server, as the users' clients see it: nothing is downloaded again, nothing changes.

Before: a server on the old store, an IMAP client's view (UIDVALIDITY, UIDNEXT, UIDs, flags, keywords, subscriptions), a
POP3 client's unique ids, and a copy that mbsync keeps. Then the conversion. After: the same from the new server, and
mbsync has nothing to do: its copy and its state files are the same, to the inode.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.clients import Mbsync, imap_view, pop3_uidls
from support.courier import Courier
from support.dovecot import Dovecot
from support.mstore import mstore
from support.peers import run

from mailstore import open_store
from mailstore.convert import Options, convert

pytestmark = pytest.mark.interop

BODIES = [b"From: a@example.org\nSubject: %d\nMessage-ID: <%d@x>\n\nText %d\n" % (n, n, n) for n in range(6)]


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that the servers' user can reach; pytest closes its own to others."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        for part in ("old", "new"):
            (Path(name) / part).mkdir()
        yield Path(name)


def lived_in(dovecot: Dovecot, *names: str) -> None:
    """Fill a store by Dovecot: mail that came and went, flags, keywords, subscriptions."""
    for name in names:
        dovecot.doveadm("mailbox", "create", name)
    for folder in ("INBOX", *names):
        for body in BODIES:
            dovecot.save(body, folder)
        dovecot.flag(folder, 2, "\\Seen", "\\Answered", "work")
        dovecot.flag(folder, 3, "\\Flagged", "$Forwarded", "later", "work")
        dovecot.doveadm("expunge", "mailbox", folder, "uid", "4,6")
    for name in names:
        dovecot.doveadm("mailbox", "subscribe", name)


SWITCHES = {
    "mbox to Maildir++": (
        ("mbox:{0}/mail:INBOX={0}/inbox", "mbox:{0}/mail:INBOX={0}/inbox"),
        ("maildir:{0}/Maildir", "maildir:{0}/Maildir"),
    ),
    "Maildir fs to Maildir++": (
        ("maildir:{0}/Maildir:LAYOUT=fs", "maildir:{0}/Maildir:LAYOUT=fs"),
        ("maildir:{0}/Maildir", "maildir:{0}/Maildir"),
    ),
    "Maildir++ to a tree of mbox files": (
        ("maildir:{0}/Maildir", "maildir:{0}/Maildir"),
        ("mbox:{0}/mail:INBOX={0}/inbox", "mbox:{0}/mail?inbox={0}/inbox&layout=plain"),
    ),
}


@pytest.mark.parametrize("switch", SWITCHES)
def test_clients_of_dovecot_notice_nothing(switch: str, place: Path) -> None:
    source, destination = SWITCHES[switch]
    old = Dovecot(place / "old", source[0].format(place / "old"))
    lived_in(old, "Sent", "Archive/2020", "Entwürfe")
    ids, seen, client = pop3_uidls(old), imap_view(old), Mbsync(place / "client")
    copy = client.sync(old)
    assert len(seen.folders) >= 4
    assert seen.folders["INBOX"].messages[3] == {"\\Flagged", "$Forwarded", "later", "work"}
    assert len(ids) == 4

    done = mstore("convert", source[1].format(place / "old"), destination[1].format(place / "new"), "--json")
    assert (done.code, done.json["losses"]) == (0, []), done.err

    new = Dovecot(place / "new", destination[0].format(place / "new"))
    assert imap_view(new) == seen
    assert pop3_uidls(new) == ids
    assert client.sync(new) == copy


@pytest.mark.parametrize(
    ("asked", "settings"),
    [
        ("dovecot", ()),
        ("courier", ("pop3_uidl_format = UID%u-%v",)),
        ("cyrus", ("pop3_uidl_format = %v.%u",)),
        ("uw", ("pop3_uidl_format = %08Xv%08Xu",)),
        ("%Mf", ("pop3_uidl_format = %Mf",)),
        ("%f", ("pop3_uidl_format = %f",)),
        ("m-%10v/%LXu", ("pop3_uidl_format = m-%10v/%LXu",)),
        ("x-uidl", ("pop3_reuse_xuidl = yes",)),
    ],
)
def test_ids_that_a_server_made_are_recorded(asked: str, settings: tuple[str, ...], place: Path) -> None:
    """Also where UIDs cannot be kept, since the destination holds mail already."""
    old = Dovecot(place / "old", f"maildir:{place}/old/Maildir", "", *settings)
    run(["maildirmake.courier", place / "old/Maildir"])
    for number, body in enumerate(BODIES[:3]):  # Dovecot would save them without the field
        (place / f"old/Maildir/new/{1_600_000_000 + number}.M1P2.host").write_bytes(b'X-UIDL: "!%d\n' % number + body)
    old.own()
    old.doveadm("expunge", "mailbox", "INBOX", "uid", "1")
    ids = pop3_uidls(old)
    with open_store(f"maildir:{place}/new/Maildir", create=True) as store:
        store.inbox.append(b"Subject: first\n\nhere\n")
    with (
        open_store(f"maildir:{place}/old/Maildir", readonly=True) as source,
        open_store(f"maildir:{place}/new/Maildir") as destination,
    ):
        report = convert(source, destination, Options(pop3_uidl=asked, processes=1))
    assert (report.ok, dict(report.notes), report.folders[0].uids_kept) == (True, {}, False)
    new = Dovecot(place / "new", f"maildir:{place}/new/Maildir")
    assert pop3_uidls(new)[1:] == ids


def courier_lived_in(place: Path) -> Courier:
    """Fill a Maildir++ by Courier's own programs."""
    box = place / "old/Maildir"
    run(["maildirmake.courier", box])
    for folder in ("Sent", "Archive.2020"):
        run(["maildirmake.courier", "-f", folder, box])
    for folder in ("", ".Sent", ".Archive.2020"):
        for number, body in enumerate(BODIES):
            (box / folder / "new" / f"{1_600_000_000 + number}.M{number}P7_{number}.host").write_bytes(body)
    server = Courier(box)
    talk = "\r\n".join(
        [
            '1 SELECT "INBOX"',
            "2 UID STORE 2 FLAGS (\\Seen \\Answered work)",
            "3 UID STORE 3 FLAGS (\\Flagged later work)",
            "4 UID STORE 4 FLAGS (\\Deleted)",
            "5 EXPUNGE",
            '6 SELECT "INBOX.Sent"',
            "7 UID STORE 1:3 +FLAGS (\\Seen work)",
            '8 SELECT "INBOX.Archive.2020"',
            '9 SUBSCRIBE "INBOX.Sent"',
            '10 SUBSCRIBE "INBOX.Archive.2020"',
            "11 LOGOUT\r\n",
        ]
    )
    run(server.service("imap"), data=talk.encode())
    return server


@pytest.mark.parametrize("way", ["converted", "in place"])
def test_from_courier_to_dovecot(way: str, place: Path) -> None:
    old = courier_lived_in(place)
    ids, seen, client = pop3_uidls(old), imap_view(old), Mbsync(place / "client")
    copy = client.sync(old)
    assert len(ids) == 5
    assert seen.folders["INBOX"].messages[3] == {"\\Flagged", "later", "work"}
    assert seen.subscribed == ["INBOX.Archive.2020", "INBOX.Sent"]

    if way == "in place":
        (place / "old/Maildir").rename(place / "new/Maildir")
        done = mstore("takeover", f"maildir:{place}/new/Maildir")
    else:
        done = mstore("convert", f"maildir:{place}/old/Maildir", f"maildir:{place}/new/Maildir")
    assert done.code == 0, done.err
    new = Dovecot(place / "new", f"maildir:{place}/new/Maildir", "INBOX.")
    assert pop3_uidls(new) == ids
    assert imap_view(new) == seen
    assert client.sync(new) == copy


@pytest.mark.parametrize("way", ["converted", "in place"])
def test_from_dovecot_to_courier(way: str, place: Path) -> None:
    """From a Dovecot that gave Courier's ids, and recorded them."""
    settings = ("pop3_uidl_format = UID%u-%v", "pop3_save_uidl = yes")
    old = Dovecot(place / "old", f"maildir:{place}/old/Maildir", "INBOX.", *settings)
    lived_in(old, "INBOX.Sent", "INBOX.Archive.2020")
    ids, seen, client = pop3_uidls(old), imap_view(old), Mbsync(place / "client")
    copy = client.sync(old)
    if way == "in place":
        (place / "old/Maildir").rename(place / "new/Maildir")
        for path in (place / "new/Maildir", *(place / "new/Maildir").rglob("*")):
            os.chown(path, os.getuid(), os.getgid())
        done = mstore("takeover", f"maildir:{place}/new/Maildir?index=courier")
    else:
        done = mstore("convert", f"maildir:{place}/old/Maildir", f"maildir:{place}/new/Maildir?index=courier")
    assert done.code == 0, done.err
    new = Courier(place / "new/Maildir")
    assert sorted(pop3_uidls(new)) == sorted(ids)  # Courier lists messages by their names
    assert imap_view(new) == seen
    assert client.sync(new) == copy


def test_what_courier_cannot_give_is_a_declared_loss(place: Path) -> None:
    with open_store(f"maildir:{place}/old/Maildir", create=True) as store:
        store.inbox.append(BODIES[0], uidl="UID7-900")
        store.inbox.append(BODIES[1], uidl="000000016b071cde")
    to_courier = ["convert", f"maildir:{place}/old/Maildir", f"maildir:{place}/new/Maildir?index=courier"]
    refused = mstore(*to_courier)
    assert refused.code != 0
    assert "uidl (1 message(s) have a POP3 unique id that the format does not keep)" in refused.err
    assert mstore(*to_courier, "--allow-loss", "uidl").code == 0
    first, second = pop3_uidls(Courier(place / "new/Maildir"))
    assert (first, second) == ("UID7-900", "UID8-900")
