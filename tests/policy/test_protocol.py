"""The protocol engine: what is a request, what is none, and that neither pieces nor nonsense matter."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailstore.policy.protocol import LONGEST, BadRequest, Request, Session, render

FIRST = b"request=smtpd_access_policy\n"
POSTFIX = (
    FIRST + b"protocol_state=RCPT\nprotocol_name=ESMTP\nhelo_name=client.example.org\nqueue_id=\n"
    b"sender=ann@example.org\nrecipient=joe@example.org\nrecipient_count=0\nclient_address=192.0.2.1\n"
    b"client_name=unknown\nreverse_client_name=unknown\ninstance=5b2f.65f1.7.0\nsasl_method=\nsasl_username=\n"
    b"sasl_sender=\nsize=12345\nccert_subject=\nccert_issuer=\nccert_fingerprint=\nccert_pubkey_fingerprint=\n"
    b"encryption_protocol=\nencryption_cipher=\nencryption_keysize=0\netrn_domain=\nstress=\npolicy_context=\n"
    b"server_address=192.0.2.2\nserver_port=25\ncompatibility_level=3.6\nmail_version=3.7.11\n\n"
)


def ask(data: bytes) -> Request:
    session = Session()
    session.receive(data)
    request = session.next_request()
    assert request is not None
    return request


def all_of(session: Session) -> list[Request]:
    found = []
    while (request := session.next_request()) is not None:
        found.append(request)
    return found


def test_a_request_of_postfix() -> None:
    request = ask(POSTFIX)
    assert (request.recipient, request.size) == ("joe@example.org", 12345)
    assert request.get("client_address") == "192.0.2.1"
    assert request.get("sasl_username") == request.get("no_such_attribute") == ""
    assert len(request.attributes) == 30


@pytest.mark.parametrize(
    ("state", "recipient"),
    [
        (b"RCPT", "joe@x"),
        (b"DATA", "joe@x"),
        (b"BDAT", "joe@x"),
        (b"END-OF-MESSAGE", "joe@x"),
        (b"CONNECT", ""),
        (b"EHLO", ""),
        (b"HELO", ""),
        (b"MAIL", ""),
        (b"VRFY", ""),
        (b"ETRN", ""),
        (b"", ""),
        (b"rcpt", ""),
        (b"\xff", ""),
    ],
)
def test_the_states_that_have_a_recipient(state: bytes, recipient: str) -> None:
    assert ask(FIRST + b"protocol_state=" + state + b"\nrecipient=joe@x\n\n").recipient == recipient


def test_without_a_state_the_recipient_counts() -> None:
    assert ask(FIRST + b"recipient=joe@x\n\n").recipient == "joe@x"


def test_without_a_recipient_it_is_about_nobody() -> None:
    assert ask(FIRST + b"protocol_state=RCPT\n\n").recipient == ""
    assert ask(FIRST + b"protocol_state=DATA\nrecipient=\nrecipient_count=2\n\n").recipient == ""


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (b"0", 0),
        (b"1", 1),
        (b"0012", 12),
        (b"18446744073709551616", 1 << 64),
        (b"9" * 20, 10**20 - 1),
        (b"9" * 21, 0),
        (b"9" * 5000, 0),
        (b"", 0),
        (b"-1", 0),
        (b"+1", 0),
        (b" 1", 0),
        (b"1_0", 0),
        (b"1e3", 0),
        (b"0x10", 0),
        (b"\xd9\xa1", 0),
        (b"\xb2", 0),
    ],
)
def test_sizes(value: bytes, size: int) -> None:
    assert ask(FIRST + b"size=" + value + b"\n\n").size == size


def test_a_size_that_is_missing_is_unknown() -> None:
    assert ask(FIRST + b"\n").size == 0


def test_of_a_name_that_comes_twice_the_last_counts() -> None:
    assert ask(FIRST + b"recipient=joe@x\nrecipient=ann@x\n\n").recipient == "ann@x"


def test_a_value_is_all_behind_the_first_equals_sign() -> None:
    assert ask(FIRST + b"recipient=a=b@x \n\n").recipient == "a=b@x "
    assert ask(FIRST + b"recipient==\n\n").recipient == "="


def test_addresses_that_are_no_ascii() -> None:
    assert ask(FIRST + "recipient=jürgen@x\n\n".encode()).recipient == "jürgen@x"
    assert ask(FIRST + b"recipient=j\xfcrgen@x\n\n").recipient == "j\udcfcrgen@x"


def test_what_people_read_is_printable_and_short() -> None:
    request = ask(FIRST + b"sender=a\x1b[31m\r\x7f\xffb\nhelo_name=" + b"x" * 5000 + b"\n\n")
    assert request.get("sender") == "a?[31m???b"
    assert request.get("helo_name") == "x" * 200


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\n", "without attributes"),
        (b"\n" + POSTFIX, "without attributes"),
        (b"recipient=joe@x\n\n", "not a request=smtpd_access_policy"),
        (b"request=other\nrecipient=joe@x\n\n", "not a request=smtpd_access_policy"),
        (b"request=smtpd_access_policy\r\n\n", "not a request=smtpd_access_policy"),
        (FIRST + b"recipient\n\n", "not name=value"),
        (FIRST + b"=joe@x\n\n", "not name=value"),
        (FIRST + b"\r\n\n", "not name=value"),
        (FIRST + b"recipient=joe\0@x\n\n", "a NUL"),
        (b"\0\n\n", "a NUL"),
        (b"GET / HTTP/1.1\r\nHost: x\n\n", "not name=value"),
        (b"\x16\x03\x01\x02\x00\n\n", "a NUL"),
        (b"x" * (LONGEST + 1), "more than 65536 bytes"),
        (b"a=b\n" * (LONGEST // 4) + b"c", "more than 65536 bytes"),
        (FIRST + b"x=" + b"y" * LONGEST + b"\n\n", "more than 65536 bytes"),
    ],
)
def test_what_is_no_request(data: bytes, why: str) -> None:
    session = Session()
    session.receive(data)
    with pytest.raises(BadRequest, match=why):
        session.next_request()


def test_the_longest_request() -> None:
    start = FIRST + b"recipient=joe@x\nx="
    longest = start + b"y" * (LONGEST - 2 - len(start)) + b"\n\n"
    assert len(longest) == LONGEST
    session = Session()
    session.receive(longest * 2)
    assert [request.recipient for request in all_of(session)] == ["joe@x", "joe@x"]
    assert not session.within_request
    session.receive(longest[:-2] + b"y\n\n")
    with pytest.raises(BadRequest, match="more than"):
        session.next_request()


def test_a_request_without_an_end_is_awaited() -> None:
    session = Session()
    session.receive(POSTFIX[:-1])
    assert session.next_request() is None
    assert session.within_request
    session.receive(b"\n" + POSTFIX[:10])
    assert len(all_of(session)) == 1
    assert session.within_request
    session.receive(POSTFIX[10:])
    assert len(all_of(session)) == 1
    assert not session.within_request


names = st.binary(min_size=1, max_size=8).filter(lambda name: not {0, 10, 61} & set(name) and name != b"request")
values = st.binary(max_size=20).filter(lambda value: not {0, 10} & set(value))
requests = st.dictionaries(names, values, max_size=6)


def written(attributes: dict[bytes, bytes]) -> bytes:
    return FIRST + b"".join(name + b"=" + value + b"\n" for name, value in attributes.items()) + b"\n"


@given(st.lists(requests, max_size=5), st.lists(st.integers(1, 40)))
def test_any_requests_in_any_pieces(wanted: list[dict[bytes, bytes]], cuts: list[int]) -> None:
    """Pipelined or torn, each comes out once, in order, as it went in."""
    data = b"".join(map(written, wanted))
    session, found = Session(), []
    for cut in [*cuts, len(data)]:
        piece, data = data[:cut], data[cut:]
        session.receive(piece)
        found += all_of(session)
    first = {b"request": b"smtpd_access_policy"}
    assert [request.attributes for request in found] == [first | attributes for attributes in wanted]
    assert not session.within_request


def fed(pieces: list[bytes]) -> tuple[list[Request], str]:
    """What comes out of ``pieces``: requests, and how it ended."""
    session, found = Session(), []
    for piece in pieces:
        session.receive(piece)
        try:
            while (request := session.next_request()) is not None:
                found.append(request)
        except BadRequest as error:
            return found, str(error)
    return found, "more is awaited" if session.within_request else ""


noise = st.lists(st.sampled_from([b"\n", b"\n\n", b"=", b"a", b"\0", b"\xff", b"\r\n", FIRST, POSTFIX, b"size=1\n"]))


@given(st.one_of(st.binary(), noise.map(b"".join)), st.integers(1, 7))
@example(FIRST + b"\n\n", 1)
def test_nonsense_ends_the_same_way_however_it_is_cut(data: bytes, step: int) -> None:
    assert fed([data]) == fed([data[at : at + step] for at in range(0, len(data), step)])


@given(st.binary(), requests)
def test_no_request_makes_its_properties_fail(junk: bytes, attributes: dict[bytes, bytes]) -> None:
    for value in (junk, *attributes.values()):
        request = Request({b"recipient": value, b"size": value, b"sender": value})
        assert request.recipient.encode("utf-8", "surrogateescape") == value
        assert 0 <= request.size < 10**20
        assert request.get("sender").isascii()


def test_an_answer() -> None:
    assert render("554 5.2.2 mailbox full") == b"action=554 5.2.2 mailbox full\n\n"


@pytest.mark.parametrize("action", ["", "DUNNO\n", "OK\r", "554 \x00", "554 ü", "\x1b"])
def test_no_answer_can_hold_a_second_one(action: str) -> None:
    with pytest.raises(ValueError, match="no action"):
        render(action)
