"""A watch of a store that other programs write: each change is heard of, in formats that are only read too."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from support.foreign import Apple, Eml, Mh

from mailstore import INBOX, FolderPath, open_store
from mailstore.watch import Event, FlagsChanged, FolderCreated, MessageAppended, MessageExpunged, Watch

MAIL = b"Subject: %d\n\nbody\n"


def heard(watch: Watch, count: int) -> list[Event]:
    """Return the next ``count`` events; fewer only after ten seconds."""
    events: list[Event] = []
    end = time.monotonic() + 10
    while len(events) < count and time.monotonic() < end:
        events += watch.batch(0.5)
    return events


@pytest.mark.parametrize("polling", [False, True])
@pytest.mark.parametrize("kind", [Mh, Eml, Apple])
def test_what_others_do(kind: type, polling: bool, tmp_path: Path) -> None:
    written = kind(tmp_path / "store")
    written.make()
    written.append(INBOX, MAIL % 1)
    with open_store(kind.location.format(root=tmp_path / "store")) as store, store.watch(polling=polling) as watch:
        written.append(INBOX, MAIL % 2)
        assert [type(event) for event in heard(watch, 1)] == [MessageAppended]
        written.remove(INBOX, MAIL % 1)
        assert [type(event) for event in heard(watch, 1)] == [MessageExpunged]
        written.append(FolderPath(("New",)), MAIL % 3)
        assert [type(event) for event in heard(watch, 2)] == [FolderCreated, MessageAppended]
        written.seen(INBOX, MAIL % 2)
        expected = [FlagsChanged] if kind is Mh else [MessageExpunged, MessageAppended]
        assert [type(event) for event in heard(watch, len(expected))] == expected
