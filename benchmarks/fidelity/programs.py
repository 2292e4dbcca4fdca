"""Files as one program writes them: with the UIDs, keywords, lengths and states that it keeps in them."""

from __future__ import annotations

from benchmarks.fidelity.case import DATE, FROM, Case, File, mail, plain

_SENDER = "joe@example.org"
_INNER = b"\n" + FROM + b"X: y\n"


def _counted(number: int, text: bytes, extra: bytes = b"", *, flags: str = "", keywords: tuple[str, ...] = ()) -> bytes:
    """Return a record as Dovecot writes it: fields behind the message's own, the length right, nothing quoted."""
    head, body = mail(number, text).split(b"\n\n", 1)
    status = b"Status: %s\n" % (b"RO" if "S" in flags else b"O")
    letters = b"".join(mbox for letter, mbox in (("R", b"A"), ("F", b"F"), ("D", b"T"), ("T", b"D")) if letter in flags)
    lines = status + (b"X-Status: %s\n" % letters if letters else b"")
    if keywords:
        lines += b"X-Keywords: " + " ".join(keywords).encode() + b" " * 40 + b"\n"
    length = b"Content-Length: %d\n" % len(body)
    return b"From joe@example.org  Tue Nov 14 22:13:20 2023\n" + head + b"\n" + extra + lines + length + b"\n" + body


def _dovecot(
    why: str, number: int, uid: int, text: bytes, flags: str = "", keywords: tuple[str, ...] = (), base: bytes = b""
) -> Case:
    record = _counted(number, text, base + b"X-UID: %d\n" % uid, flags=flags, keywords=keywords)
    return Case(why, record + b"\n", mail(number, text), DATE, _SENDER, flags, keywords, uid)


DOVECOT = File(
    "dovecot",
    "Dovecot: mboxcl2",
    (
        _dovecot(
            "the first, with the folder's numbers", 100, 3, b"text\n", "S", ("work", "$Forwarded"),
            b"X-IMAPbase: 1700000000 0000000041 work $Forwarded Junk\n",
        ),
        _dovecot("an unquoted From_ line", 101, 7, _INNER + b"\nz\n", "R"),
        _dovecot("a line >From that was never quoted", 102, 8, b">From the sender\n>>From too\n", "F"),
        _dovecot("a gap in the UIDs, two keywords", 103, 20, b"text\n", "FRS", ("Junk", "work")),
        _dovecot("empty lines at the end, counted", 104, 21, b"text\n\n\n"),
        _dovecot("three empty lines and nothing else", 105, 22, b"\n\n\n", "D"),
        _dovecot("deleted, not yet expunged", 106, 40, b"text\n", "ST", ("work",)),
    ),
    uidvalidity=1_700_000_000,
)  # fmt: skip

_MANY = tuple(f"key{number:02}" for number in range(30))
_INTERNAL = (
    b"From MAILER-DAEMON Tue Nov 14 22:13:20 2023\n"
    b"Date: 14 Nov 2023 22:13:20 +0000\n"
    b"From: Mail System Internal Data <MAILER-DAEMON@example.org>\n"
    b"Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n"
    b"Message-ID: <1700000000@example.org>\n"
    b"X-IMAP: 1600000000 0000000100 " + " ".join(_MANY).encode() + b"\n"
    b"Status: RO\n\n"
    b"This text is part of the internal format of your mail folder, and is not\n"
    b"a real message.  It is created automatically by the mail system software.\n"
    b"If deleted, important folder data will be lost, and it will be re-created\n"
    b"with the data reset to initial values.\n\n"
)


def _pine(why: str, number: int, uid: int, fields: bytes, flags: str, keywords: tuple[str, ...] = ()) -> Case:
    head, text = mail(number).split(b"\n\n", 1)
    listed = b"X-Keywords: " + " ".join(keywords).encode() + b"\n" if keywords else b""
    record = FROM + head + b"\n" + fields + listed + b"X-UID: %d\n\n" % uid + text + b"\n"
    return Case(why, record, mail(number), DATE, _SENDER, flags, keywords, uid)


PINE = File(
    "pine",
    "c-client: Pine, UW-IMAP",
    (
        Case("the folder's internal data, no message", _INTERNAL, None),
        _pine("the first message behind it", 110, 9, b"Status: RO\nX-Status: \n", "S"),
        _pine("thirty keywords, more than a Maildir has letters", 111, 50, b"Status: RO\nX-Status: F\n", "FS", _MANY),
        _pine("draft, answered, one keyword", 112, 51, b"Status: O\nX-Status: AT\n", "DR", ("key29",)),
        _pine("a gap before the last UID given", 113, 99, b"Status: RO\nX-Status: D\n", "ST"),
    ),
    uidvalidity=1_600_000_000,
)


def _mozilla(
    why: str, number: int, status: bytes, flags: str = "", keywords: tuple[str, ...] = (), gone: bool = False
) -> Case:
    tags = " ".join(keywords).encode().ljust(80)
    fields = b"X-Mozilla-Status: %s\nX-Mozilla-Status2: 00000000\nX-Mozilla-Keys: %s\n" % (status, tags)
    message = mail(number)
    record = b"From - Tue Nov 14 22:13:20 2023\n" + fields + message + b"\n"
    return Case(why, record, None if gone else message, DATE, None, flags, keywords)


THUNDERBIRD = File(
    "thunderbird",
    "Thunderbird",
    (
        _mozilla("not read", 120, b"0000"),
        _mozilla("read, a tag", 121, b"0001", "S", ("$label1",)),
        _mozilla("replied", 122, b"0003", "RS"),
        _mozilla("starred", 123, b"0005", "FS"),
        _mozilla("forwarded, two tags", 124, b"1001", "PS", ("$label2", "later")),
        _mozilla("deleted by its user, waiting for compaction", 125, b"0009", gone=True),
        _mozilla("the last", 126, b"0001", "S"),
    ),
)

_MARK = b"\1\1\1\1\n"


def _mmdf(why: str, number: int, text: bytes, fields: bytes = b"", flags: str = "") -> Case:
    head, body = mail(number, text).split(b"\n\n", 1)
    record = _MARK + FROM + head + b"\n" + fields + b"\n" + body + _MARK
    return Case(why, record, mail(number, text), DATE, _SENDER, flags)


MMDF = File(
    "mmdf",
    "MMDF",
    (
        _mmdf("between lines of four control characters", 130, b"text\n"),
        _mmdf(
            "From_ lines are text",
            131,
            b"\nFrom joe@example.org Tue Nov 14 22:13:20 2023\nX: y\n",
            b"Status: RO\n",
            "S",
        ),
        _mmdf(">From is never quoted", 132, b">From here\n", b"Status: O\nX-Status: F\n", "F"),
    ),
)

_CRLF = tuple(
    case._replace(record=case.record.replace(b"\n", b"\r\n"), message=case.message.replace(b"\n", b"\r\n"))
    for case in (
        plain("a file with CRLF throughout", mail(140)),
        plain("and its second message", mail(141, b"text\n\n\n")),
    )
    if case.message is not None
)
WINDOWS = File("windows", "a program on Windows", _CRLF)


def _length(why: str, number: int, length: int, text: bytes = b"text\n") -> Case:
    return plain(why, mail(number, text, b"Content-Length: %d" % length), mail(number, text))


LENGTHS = File(
    "lengths",
    "System V: mboxcl, with wrong and forged lengths among the right ones",
    (
        _length("a right length", 150, 5),
        _length("a length far too small", 151, 3, b"text and more\n"),
        _length("a length that reaches into the next message", 152, 90),
        _length("the one it would have swallowed", 153, 5),
        _length("a length beyond the file's end", 154, 99_999_999),
        _length("and one more, so that most are right", 155, 5),
        _length("and another", 156, 5),
    ),
)

FILES = (DOVECOT, PINE, THUNDERBIRD, LENGTHS, MMDF, WINDOWS)
