"""Every file of the corpora, taken as one raw message, keeps its bytes in every format and over every conversion.

Files that are mboxes or metadata are messages here too: a store has to keep any bytes.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from pathlib import Path

import pytest
from support.converting import CIRCUIT, location, run
from support.corpora import entries, needs_corpora, sources
from support.facts import everything

from mailstore import Arrival, Meta, Store, open_store
from mailstore.model.flags import SYSTEM_FLAGS

pytestmark = [pytest.mark.corpora, needs_corpora]


GROUPS = 4
"""The sources are taken together in so many groups: a conversion of a folder costs a few syncs."""
FOLDERS = ("INBOX", "Sent", "Lists/Öffentlich", "a.b/c")


def take_in(store: Store, group: int) -> Counter[str]:
    """Append every file of a group of sources, over all folders, with all kinds of metadata; return the digests."""
    arrivals: dict[str, list[Arrival]] = {name: [] for name in FOLDERS}
    digests: Counter[str] = Counter()
    for number, entry in enumerate(entry for source in sources()[group::GROUPS] for entry in entries(source)):
        body = entry.path.read_bytes()
        assert hashlib.sha256(body).hexdigest() == entry.sha256
        digests[entry.sha256] += 1
        meta = Meta(
            flags=number % (SYSTEM_FLAGS + 1),
            keywords=frozenset(word for bit, word in enumerate(("$Forwarded", "work", "$label1")) if number >> bit & 1),
            internal_date=1_000_000_000 + number * 86_399,
            sender=(None, "", f"joe{number}@example.org")[number % 3],
        )
        arrivals[FOLDERS[number % len(FOLDERS)]].append(Arrival(body, meta))
    for name, messages in arrivals.items():
        folder = store.inbox if name == "INBOX" else store.create(name)
        folder.append_many(messages)
    return digests


@pytest.mark.parametrize("group", range(GROUPS))
def test_along_every_pair_of_formats(group: int, tmp_path: Path) -> None:
    with open_store(location(CIRCUIT[0], tmp_path / "0"), create=True) as first:
        digests = take_in(first, group)
        wanted = everything(first)
        assert Counter(fact.digest for folder in wanted.values() for fact in folder) == digests
        store = first
        for step, form in enumerate(CIRCUIT[1:], 1):
            with_next = open_store(location(form, tmp_path / f"{step}"), create=True)
            report = run(store, with_next)
            assert not report.problems
            assert (report.found, report.copied, report.failed) == (digests.total(), digests.total(), 0)
            assert report.verified is True
            if store is not first:
                store.close()
            store = with_next
            assert everything(store) == wanted
        store.close()


def test_the_circuit_takes_every_pair_once() -> None:
    pairs = list(itertools.pairwise(CIRCUIT))
    assert sorted(pairs) == sorted(itertools.permutations(set(CIRCUIT), 2))


def test_the_manifest_names_files_that_are_there() -> None:
    assert len(sources()) == 34
