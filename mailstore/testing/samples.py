"""Messages and names that break stores, each for a reason."""

from __future__ import annotations

BODIES: dict[str, bytes] = {
    "ordinary": b"From: a@example.org\nTo: b@example.org\nSubject: one\n\nHello.\n",
    "empty": b"",
    "newline": b"\n",
    "two newlines": b"\n\n",
    "no header": b"\nonly a body\n",
    "no header, no empty line": b"just words that are no header\nand more\n",
    "header only": b"Subject: header only\n",
    "header and empty line": b"Subject: no body\n\n",
    "unfinished header": b"Subject: x",
    "no final newline": b"Subject: x\n\nno final newline",
    "ends in many newlines": b"Subject: x\n\nbody\n\n\n\n",
    "crlf": b"Subject: crlf\r\n\r\nline\r\nline\r\n",
    "crlf, no final newline": b"Subject: crlf\r\n\r\nline",
    "ends in cr": b"Subject: x\n\nline\r",
    "cr only": b"Subject: cr\r\rline\rline\r",
    "mixed line ends": b"Subject: mixed\r\nX-A: 1\n\nline\r\nline\nline\r\r\n",
    "nul": b"Subject: nul\n\na\0b\n\0\n",
    "nul in header": b"Subject: a\0b\n\nbody\n",
    "eight bit": "Subject: grüße\n\nsüß ☃\n".encode(),
    "latin-1": b"Subject: \xe9\xff\n\n\xfe\xfd\x80\n",
    "every byte": b"Subject: all\n\n" + bytes(range(256)) + b"\n",
    "from line": b"Subject: x\n\nFrom here on\nFrom a@b Thu Jan  1 00:00:00 1970\n\nSubject: trap\n",
    "quoted from line": b"Subject: x\n\n>From here\n>>From there\n> From else\n>>>From a@b Thu Jan  1 00:00:00 1970\n",
    "from line after empty line": b"Subject: x\n\nbody\n\nFrom a@b Thu Jan  1 00:00:00 1970\nSubject: trap\n\nbody\n",
    "begins with from line": b"From a@b Thu Jan  1 00:00:00 1970\nSubject: x\n\nbody\n",
    "begins with quoted from line": b">From a@b Thu Jan  1 00:00:00 1970\nSubject: x\n\nbody\n",
    "is a from line": b"From a@b Thu Jan  1 00:00:00 1970\n",
    "from line, crlf": b"Subject: x\r\n\r\nbody\r\n\r\nFrom a@b Thu Jan  1 00:00:00 1970\r\nSubject: trap\r\n",
    "from line in header": b"Subject: x\nFrom a@b Thu Jan  1 00:00:00 1970\nX-A: 1\n\nbody\n",
    "mmdf separators": b"Subject: x\n\nbody\n\x01\x01\x01\x01\n\x01\x01\x01\x01\nmore\n",
    "continued header": b"Subject: a\n b\n\tc\nX-A: 1\n\nbody\n",
    "continuation first": b" odd\nSubject: x\n\nbody\n",
    "spaces for an empty line": b"Subject: x\n \n\t\nbody\n",
    "long line": b"Subject: x\n\n" + b"a" * 100_000 + b"\n",
    "long header line": b"Subject: " + b"a" * 100_000 + b"\n\nbody\n",
    "many headers": b"".join(b"X-H%d: %d\n" % (n, n) for n in range(5000)) + b"\nbody\n",
    "only nul": b"\0",
    "byte order mark": b"\xef\xbb\xbfSubject: x\n\nbody\n",
}
"""Bodies that a store may not change."""

RESERVED: dict[str, bytes] = {
    "status": b"Status: RO\nX-Status: AFTD\nSubject: x\n\nbody\n",
    "status, other case": b"status: RO\nX-STATUS: AFTD\nSubject: x\n\nbody\n",
    "status, last": b"Subject: x\nX-Keywords: Work $Junk\nStatus: RO\n\nbody\n",
    "uid": b"X-UID: 77\nX-IMAPbase: 1234567 0000000099 Work\nX-Keywords: Work\nSubject: x\n\nbody\n",
    "pseudo message": (
        b"From: Mail System Internal Data <MAILER-DAEMON@example.org>\n"
        b"Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n"
        b"X-IMAP: 1234567 0000000099\nStatus: RO\n\nThis text is part of the internal format of your mail folder.\n"
    ),
    "length": b"Content-Length: 3\nSubject: x\n\na body longer than that\n\nFrom a@b Thu Jan  1 00:00:00 1970\n\n",
    "length too long": b"Content-Length: 100000\nSubject: x\n\nshort\n",
    "length exact": b"Subject: x\nContent-Length: 5\n\nbody\n",
    "length, two": b"Content-Length: 5\nContent-Length: 5\nSubject: x\n\nbody\n",
    "mozilla": b"X-Mozilla-Status: 0009\nX-Mozilla-Status2: 00200000\nX-Mozilla-Keys: Work   \nSubject: x\n\nbody\n",
    "sentinel": b"X-Mailstore: 1; size=3\nSubject: x\n\nbody\n",
    "evolution": b"X-Evolution: 00000001-ffff\nX-Gmail-Labels: Work\nLines: 4\nX-UIDL: abc\nSubject: x\n\nbody\n",
    "padding": b"Status: R         \nX-Keywords:                    \nSubject: x\n\nbody\n",
    "folded": b"Status:\n RO\nX-Keywords: a\n b\nSubject: x\n\nbody\n",
    "in crlf": b"Status: RO\r\nX-UID: 5\r\nSubject: x\r\n\r\nbody\r\n",
    "envelope": b"Return-Path: <else@example.org>\nDelivered-To: x\nX-Original-To: y\nSubject: x\n\nbody\n",
}
"""Bodies whose headers look like a store's own metadata and are not."""

MEBIBYTE = 1 << 20


def large(size: int) -> bytes:
    """Return a message of exactly ``size`` bytes with lines, some of them looking like separators."""
    head = b"Subject: large\n\n"
    lines = b"From somewhere a line\n>From elsewhere\n" + b"an ordinary line of forty bytes or so\n" * 50
    return (head + lines * (size // len(lines) + 1))[: size - 1] + b"\n"


NAMES: tuple[tuple[str, ...], ...] = (
    ("Sent",),
    ("Entwürfe",),
    ("日本語",),
    ("☃ emoji 😀",),
    ("\u202eright to left",),
    ("a", "b", "c", "d", "e"),
    (".",),
    ("..",),
    ("...",),
    (".hidden",),
    ("..two",),
    ("dot.in.name",),
    ("trailing.",),
    ("a/b",),
    ("/absolute",),
    ("../x",),
    ("..", "x"),
    ("../../../../../../tmp/x",),
    ("a", "..", "..", "x"),
    ("&",),
    ("&AOk-",),
    ("R&D",),
    ("a&-b",),
    ("^",),
    ("^2e",),
    ("^^2F",),
    ("%2e%2e",),
    ("~",),
    ("~root",),
    ("back\\slash",),
    ("nul\0in name",),
    ("\x01\x1f\x7f",),
    ("line\nfeed",),
    ("tab\there",),
    (" leading space",),
    ("trailing space ",),
    (" ",),
    ("quote\"and'quote",),
    ("a:2,S",),
    ("star*per%cent",),
    ("$HOME",),
    ("-rf",),
    ("n" * 200,),
    ("é" * 200,),
    ("漢" * 200,),
    ("deep", "n" * 200, "m" * 200),
    ("cur",),
    ("new",),
    ("tmp",),
    ("cur", "new"),
    ("maildirfolder",),
    ("dovecot-uidlist",),
    ("dovecot-keywords",),
    ("subscriptions",),
    (".mailstore",),
    ("mailstore.index",),
    ("Inbox", "child"),
    ("child", "INBOX"),
    ("INBOX.child",),
    ("folder.sbd",),
    ("folder.msf",),
    ("folder.lock",),
    ("CASE",),
    ("case",),
)
"""Folder names that a store must hold or the format could never be trusted with a tree it has not seen."""
