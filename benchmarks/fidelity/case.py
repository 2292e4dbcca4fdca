"""A hard case: a record of an mbox file as a program left it, and the message that it is, both written by hand."""

from __future__ import annotations

from typing import NamedTuple


class Case(NamedTuple):
    """One record and the truth about it."""

    why: str
    """What is hard about it, for people."""
    record: bytes
    """As it stands in the file: from the From_ line to the empty line behind."""
    message: bytes | None
    """The message's bytes; None where the record is no message that anybody should see."""
    date: str = ""
    """When it was received: ``2023-11-14 22:13:20``, UTC; empty where the record does not say."""
    sender: str | None = None
    """The envelope sender; empty for the null sender, None where the record does not say."""
    flags: str = ""
    """Letters as Maildir writes them, in order: D draft, F flagged, P passed, R replied, S seen, T deleted."""
    keywords: tuple[str, ...] = ()
    uid: int = 0
    """0 where none is recorded."""


class File(NamedTuple):
    """An mbox file made of cases, as one family of programs writes it."""

    name: str
    written_by: str
    cases: tuple[Case, ...]
    uidvalidity: int = 0

    @property
    def data(self) -> bytes:
        """The file's bytes."""
        return b"".join(case.record for case in self.cases)


def mail(number: int, text: bytes = b"The quick brown fox.\n", *headers: bytes) -> bytes:
    """Return a message that can be told from all others by its number."""
    lines = [
        b"From: Joe <joe@example.org>",
        b"Subject: case %d" % number,
        b"Message-ID: <case-%d@example.org>" % number,
        *headers,
    ]
    return b"\n".join(lines) + b"\n\n" + text


def dated(why: str, number: int, line: bytes, date: str, sender: str | None = "joe@example.org") -> Case:
    """Return a case that is hard for its From_ line alone."""
    message = mail(number)
    return Case(why, line + b"\n" + message + b"\n", message, date, sender)


def flagged(why: str, number: int, headers: bytes, flags: str, keywords: tuple[str, ...] = ()) -> Case:
    """Return a case that is hard for the ``headers`` that a program put behind the message's own."""
    head, text = mail(number).split(b"\n\n", 1)
    record = FROM + head + b"\n" + headers + b"\n" + text + b"\n"
    return Case(why, record, mail(number), DATE, "joe@example.org", flags, keywords)


FROM = b"From joe@example.org Tue Nov 14 22:13:20 2023\n"
DATE = "2023-11-14 22:13:20"


def plain(why: str, record: bytes, message: bytes | None = None) -> Case:
    """Return a case whose From_ line is ordinary; ``record`` is what stands between it and the empty line behind."""
    return Case(why, FROM + record + b"\n", record if message is None else message, DATE, "joe@example.org")
