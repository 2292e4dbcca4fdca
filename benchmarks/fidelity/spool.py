"""The spool: what delivery agents and mail readers of thirty years leave in ``/var/mail`` (quoted as mboxrd)."""

from __future__ import annotations

from benchmarks.fidelity.case import DATE, FROM, Case, File, dated, flagged, mail, plain

_DATES = (
    dated("RFC 4155's own form", 1, b"From joe@example.org Tue Nov 14 22:13:20 2023", DATE),
    dated("two spaces behind the sender (Postfix)", 2, b"From joe@example.org  Tue Nov 14 22:13:20 2023", DATE),
    dated("day with a zero (Dovecot)", 3, b"From joe@example.org  Thu Nov 09 22:33:52 2023", "2023-11-09 22:33:52"),
    dated("no seconds", 4, b"From joe@example.org Tue Nov 14 22:13 2023", "2023-11-14 22:13:00"),
    dated("zone +0530 before the year", 5, b"From joe@example.org Wed Nov 15 03:43:20 +0530 2023", DATE),
    dated("zone -0730 behind the year", 6, b"From joe@example.org Tue Nov 14 14:43:20 2023 -0730", DATE),
    dated("named zone before the year", 7, b"From joe@example.org Tue Nov 14 14:13:20 PST 2023", DATE),
    dated("named zone behind the year", 8, b"From joe@example.org Tue Nov 14 17:13:20 2023 EST", DATE),
    dated("two-digit year", 9, b"From joe@example.org Fri Nov 13 22:13:20 98", "1998-11-13 22:13:20"),
    dated("UUCP's remote from", 10, b"From joe Tue Nov 14 22:13:20 2023 remote from uucphost", DATE, "joe"),
    dated(
        "a sender with spaces, quoted", 11, b'From "joe doe"@example.org Tue Nov 14 22:13:20 2023', DATE,
        '"joe doe"@example.org',
    ),
    dated("the null sender of a bounce", 12, b"From MAILER-DAEMON Tue Nov 14 22:13:20 2023", DATE, ""),
    dated("a date before 1970", 13, b"From joe@example.org Sat Nov 15 22:13:20 1969", "1969-11-15 22:13:20"),
    dated("a date behind 2038", 14, b"From joe@example.org Thu Nov 14 22:13:20 2047", "2047-11-14 22:13:20"),
    dated("the 29th of February", 15, b"From joe@example.org Thu Feb 29 23:59:59 2024", "2024-02-29 23:59:59"),
    dated("weekday, comma, day first", 16, b"From joe@example.org Tue, 14 Nov 2023 22:13:20", DATE),
    Case(
        "a date nobody can read; the Received field has one",
        b"From joe@example.org Xyz Foo 99 22:13:20 2023\n"
        + (late := mail(17, b"text\n", b"Received: from a by b; Tue, 14 Nov 2023 23:13:20 +0100"))
        + b"\n",
        late,
        DATE,
        "joe@example.org",
    ),
)  # fmt: skip

_QUOTING = (
    plain("a line From, quoted", mail(20, b"\n>From the start.\n"), mail(20, b"\nFrom the start.\n")),
    plain("a line >From of the sender's", mail(21, b"\n>>From the start.\n"), mail(21, b"\n>From the start.\n")),
    plain("quoted three deep", mail(22, b">>>>From afar\n>>>From near\n"), mail(22, b">>>From afar\n>>From near\n")),
    plain("a line From in running text, never quoted", mail(23, b"I came\nFrom here to there.\nThe end.\n")),
    plain("the same behind an empty line", mail(24, b"I came\n\nFrom here to there.\nThe end.\n")),
    plain(
        "a whole mbox as text in a message",
        mail(25, b"See:\n\n>From ann@example.org Mon Nov 13 22:13:20 2023\nSubject: inner\n\nInner text\n\n"),
        mail(25, b"See:\n\nFrom ann@example.org Mon Nov 13 22:13:20 2023\nSubject: inner\n\nInner text\n\n"),
    ),
)

_SHAPES = (
    plain("three empty lines at the end", mail(30, b"text\n\n\n\n")),
    plain("header and nothing else, not even an empty line", mail(31, b"")[:-1]),
    plain("header and an empty line", mail(32, b"")),
    plain("no header at all", b"\nJust text, case-33@example.org\n"),
    plain("not a single byte", b""),
    plain("a line of 100,000 characters", mail(35, b"x" * 100_000 + b"\n")),
    plain("a header field of 70,000 characters", mail(36, b"text\n", b"X-Long: " + b"y" * 70_000)),
    plain("Latin-1 in the header", mail(37, b"text\n", b"X-Name: J\xf6rg")),
    plain("bytes that are no character set", mail(38, b"\xff\xfe\x80\x81 gr\xfc\xdfe\n")),
    plain("NULs", mail(39, b"before\0after\n\0\n")),
    plain("CRLF in one message of an LF file", mail(40, b"one\r\ntwo\r\n")),
    plain("lone CRs", mail(41, b"one\rtwo\r\rthree\n")),
    plain("CRLF in the header too", b"Subject: case 42\r\nMessage-ID: <case-42@example.org>\r\n\r\ntext\r\n"),
    plain("folded fields, one line of blanks alone", mail(43, b"text\n", b"X-Folded: a\n \n\tb")),
    plain("a field without a name", mail(44, b"text\n", b": nameless")),
    plain("a line in the header that is no field", mail(45, b"text\n", b"no field at all")),
    plain("the same field five times", mail(46, b"text\n", *[b"X-Same: %d" % n for n in range(5)])),
    plain("blanks at the ends of lines", mail(47, b"format=flowed \nand a tab\t\n-- \n")),
    plain("a signed message: every byte counts", mail(48, b"--b\nContent-Type: text/plain\n\n a \n\n--b--\n")),
    plain("DEL, escape and other controls", mail(49, b"\x01\x02\x1b[31mred\x7f\x0c\n")),
)

_IDENTITY = (
    *[plain("three that are the same to the byte", mail(50)) for _ in range(3)],
    plain("one Message-ID, two messages: the first", mail(51, b"first\n")),
    plain("one Message-ID, two messages: the second", mail(51, b"second\n")),
    plain("no Message-ID, no Date, no Received: the first", b"Subject: a\n\ncase-52@example.org\n"),
    plain("no Message-ID, no Date, no Received: the second", b"Subject: a\n\ncase-53@example.org\n"),
)

_FLAGS = (
    flagged("read", 60, b"Status: RO\n", "S"),
    flagged("answered", 61, b"Status: RO\nX-Status: A\n", "RS"),
    flagged("flagged, not read", 62, b"Status: O\nX-Status: F\n", "F"),
    flagged("a draft", 63, b"Status: O\nX-Status: T\n", "D"),
    flagged("deleted", 64, b"Status: RO\nX-Status: D\n", "ST"),
    flagged("all of them", 65, b"Status: RO\nX-Status: AFTD\n", "DFRST"),
    flagged("all letters in Status", 66, b"Status: ROAF\n", "FRS"),
    Case(
        "Status before the other fields",
        FROM + b"Status: RO\n" + mail(67) + b"\n",
        mail(67),
        DATE,
        "joe@example.org",
        "S",
    ),
    plain("status of the sender's, in small letters", mail(68, b"text\n", b"status: RO")),
    plain("Status of the sender's: resolved", mail(69, b"text\n", b"Status: resolved")),
    plain("Status in the text", mail(70, b"Status: RO\nX-Status: AFTD\n")),
)

_LAST = (plain("the last one, without the empty line behind", mail(79))._replace(record=FROM + mail(79)),)

SPOOL = File("spool", "delivery agents, c-client, mutt", (*_DATES, *_QUOTING, *_SHAPES, *_IDENTITY, *_FLAGS, *_LAST))
