"""The mbox driver on files that other programs wrote, and what it leaves in them."""

import bz2
import gzip
import hashlib
import lzma
import os
import re
from functools import partial
from pathlib import Path

import pytest

from mailstore import Store, open_store
from mailstore.errors import NotAStore, ReadOnlyStore, Unsupported
from mailstore.model.flags import ANSWERED, DELETED, FLAGGED, RECENT, SEEN
from mailstore.model.info import BODY, META, Blob, Row, body_chunks
from mailstore.system import fs

LINE = b"From joe@example.org Thu Nov  9 22:33:52 2023\n"
DATE = 1_699_569_232
ONE = b"Subject: one\n\nbody\n"
TWO = b"Subject: two\n\nFrom here\n"


def box(directory: Path, data: bytes, name: str = "box.mbox") -> Path:
    path = directory / name
    path.write_bytes(data)
    return path


def opened(path: Path, options: str = "", **settings: bool) -> Store:
    return open_store(f"mbox:{path}" + (f"?{options}" if options else ""), **settings)


def rows(store: Store, folder: str = "INBOX") -> list[Row]:
    return list(store.folder(folder).rows(BODY | META))


def texts(store: Store, folder: str = "INBOX") -> list[bytes]:
    return [b"".join(body_chunks(row.body)) for row in rows(store, folder) if row.body is not None]


def squeezed(path: Path) -> bytes:
    return re.sub(rb" +\n", b"\n", path.read_bytes())


# --- reading


@pytest.mark.parametrize("eol", [b"\n", b"\r\n", b"\r"])
def test_line_ends_stay(tmp_path: Path, eol: bytes) -> None:
    path = box(tmp_path, (LINE + ONE + b"\n" + LINE + b"Status: RO\n" + TWO + b"\n").replace(b"\n", eol))
    with opened(path, readonly=True) as store:
        assert texts(store) == [ONE.replace(b"\n", eol), TWO.replace(b"\n", eol)]
        assert [row.flags for row in rows(store)] == [RECENT, SEEN]
        assert rows(store)[0].internal_date == DATE


@pytest.mark.parametrize("eol", [b"\n", b"\r\n", b"\r"])
def test_appends_go_in_the_files_own_line_ends(tmp_path: Path, eol: bytes) -> None:
    path = box(tmp_path, (LINE + ONE + b"\n").replace(b"\n", eol))
    with opened(path) as store:
        for body in (ONE, TWO, b"no end", b""):
            store.inbox.append(body, internal_date=DATE, sender="joe@example.org")
    with opened(path, readonly=True) as store:
        assert texts(store) == [ONE.replace(b"\n", eol), ONE, TWO, b"no end", b""]
    lines = LINE[:-1].replace(b"22:33", b"22:33").replace(b"Nov  9", b"Nov  9")
    assert path.read_bytes().count(lines + eol) == 5


@pytest.mark.parametrize("dialect", ["mboxo", "mboxrd", "mboxcl", "mboxcl2", "rfc4155", "mmdf"])
def test_every_dialect_on_demand(tmp_path: Path, dialect: str) -> None:
    bodies = [
        ONE,
        TWO,
        b"A: b\n\n>From x\n>>From y\nFrom joe@x Thu Nov  9 22:33:52 2023\n",
        b"A: b\n",
        b"\x01\x01\x01\x01\n",
    ]
    path = tmp_path / "new.mbox"
    with opened(path, f"dialect={dialect}", create=True) as store:
        for body in bodies:
            store.inbox.append(body)
        assert texts(store) == bodies
    for options in ("", f"dialect={dialect}"):
        with opened(path, options, readonly=True) as store:
            assert texts(store) == bodies
    data = path.read_bytes()
    expected = {"mboxo": b"\n>From here\n", "mboxrd": b"\n>From here\n", "mboxcl": b"\n>From here\n"}
    assert expected.get(dialect, b"From here\n") in data
    assert (b"\nContent-Length: 10\n" in data) == (dialect == "mboxcl2")
    assert (b"\nContent-Length: 11\n" in data) == (dialect == "mboxcl")


def test_appends_go_in_the_files_own_dialect(tmp_path: Path) -> None:
    foreign = LINE + b"Content-Length: 21\n\nFrom here\nFrom there\n" + b"\n"
    path = box(tmp_path, foreign)
    with opened(path) as store:
        assert "dialect mboxcl2" in " ".join(store.evidence)
        store.inbox.append(TWO)
        assert texts(store) == [b"\nFrom here\nFrom there\n", TWO]
    assert path.read_bytes().startswith(foreign)
    assert path.read_bytes().endswith(b"Content-Length: 10\nSubject: two\n\nFrom here\n\n")


@pytest.mark.parametrize(
    ("header", "date", "note"),
    [
        (
            b"Received: from a; Thu, 9 Nov 2023 22:33:52 +0000\nDate: Fri, 1 Jan 1999 00:00:00 +0000\n",
            DATE,
            "Received:",
        ),
        (b"Date: Thu, 9 Nov 2023 23:33:52 +0100\n", DATE, "Date:"),
        (b"Subject: x\n", 1_000_000, "mtime"),
    ],
)
def test_a_date_that_cannot_be_read(tmp_path: Path, header: bytes, date: int, note: str) -> None:
    path = box(tmp_path, b"From joe@x Fri Foo 41 00:00:00 2023\n" + header + b"\nbody\n\n")
    os.utime(path, (1_000_000, 1_000_000))
    with opened(path, readonly=True) as store:
        [row] = rows(store)
    assert row.internal_date == date
    assert len(row.notes) == 1
    assert note in row.notes[0]


def test_zone_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    path = box(tmp_path, LINE + ONE + b"\n")
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        with opened(path, readonly=True) as store:
            assert rows(store)[0].internal_date == DATE - 19800
        with opened(path, "zone=utc", readonly=True) as store:
            assert rows(store)[0].internal_date == DATE
        with opened(path) as store:
            store.inbox.append(ONE, internal_date=DATE)
            assert [row.internal_date for row in rows(store)] == [DATE - 19800, DATE]
            store.inbox.set_flags([1], ["\\Flagged"])
            assert [row.internal_date for row in rows(store)] == [DATE - 19800, DATE]
    finally:
        monkeypatch.undo()
        time.tzset()


THUNDERBIRD = (
    b"From - Thu Nov 09 22:33:52 2023\nX-Mozilla-Status: 0001\nX-Mozilla-Status2: 00000000\n"
    b"X-Mozilla-Keys: $label1" + b" " * 60 + b"\n" + ONE + b"\n"
    b"From - Thu Nov 09 22:33:52 2023\nX-Mozilla-Status: 0009\nX-Mozilla-Status2: 00000000\n" + TWO + b"\n"
)


def test_thunderbirds_expunged_mail(tmp_path: Path) -> None:
    path = box(tmp_path, THUNDERBIRD)
    with opened(path, readonly=True) as store:
        assert texts(store) == [ONE]
        [row] = rows(store)
        assert (row.flags, row.keywords, row.sender) == (SEEN, {"$label1"}, None)
        assert any("1 messages that Thunderbird deleted are left out" in fact for fact in store.evidence)
    with opened(path, "expunged=include", readonly=True) as store:
        assert texts(store) == [ONE, TWO]


def test_thunderbirds_expunged_mail_stays_in_the_file(tmp_path: Path) -> None:
    path = box(tmp_path, THUNDERBIRD)
    with opened(path) as store:
        store.inbox.set_flags([1], ["\\Flagged"])
        assert [row.flags for row in rows(store)] == [FLAGGED]
    with opened(path, "expunged=include", readonly=True) as store:
        assert sorted(texts(store)) == [ONE, TWO]


PSEUDO = (
    b"From MAILER-DAEMON Thu Nov  9 22:33:52 2023\nFrom: Mail System Internal Data <MAILER-DAEMON@x>\n"
    b"Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1600000000 0000000041 work\nStatus: RO\n\n"
    b"This text is part of the internal format of your mail folder.\n\n"
)


def test_the_pseudo_message_is_hidden_and_heeded(tmp_path: Path) -> None:
    path = box(tmp_path, PSEUDO)
    with opened(path) as store:
        state = store.inbox.state()
        assert (state.messages, state.uidvalidity, state.uidnext) == (0, 1_600_000_000, 42)
        assert store.inbox.append(ONE).uid == 42
    assert b"INTERNAL DATA" not in path.read_bytes()
    assert b"\nX-IMAPbase: 1600000000 0000000042" in path.read_bytes()


def test_the_pseudo_message_before_others(tmp_path: Path) -> None:
    path = box(tmp_path, PSEUDO + LINE + b"X-UID: 7\nStatus: RO\nX-Keywords: work\n" + ONE + b"\n")
    with opened(path) as store:
        [row] = rows(store)
        assert (row.uid, row.recorded, row.body, row.keywords) == (7, True, ONE, {"work"})
        assert store.inbox.append(TWO).uid == 42
        assert [row.uid for row in rows(store)] == [7, 42]


def based(base: bytes, *uids: int) -> bytes:
    first = b"X-IMAPbase: %s\n" % base
    parts = []
    for at, uid in enumerate(uids):
        field = b"X-UID: %d\n" % uid if uid else b""
        parts.append(LINE + (b"" if at else first) + b"Subject: %d\n" % at + field + b"Status: O\n\nbody %d\n\n" % at)
    return b"".join(parts)


@pytest.mark.parametrize(
    ("base", "uids", "seen", "recorded"),
    [
        (b"5 0000000009", (1, 3, 9), [1, 3, 9], [True, True, True]),
        (b"5 9", (1, 3, 9), [1, 3, 9], [True, True, True]),
        (b"5 0000000009", (1, 3, 0), [1, 3, 10], [True, True, False]),
        (b"5 0000000009", (1, 3, 3), [1, 3, 10], [True, True, False]),
        (b"5 0000000009", (1, 10, 3), [1, 10, 11], [True, False, False]),
        (b"5 0000000009", (1, 0, 5), [1, 10, 11], [True, False, False]),
        (b"0 0000000009", (1, 2, 3), [1, 2, 3], [False, False, False]),
        (b"5 4294967295", (1, 2, 3), [1, 2, 3], [False, False, False]),
    ],
)
def test_recorded_uids(
    tmp_path: Path, base: bytes, uids: tuple[int, ...], seen: list[int], recorded: list[bool]
) -> None:
    path = box(tmp_path, based(base, *uids))
    with opened(path, readonly=True) as store:
        found = rows(store)
        assert [row.uid for row in found] == seen
        assert [row.recorded for row in found] == recorded
        assert [row.body for row in found] == [b"Subject: %d\n\nbody %d\n" % (n, n) for n in range(3)]
        if recorded[0]:
            assert store.inbox.state().uidvalidity == 5


# --- packed files


@pytest.mark.parametrize(
    ("pack", "name"), [(gzip.compress, "gzip"), (bz2.compress, "bz2"), (lzma.compress, "xz"), (None, "zstd")]
)
def test_packed_files(tmp_path: Path, pack: object, name: str) -> None:
    data = LINE + ONE + b"\n" + LINE + TWO + b"\n"
    if pack is None:
        pack = pytest.importorskip("zstandard").ZstdCompressor().compress
    assert callable(pack)
    path = box(tmp_path, pack(data))
    before = path.stat()
    with opened(path) as store:
        assert not store.capabilities.writable
        assert texts(store) == [ONE, TWO]
        assert f"unpacked from {name}" in " ".join(store.evidence)
        with pytest.raises(ReadOnlyStore):
            store.inbox.append(ONE)
    assert (path.stat().st_mtime_ns, os.listdir(tmp_path)) == (before.st_mtime_ns, [path.name])


def test_damaged_and_foreign_packed_files(tmp_path: Path) -> None:
    whole = gzip.compress(os.urandom(5000) + LINE)
    for data in (whole[:-2000], gzip.compress(b"no mail"), b"BZh9junk"):
        with pytest.raises(NotAStore):
            opened(box(tmp_path, data), readonly=True)


@pytest.mark.parametrize("data", [b"text\n", b"From: joe\n\nbody\n", b"\x00" * 100, b"\x89PNG"])
def test_no_mbox(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(NotAStore, match=r"box\.mbox"):
        opened(box(tmp_path, data), readonly=True)


def test_an_empty_file_and_a_lone_separator(tmp_path: Path) -> None:
    with opened(box(tmp_path, b""), readonly=True) as store:
        assert texts(store) == []
    with opened(box(tmp_path, LINE[:-1]), readonly=True) as store:
        assert texts(store) == [b""]


def test_one_file_holds_inbox_alone(tmp_path: Path) -> None:
    with opened(tmp_path / "new.mbox", create=True) as store:
        with pytest.raises(Unsupported):
            store.create("Work")
        with pytest.raises(Unsupported):
            store.subscribe("Work")


# --- changing


def test_flags_change_in_place_in_our_records(tmp_path: Path) -> None:
    path = tmp_path / "new.mbox"
    with opened(path, create=True) as store:
        for _ in range(3):
            store.inbox.append(ONE)
        before = path.stat()
        store.inbox.add_flags([2], ["\\Seen", "\\Answered", "$Forwarded", "work"])
        store.inbox.add_flags([3], ["\\Deleted", "\\Flagged", "\\Draft"])
        store.inbox.remove_flags([2], ["work"])
        after = path.stat()
        assert (before.st_ino, before.st_size) == (after.st_ino, after.st_size)
        assert [row.keywords for row in rows(store)] == [frozenset(), {"$Forwarded"}, frozenset()]
        assert texts(store) == [ONE] * 3
    with opened(path, readonly=True) as store:
        assert [row.flags & ~RECENT for row in rows(store)] == [0, SEEN | ANSWERED, FLAGGED | DELETED | 8]


def test_flags_change_in_place_where_dovecot_left_room(tmp_path: Path) -> None:
    path = box(
        tmp_path,
        LINE + b"Subject: one\nX-IMAPbase: 5 0000000001 work" + b" " * 20 + b"\nX-UID: 1\nStatus: O\nX-Keywords:"
        + b" " * 50 + b"\nContent-Length: 5\n\nbody\n\n",
    )  # fmt: skip
    with opened(path) as store:
        before = path.stat()
        store.inbox.add_flags([1], ["\\Seen", "\\Flagged", "work"])
        assert (path.stat().st_ino, path.stat().st_size) == (before.st_ino, before.st_size)
        [row] = rows(store)
        assert (row.flags, row.keywords, row.body) == (SEEN | FLAGGED, {"work"}, ONE)


def test_a_rewrite_records_every_uid_and_keeps_every_byte(tmp_path: Path) -> None:
    odd = b"no header at all\n"
    path = box(tmp_path, LINE + ONE + b"\n" + LINE + TWO.replace(b"From", b">From") + b"\n" + LINE + odd)
    path.chmod(0o640)
    with opened(path) as store:
        assert [row.recorded for row in rows(store)] == [False] * 3
        uids = [row.uid for row in rows(store)]
        store.inbox.set_flags(uids[:1], ["\\Seen"])
        assert [(row.uid, row.recorded, row.body) for row in rows(store)] == [
            (1, True, ONE), (2, True, TWO), (3, True, odd),
        ]  # fmt: skip
        assert [row.internal_date for row in rows(store)] == [DATE] * 3
    assert path.stat().st_mode & 0o777 == 0o640
    with opened(path, readonly=True) as store:
        assert [row.uid for row in rows(store)] == [1, 2, 3]


def test_the_last_message_expunged_leaves_the_counters(tmp_path: Path) -> None:
    path = tmp_path / "new.mbox"
    with opened(path, create=True) as store:
        store.inbox.append(ONE)
        store.inbox.append(TWO)
        state = store.inbox.state()
        store.inbox.expunge([1, 2], only_deleted=False)
    assert b"DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA" in path.read_bytes()
    with open_store(f"mbox:{path}", readonly=True, index="memory") as store:
        now = store.inbox.state()
        assert (now.messages, now.uidvalidity, now.uidnext) == (0, state.uidvalidity, 3)


def test_a_symbolic_link_is_written_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    target = box(tmp_path, LINE + ONE + b"\n" + LINE + TWO.replace(b"From", b">From") + b"\n", "target.mbox")
    link = tmp_path / "link.mbox"
    link.symlink_to(target)
    inode = target.stat().st_ino
    with opened(link) as store:
        store.inbox.add_flags([2], ["\\Seen"])
        store.inbox.expunge([1], only_deleted=False)
        assert texts(store) == [TWO]
    assert link.is_symlink()
    assert target.stat().st_ino == inode
    assert [name for name in os.listdir(tmp_path) if name.startswith(".mailstore-copy")] == []


@pytest.mark.parametrize("call", ["pwrite", "ftruncate", "fsync", "unlink"])
@pytest.mark.parametrize("growing", [True, False])
@pytest.mark.parametrize("late", [b"", b"body\n", b"body\n" * 5000])
def test_a_copy_is_finished_after_a_crash(tmp_path: Path, call: str, growing: bool, late: bytes) -> None:
    target = box(tmp_path, b"".join(LINE + b"Subject: %d\n\nbody\n\n" % n for n in range(50)), "target.mbox")
    link = tmp_path / "link.mbox"
    link.symlink_to(target)
    if not growing:
        with opened(link, "locks=fcntl") as store:
            store.inbox.add_flags([3], ["\\Seen"])
    inode = target.stat().st_ino

    class Crash(BaseException):
        pass

    crashed = False

    def crash(*arguments: object) -> int:
        nonlocal crashed
        if call == "unlink" or (isinstance(arguments[0], int) and os.fstat(arguments[0]).st_ino == inode):
            if call == "pwrite":
                fd, data, offset = arguments
                assert isinstance(fd, int)
                assert isinstance(data, bytes)
                assert isinstance(offset, int)
                os.pwrite(fd, data[: len(data) // 2], offset)
            crashed = True
            raise Crash
        return carried_out(call, *arguments)

    def carried_out(name: str, *arguments: object) -> int:
        """Do it, but nothing after the crash: whoever died takes nothing back."""
        if crashed:
            raise Crash
        real = getattr(fs.Calls(), name)(*arguments)
        assert real is None or isinstance(real, int)
        return real or 0

    others = {name: partial(carried_out, name) for name in ("pwrite", "ftruncate", "fsync", "unlink") if name != call}
    store = opened(link, "locks=fcntl")
    assert len(texts(store)) == 50
    with pytest.raises(Crash), fs.replaced(fs.Calls(**{call: crash, **others})):  # type: ignore[arg-type]
        store.inbox.expunge([7], only_deleted=False)
    store.close()
    with target.open("ab") as file:
        file.write(LINE + b"Subject: late\n\nbody\n\n")
    with opened(link) as store:
        assert texts(store) == [b"Subject: %d\n\nbody\n" % n for n in range(50) if n != 6] + [
            b"Subject: late\n\nbody\n"
        ]
    assert target.stat().st_ino == inode


def test_a_missing_last_line_end(tmp_path: Path) -> None:
    path = box(tmp_path, LINE + ONE + b"\n" + LINE + b"Subject: cut\n\nno end")
    with opened(path) as store:
        assert texts(store) == [ONE, b"Subject: cut\n\nno end"]
        store.inbox.append(TWO)
        assert texts(store)[2] == TWO
        assert len(texts(store)) == 3


def test_foreign_mail_after_ours(tmp_path: Path) -> None:
    path = tmp_path / "new.mbox"
    with opened(path, create=True) as store:
        store.inbox.append(ONE)
        token = store.inbox.changes(None, 0).token
        with path.open("ab") as file:
            file.write(LINE + TWO.replace(b"From", b">From") + b"\n")
        delta = store.inbox.changes(token, BODY)
        assert not delta.full
        assert [(row.uid, row.recorded, row.body) for batch in delta.batches for row in batch] == [(2, False, TWO)]
        assert store.inbox.append(ONE).uid == 3
        store.inbox.add_flags([2], ["\\Seen"])
        assert [(row.uid, row.recorded) for row in rows(store)] == [(1, True), (2, True), (3, True)]


def test_sources_are_not_touched(tmp_path: Path) -> None:
    path = box(tmp_path, LINE + b"X-Keywords: Foo\nStatus: R\n" + ONE + b"\n")
    digest = hashlib.sha256(path.read_bytes()).digest()
    before = path.stat()
    with opened(path, readonly=True) as store:
        assert [(row.keywords, row.body) for row in rows(store)] == [({"Foo"}, ONE)]
        with pytest.raises(ReadOnlyStore):
            store.inbox.add_flags([1], ["\\Seen"])
    after = path.stat()
    assert (after.st_mtime_ns, after.st_ctime_ns, after.st_atime_ns) == (
        before.st_mtime_ns, before.st_ctime_ns, before.st_atime_ns,
    )  # fmt: skip
    assert hashlib.sha256(path.read_bytes()).digest() == digest
    assert os.listdir(tmp_path) == [path.name]


# --- large messages


def large(line: bytes, size: int = 3 << 20) -> bytes:
    return b"Subject: large\n\n" + line * (size // len(line))


@pytest.mark.parametrize("dialect", ["mboxrd", "mboxo", "mboxcl2", "mboxcl", "rfc4155", "mmdf"])
@pytest.mark.parametrize(
    "body",
    [
        large(b"0123456789abcdef" * 4 + b"\n"),
        large(b"From here\n>From there\n" + b"x" * 500 + b"\n"),
        large(b"From joe@x Thu Nov  9 22:33:52 2023\nSubject: inner\n\n" + b"x" * 9000 + b"\n\n")[:-1] + b"end",
        b"Status: mine\n" + large(b"y" * 2000 + b"\r\n")[:-2],
        b"x" * (3 << 20),
        b"X: y\n" * 400_000,
    ],
    ids=["plain", "from-lines", "mail-inside", "kept", "one-line", "header-only"],
)
def test_large_messages(tmp_path: Path, dialect: str, body: bytes) -> None:
    class Source:
        size = len(body)

        def read_at(self, offset: int, size: int) -> bytes:
            return body[offset : offset + min(size, 1 << 20)]

        def close(self) -> None:
            """Nothing is open."""

    path = tmp_path / "new.mbox"
    with opened(path, f"dialect={dialect}", create=True) as store:
        store.inbox.append(ONE)
        store.inbox.append(Source())
        store.inbox.append(TWO)
        found = rows(store)
        assert [row.size for row in found] == [len(ONE), len(body), len(TWO)]
        assert isinstance(found[1].body, Blob)
        assert texts(store) == [ONE, body, TWO]
        blob = store.inbox.open(2)
        assert blob.read_at(len(body) - 10, 100) == body[-10:]
        assert blob.read_at(1 << 20, 5000) == body[1 << 20 : (1 << 20) + 5000]
        blob.close()
        store.inbox.add_flags([2], ["\\Seen"])
        store.inbox.expunge([1], only_deleted=False)
        assert texts(store) == [body, TWO]
    with opened(path, readonly=True) as store:
        assert texts(store) == [body, TWO]


@pytest.mark.parametrize("length", [40, 64])
def test_a_sender_like_a_commit_makes_no_line_of_gits(tmp_path: Path, length: int) -> None:
    path = tmp_path / "new.mbox"
    senders = ["f" * length, "joe@example.org", "f" * length]
    with opened(path, create=True) as store:
        for sender in senders:
            store.inbox.append(ONE, sender=sender, internal_date=1_000_684_800)
    with opened(path, readonly=True) as store:
        assert [(message.bytes(), message.sender) for message in store.inbox] == [(ONE, sender) for sender in senders]
