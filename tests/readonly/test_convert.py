"""From each format that is only read into those that are written: all of it, verified, the source untouched."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from support.foreign import Apple, Eml, Mh

from mailstore import INBOX, FolderPath, ReadOnlyStore, open_store
from mailstore.convert import Options, convert, verify_stores
from mailstore.testing.observe import listing, tree
from mailstore.testing.samples import BODIES, RESERVED

FOLDERS = (INBOX, FolderPath(("Work",)), FolderPath(("Work", "Älter")))
TARGETS = ("maildir:{}", "maildir:{}?layout=fs", "sqlite:{}.db", "mbox:{}?layout=sbd")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", [Mh, Eml, Apple])
def test_all_of_it(kind: type, target: str, tmp_path: Path) -> None:
    written = kind(tmp_path / "store")
    written.make()
    for number, body in enumerate([*BODIES.values(), *RESERVED.values()]):
        written.append(FOLDERS[number % 3], body)
    for body in (BODIES["ordinary"], BODIES["ordinary"], BODIES["empty"]):  # the same message more than once
        written.append(INBOX, body)
    before = tree(tmp_path / "store")
    with (
        open_store(kind.location.format(root=tmp_path / "store"), readonly=True) as source,
        open_store(target.format(tmp_path / "target"), create=True) as store,
    ):
        report = convert(source, store, Options())
        assert report.problems == []
        assert (report.ok, report.verified, report.copied) == (True, True, len(BODIES) + len(RESERVED) + 3)
        assert verify_stores(source, store).same
        wanted = {
            path: [seen._replace(saved_date=None) for seen in listing(source.folder(path)).values()] for path in FOLDERS
        }
        assert wanted == {
            path: [seen._replace(saved_date=None) for seen in listing(store.folder(path)).values()] for path in FOLDERS
        }
        again = convert(source, store, Options())
        assert (again.ok, again.copied, again.skipped) == (True, 0, report.copied)
        written.append(FOLDERS[1], b"Subject: new\n\n")
        later = convert(source, store, Options())
        assert (later.ok, later.copied) == (True, 1)
    after = tree(tmp_path / "store")
    assert {name: after[name] for name in before if before[name][2]} == {
        name: before[name] for name in before if before[name][2] and not name.endswith(".mh_sequences")
    } | {name: after[name] for name in before if name.endswith(".mh_sequences")}


@pytest.mark.parametrize("kind", [Mh, Eml, Apple])
def test_another_message_under_an_old_name_is_another(kind: type, tmp_path: Path) -> None:
    """Of the same size, as cron's are: the last one was deleted, and its name went to the next that came."""
    written = kind(tmp_path / "store")
    written.make()
    files = [written.append(INBOX, b"Subject: backup\n\nDay %02d: done.\n" % day) for day in range(40)]
    location = kind.location.format(root=tmp_path / "store")

    def run() -> tuple[int, int, int]:
        with open_store(location, readonly=True) as source, open_store(f"maildir:{tmp_path}/to", create=True) as store:
            report = convert(source, store, Options(delete=True))
            assert report.ok
            assert verify_stores(source, store).same
            return report.copied, report.skipped, report.deleted

    assert run() == (40, 0, 0)
    last = files[-1].read_bytes()
    files[-1].unlink()
    files[-1].write_bytes(last.replace(b"Day 39", b"Day 40"))
    assert run() == (1, 39, 1)
    files[19].unlink()
    for before, after in pairwise(files[19:]):  # folder -pack
        after.rename(before)
    assert run() == (0, 39, 1)
    assert run() == (0, 39, 0)


@pytest.mark.parametrize("kind", [Mh, Eml, Apple])
def test_not_into_one(kind: type, tmp_path: Path) -> None:
    written = kind(tmp_path / "store")
    written.make()
    written.append(INBOX, BODIES["ordinary"])
    before = tree(tmp_path)
    with (
        open_store("memory:", create=True) as source,
        open_store(kind.location.format(root=tmp_path / "store")) as store,
    ):
        source.inbox.append(BODIES["crlf"])
        with pytest.raises(ReadOnlyStore, match="cannot be written"):
            convert(source, store, Options())
    assert tree(tmp_path) == before


def test_partial_messages_are_in_the_report(tmp_path: Path) -> None:
    written = Apple(tmp_path / "store")
    written.make()
    written.append(INBOX, BODIES["ordinary"])
    file = written.append(INBOX, b"Subject: partial\n\n")
    file.rename(file.with_name(f"{file.stem}.partial.emlx"))
    with open_store(f"apple:{tmp_path}/store") as source, open_store("memory:", create=True) as store:
        report = convert(source, store, Options())
        assert report.copied == 2
        assert dict(report.notes) == {
            "a partial message: its attachments lie beside it or were never fetched; carried without them": 1
        }
