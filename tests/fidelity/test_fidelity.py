"""The hard cases of docs/fidelity.md: mstore gets all of them right, in every format, and the table says so."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.mstore import mstore

from benchmarks.fidelity.__main__ import ALL, DOCUMENT, measure
from benchmarks.fidelity.case import Case, File
from benchmarks.fidelity.compare import compare
from benchmarks.fidelity.maildir import Found
from benchmarks.fidelity.tools import TOOLS
from mailstore import Message, open_store
from mailstore.convert import Options, convert

pytestmark = pytest.mark.usefixtures("utc")
DESTINATIONS = {
    "maildir": "maildir:{}",
    "maildir-fs": "maildir:{}?layout=fs",
    "mbox": "mbox:{}",
    "sqlite": "sqlite:{}.db",
}
LETTERS = {"\\Draft": "D", "\\Flagged": "F", "$Forwarded": "P", "\\Answered": "R", "\\Seen": "S", "\\Deleted": "T"}


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read dates without a zone as UTC, as the truth was written."""
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def facts(message: Message) -> tuple[bytes, str, str | None, str, frozenset[str], int]:
    """Return what the truth speaks of."""
    assert message.internal_date is not None
    flags = "".join(sorted(LETTERS[flag] for flag in message.flags if flag in LETTERS))
    return (
        message.bytes(),
        message.internal_date.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        message.sender,
        flags,
        frozenset(word for word in message.keywords if word not in LETTERS),
        message.uid,
    )


def truth(file: File) -> list[tuple[bytes, str, str | None, str, frozenset[str], int]]:
    """Return the same of every case; messages without a recorded UID are numbered by their place."""
    messages = [case for case in file.cases if case.message is not None]
    return [
        (case.message or b"", case.date, case.sender, _letters(case), _words(case), case.uid or place)
        for place, case in enumerate(messages, start=1)
    ]


def _letters(case: Case) -> str:
    return "".join(sorted(set(case.flags) | ({"P"} if "$Forwarded" in case.keywords else set())))


def _words(case: Case) -> frozenset[str]:
    return frozenset(case.keywords) - {"$Forwarded"}


@pytest.mark.parametrize("destination", DESTINATIONS.values(), ids=DESTINATIONS)
@pytest.mark.parametrize("file", ALL, ids=lambda file: file.name)
def test_everything_survives_in_every_format(file: File, destination: str, tmp_path: Path) -> None:
    source = tmp_path / file.name
    source.write_bytes(file.data)
    with (
        open_store(f"mbox:{source}", readonly=True) as old,
        open_store(destination.format(tmp_path / "result"), create=True) as new,
    ):
        report = convert(old, new, Options(processes=1))
        assert (report.ok, report.verified, report.problems) == (True, True, [])
        assert [facts(message) for message in new.inbox] == truth(file)
        if file.uidvalidity:
            assert new.inbox.state().uidvalidity == file.uidvalidity
    assert source.read_bytes() == file.data


def test_a_reader_that_is_not_ours_finds_everything_in_the_maildir(tmp_path: Path) -> None:
    for file in ALL:
        place = tmp_path / file.name
        place.mkdir()
        score = measure(TOOLS[0]._replace(convert=_convert), file, place)
        assert (score.missed, score.invented) == ([], 0)


def _convert(source: Path, target: Path, _scratch: Path) -> None:
    assert mstore("convert", f"mbox:{source}", f"maildir:{target}", env={"TZ": "UTC"}).code == 0


def test_there_are_enough_cases_and_no_two_are_alike() -> None:
    messages = [case for file in ALL for case in file.cases if case.message is not None]
    assert len({case.why for case in messages}) >= 80
    assert len(messages) == 91


def test_the_comparison_sees_what_is_wrong() -> None:
    file = File("one", "nobody", (ALL[1].cases[0],), 7)
    case = file.cases[0]
    when = int(datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC).timestamp())
    right = Found(case.message or b"", when, "joe@example.org", "PS", frozenset({"work"}), 3)
    assert compare(file, 7, [right]).missed == []
    for column, wrong in (
        ("bytes", right._replace(message=right.message + b"\n")),
        ("nearly", right._replace(message=right.message + b"x\n")),
        ("dates", right._replace(date=when + 1)),
        ("senders", right._replace(sender=None)),
        ("flags", right._replace(flags="S")),
        ("keywords", right._replace(keywords=frozenset())),
        ("UIDs", right._replace(uid=4)),
    ):
        assert column in [name for name, _ in compare(file, 7, [wrong]).missed]
    assert compare(file, 8, [right]).missed == [("UIDs", case.why)]
    assert compare(file, 7, [right, right]).invented == 1
    assert ("messages", case.why) in compare(file, 7, []).missed


def test_the_document_says_that_mstore_gets_all() -> None:
    rows = [line.split("|")[1:-1] for line in DOCUMENT.read_text().splitlines() if line.startswith("| ")]
    heading, ours = rows[0], next(row for row in rows if row[0].strip() == "mstore")
    numbers = [title.strip().rstrip(")").rpartition("(")[2] for title in heading[1:-1]]
    assert [cell.strip() for cell in ours[1:]] == [*numbers, "0"]
