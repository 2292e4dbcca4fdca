"""Every file of the corpora, taken as one raw message, keeps its bytes in every format and over every conversion.

Files that are mboxes or metadata are messages here too: a store has to keep any bytes.
"""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import pytest
from support.converting import CIRCUIT, location, run
from support.corpora import entries, needs_corpora, sources
from support.facts import everything, facts

from mailstore import Arrival, Meta, Store, open_store

pytestmark = [pytest.mark.corpora, needs_corpora]


def take_in(store: Store, source: str) -> list[str]:
    """Append every file of a source; return the digests by the manifest."""
    arrivals, digests = [], []
    for number, entry in enumerate(entries(source)):
        body = entry.path.read_bytes()
        assert hashlib.sha256(body).hexdigest() == entry.sha256
        arrivals.append(Arrival(body, Meta(internal_date=1_000_000_000 + number)))
        digests.append(entry.sha256)
    store.inbox.append_many(arrivals)
    return digests


@pytest.mark.parametrize("source", sources())
def test_along_every_pair_of_formats(source: str, tmp_path: Path) -> None:
    with open_store(location(CIRCUIT[0], tmp_path / "0"), create=True) as first:
        digests = take_in(first, source)
        wanted = facts(first.inbox)
        assert [fact.digest for fact in wanted] == digests
        store = first
        for step, form in enumerate(CIRCUIT[1:], 1):
            with_next = open_store(location(form, tmp_path / f"{step}"), create=True)
            report = run(store, with_next)
            assert not report.problems
            assert (report.found, report.copied, report.failed) == (len(digests), len(digests), 0)
            assert report.verified is True
            if store is not first:
                store.close()
            store = with_next
        assert everything(store) == {"INBOX": wanted}
        store.close()


def test_the_circuit_takes_every_pair_once() -> None:
    pairs = list(itertools.pairwise(CIRCUIT))
    assert sorted(pairs) == sorted(itertools.permutations(set(CIRCUIT), 2))


def test_the_manifest_names_files_that_are_there() -> None:
    assert len(sources()) == 34
