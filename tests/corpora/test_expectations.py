"""What the origins' own tests assert of their mail (expectations.json) holds for our reading."""

from __future__ import annotations

from typing import Any

import pytest
from support.corpora import ROOT, expectations, hams, needs_corpora
from support.facts import digests, errors

from mailstore import open_store

pytestmark = [pytest.mark.corpora, needs_corpora]


@pytest.mark.parametrize("claim", expectations(), ids=lambda claim: claim["file"])
def test_claim(claim: dict[str, Any]) -> None:
    path = ROOT / claim["file"]
    if claim["format"] == "eml in tar":
        assert sum(1 for _ in hams()) == claim["messages"]
        return
    form = "mbox" if claim["format"] == "mbox" else "maildir"
    with open_store(f"{form}:{path}", readonly=True) as store:
        assert errors(store.inbox) == []
        if "messages" in claim:
            assert len(store.inbox) == claim["messages"]
        if "exact_messages" in claim:
            stem, _, numbers = claim["exact_messages"].partition("<")
            first, last = map(int, numbers.rstrip(">").split(".."))
            wanted = [(ROOT / f"{stem}{number}").read_bytes() for number in range(first, last + 1)]
            # its splitter leaves the empty line before the next From_ line with the message (docs/violations.md)
            assert [message.bytes() + b"\n" for message in store.inbox] == wanted
        if claim["format"] == "maildir tree":
            in_place = [p for p in path.rglob("*") if p.is_file() and p.parent.name in ("cur", "new")]
            assert sum(digests(store).values()) == len(in_place) == 43


def test_all_claims_are_known_kinds() -> None:
    """A claim of a new kind needs a test of its own."""
    assert {claim["format"] for claim in expectations()} == {"mbox", "maildir", "maildir tree", "eml in tar"}
