"""The text of quota rules: what is read, what is written, what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstore import FolderPath, UsageError
from mailstore.quota import (
    FolderRule,
    Portion,
    QuotaRules,
    format_portion,
    format_rules,
    format_size,
    parse_duration,
    parse_portion,
    parse_rules,
    parse_size,
)

LIMITS = st.none() | st.integers(1, (1 << 63) - 1)
PORTIONS = st.builds(Portion, st.integers(0, 100_000), st.integers(-(1 << 50), 1 << 50))
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)
FOLDERS = st.lists(NAMES, min_size=1, max_size=3).map(tuple).map(FolderPath)


@st.composite
def rules(draw: st.DrawFn) -> QuotaRules:
    folders = draw(st.lists(st.builds(FolderRule, FOLDERS, st.booleans(), PORTIONS, PORTIONS), max_size=3))
    by_path = {rule.folder: rule for rule in folders if not rule.folder.is_inbox}
    return QuotaRules(
        style=draw(st.sampled_from(["courier", "exim", "dovecot"])),
        storage=draw(LIMITS),
        messages=draw(LIMITS),
        message_size=draw(LIMITS),
        mailboxes=draw(LIMITS),
        folder_messages=draw(LIMITS),
        grace=draw(
            st.builds(Portion, st.integers(1, 1000), st.integers(-(1 << 60), 1 << 60))
            | st.builds(Portion, st.just(0), st.integers(0, 1 << 60))
        ),
        inclusive=draw(st.booleans()),
        folders=tuple(by_path[path] for path in sorted(by_path)),
        warnings=tuple(sorted(draw(st.sets(st.integers(0, 1000), max_size=4)))),
        hysteresis=draw(st.integers(0, 100)),
        warning_interval=draw(st.integers(0, 1 << 40)),
        groups=tuple(
            draw(st.lists(st.text(max_size=9).filter(lambda text: text.isprintable()).map("/{}".format), max_size=2))
        ),
    )


@given(rules())
def test_what_is_written_is_read_as_the_same(these: QuotaRules) -> None:
    assert parse_rules(format_rules(these)) == these


@given(st.integers(0, (1 << 63) - 1))
def test_sizes_are_exact(size: int) -> None:
    assert parse_size(format_size(size)) == size


@given(PORTIONS)
def test_portions_are_exact(portion: Portion) -> None:
    assert parse_portion(format_portion(portion)) == portion


@given(st.binary(max_size=200))
def test_any_bytes_are_rules_or_a_clear_refusal(text: bytes) -> None:
    try:
        read = parse_rules(text)
    except UsageError as error:
        said = str(error)
    else:
        said = f"quota rules: {parse_rules(format_rules(read)) == read}"
    assert said.startswith("quota rules: ")
    assert said != "quota rules: False"


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("500", 500), ("1k", 1024), ("20M", 20 << 20), ("2 GiB", 2 << 30), ("1T", 1 << 40), ("3kb", 3072)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "-1", "1.5G", "ten", "1P", "9999999999T", "²"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(UsageError):
        parse_size(text)


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("15m", 900), ("12h", 43200), ("1d", 86400)])
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"storage = -1", "storage: -1 is no whole number"),
        (b"storage = 1.5", "storage: 1.5 is no whole number"),
        (b"colour = 1", "there is no 'colour'"),
        (b"style = 'cyrus'", "style: 'cyrus' is no style"),
        (b"groups = ['here']", "no list of absolute paths"),
        (b"[folder.Trash]\nsize = 1", "Trash: a folder has ignore, storage and messages"),
        (b"[folder.Trash]\nstorage = '100M'", "write +100M for what comes on top of it"),
        (b"[folder.Trash]\nmessages = 100", "write +100 for what comes on top of it"),
        (b"storage = ", "quota rules: "),
        (b"\0", "quota rules: "),
        (b"\xff", "quota rules: "),
    ],
)
def test_what_is_no_rule_is_named(text: bytes, says: str) -> None:
    with pytest.raises(UsageError, match=r"quota rules: ") as caught:
        parse_rules(text)
    assert says in str(caught.value)


def test_a_limit_of_nought_is_none() -> None:
    assert parse_rules(b"storage = 0\nmessages = 0\nmessage_size = '0'") == QuotaRules()


@pytest.mark.parametrize(
    ("style", "folder", "flags", "counts"),
    [
        ("courier", "INBOX", 0, True),
        ("courier", "INBOX", 16, False),
        ("courier", "Trash", 0, False),
        ("courier", "Trash/Old", 0, True),
        ("courier", "Archive", 0, False),
        ("exim", "Trash", 16, True),
        ("dovecot", "Trash", 16, True),
        ("dovecot", "Archive", 0, False),
    ],
)
def test_what_counts(style: str, folder: str, flags: int, counts: bool) -> None:
    these = parse_rules(f"style = '{style}'\n[folder.Archive]\nignore = true".encode())
    assert these.counts(FolderPath.parse(folder), flags) is counts


def test_a_part_of_no_limit_is_none() -> None:
    assert Portion(50, 7).of(None) is None
    assert Portion(50, 7).of(101) == 57
    assert Portion(100, -200).of(100) == 0


@pytest.mark.parametrize(
    "text",
    [
        b"storage = " + b"1" * 5000,
        b"storage = " + b"[" * 20_000,
        b"storage = " + b"{a = " * 3000,
        b'warning_interval = "999999999999d"',
        b'groups = ["/srv/\\u0000"]',
        b'members = ["/srv/\\u0000"]',
        b"[folder.inbox]\nignore = true\n[folder.INBOX]\nignore = false\n",
    ],
)
def test_absurd_rules_are_refused_as_others_are(text: bytes) -> None:
    with pytest.raises(UsageError, match="quota rules"):
        parse_rules(text)


def test_a_group_named_twice_is_one_group() -> None:
    assert parse_rules(b'groups = ["/b", "/a", "/b"]').groups == ("/b", "/a")
    assert QuotaRules(groups=("/b", "/a", "/b")).groups == ("/b", "/a")


def test_a_limit_of_zero_is_none_in_code_as_in_the_text() -> None:
    rules = QuotaRules(storage=0, messages=0, message_size=0, mailboxes=0, folder_messages=0)
    assert rules == QuotaRules()


@pytest.mark.parametrize("name", ["storage", "messages", "message_size", "mailboxes", "folder_messages"])
def test_a_limit_below_zero_is_no_limit_but_an_error(name: str) -> None:
    with pytest.raises(UsageError, match=name):
        QuotaRules(**{name: -1})


def test_no_time_is_longer_than_what_is_kept_can_be_read_back() -> None:
    assert parse_duration("12725829d") == 12725829 * 86400
    with pytest.raises(UsageError):
        parse_duration("12725830d")
