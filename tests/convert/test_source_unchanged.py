"""The source of a conversion is not changed, byte or mtime, nor is anything written beside it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from convert.kit import ON_DISK, fill, location, make, quiet

from mailstore import UsageError, open_store
from mailstore.convert import convert, plan, verify_stores
from mailstore.testing.observe import tree


@pytest.mark.parametrize("kind", ON_DISK)
def test_the_source_is_as_it_was(kind: str, quick_path: Path) -> None:
    directory = quick_path / "source"
    directory.mkdir()
    with make(kind, directory, "from") as store:
        fill(store)
    for path in [directory, *directory.rglob("*")]:
        os.utime(path, ns=(10**18, 10**18 + 1), follow_symlinks=False)
    before = tree(directory)
    where = location(kind, directory, "from")
    with open_store(where, readonly=True) as old, open_store("memory:") as new:
        plan(old, new)
        for _ in range(2):
            assert convert(old, new, quiet(journal=str(quick_path / "journal"))).ok
        assert verify_stores(old, new).same
    assert tree(directory) == before


def test_no_destination_inside_the_source(quick_path: Path) -> None:
    with (
        make("maildir++", quick_path, "from") as old,
        open_store(f"sqlite:{quick_path}/from-maildirpp/x.db", create=True) as new,
        pytest.raises(UsageError, match="lies in the source"),
    ):
        convert(old, new)
