import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstore.formats import maildirname as names
from mailstore.formats import uniquename
from mailstore.formats.maildirname import Info
from mailstore.model.flags import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN


@pytest.mark.parametrize(
    ("name", "base", "info"),
    [
        ("1.M2P3.host,S=5,W=6:2,FS", "1.M2P3.host,S=5,W=6", "2,FS"),
        ("1.2.host", "1.2.host", ""),
        ("1.2.host:2,", "1.2.host", "2,"),
        ("1.2.host;2,S", "1.2.host", "2,S"),
        ("1.2.host!2,S", "1.2.host", "2,S"),
        ("1.2.host:1,experimental", "1.2.host", "1,experimental"),
        ("1.2.ho!st", "1.2.ho!st", ""),
        ("1.2.ho;st:2,R", "1.2.ho;st", "2,R"),
        ("1.2.host:2,S,key=1", "1.2.host", "2,S,key=1"),
        ("1.2.host:odd", "1.2.host", "odd"),
        (":2,S", ":2,S", ""),
        ("msg.1Yab", "msg.1Yab", ""),
    ],
)
def test_base_and_info(name: str, base: str, info: str) -> None:
    assert names.split_name(name) == (base, info)


@pytest.mark.parametrize(
    ("info", "meaning"),
    [
        ("", Info()),
        ("2,", Info()),
        ("2,DFRST", Info(DRAFT | FLAGGED | ANSWERED | SEEN | DELETED)),
        ("2,TSRFD", Info(DRAFT | FLAGGED | ANSWERED | SEEN | DELETED)),
        ("2,PSab", Info(SEEN, passed=True, letters="ab")),
        ("2,SXQ9", Info(SEEN, unknown="9QX")),
        ("2,S,other=1,more", Info(SEEN, other=",other=1,more")),
        ("1,old", Info(other=",1,old")),
    ],
)
def test_meaning_of_an_info(info: str, meaning: Info) -> None:
    assert names.parse_info(info) == meaning


def test_info_is_written_in_ascii_order_each_letter_once() -> None:
    assert Info(SEEN | DRAFT, passed=True, letters="ba", unknown="XA", other=",k").text() == "2,ADPSXab,k"
    assert names.parse_info("2,SS").text() == "2,S"


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="/"), max_size=30))
def test_nothing_of_an_info_is_lost(letters: str) -> None:
    again = names.parse_info(names.parse_info("2," + letters).text())
    assert again == names.parse_info("2," + letters)
    flags, comma, other = letters.partition(",")
    assert set(again.text()[2:].partition(",")[0]) == set(flags)
    assert again.other == comma + other


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=60))
def test_a_base_stays_itself_under_any_flags(name: str) -> None:
    base, info = names.split_name(name)
    assert name.startswith(base)
    assert base
    renamed = f"{base}:{names.parse_info(info).text()}"
    assert names.split_name(renamed)[0] == base or ":2," in base


def test_size_fields_count_only_where_they_end() -> None:
    assert names.size_of("1.host,S=12,W=34") == 12
    assert names.crlf_size_of("1.host,S=12,W=34") == 34
    assert names.size_of("1.host,S=12x") is None
    assert names.size_of("1.hostS=12") is None
    assert names.size_of("1.host,S=") is None
    assert names.size_of("1.host,S=" + "9" * 30) is None


def test_mbsync_fields() -> None:
    base = "1.R2.host,U=77,FMD5=7e33429f656f1e6e9d79b29c3f82c57e,S=5"
    assert names.mbsync_uid_of(base) == 77
    assert names.mbsync_uid_of("1.host,U=x") == 0
    assert names.without_mbsync_fields(base) == "1.R2.host,S=5"
    assert names.without_mbsync_fields("1.host,S=5") == "1.host,S=5"


def test_idempotency_key_in_a_name() -> None:
    key = bytes(range(16))
    assert names.key_of(f"17.M1P2R{key.hex()}.host,S=1") == key
    assert names.key_of("17.M1P2R0123abcd.host") is None


def test_host_names_are_made_safe() -> None:
    assert uniquename.host_part("a/b:c") == r"a\057b\072c"
    assert uniquename.host_part("mail.example.org") == "mail.example.org"
    assert uniquename.host_part("") == "localhost"


def test_order_of_delivery_is_dovecots() -> None:
    listed = ["2.M5P1.h", "1.M900P1.h", "1.M10000P1.h", "1.M90P1.h", "odd", "1.V1.h"]
    assert sorted(listed, key=names.delivery_order) == [
        "odd", "1.M90P1.h", "1.M900P1.h", "1.M10000P1.h", "1.V1.h", "2.M5P1.h"
    ]  # fmt: skip
