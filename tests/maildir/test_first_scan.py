"""A first listing comes straight from the scan; whatever is asked next sees the same."""

from pathlib import Path

import pytest
from support.maildirs import make, opened, put, rows

from mailstore.model.info import BODY

GUID = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def box(tmp_path: Path) -> Path:
    box = make(tmp_path / "box")
    for number in range(2500):
        put(box, f"cur/{1_000_000_000 + number}.M1P1.h:2,{'SF'[number % 2]}", b"%d\n" % number)
    put(box, "new/2000000000.M1P1.h", b"new\n")
    lines = [f"{number + 10} :{1_000_000_000 + number}.M1P1.h\n" for number in range(2000)]
    (box / "dovecot-uidlist").write_text(f"3 V77 N3000 G{GUID}\n" + "".join(lines))
    return box


def test_the_second_listing_is_like_the_first(box: Path) -> None:
    with opened(box, readonly=True) as store:
        first = rows(store, want=0)
        assert [row.uid for row in first] == [*range(10, 2010), *range(3000, 3501)]
        assert [row.recorded for row in first] == [True] * 2000 + [False] * 501
        assert [row.flags for row in first[-2:]] == [1, 32] or [row.flags for row in first[-2:]] == [4, 32]
        assert rows(store, want=0) == first
        assert [row.body for row in rows(store, want=BODY)][-2:] == [b"2499\n", b"new\n"]


@pytest.mark.parametrize("question", ["state", "fetch", "open", "delta", "shards", "usage"])
def test_anything_may_be_asked_next(box: Path, question: str) -> None:
    with opened(box, readonly=True) as store:
        folder = store.driver.folder(store.inbox.path)
        delta = folder.changes(None, 0)
        if question == "state":
            state = folder.state()
            assert (state.uidvalidity, state.uidnext, state.messages, state.recent) == (77, 3501, 2501, 1)
            assert state.highest_modseq == delta.token.modseq
        elif question == "fetch":
            assert [row.uid for batch in folder.fetch([3500, 10], 0) for row in batch] == [3500, 10]
        elif question == "open":
            assert folder.open(3500).read_at(0, 10) == b"new\n"
        elif question == "delta":
            put(box, "cur/2100000000.M1P1.h:2,")
            later = folder.changes(delta.token, 0)
            assert (later.full, [row.uid for batch in later.batches for row in batch]) == (False, [3501])
        elif question == "shards":
            assert sum(len(batch) for shard in folder.shards(3) for batch in folder.read_shard(shard, 0)) == 2501
        else:
            assert store.usage().messages == 2501
        assert [row.uid for batch in delta.batches for row in batch][-1] == 3500
