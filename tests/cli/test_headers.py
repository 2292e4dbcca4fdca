"""From, Subject and Message-ID for display: right for good mail, harmless for the rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstore.formats.words import LONGEST
from mailstore.search import decode_header
from mailstore_cli.headers import Shown, display_name, shown


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"plain", "plain"),
        (b"  two \r\n\t lines ", "two lines"),
        (b"=?utf-8?q?J=C3=BCrgen_M?=", "Jürgen M"),
        (b"=?UTF-8?B?UsOpcG9uc2U=?=", "Réponse"),
        (b"=?iso-8859-1?Q?a=E9?= =?iso-8859-1?Q?b?=", "aéb"),
        (b"=?utf-8?b?w4M=?= =?iso-8859-1?q?=E9?=", "Ãé"),
        (b"=?utf-8?b?4pg=?=\n =?utf-8?b?gw==?=", "☃"),
        (b"=?utf-8*en?q?hi?=", "hi"),
        (b"before =?utf-8?q?in?= after", "before in after"),
        (b"=?utf-8?b?UsOpcG9uc2U?=", "Réponse"),
        (b"=?utf-8?b?U?=", ""),
        (b"=?no-such-charset?q?a=C3=A9?=", "aé"),
        (b"=?rot13?q?abc?=", "abc"),
        (b"=?utf-8?q?=FF?=", "ÿ"),
        (b"=?utf-8?x?abc?=", "=?utf-8?x?abc?="),
        (b"=?utf-8?q?open", "=?utf-8?q?open"),
        ("raw Grüße".encode(), "raw Grüße"),
        ("raw Grüße".encode("latin-1"), "raw Grüße"),
        (b"=?gb2312?B?1tDOxA==?=", "中文"),
        (b"nul\0nul", "nul nul"),
        (b"", ""),
    ],
)
def test_decode(raw, text):
    assert decode_header(raw) == text


@given(st.binary(max_size=200))
def test_decoding_never_fails(raw):
    assert isinstance(decode_header(raw), str)
    assert isinstance(decode_header(b"=?utf-8?b?" + raw + b"?= =?" + raw + b"?q?x?="), str)
    assert isinstance(shown(b"Subject: " + raw), Shown)
    assert isinstance(display_name(decode_header(raw)), str)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_shown_takes_the_first_of_each_field(end):
    header = end.join((b"SUBJECT: one", b"Subject: two", b"From : a@b", b"Message-Id:", b" <x@y>", b"", b""))
    assert shown(header) == Shown("a@b", "one", "<x@y>")


def test_no_header_at_all():
    assert shown(b"") == Shown("", "", "")
    assert shown(b"just text\nwithout fields\n") == Shown("", "", "")


def test_a_giant_field_is_cut():
    assert len(shown(b"Subject: " + b"x" * 1_000_000).subject) == LONGEST


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("Alice Example <a@b>", "Alice Example"),
        ('"Example, \\"A\\"" <a@b>', 'Example, "A"'),
        ("<a@b>", "a@b"),
        ('"" <a@b>', "a@b"),
        ("a@b", "a@b"),
        ("a@b (Alice)", "a@b (Alice)"),
        ("broken <a@b", "broken"),
        ("", ""),
    ],
)
def test_display_name(field, name):
    assert display_name(field) == name
