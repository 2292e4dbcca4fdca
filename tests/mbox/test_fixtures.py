"""Every broken or odd file that we accept, and how it is read; docs/violations.md has a bullet for each."""

import re
from pathlib import Path

import pytest

from mailstore import open_store
from mailstore.model.flags import RECENT, SEEN
from mailstore.model.info import BODY, META, Row

PROJECT = Path(__file__).parents[2]
FIXTURES = PROJECT / "fixtures" / "mbox"
DATE = 1_699_569_232
ONE = b"From: joe@example.org\nSubject: one\n\nbody one\n"
TWO = b"From: ann@example.org\nSubject: two\n\nbody two\n"
LINE = b"From ann@example.org Fri Nov 10 08:00:00 2023\n"

PART = (
    b'Content-Type: multipart/mixed; boundary="=_A"\n\n--=_A\nContent-Type: text/html; charset="us-ascii"\n'
    b"From ftp-wg-owner@example.org Tue May 26 15:41 CDT 1998\nReceived: from a by b\n\n<p>text\n--=_A--\n"
)
PATCH = (
    b"From: joe@example.org\nSubject: one\n\nsee this:\n\n"
    b"From 6601732f7a54db5f04efba08f7e9224e5b757112 Mon Sep 17 00:00:00 2001\n"
    b"From: ann@example.org\nSubject: [PATCH] x\n\n---\n a.c | 1 +\n"
)

BODIES: dict[str, list[bytes]] = {
    "no-empty-line.mbox": [ONE, TWO],
    "from-in-text.mbox": [
        b"Subject: one\n\nFrom the beginning\nFrom now on\n\nFrom joe\nthere is news.\n", TWO,
    ],
    "dated-line-in-text.mbox": [b"Subject: one\n\nlook at this line:\n" + LINE + b"is what it said.\n", TWO],
    "unreadable-date.mbox": [
        b"Received: from a by b; Thu, 9 Nov 2023 22:33:52 +0000\nSubject: one\n\nbody one\n", TWO,
    ],
    "no-dates.mbox": [ONE, TWO],
    "patch-inside.mbox": [PATCH, TWO],
    "patches.mbox": [ONE, TWO],
    "thunderbird-bare.mbox": [ONE, TWO],
    "thunderbird-expunged.mbox": [ONE],
    "takeout.mbox": [b"X-GM-THRID: 1568876289765432109\nX-Gmail-Labels: Inbox,Unread\n" + ONE],
    "empty-lines-first.mbox": [ONE],
    "byte-order-mark.mbox": [ONE],
    "no-last-line-end.mbox": [ONE, b"Subject: two\n\ncut sho"],
    "no-empty-line-at-the-end.mbox": [ONE, TWO],
    "header-only.mbox": [b"Subject: one\n", TWO],
    "no-header.mbox": [b"just text\n", b"\nonly a body\n"],
    "cr.mbox": [ONE.replace(b"\n", b"\r"), TWO.replace(b"\n", b"\r")],
    "crlf.mbox": [ONE.replace(b"\n", b"\r\n"), TWO.replace(b"\n", b"\r\n")],
    "crlf-message-in-lf-file.mbox": [ONE.replace(b"\n", b"\r\n"), TWO],
    "content-length-wrong.mbox": [ONE, TWO],
    "content-length-nested.mbox": [
        b"Subject: one\n\nsee below\n\n" + LINE + b"Subject: inner\n\ninner body\n", b"Subject: two\n\nbody two\n",
    ],
    "content-length-forged.mbox": [
        b"Subject: one\n\nevil\n", TWO, b"Subject: 3\n\nbody\n", b"Subject: 4\n\nbody\n",
    ],
    "separator-in-part.mbox": [PART],
    "concatenated.mbox": [ONE, TWO, b"Subject: three\n\nbody three\n"],
    "uids-not-growing.mbox": [ONE, TWO, b"Subject: three\n\nbody three\n"],
    "keywords-without-list.mbox": [ONE],
    "status-of-the-sender.mbox": [b"Status: resolved\nstatus: RO\n" + ONE],
    "pseudo-message.mbox": [ONE],
    "mmdf-without-from.mmdf": [ONE, TWO],
    "lone-separator.mbox": [b""],
}  # fmt: skip


def rows(name: str) -> list[Row]:
    with open_store(f"mbox:{FIXTURES / name}?zone=utc", readonly=True) as store:
        return list(store.inbox.rows(BODY | META))


@pytest.mark.parametrize("name", BODIES)
def test_bytes(name: str) -> None:
    assert [row.body for row in rows(name)] == BODIES[name]


def test_every_fixture_is_read() -> None:
    assert {path.name for path in FIXTURES.iterdir()} >= BODIES.keys()


def test_every_fixture_has_a_bullet() -> None:
    said = set(re.findall(r"fixtures/mbox/([\w.-]+)", (PROJECT / "docs" / "violations.md").read_text(encoding="utf-8")))
    assert said >= BODIES.keys()


def test_dates() -> None:
    assert [row.internal_date for row in rows("takeout.mbox")] == [DATE]
    [first, second] = rows("unreadable-date.mbox")
    assert (first.internal_date, second.internal_date) == (DATE, 1_699_603_200)
    assert first.notes == ("the date of the From_ line cannot be read; date taken from Received:",)
    assert second.notes == ()
    assert all("mtime" in row.notes[0] for row in rows("no-dates.mbox"))


def test_flags() -> None:
    assert [(row.flags, row.keywords) for row in rows("thunderbird-expunged.mbox")] == [(SEEN, {"$label1"})]
    assert [(row.flags, row.keywords) for row in rows("keywords-without-list.mbox")] == [(SEEN, {"Foo", "work"})]
    assert [row.flags for row in rows("status-of-the-sender.mbox")] == [RECENT]


def test_numbers() -> None:
    assert [(row.uid, row.recorded) for row in rows("concatenated.mbox")] == [(1, True), (2, True), (3, False)]
    assert [(row.uid, row.recorded) for row in rows("uids-not-growing.mbox")] == [(5, True), (10, False), (11, False)]
    assert [(row.uid, row.recorded) for row in rows("pseudo-message.mbox")] == [(7, True)]
