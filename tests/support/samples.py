"""A folder's worth of ordinary mail that every format and every mail program can hold."""

from __future__ import annotations

from typing import NamedTuple

from mailstore import FolderPath, SetState, Store

UIDVALIDITY = 1_234_567
UIDNEXT = 90


class Sample(NamedTuple):
    """A message and what is noted beside it."""

    uid: int
    body: bytes
    flags: tuple[str, ...]
    date: int
    sender: str


def _mail(subject: str, text: str) -> bytes:
    return (
        f"From: Ann <ann@example.org>\nTo: joe@example.net\nSubject: {subject}\n"
        f"Date: Sun, 01 Mar 2020 10:00:00 +0100\nMessage-ID: <{subject.replace(' ', '.')}@example.org>\n\n{text}\n"
    ).encode()


SAMPLES = (
    Sample(3, _mail("seen", "plain text"), ("\\Seen",), 1_583_053_200, "ann@example.org"),
    Sample(4, _mail("unseen", "not read yet"), (), 1_583_053_261, "ann@example.org"),
    Sample(7, _mail("answered", "with a keyword"), ("\\Seen", "\\Answered", "work"), 1_000_000_000, "bo@example.org"),
    Sample(8, _mail("flagged", "two keywords"), ("\\Flagged", "$Forwarded", "work"), 1_583_053_263, "cy@example.org"),
    Sample(20, _mail("deleted", "on its way out"), ("\\Seen", "\\Deleted"), 1_719_791_999, "ann@example.org"),
    Sample(21, _mail("draft", "unfinished"), ("\\Draft",), 1_583_053_265, "ann@example.org"),
    Sample(40, _mail("quoting", "From here\n>From there\n>>From elsewhere\n\nFrom the end"), (), 1, "ann@example.org"),
    Sample(41, _mail("blank lines", "\n\n\n"), ("\\Seen",), 1_583_053_267, "ann@example.org"),
    Sample(42, _mail("umlaut", "Grüße, 東京"), ("\\Seen",), 1_583_053_268, "ann@example.org"),
    Sample(89, _mail("lines", "x" * 3000), ("\\Seen", "\\Flagged"), 1_583_053_269, "ann@example.org"),
)


def fill(store: Store, folder: str = "INBOX") -> None:
    """Put SAMPLES into a folder that never had a message, with their UIDs."""
    there = store.folder(folder, create=True)
    store.commit([SetState(FolderPath.parse(folder), UIDVALIDITY)])
    for sample in SAMPLES:
        there.append(sample.body, flags=sample.flags, internal_date=sample.date, sender=sample.sender, uid=sample.uid)
    store.commit([SetState(FolderPath.parse(folder), UIDVALIDITY, UIDNEXT)])
