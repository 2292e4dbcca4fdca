"""The protocol engine: what is said to which command, whatever the pieces in which the bytes come."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailstore.lmtp.content import DataDecoder
from mailstore.lmtp.protocol import LONGEST_LINE, Close, Content, End, Limits, Recipient, Session
from mailstore.lmtp.replies import UNKNOWN_USER, UNNAMED, Reply, saved

GREETING = b"220 host LMTP mailstore\r\n"
LHLO = b"250-host\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-SIZE %d\r\n250 SMTPUTF8\r\n"
SEQUENCE = b"503 5.5.1 bad sequence of commands\r\n"


class Played:
    """A session whose caller accepts all but ``nobody@…`` and stores what it is told."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.session = Session("host", limits)
        self.messages: list[tuple[str, list[str], bytes]] = []
        self.thrown_away = 0
        self.content = b""
        self.closed = False
        self.output = b""

    def feed(self, data: bytes) -> bytes:
        """Send ``data``; returns what was answered to it."""
        self.session.receive(data)
        while (event := self.session.next_event()) is not None:
            match event:
                case Recipient(address):
                    known = not address.startswith("nobody")
                    self.session.answer_recipient(Reply(250, "2.1.5", "OK") if known else UNKNOWN_USER)
                case Content(piece):
                    assert piece
                    self.content += piece
                case End(envelope, too_large):
                    if too_large:
                        self.thrown_away += 1
                    else:
                        self.messages.append((envelope.sender, envelope.recipients, self.content))
                        self.session.answer_message([saved(one) for one in envelope.recipients])
                    self.content = b""
                case Close():
                    assert not self.closed
                    self.closed = True
        said = self.session.take_output()
        self.output += said
        return said


def begun(limits: Limits | None = None) -> Played:
    played = Played(limits)
    assert played.feed(b"") == GREETING
    assert played.feed(b"LHLO me\r\n") == LHLO % (limits or Limits()).size
    return played


def test_one_message_for_three_recipients_of_whom_one_is_unknown() -> None:
    played = begun()
    assert played.feed(
        b"MAIL FROM:<ann@example.org> SIZE=30 BODY=8BITMIME SMTPUTF8\r\nRCPT TO:<joe@here>\r\nRCPT TO:<nobody@here>\r\n"
        b"RCPT TO:<sue@here>\r\nDATA\r\n"
    ) == (
        b"250 2.1.0 OK\r\n250 2.1.5 OK\r\n550 5.1.1 no such user here\r\n250 2.1.5 OK\r\n"
        b"354 end data with <CR><LF>.<CR><LF>\r\n"
    )
    assert played.feed(b"Subject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n") == (
        b"250 2.0.0 <joe@here> Saved\r\n250 2.0.0 <sue@here> Saved\r\n221 2.0.0 host bye\r\n"
    )
    assert played.messages == [("ann@example.org", ["joe@here", "sue@here"], b"Subject: x\n\n.dot\n")]
    assert played.closed
    assert played.feed(b"NOOP\r\n") == b""


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"NOOP", b"250 2.0.0 OK\r\n"),
        (b"noop and more", b"250 2.0.0 OK\r\n"),
        (b"RSET", b"250 2.0.0 OK\r\n"),
        (b"VRFY joe", b"252 2.5.0 send some mail, and see\r\n"),
        (b"HELO me", b"500 5.5.1 this is LMTP: say LHLO\r\n"),
        (b"EHLO me", b"500 5.5.1 this is LMTP: say LHLO\r\n"),
        (b"LHLO", b"501 5.5.4 say who you are: LHLO name\r\n"),
        (b"", b"500 5.5.1 unknown command\r\n"),
        (b"EXPN x", b"500 5.5.1 unknown command\r\n"),
        (b"RCPT TO:<joe>", SEQUENCE),
        (b"DATA", b"503 5.5.1 no valid recipients\r\n"),
        (b"DATA now", b"501 5.5.4 DATA takes no argument\r\n"),
        (b"MAIL joe", b"501 5.5.4 MAIL FROM:<address>\r\n"),
        (b"MAIL FROM:joe", b"501 5.5.4 an address in angle brackets is wanted\r\n"),
        (b"MAIL FROM:<\xff>", b"501 5.1.3 the address is no UTF-8\r\n"),
        (b"MAIL FROM:<a\0b>", b"501 5.1.3 bad address syntax\r\n"),
        (b"MAIL FROM:<" + b"a" * 1001 + b">", b"501 5.1.3 bad address syntax\r\n"),
        (b"MAIL FROM:<a> SIZE=x", b"501 5.5.4 bad value of SIZE\r\n"),
        (b"MAIL FROM:<a> SIZE=1 SIZE=2", b"501 5.5.4 bad parameter syntax\r\n"),
        (b"MAIL FROM:<a> BODY=BINARYMIME", b"501 5.5.4 bad value of BODY\r\n"),
        (b"MAIL FROM:<a> RET=FULL", b"555 5.5.4 unknown parameter\r\n"),
        (b"MAIL FROM:<a> SIZE=99999999999", b"552 5.3.4 message too large for this system\r\n"),
        (b"MAIL FROM:<>", b"250 2.1.0 OK\r\n"),
        (b"mail from: <a>", b"250 2.1.0 OK\r\n"),
    ],
)
def test_a_command_by_itself(line: bytes, answer: bytes) -> None:
    assert begun().feed(line + b"\r\n") == answer


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"MAIL FROM:<b>", SEQUENCE),
        (b"RCPT joe", b"501 5.5.4 RCPT TO:<address>\r\n"),
        (b"RCPT TO:<>", b"501 5.1.3 bad address syntax\r\n"),
        (b"RCPT TO:<joe> NOTIFY=NEVER", b"555 5.5.4 unknown parameter\r\n"),
        (b"RCPT TO:<nobody>", b"550 5.1.1 no such user here\r\n"),
    ],
)
def test_a_command_within_a_transaction(line: bytes, answer: bytes) -> None:
    played = begun()
    played.feed(b"MAIL FROM:<a>\r\n")
    assert played.feed(line + b"\r\n") == answer
    assert played.feed(b"DATA\r\n") == b"503 5.5.1 no valid recipients\r\n"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (b"<joe@here>", "joe@here"),
        (b"<@relay,@other:joe@here>", "joe@here"),
        (b'<"joe > <smith"@here>', '"joe > <smith"@here'),
        (b'<"a\\"b"@here>', '"a\\"b"@here'),
        ("<jörg@örtlich>".encode(), "jörg@örtlich"),
    ],
)
def test_addresses(written: bytes, read: str) -> None:
    played = begun()
    played.feed(b"MAIL FROM:" + written + b"\r\nRCPT TO:" + written + b"\r\nDATA\r\n.\r\n")
    assert played.messages == [(read, [read], b"")]


def test_nothing_before_lhlo() -> None:
    assert Played().feed(b"MAIL FROM:<a>\r\n") == GREETING + SEQUENCE


def test_rset_and_lhlo_forget_the_envelope() -> None:
    for line in (b"RSET\r\n", b"LHLO me\r\n"):
        played = begun()
        played.feed(b"MAIL FROM:<a>\r\nRCPT TO:<joe>\r\n" + line)
        assert played.feed(b"DATA\r\n") == b"503 5.5.1 no valid recipients\r\n"
        assert played.feed(b"MAIL FROM:<a>\r\n") == b"250 2.1.0 OK\r\n"


def test_too_many_recipients() -> None:
    played = begun(Limits(recipients=2))
    said = played.feed(b"MAIL FROM:<a>\r\n" + b"RCPT TO:<joe>\r\n" * 3 + b"DATA\r\nx\r\n.\r\n")
    assert said.count(b"452 4.5.3 too many recipients\r\n") == 1
    assert said.endswith(b"\r\n" + b"250 2.0.0 <joe> Saved\r\n" * 2)


@pytest.mark.parametrize("pieces", [1, 7, 10_000])
def test_a_message_over_the_limit_is_read_to_its_end_and_refused_to_each(pieces: int) -> None:
    played = begun(Limits(size=100))
    played.feed(b"MAIL FROM:<a>\r\nRCPT TO:<joe>\r\nRCPT TO:<sue>\r\nDATA\r\n")
    wire = b"x" * 48 + b"\r\n" + b"x" * 49 + b"\r\n.\r\n"
    said = b"".join(played.feed(wire[at : at + pieces]) for at in range(0, len(wire), pieces))
    assert said == b"552 5.3.4 message too large for this system\r\n" * 2
    assert (played.messages, played.thrown_away) == ([], 1)
    said = played.feed(
        b"MAIL FROM:<a>\r\nRCPT TO:<joe>\r\nDATA\r\n" + b"x" * 48 + b"\r\n..234567" + b"x" * 40 + b"\r\n.\r\n"
    )
    assert said.endswith(b"250 2.0.0 <joe> Saved\r\n")  # exactly the limit, a stuffed dot not counted


def test_a_line_too_long_is_skipped_in_constant_memory() -> None:
    played = begun()
    for _ in range(100):
        assert played.feed(b"x" * 1000) == b""
        assert played.session.buffered < LONGEST_LINE
    assert played.feed(b"\r\nNOOP\r\n") == b"500 5.5.2 line too long\r\n250 2.0.0 OK\r\n"


def test_too_many_errors_end_the_connection() -> None:
    played = begun(Limits(errors=3))
    assert played.feed(b"x\r\nNOOP\r\ny\r\nz\r\nNOOP\r\n") == (
        b"500 5.5.1 unknown command\r\n250 2.0.0 OK\r\n"
        + b"500 5.5.1 unknown command\r\n" * 2
        + b"421 4.7.0 host too many errors, closing\r\n"
    )
    assert played.closed


def test_nothing_is_read_on_while_an_answer_is_awaited() -> None:
    session = Session("host")
    session.receive(b"LHLO me\r\nMAIL FROM:<a>\r\nRCPT TO:<joe>\r\nDATA\r\nbody\r\n.\r\nQUIT\r\n")
    assert session.next_event() == Recipient("joe")
    session.take_output()
    assert session.next_event() is None
    assert session.take_output() == b""
    session.answer_recipient(Reply(250, "2.1.5", "OK"))
    assert session.next_event() == Content(b"body\n")
    event = session.next_event()
    assert isinstance(event, End)
    session.take_output()
    assert session.next_event() is None
    with pytest.raises(ValueError, match="every recipient"):
        session.answer_message([])
    session.answer_message([UNNAMED])
    assert session.next_event() == Close()
    assert session.next_event() is None
    assert session.take_output() == UNNAMED.render() + b"221 2.0.0 host bye\r\n"


def test_a_reply_cannot_be_ended_by_its_text() -> None:
    assert saved("a\r\n250 b\xff").render() == b"250 2.0.0 <a??250 b?> Saved\r\n"


SMUGGLED = [b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r.\r\n", b"\n\n.\r\r\n", b"\r\n\x00.\r\n"]


@pytest.mark.parametrize("trick", SMUGGLED)
def test_only_crlf_dot_crlf_ends_a_content(trick: bytes) -> None:
    played = begun()
    played.feed(b"MAIL FROM:<a>\r\nRCPT TO:<joe>\r\nDATA\r\n")
    assert played.feed(b"a" + trick + b"MAIL FROM:<evil>\r\n") == b""
    assert played.feed(b"\r\n.\r\n") == b"250 2.0.0 <joe> Saved\r\n"
    assert len(played.messages) == 1
    assert b"MAIL FROM:<evil>\n" in played.messages[0][2]


WIRE_PIECES = st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"..", b"a", b"\0", b"\xff", b"From ", b"\r\n."])
    | st.binary(max_size=5),
    max_size=30,
).map(b"".join)


def stuffed(message: bytes) -> bytes:
    """Return the message, whose lines end with LF, as a client sends it."""
    wire = b"\r\n" + message.replace(b"\n", b"\r\n")
    return wire.replace(b"\r\n.", b"\r\n..")[2:]


@given(WIRE_PIECES, st.data())
@example(b".\n..\n.", None)
def test_a_message_comes_out_as_it_went_in(raw: bytes, data: st.DataObject | None) -> None:
    message = raw.replace(b"\r\n", b"\n") + b"\n"
    while b"\r\n" in message:
        message = message.replace(b"\r\n", b"\n")
    wire, decoder, found, rest = stuffed(message) + b".\r\nNEXT", DataDecoder(), b"", None
    while wire and rest is None:
        size = 1 if data is None else data.draw(st.integers(1, len(wire)))
        piece, rest = decoder.feed(wire[:size])
        found, wire = found + piece, wire[size:]
    assert (rest or b"") + wire == b"NEXT"
    assert found == message
    assert decoder.size == len(message.replace(b"\n", b"\r\n"))


WORDS = b"LHLO me,MAIL FROM:<a>,RCPT TO:<joe>,RCPT TO:<nobody>,DATA,.,,text,RSET,NOOP,QUIT,..".split(b",")
LONG = [b"x" * 5000 + b"\r\n", b"y" * 200 + b"\r\n"]
LINES = st.sampled_from([*(word + b"\r\n" for word in WORDS), *LONG, b"\n", b"\r"])
CONVERSATIONS = st.lists(LINES | st.binary(max_size=20), max_size=40).map(b"".join)


@given(CONVERSATIONS, st.lists(st.integers(1, 300), min_size=1, max_size=20))
def test_the_pieces_do_not_matter(conversation: bytes, sizes: list[int]) -> None:
    limits = Limits(size=150, recipients=2, errors=6)
    whole, pieces = Played(limits), Played(limits)
    whole.feed(conversation)
    at = turn = 0
    while at < len(conversation):
        size = sizes[turn % len(sizes)]
        pieces.feed(conversation[at : at + size])
        at, turn = at + size, turn + 1
    pieces.feed(b"")
    assert pieces.output == whole.output
    assert (pieces.messages, pieces.thrown_away, pieces.closed) == (whole.messages, whole.thrown_away, whole.closed)


@given(st.binary(max_size=300))
def test_any_bytes_are_answered_or_awaited(data: bytes) -> None:
    played = begun()
    played.feed(data + b"\r\n.\r\nNOOP\r\n")
    lines = played.output.split(b"\r\n")
    assert lines.pop() == b""
    assert all(line[:3].isdigit() and line[3:4] in (b" ", b"-") for line in lines)
    assert played.closed or lines[-1] == b"250 2.0.0 OK"
