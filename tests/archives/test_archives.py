"""Archives of stores: what is found in them, what is left out, what is refused; and that nothing is left behind."""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.mstore import mstore

from mailstore import Store, detect, open_store
from mailstore.convert import Options, convert, verify_stores
from mailstore.errors import (
    AmbiguousLocation,
    CannotCreate,
    LocationError,
    MailstoreError,
    NoSuchStore,
    NotAStore,
    ReadOnlyStore,
    StorageFull,
)
from mailstore.model.info import BODY, META
from mailstore.system import private, unpacked
from mailstore.system.archives import unpack
from mailstore.system.unpacked import Unpacked
from mailstore.testing.observe import body_bytes, tree

DATE = 1_500_000_001
ONE, TWO = b"Subject: one\n\nbody\n", b"Subject: two\n\nbody\n"
MBOX = b"".join(b"From - Fri Jul 14 02:40:01 2017\nSubject: m%d\n\nbody\n\n" % number for number in range(200))


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Have a directory for temporary files, which is empty again at the end."""
    path = tmp_path / "temporary"
    path.mkdir()
    monkeypatch.setenv("TMPDIR", str(path))
    yield path
    assert list(path.iterdir()) == []


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    root = tmp_path / "made" / "Maildir"
    for directory in ("cur", "new", "tmp", ".Work/cur", ".Work/new", ".Work/tmp"):
        (root / directory).mkdir(parents=True)
    for name, body in (("cur/1.a.host:2,FS", ONE), ("new/2.b.host", TWO), (".Work/cur/3.c.host:2,", TWO)):
        (root / name).write_bytes(body)
        os.utime(root / name, (DATE, DATE))
    return root


def packed(path: Path, source: Path, name: str = "") -> Path:
    """Pack a directory as ``tar`` or ``zip`` does it, by the archive's suffix."""
    name = name or source.name
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(source.rglob("*")):
                info = zipfile.ZipInfo.from_file(file, f"{name}/{file.relative_to(source)}")
                info.compress_type = zipfile.ZIP_DEFLATED
                info.extra = b"UT\x05\x00\x01" + int(file.stat().st_mtime).to_bytes(4, "little")
                archive.writestr(info, b"" if file.is_dir() else file.read_bytes())
        return path
    mode = {".tgz": "w:gz", ".tbz": "w:bz2", ".txz": "w:xz"}.get(path.suffix, "w")
    with tarfile.open(path if path.suffix != ".zst" else path.with_suffix(""), mode) as archive:  # type: ignore[call-overload]
        archive.add(source, name)
    if path.suffix == ".zst":
        zstandard = pytest.importorskip("zstandard")
        path.write_bytes(zstandard.compress(path.with_suffix("").read_bytes()))
    return path


def tar_of(path: Path, *entries: tuple[str, bytes | Callable[[tarfile.TarInfo], None]]) -> Path:
    """Write a tar archive: files with their bytes, or headers that a function finishes."""
    with tarfile.open(path, "w") as archive:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            info.mtime = DATE
            if callable(content):
                content(info)
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return path


def link(kind: bytes, target: str) -> Callable[[tarfile.TarInfo], None]:
    def finish(info: tarfile.TarInfo) -> None:
        info.type, info.linkname = kind, target

    return finish


def bodies(store: Store, folder: str = "INBOX") -> list[bytes]:
    return [body_bytes(row.body) for row in store.folder(folder).rows(BODY)]


def told(store: Store) -> list[tuple[str, str, bool]]:
    return [(one.where, one.reason, one.damaged) for one in store.omissions()]


# --- what is in them


@pytest.mark.parametrize("suffix", [".tar", ".tgz", ".tbz", ".txz", ".tar.zst", ".zip"])
def test_a_maildir_in_every_kind_of_archive(tmp_path: Path, maildir: Path, suffix: str, temporary: Path) -> None:
    path = packed(tmp_path / f"mail{suffix}", maildir)
    before = path.stat()
    with open_store(str(path), readonly=True) as store, open_store(str(maildir), readonly=True) as original:
        assert store.capabilities.format == "maildir++"
        assert not store.capabilities.writable
        assert verify_stores(original, store).same
        assert [row.internal_date for row in store.inbox.rows(META)] == [DATE, DATE]
        assert store.omissions() == []
        (directory,) = temporary.iterdir()
        assert directory.stat().st_mode & 0o777 == 0o700
        assert store.evidence[0].startswith(f"unpacked from {path}: 3 files, 57 bytes; inside=maildir:Maildir")
        assert not any(str(directory) in fact for fact in store.evidence)
        with pytest.raises(ReadOnlyStore):
            store.create("x")
        with pytest.raises(ReadOnlyStore):
            store.inbox.append(ONE)
    after = path.stat()
    assert (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)


def test_the_contents_alone(tmp_path: Path, maildir: Path) -> None:
    with open_store(str(packed(tmp_path / "x.tar", maildir, "."))) as store:
        assert sorted(bodies(store)) == [ONE, TWO]
    single = tar_of(tmp_path / "y.tar", ("a/b/c/joe.mbox", MBOX))
    with open_store(str(single)) as store:
        assert len(bodies(store, "b/c/joe.mbox")) == 200
    with open_store(str(tar_of(tmp_path / "z.tar", ("joe.mbox", MBOX)))) as store:
        assert len(bodies(store)) == 200


def test_a_place_inside(tmp_path: Path, maildir: Path) -> None:
    both = tmp_path / "both"
    (both / "mail").mkdir(parents=True)
    (both / "mail" / "sent").write_bytes(MBOX)
    maildir.rename(both / "Maildir")
    path = packed(tmp_path / "x.tgz", both, "home")
    with pytest.raises(AmbiguousLocation) as caught:
        open_store(str(path))
    assert f"archive:{path}?inside=mbox:home" in caught.value.readings
    for inside, count in (("maildir:home/Maildir", 2), ("home/Maildir", 2), ("./home//Maildir/", 2)):
        with open_store(f"archive:{path}?inside={inside}") as store:
            assert len(bodies(store)) == count
    with open_store(f"archive:{path}", inside="mbox:home/mail?layout=plain") as store:
        assert len(bodies(store, "sent")) == 200
    for inside in ("../x", "/etc", "mbox:home/../../x"):
        with pytest.raises(LocationError, match="within the archive"):
            open_store(f"archive:{path}?inside={inside}")
    with pytest.raises(NoSuchStore, match="nothing in it is called 'away'"):
        open_store(f"archive:{path}?inside=maildir:away")


def test_thunderbird_and_takeout(tmp_path: Path) -> None:
    gone = MBOX.replace(b"Subject: m7\n", b"X-Mozilla-Status: 0008\nSubject: m7\n")
    path = tar_of(tmp_path / "tb.tar", ("p/prefs.js", b""), ("p/Mail/Local Folders/Inbox", gone))
    with open_store(str(path)) as store:
        assert store.capabilities.format == "thunderbird"
        assert [one.messages for one in store.omissions()] == [1]
    with open_store(str(path), expunged="include") as store:
        assert len(bodies(store, "Local Folders/Inbox")) == 200
    google = b"From 1500000000000000001@xxx Tue Nov 14 22:13:20 +0000 2023\nX-Gmail-Labels: Inbox,Unread\n"
    parts = tmp_path / "parts"
    parts.mkdir()
    for number in (1, 2):
        with zipfile.ZipFile(parts / f"takeout-20250101T000000Z-00{number}.zip", "w") as archive:
            mail = google.replace(b"001@", b"00%d@" % number) + b"Subject: %d\n\nbody\n\n" % number
            archive.writestr(f"Takeout/Mail/All mail-00{number}.mbox", mail)
    assert [found.format for found in detect(str(parts))] == ["archive"]
    with open_store(str(parts)) as store:
        assert store.capabilities.format == "takeout"
        assert store.inbox.state().messages == 2


@pytest.mark.parametrize("target", ["maildir:{}", "sqlite:{}", "mbox:{}?layout=sbd"])
def test_conversion(tmp_path: Path, maildir: Path, target: str) -> None:
    path = packed(tmp_path / "x.tgz", maildir)
    where = target.format(tmp_path / "to")
    for copied in (3, 0):
        with open_store(str(path), readonly=True) as old, open_store(where, create=True, folders=True) as new:
            report = convert(old, new, Options(processes=2))
            assert (report.problems, report.verified, report.copied) == ([], True, copied)
            assert verify_stores(old, new).same


# --- what is left out


def test_links_and_devices(tmp_path: Path, maildir: Path) -> None:
    os.link(maildir / "cur" / "1.a.host:2,FS", maildir / ".Work" / "cur" / "4.d.host:2,S")
    (maildir / ".Work" / "cur" / "5.e.host").symlink_to("/etc/passwd")
    (maildir / ".Evil").symlink_to("/")
    os.mkfifo(maildir / "new" / "pipe")
    with open_store(str(packed(tmp_path / "x.tar", maildir))) as store:
        assert sorted(bodies(store, "Work")) == [ONE, TWO]
        assert sorted(told(store)) == [
            ("Maildir/.Evil", "a symbolic link, which is not followed", False),
            ("Maildir/.Work/cur/5.e.host", "a symbolic link, which is not followed", False),
            ("Maildir/new/pipe", "a pipe", False),
        ]


def test_names_that_lead_out(tmp_path: Path, temporary: Path) -> None:
    path = tar_of(
        tmp_path / "x.tar",
        ("../up", b"x"),
        ("/absolute", b"x"),
        ("a/../../up", b"x"),
        ("Maildir/cur/../../../up", b"x"),
        ("link", link(tarfile.SYMTYPE, str(tmp_path))),
        ("link/through", b"x"),
        ("hard", link(tarfile.LNKTYPE, "../../../etc/passwd")),
        ("away", link(tarfile.LNKTYPE, "not/there")),
        ("joe.mbox", MBOX),
    )
    before = tree(tmp_path)
    with open_store(f"archive:{path}?inside=mbox:joe.mbox") as store:
        (directory,) = temporary.iterdir()
        assert sorted(str(file.relative_to(directory)) for file in directory.rglob("*") if file.is_file()) == [
            "joe.mbox",
            "link/through",
        ]
        out = "its name leads out of the archive"
        assert told(store) == [
            ("../up", out, True),
            ("/absolute", out, True),
            ("a/../../up", out, True),
            ("Maildir/cur/../../../up", out, True),
            ("link", "a symbolic link, which is not followed", False),
            ("hard", "a hard link to ../../../etc/passwd, which is not there", True),
            ("away", "a hard link to not/there, which is not there", True),
        ]
    assert {name: facts for name, facts in tree(tmp_path).items() if "temporary" not in name and name != "."} == {
        name: facts for name, facts in before.items() if "temporary" not in name and name != "."
    }


def test_odd_names(tmp_path: Path) -> None:
    path = tar_of(
        tmp_path / "x.tar",
        ("m/" + "d/" * 120 + "deep", b"x"),
        ("m/" + "n" * 300, b"x"),
        ("m/file", MBOX),
        ("m/file/below", b"x"),
        ("m/twice", MBOX),
        ("m/twice", MBOX * 2),
        ("m/by\udcfftes", MBOX),
    )
    with open_store(f"archive:{path}?inside=mbox:m") as store:
        assert {str(info.path) for info in store.folders()} == {"INBOX", "file", "twice", "by\udcfftes"}
        assert len(bodies(store, "twice")) == 400
        assert [(where[:9], reason, damaged) for where, reason, damaged in told(store)] == [
            ("m/d/d/d/d", "more than 100 directories deep", True),
            ("m/nnnnnnn", "File name too long", True),
            ("m/file/be", "a file is where its directory should be", True),
            ("m/twice", "the archive has two files of this name; the later one is taken", False),
        ]


def test_names_in_zips(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mail/Entwürfe", MBOX)  # flagged as UTF-8
        for raw in ("Gelöscht".encode(), "Müll".encode("cp437")):
            info = zipfile.ZipInfo("mail/" + "x" * len(raw))
            archive.writestr(info, MBOX)
    data = path.read_bytes()
    for raw in ("Gelöscht".encode(), "Müll".encode("cp437")):
        data = data.replace(b"mail/" + b"x" * len(raw), b"mail/" + raw)
    path.write_bytes(data)
    with open_store(f"archive:{path}?inside=mbox:mail") as store:
        assert {str(info.path) for info in store.folders()} == {"INBOX", "Entwürfe", "Gelöscht", "Müll"}


def test_times_in_zips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        path = tmp_path / "x.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name in ("M/cur/", "M/new/", "M/tmp/"):
                archive.writestr(name, b"")
            archive.writestr(zipfile.ZipInfo("M/cur/1.a.h:2,S", (2017, 7, 14, 11, 40, 2)), ONE)
        with open_store(str(path)) as store:
            assert [row.internal_date for row in store.inbox.rows(META)] == [DATE + 1]
    finally:
        monkeypatch.undo()
        time.tzset()


# --- damaged ones


def test_a_tar_that_was_cut(tmp_path: Path, maildir: Path) -> None:
    """At every place: what came until then is there, and that something is missing is told."""
    whole = packed(tmp_path / "x.tar", maildir).read_bytes()
    end = len(whole.rstrip(b"\0"))
    path = tmp_path / "cut.tar"
    seen = set()
    path.write_bytes(whole[:700])
    with pytest.raises(NoSuchStore, match=r"nothing in it is called 'Maildir' .*damaged"):
        open_store(f"archive:{path}?inside=maildir:Maildir")
    for cut in (*range(whole.index(b"Maildir/cur/") + 1024, end, 700), end, end + 512 - end % 512):
        path.write_bytes(whole[:cut])
        with open_store(f"archive:{path}?inside=maildir:Maildir") as store:
            found = [body for info in store.folders() if info.selectable for body in bodies(store, str(info.path))]
            seen.add(len(found))
            assert set(found) <= {ONE, TWO}
            assert any(damaged for _, _, damaged in told(store)), cut
    assert seen >= {1, 3}


@pytest.mark.parametrize("suffix", [".tar", ".tgz", ".txz"])
def test_an_mbox_that_was_cut(tmp_path: Path, suffix: str) -> None:
    made = tmp_path / "made"
    made.mkdir()
    noise = random.Random(1)
    body = b"".join(
        b"From - Fri Jul 14 02:40:01 2017\nSubject: x\n\n%b\n\n" % noise.randbytes(900).hex().encode()
        for _ in range(200)
    )
    (made / "joe.mbox").write_bytes(MBOX + body)
    whole = packed(tmp_path / f"x{suffix}", made).read_bytes()
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(whole[: len(whole) * 2 // 3])
    with open_store(str(path)) as store, open_store(f"maildir:{tmp_path}/to", create=True) as new:
        report = convert(store, new, Options(processes=1))
        assert 200 < report.copied < 400
        assert not report.ok
        reasons = [problem.reason for problem in report.problems]
        assert any("bytes can be read" in reason for reason in reasons)
        assert any("the archive is damaged, and cannot be read any further" in reason for reason in reasons)


def test_a_damaged_header_in_the_midst(tmp_path: Path, maildir: Path) -> None:
    """tarfile takes it for the end."""
    path = packed(tmp_path / "x.tar", maildir)
    data = bytearray(path.read_bytes())
    at = data.index(b"Maildir/new/2.b.host")
    data[at : at + 4] = b"Xail"
    path.write_bytes(data)
    with open_store(f"archive:{path}?inside=maildir:Maildir") as store:
        assert told(store)[-1][1].startswith("the archive is damaged, and cannot be read any further: ")
        assert told(store)[-1][2]


def test_a_file_of_a_zip_that_is_damaged(tmp_path: Path, maildir: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mail/good", MBOX)
        archive.writestr("mail/bad", MBOX)
        archive.writestr("mail/worse.eml", ONE)
    data = path.read_bytes()
    data = data[::-1].replace(b"Subject: m77\n"[::-1], b"Subject: M77\n"[::-1], 1)[::-1].replace(ONE, TWO, 1)
    path.write_bytes(data)
    with open_store(f"archive:{path}?inside=mbox:mail") as store:
        assert len(bodies(store, "good")) == 200
        assert [(name, damaged) for name, _, damaged in told(store)] == [("mail/bad", True), ("mail/worse.eml", True)]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_a_zip_that_was_cut(tmp_path: Path, streamed: bool, method: int) -> None:
    """At every place: what came until then is there, though the directory is not."""
    made = io.BytesIO()
    if streamed:  # no sizes in the headers: they follow the data
        made.seekable = lambda: False  # type: ignore[method-assign]
        made.tell = lambda: (_ for _ in ()).throw(OSError)  # type: ignore[method-assign]
    names = ["M/cur/1.a.h:2,S", "M/cur/2.b.h:2,S", "M/cur/3.c.h:2,S"]
    with zipfile.ZipFile(made, "w", method) as archive:
        for name in ("M/cur/", "M/new/", "M/tmp/"):
            archive.writestr(name, b"")
        for number, name in enumerate(names):
            archive.writestr(zipfile.ZipInfo(name, (2017, 7, 14, 11, 40, 2)), MBOX[5:] + b"%d" % number, method)
    whole = made.getvalue()
    path = tmp_path / "cut.zip"
    counts = []
    for cut in (
        *range(whole.index(names[0].encode()), whole.index(b"PK\x01\x02"), 997),
        whole.index(b"PK\x01\x02") + 9,
    ):
        path.write_bytes(whole[:cut])
        with open_store(f"archive:{path}?inside=maildir:M") as store:
            found = bodies(store)
            counts.append(len(found))
            assert found == [MBOX[5:] + b"%d" % number for number in range(len(found))]
            assert "its directory, which is at its end, cannot be read" in told(store)[-1][1]
    assert counts == sorted(counts)
    assert counts[-1] == (3 if not streamed or method == zipfile.ZIP_DEFLATED else 0)


def test_a_cut_takeout(tmp_path: Path) -> None:
    mbox = tmp_path / "All.mbox"
    mbox.write_bytes(MBOX)
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.write(mbox, "All.mbox")
    path.write_bytes(path.read_bytes()[: len(MBOX) // 2])
    ran = mstore("convert", f"archive:{path}", f"maildir:{tmp_path}/to")
    assert ran.code == 1
    assert "bytes can be read" in ran.err
    with open_store(f"maildir:{tmp_path}/to") as store:
        assert 90 < store.inbox.state().messages < 101


def test_encrypted_zips(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("joe.mbox", MBOX)
    data = bytearray(path.read_bytes())
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(magic) + offset] |= 1
    path.write_bytes(data)
    with pytest.raises(NotAStore, match="encrypted; unpack it with its password first"):
        open_store(str(path))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_damage(tmp_path: Path, data: st.DataObject) -> None:
    """Whatever was done to the bytes, there is an answer, and nothing outside is touched."""
    kind = data.draw(st.sampled_from(["tar", "zip"]))
    path = tmp_path / f"x.{kind}"
    if kind == "tar":
        tar_of(path, ("m/joe", MBOX[:2000]), ("m/l", link(tarfile.LNKTYPE, "m/joe")), ("m/" + "y" * 120, ONE))
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("m/joe", MBOX[:2000])
            archive.writestr("m/two", ONE)
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw[: data.draw(st.integers(0, len(raw)))])
    try:
        with open_store(f"archive:{path}?inside=mbox:m") as store:
            store.usage()
            store.omissions()
    except MailstoreError:
        pass
    assert sorted(os.listdir(tmp_path)) == sorted({"temporary", "x.tar", "x.zip"} & {*os.listdir(tmp_path)})


# --- bombs, room, leftovers


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacked, "_FREE_SIZE", 100_000)
    monkeypatch.setattr(unpacked, "_FREE_FILES", 50)


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize("suffix", [".tgz", ".zip"])
def test_bombs(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    large = tmp_path / "large"
    large.mkdir()
    (large / "joe.mbox").write_bytes(MBOX + b"\0" * 5_000_000)
    path = packed(tmp_path / f"large{suffix}", large)
    with pytest.raises(NotAStore, match=r"it unpacks to more than .* bytes, far more than mail does; limits=none"):
        open_store(str(path))
    with open_store(f"archive:{path}?limits=none") as store:
        assert store.usage().messages == 200
    many = tmp_path / "many"
    many.mkdir()
    for number in range(300):
        (many / f"{number}.eml").touch()
    path = packed(tmp_path / f"many{suffix}", many)
    if suffix == ".zip":  # each file takes a hundred bytes of it
        monkeypatch.setattr(unpacked, "_FILE", 1000)
    with pytest.raises(NotAStore, match=r"more than .* files"):
        open_store(str(path))


def test_endless_headers(tmp_path: Path) -> None:
    """Names of gigabytes, and headers about headers about headers."""
    long = tmp_path / "long.tar"
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 40
    long.write_bytes(tar_of(tmp_path / "ok.tar", ("joe.mbox", MBOX)).read_bytes()[:10240] + info.tobuf() + b"x" * 4096)
    chain = tmp_path / "chain.tar"
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 0
    chain.write_bytes((tmp_path / "ok.tar").read_bytes()[:10240] + info.tobuf() * 5000)
    for path in (long, chain):
        with open_store(f"archive:{path}?inside=mbox:joe.mbox") as store:
            assert told(store)[-1][2]


def test_no_room(tmp_path: Path, maildir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs
    monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result((*real(path)[:4], 10, *real(path)[5:])))
    for suffix in (".tgz", ".zip"):
        with pytest.raises(StorageFull, match=r"no room to unpack it in .*TMPDIR"):
            open_store(str(packed(tmp_path / f"x{suffix}", maildir)))


def test_what_a_killed_process_left(tmp_path: Path, maildir: Path, temporary: Path) -> None:
    path = packed(tmp_path / "x.tar", maildir)
    script = (
        "import os, sys\nfrom mailstore import open_store\n"
        f"store = open_store({str(path)!r})\nprint(flush=True)\nsys.stdin.read()\nos._exit(9)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.readline()
    (left,) = temporary.iterdir()
    os.utime(left, (1, 1))
    old = private._YOUNG
    private._YOUNG = -3600
    try:
        private.sweep(str(temporary))
        assert list(temporary.iterdir()) == [left]  # somebody reads it
        process.communicate()
        private._YOUNG = old
        private.sweep(str(temporary))
        assert list(temporary.iterdir()) == [left]  # it is too young
        private._YOUNG = -3600
        with open_store(str(path)) as store:
            assert len(bodies(store)) == 2
    finally:
        private._YOUNG = old


def test_forked_children_leave_it(tmp_path: Path, maildir: Path) -> None:
    with open_store(str(packed(tmp_path / "x.tar", maildir))) as store:
        child = os.fork()
        if child == 0:
            store.close()
            os._exit(0)
        os.waitpid(child, 0)
        assert len(bodies(store)) == 2


# --- what is none


def test_what_is_none(tmp_path: Path, maildir: Path) -> None:
    with pytest.raises(NoSuchStore):
        open_store(f"archive:{tmp_path}/x.tar")
    with pytest.raises(CannotCreate):
        open_store(f"archive:{tmp_path}/x.tar", create=True)
    with pytest.raises(NotAStore):
        open_store(f"archive:{maildir}")
    (tmp_path / "text.gz").write_bytes(b"\x1f\x8bno gzip at all")
    (tmp_path / "empty.tar").write_bytes(b"")
    for name in ("text.gz", "empty.tar"):
        with pytest.raises(NotAStore):
            open_store(f"archive:{tmp_path}/{name}")
    path = tar_of(tmp_path / "y.tar", ("README", b"hello\n"), ("src/a.c", b"int a;\n"))
    for location in (str(path), f"archive:{path}"):
        with pytest.raises(NotAStore, match="no mail store"):
            open_store(location)
    with pytest.raises(LocationError, match="limits=2"):
        open_store(f"archive:{tmp_path}/y.tar?limits=2")


def test_recognition(tmp_path: Path, maildir: Path) -> None:
    found = {suffix: packed(tmp_path / f"x{suffix}", maildir) for suffix in (".tar", ".tgz", ".zip")}
    assert [[(one.format, one.evidence) for one in detect(str(path))] for path in found.values()] == [
        [("archive", f"a {kind} archive with Maildir/.Work/cur/3.c.host:2,")]
        for kind in ("tar", "tar packed with gzip", "zip")
    ]
    sources = tar_of(tmp_path / "src.tar", ("src/main.c", b"int main;\n"), ("src/From", b"From here on\nall is text\n"))
    assert detect(str(sources)) == []
    import gzip

    packed_mbox = tmp_path / "joe.mbox.gz"
    packed_mbox.write_bytes(gzip.compress(MBOX))
    assert [one.format for one in detect(str(packed_mbox))] == ["mbox"]
    mail = tmp_path / "mail"
    mail.mkdir()
    packed_mbox.rename(mail / "joe.mbox.gz")
    found[".tgz"].rename(mail / "backup.tgz")
    assert [one.format for one in detect(str(mail))] == ["mbox"]
    with open_store(str(mail)) as store:
        assert {str(info.path) for info in store.folders()} == {"INBOX", "joe.mbox.gz"}


def test_unpacking_by_itself(tmp_path: Path) -> None:
    target = tmp_path / "to"
    target.mkdir()
    found = unpack([str(tar_of(tmp_path / "x.tar", ("a/b", ONE), ("a/c", TWO)))], str(target), limited=True)
    assert isinstance(found, Unpacked)
    assert (found.files, found.size, found.omitted) == (2, len(ONE) + len(TWO), [])
    assert (target / "a" / "b").stat().st_mtime == DATE
    assert (target / "a" / "b").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("suffix", [".tgz", ".zip"])
def test_reading_leaves_no_trace(tmp_path: Path, maildir: Path, suffix: str) -> None:
    path = packed(tmp_path / f"x{suffix}", maildir)
    os.utime(path, (DATE, DATE + 10))  # read since it was written: relatime would move it
    assert detect(str(path)) != []
    with open_store(str(path)) as store:
        assert store.usage().messages > 0
    assert path.stat().st_atime == DATE
