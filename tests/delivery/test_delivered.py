"""What a delivery does to a header block."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstore.formats.delivered import address, return_path, sender_of, split_from_line, stamp

DROP = frozenset({"status", "x-uid"})
LINES = st.lists(
    st.sampled_from(
        [b"Subject: hi", b" folded", b"Status: RO", b"X-UID : 7", b"\tmore", b"Return-Path: <x@y>", b"garbage", b""]
    )
    | st.binary(max_size=12).filter(lambda line: b"\n" not in line and b"\r" not in line)
)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"From ann@x Thu Jan  1\nA: b\n", (b"From ann@x Thu Jan  1", b"A: b\n")),
        (b"From ann@x Thu Jan  1\r\nA: b\r\n", (b"From ann@x Thu Jan  1", b"A: b\r\n")),
        (b"From: ann\n", (b"", b"From: ann\n")),
        (b"From x", (b"From x", b"")),
        (b"", (b"", b"")),
    ],
)
def test_one_from_line_goes(head: bytes, expected: tuple[bytes, bytes]) -> None:
    assert split_from_line(head) == expected


@pytest.mark.parametrize(
    ("line", "sender"),
    [
        (b"From ann@example.org  Thu Nov  9 22:33:52 2023", "ann@example.org"),
        (b'From "a b\\" c"@example.org Thu', '"a b\\" c"@example.org'),
        (b"From MAILER-DAEMON Thu", ""),
        (b"From <> Thu", ""),
        (b"From ", None),
        (b"From - Thu", "-"),
    ],
)
def test_the_sender_of_a_from_line(line: bytes, sender: str | None) -> None:
    assert sender_of(line) == sender


@pytest.mark.parametrize(
    ("text", "stored"),
    [(" <a@b> ", "a@b"), ("<>", ""), ("", ""), ("mailer-daemon", ""), ("a@b\r\nX: y", "a@bX: y"), ("é@b", "é@b")],
)
def test_addresses(text: str, stored: str) -> None:
    assert address(text) == stored


def test_what_is_put_in_front_and_what_goes() -> None:
    head = b"Return-Path: <old@x>\nStatus: RO\n folded\nSubject: s\nX-UID : 3\nstatus: O\nX-Status: A\n\n"
    assert stamp(head, sender="new@x", recipient="joe@y", drop=DROP) == (
        b"Return-Path: <new@x>\nDelivered-To: joe@y\nSubject: s\nX-Status: A\n\n"
    )
    assert stamp(head, sender=None, recipient=None) == head
    assert stamp(head, sender="", recipient=None).startswith(b"Return-Path: <>\nStatus")


def test_the_same_recipient_is_not_said_twice() -> None:
    head = b"Subject: s\nDelivered-To: joe@y\n\n"
    assert stamp(head, sender=None, recipient="joe@y") == head
    assert stamp(head, sender=None, recipient="ann@y") == b"Delivered-To: ann@y\n" + head


def test_line_ends_are_those_of_the_message() -> None:
    assert stamp(b"A: b\r\n\r\n", sender="s", recipient="r") == (b"Return-Path: <s>\r\nDelivered-To: r\r\nA: b\r\n\r\n")


def test_nobody_can_add_a_field_by_an_address() -> None:
    assert stamp(b"A: b\n\n", sender="s\nX-Evil: 1", recipient="r\r\n\r\nbody").count(b"\n") == 4


def test_return_path() -> None:
    assert return_path(b"A: b\nReturn-path:\n <ann@x>\n\n") == "ann@x"
    assert return_path(b"Return-Path: <>\n\n") == ""
    assert return_path(b"\nReturn-Path: <body@x>\n") is None


@given(LINES, st.sampled_from([b"\n", b"\r\n"]), st.booleans())
def test_all_else_stays_to_the_byte(lines: list[bytes], newline: bytes, ended: bool) -> None:
    """Without the fields named nothing changes; with them whole lines go and the order of the others stays."""
    head = newline.join(lines) + (newline * 2 if ended else b"")
    assert stamp(head, sender=None, recipient=None) == head
    left = stamp(head, sender=None, recipient=None, drop=DROP)
    rest = iter(head.split(b"\n"))
    assert all(any(line == other for other in rest) for line in left.split(b"\n") if line)
    assert stamp(left, sender=None, recipient=None, drop=DROP) == left


@given(LINES, st.sampled_from([b"\n", b"\r\n", b"\r"]), st.sampled_from([b"STATUS: x", b"x-uid\t: 7", b"Return-PATH:"]))
def test_no_field_that_is_to_go_is_left(lines: list[bytes], newline: bytes, forged: bytes) -> None:
    """However it is spelled and wherever it stands above the empty line; what only looks like it stays."""
    head = newline.join([*lines, forged, b"X-Status: kept", b" Status: folded", b"A: b", b""])
    left = stamp(head, sender="", recipient=None, drop=DROP)
    above = left.split(newline * 2)[0]
    fields = [line for line in above.split(newline)[1:] if b":" in line and line[:1] not in b" \t"]
    names = {line.partition(b":")[0].rstrip().lower() for line in fields}
    if newline != b"\r" and not any(line == b"" for line in lines):
        assert names & {b"status", b"x-uid", b"return-path"} == set()
        assert b"x-status" in names
    assert left.count(b"X-Status: kept") == 1


@given(st.binary(max_size=200))
def test_any_bytes(head: bytes) -> None:
    assert stamp(head, sender=None, recipient=None) == head
    assert stamp(head, sender="a@b", recipient=None, drop=DROP).startswith(b"Return-Path: <a@b>")
