"""Conversions into packed mbox files."""

from __future__ import annotations

import gzip
import os
import stat
from pathlib import Path

import pytest
from convert.kit import fill, make, quiet

from mailstore import NotAStore, StorageFull, Store, StoreBusy, UsageError, open_store, parse_location
from mailstore.convert import FolderMapping, Report, Substitution, convert, open_destination, plan, verify_stores
from mailstore.convert import archive as module
from mailstore.system import fs
from mailstore.system.calls import Calls
from mailstore.system.packed import unpacked
from mailstore.testing.observe import bodies

MERGED = FolderMapping(substitutions=(Substitution.parse("s/.*/INBOX/"),), collisions="merge")
LOSSES = frozenset({"folders", "subscriptions", "special-use"})


@pytest.fixture
def old(quick_path: Path) -> Store:
    store = make("sqlite", quick_path, "from")
    for name in ("INBOX", "A", "B/C"):
        for number in range(3):
            store.folder(name, create=True).append(f"Subject: {name} {number}\n\nFrom me\n".encode(), flags=["\\Seen"])
    return store


def archive(old: Store, path: Path, **options: object) -> Report:
    wanted = quiet(**{"mapping": MERGED, "allow_loss": LOSSES} | options)
    with open_destination(f"mbox:{path}") as new:
        return convert(old, new, wanted)


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir() if not path.name.startswith("from-")}


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz", "zst"])
def test_an_archive_grows_with_every_run_and_nothing_is_doubled(old: Store, suffix: str, quick_path: Path) -> None:
    path = quick_path / f"mail.mbox.{suffix}"
    assert (archive(old, path).copied, archive(old, path).copied) == (9, 0)
    before = path.stat()
    assert archive(old, path).skipped == 9
    assert path.stat() == before
    assert stat.S_IMODE(before.st_mode) == 0o600
    path.chmod(0o640)
    old.folder("A").append(b"Subject: late\n\n")
    report = archive(old, path)
    assert (report.copied, report.ok, report.verified, report.destination) == (1, True, True, f"mbox:{path}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    with open_store(str(path), readonly=True) as store:
        assert len(bodies(store.inbox)) == 10
        assert verify_stores(old, store, quiet(mapping=MERGED)).differences == []
    assert names(quick_path) == {path.name, f".{path.name}.mstore-journal"}


def test_all_that_is_hard_to_carry(quick_path: Path) -> None:
    with make("sqlite", quick_path, "from") as old:
        fill(old)
        path = quick_path / "mail.mbox.zst"
        report = archive(old, path, mapping=FolderMapping(), folders=(old.inbox.path,))
        assert report.ok
        with open_store(str(path), readonly=True) as store:
            comparison = verify_stores(old, store, quiet(folders=(old.inbox.path,)))
        assert (comparison.differences, comparison.uids) == ([], "same")


def test_a_plan_knows_what_is_in_an_archive(old: Store, quick_path: Path) -> None:
    location = parse_location(f"mbox:{quick_path}/mail.mbox.zst")
    options = quiet(mapping=MERGED)
    assert (plan(old, location, options).messages, plan(old, location, options).already) == (9, 0)
    archive(old, quick_path / "mail.mbox.zst")
    assert plan(old, location, options).already == 9


def test_an_archive_that_was_deleted_or_put_back_is_filled_again(old: Store, quick_path: Path) -> None:
    path = quick_path / "mail.mbox.gz"
    archive(old, path)
    kept = path.read_bytes()
    old.inbox.append(b"Subject: late\n\n")
    archive(old, path)
    path.write_bytes(kept)
    assert archive(old, path).copied == 1
    path.unlink()
    assert archive(old, path).copied == 10


def test_what_others_packed_in_several_pieces_is_taken_over(old: Store, quick_path: Path) -> None:
    path = quick_path / "mail.mbox.gz"
    one, two = (b"From a@b Sat Nov 22 13:00:00 2025\nSubject: %d\n\n\n" % number for number in (1, 2))
    path.write_bytes(gzip.compress(one) + gzip.compress(two))
    assert archive(old, path).copied == 9
    with open_store(str(path), readonly=True) as store:
        assert bodies(store.inbox)[:2] == [b"Subject: 1\n\n", b"Subject: 2\n\n"]


@pytest.mark.parametrize("call", ["fsync", "rename", "write"])
def test_a_full_disk_leaves_the_archive_as_it_was(
    old: Store, call: str, quick_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = quick_path / "mail.mbox.zst"
    archive(old, path)
    before = path.read_bytes()
    old.inbox.append(b"Subject: late\n\n")
    real = module.pack

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    def packing(*args: object) -> None:
        with fs.replaced(Calls(**{call: fail})):
            real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "pack", packing)
    with pytest.raises(StorageFull):
        archive(old, path)
    assert path.read_bytes() == before
    assert names(quick_path) == {path.name, f".{path.name}.mstore-journal"}
    monkeypatch.undo()
    assert archive(old, path).copied == 1
    with open_store(str(path), readonly=True) as store:
        assert len(bodies(store.inbox)) == 10


def test_an_archive_that_another_run_made_meanwhile_is_not_replaced(
    old: Store, quick_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = quick_path / "mail.mbox.zst"
    archive(old, path)
    old.inbox.append(b"Subject: late\n\n")
    real, theirs = module.pack, b""

    def late(*args: object) -> None:
        nonlocal theirs
        path.write_bytes(theirs := path.read_bytes() + b"\x50\x2a\x4d\x18\x00\x00\x00\x00")
        real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "pack", late)
    with pytest.raises(StoreBusy, match="was changed meanwhile"):
        archive(old, path)
    assert path.read_bytes() == theirs
    monkeypatch.undo()
    assert archive(old, path).copied == 1


def test_what_a_killed_run_left_is_removed(old: Store, quick_path: Path) -> None:
    (quick_path / ".mail.mbox.gz.mstore-work-0123").mkdir()
    (quick_path / ".mail.mbox.gz.mstore-work-0123" / "mbox").write_bytes(b"half")
    (quick_path / ".mail.mbox.gz.mstore-work-4567").symlink_to(quick_path / "elsewhere")
    (quick_path / "elsewhere").mkdir()
    (quick_path / "elsewhere" / "kept").touch()
    archive(old, quick_path / "mail.mbox.gz")
    assert names(quick_path) == {".mail.mbox.gz.mstore-journal", "elsewhere", "mail.mbox.gz"}
    assert [path.name for path in (quick_path / "elsewhere").iterdir()] == ["kept"]


def test_what_is_no_packed_file_is_not_replaced(old: Store, quick_path: Path) -> None:
    plain, link, directory, damaged = (quick_path / f"{name}.mbox.gz" for name in ("plain", "link", "dir", "damaged"))
    plain.write_bytes(b"From a@b Sat Nov 22 13:00:00 2025\nSubject: 1\n\n\n")
    link.symlink_to(quick_path / "other.gz")
    directory.mkdir()
    damaged.write_bytes(gzip.compress(b"x" * 1000)[:-9])
    for path in (plain, link, directory, damaged):
        with pytest.raises(NotAStore):
            archive(old, path)
    assert plain.read_bytes().startswith(b"From a@b")


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz", "zst"])
def test_an_archive_that_was_cut_off_is_neither_read_nor_replaced(old: Store, suffix: str, quick_path: Path) -> None:
    path, cut = quick_path / f"mail.mbox.{suffix}", quick_path / f"cut.mbox.{suffix}"
    archive(old, path)
    whole = path.read_bytes()
    for length in (len(whole) - 1, len(whole) // 2, 20):
        for start in (b"", whole):
            cut.write_bytes(start + whole[:length])
            with pytest.raises(NotAStore, match="damaged"):
                archive(old, cut)
            assert cut.read_bytes() == start + whole[:length]
            with pytest.raises(NotAStore, match="damaged"), open_store(f"mbox:{cut}", readonly=True) as store:
                list(store.inbox)


def test_zstd_frames_are_unpacked_as_they_are(tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard")
    skipped = b"\x50\x2a\x4d\x18\x03\0\0\0abc"
    mail, zeros = os.urandom(3_000).hex().encode() * 100, bytes(1 << 24)
    pieces = [zstandard.ZstdCompressor(level=level).compress(data) for level, data in ((1, mail), (9, b""), (3, zeros))]
    packed = tmp_path / "x.zst"
    packed.write_bytes(b"".join([skipped, pieces[0], skipped, *pieces, skipped]))
    for size in (1 << 20, 1 << 16):
        with packed.open("rb") as file:
            assert b"".join(unpacked(file.fileno(), "zstd", str(packed), size)) == mail + mail + zeros


def test_an_archive_is_not_converted_into_itself(old: Store, quick_path: Path) -> None:
    path = quick_path / "mail.mbox.zst"
    archive(old, path)
    with open_store(str(path), readonly=True) as same, pytest.raises(UsageError, match="both source and destination"):
        archive(same, path)


def test_other_destinations_are_opened_as_they_are(quick_path: Path) -> None:
    for name in ("a.mbox", "a.zst.mbox", "a.db"):
        with open_destination(str(quick_path / name) if name == "a.db" else f"mbox:{quick_path}/{name}") as new:
            new.inbox.append(b"Subject: x\n\n")
            assert (quick_path / name).exists()


def test_an_error_in_the_block_leaves_the_archive_as_it_was(quick_path: Path) -> None:
    path = quick_path / "mail.mbox.xz"

    def fail() -> None:
        with open_destination(f"mbox:{path}") as new:
            new.inbox.append(b"Subject: x\n\n")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert names(quick_path) == set()


def test_an_archive_cannot_follow_what_goes_on(quick_path: Path) -> None:
    with (
        pytest.raises(UsageError, match="cannot follow what goes on"),
        open_destination(f"mbox:{quick_path}/a.mbox.zst", at_once=True),
    ):
        pass
    assert list(quick_path.iterdir()) == []
