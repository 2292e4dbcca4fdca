"""All 25 pairs of stores: what must survive a conversion survives it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from convert.kit import PAIRS, fill, make, put, quiet, reopen, seen, special_uses, subscriptions
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailstore import Arrival, FolderPath, Meta
from mailstore.convert import convert, verify_stores
from mailstore.model.changes import SetState

each_pair = pytest.mark.parametrize(("source", "destination"), PAIRS, ids=["-".join(pair) for pair in PAIRS])


@each_pair
def test_everything_survives(source: str, destination: str, quick_path: Path) -> None:
    with make(source, quick_path, "from") as old:
        fill(old)
    with reopen(old, readonly=True) as old, make(destination, quick_path, "to") as new:
        before = seen(old), subscriptions(old), special_uses(old)
        lost = set() if new.capabilities.special_use else before[2].items() & {("日本語", "\\Junk")}
        told = set() if new.capabilities.special_use else {("Entwürfe", "\\Drafts")}  # by its name alone
        report = convert(old, new, quiet(allow_loss=frozenset({"special-use"} if lost else ())))
        assert report.problems == []
        assert [loss.name for loss in report.losses] == ["special-use"] * len(lost)
        assert report.verified is True
        assert report.ok
        assert report.copied == report.found == sum(len(folder[2]) for folder in before[0].values())
        assert all(folder.uids_kept for folder in report.folders if folder.copied)
        with reopen(new) as again:
            assert (seen(again), subscriptions(again)) == before[:2]
            assert special_uses(again).items() == (before[2].items() - lost) | told
            comparison = verify_stores(old, again)
            assert comparison.differences == []
            assert comparison.uids == "same"


KEYWORDS = st.frozensets(
    st.sampled_from([*(f"k{n}" for n in range(40)), "$Forwarded", "$MDNSent", "NonJunk"]), max_size=5
)
SENDERS = st.none() | st.just("") | st.emails() | st.text(min_size=1, max_size=20)
METAS = st.builds(
    Meta,
    st.integers(0, 31),
    KEYWORDS,
    st.integers(0, 4_102_444_800),
    st.none() | st.integers(0, 4_102_444_800),
    SENDERS,
    st.none() | st.text("!#09AZaz~", min_size=1, max_size=70),
)
HEADS = st.sampled_from(
    [b"", b"Subject: x\n", b"Subject: x\r\nTo: y\r\n", b"Status: RO\nX-UID: 3\n", b"From a Thu Jan  1 00:00:00 1970\n"]
)
BODIES = st.builds(
    lambda head, body: head + body, HEADS, st.sampled_from([b"", b"\n", b"\r\n"]) | st.binary(max_size=80)
)
FOLDERS = st.dictionaries(
    st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=3).map(tuple),
    st.lists(st.tuples(BODIES, METAS, st.integers(1, 3)), max_size=5),
    max_size=3,
)


@each_pair
@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(folders=FOLDERS, uidvalidity=st.integers(1, (1 << 32) - 1))
def test_anything_survives(
    source: str,
    destination: str,
    folders: dict[tuple[str, ...], list[tuple[bytes, Meta, int]]],
    uidvalidity: int,
    quick_path: Path,
) -> None:
    directory = Path(tempfile.mkdtemp(dir=quick_path))
    with make(source, directory, "from") as old:
        for path, messages in {FolderPath(name): messages for name, messages in folders.items()}.items():
            uid, arrivals = 0, []
            for body, meta, gap in messages:
                uid += gap
                arrivals.append(Arrival(body, meta, None, uid))
            put(old, path, arrivals, SetState(path, uidvalidity, uid + 2))
    with reopen(old, readonly=True) as old, make(destination, directory, "to") as new:
        before = seen(old)
        report = convert(old, new, quiet())
        assert report.problems == []
        assert report.ok
        with reopen(new) as again:
            assert seen(again) == before


@each_pair
def test_saved_dates_travel_where_both_keep_them(source: str, destination: str, tmp_path: Path) -> None:
    with make(source, tmp_path, "from") as old, make(destination, tmp_path, "to") as new:
        old.inbox.append(b"Subject: x\n\n", saved_date=1_700_000_004)
        kept = old.capabilities.saved_date and new.capabilities.saved_date
        assert convert(old, new, quiet()).ok
        saved = [row.saved_date for row in new.inbox.rows()]
        assert saved == [1_700_000_004] or not kept
