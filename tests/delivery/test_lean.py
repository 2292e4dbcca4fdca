"""The ordinary delivery: what it loads, and that it leaves exactly what the store leaves."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailstore import MailstoreError, NoSuchStore, QuotaExceeded, StorageFailure, StorageFull, open_store
from mailstore.delivery import Incoming, deliver, direct
from mailstore.drivers.mbox import note
from mailstore.model.quota import QuotaRules
from mailstore.system import clock
from mailstore.testing.faults import Plan, in_child

SCRIPT = Path(__file__).parents[2] / "cli" / "mstore"
HEAVY = {
    *(
        "typing",
        "re",
        "dataclasses",
        "enum",
        "json",
        "pathlib",
        "tempfile",
        "socket",
        "contextlib",
        "functools",
        "struct",
    ),
    *("collections", "hashlib", "_hashlib", "ctypes", "random", "subprocess", "logging", "inspect", "threading"),
    *("importlib.metadata", "sqlite3", "urllib.parse", "mailstore.errors", "mailstore.spi", "mailstore.registry"),
    *("mailstore.store", "mailstore.model.changes"),
}
MAIL = b"Subject: hello\nStatus: RO\nX-Spam-Status: No\n\nbody\nFrom here\n>From there\n"
LINE = b"From joe@example.org Thu Nov  9 22:33:52 2023\n"
BOX = LINE + b"Subject: there\n\nbefore\n\n"


def loaded(location: str) -> set[str]:
    """Deliver as a mail system does; return every module that was imported on the way."""
    done = subprocess.run(
        [sys.executable, "-S", "-X", "importtime", SCRIPT, "deliver", "-f", "ann@example.org", location],
        input=MAIL,
        capture_output=True,
        env={"PYTHONPATH": os.pathsep.join(sys.path), "HOME": "/nowhere"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {line.rpartition("|")[2].strip() for line in done.stderr.decode().splitlines() if "import time:" in line}


@pytest.mark.parametrize(
    ("form", "own", "foreign"),
    [
        ("maildir", "mailstore.system.drop", "mailstore.drivers"),
        ("mbox", "mailstore.drivers.mbox.direct", "apsw"),
        ("sqlite", "mailstore.drivers.sql.direct", "mailstore.drivers.sql.driver"),
    ],
)
def test_what_a_delivery_loads(tmp_path: Path, form: str, own: str, foreign: str) -> None:
    """The package collections is what apsw loads itself."""
    location = f"{form}:{tmp_path}/m"
    with open_store(location, create=True) as store:
        store.inbox.append(b"A: b\n\nc\n")
    names = loaded(location)
    assert own in names
    assert foreign not in names
    assert names & HEAVY == ({"collections"} if form == "sqlite" else set())
    with open_store(location, readonly=True) as store:
        assert len(store.inbox) == 2


# --- what is left, in bytes


@contextmanager
def the_long_way() -> Iterator[None]:
    """Have every delivery open the store."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mailstore.delivery.straight", lambda *_: False)
        patch.setattr("mailstore.delivery.straight_mapping", lambda *_: False)
        yield


@contextmanager
def straight_only() -> Iterator[list[bool]]:
    """Note of every delivery whether it went without the store."""
    taken: list[bool] = []

    def straight(incoming: Incoming, location: str, lock_timeout: float) -> bool:
        done = direct.straight(incoming, location, lock_timeout)
        taken.append(done or direct.straight_mapping(incoming, location, lock_timeout))
        return taken[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mailstore.delivery.straight", straight)
        patch.setattr("mailstore.delivery.straight_mapping", lambda *_: False)
        yield taken


def state(directory: Path) -> dict[str, tuple[int, bytes]]:
    """Return mode and contents of all files but the index, which is a cache and not every way makes one."""
    return {
        entry.name: (stat.S_IMODE(entry.stat().st_mode), entry.read_bytes())
        for entry in directory.iterdir()
        if not entry.name.startswith(".mailstore-index")
    }


def both_ways(there: bytes, options: str, mails: list[bytes], sender: str | None, recipient: str | None) -> list[bool]:
    """Deliver by both ways into files of the same contents, compare what is left; returns which went without the store.

    The clock stands still, so that nothing but the way may make a difference.
    """
    left = []
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as top:
        patch.setattr(clock, "source", lambda: 1_700_000_000_000_000_000)
        for name, way in (("a", straight_only()), ("b", the_long_way())):
            box = Path(top) / name / "box"
            box.parent.mkdir()
            box.write_bytes(there)
            box.chmod(0o640)
            with way as taken:
                for mail in mails:
                    deliver(mail, f"mbox:{box}{options}", sender=sender, recipient=recipient, lock_timeout=0)
            left.append(state(box.parent))
            if taken is not None:
                straight = list(taken)
    assert left[0] == left[1]
    assert left[0]["box"][1].startswith(there)
    return straight


BEGINNINGS = {
    "LF": BOX,
    "CRLF": BOX.replace(b"\n", b"\r\n"),
    "CR": BOX.replace(b"\n", b"\r"),
    "a date with a zone": BOX.replace(b"2023\n", b"+0100 2023\n"),
    "no date": b"From \nSubject: there\n\nbefore\n\n",
    "counted": LINE + b"Content-Length: 7\nSubject: there\n\nbefore\n\n",
    "quoted as mboxo": BOX + LINE + b"A: b\n\n>From here\n\n",
    "MMDF": b"\x01\x01\x01\x01\nA: b\n\nc\n\x01\x01\x01\x01\n",
    "a patch": b"From " + b"ab" * 20 + b" Mon Sep 17 00:00:00 2001\nA: b\n\nc\n\n",
    "no end": BOX.rstrip(b"\n"),
    "no empty line": BOX[:-1],
    "large": BOX + (LINE + b"A: b\n\n" + b"text\n" * 500 + b"\n") * 60,
}


@pytest.mark.parametrize("begins", BEGINNINGS)
@pytest.mark.parametrize(
    "options", ["", "?dialect=mboxo", "?dialect=mboxcl2&locks=dovecot", "?locks=flock&helper=none"]
)
def test_both_ways_leave_the_same(begins: str, options: str) -> None:
    mails = [MAIL, b"A: b\n\nno end", b" guarded\n", b"A: b\n\n" + LINE + b"x\n", MAIL.replace(b"\n", b"\r\n")]
    assert both_ways(BEGINNINGS[begins], options, mails, "ann@example.org", "joe@example.org") == [True] * 5


@pytest.mark.parametrize(
    ("there", "options"),
    [(b"", ""), (b"\n\n", ""), (BOX, "?zone=utc"), (BOX, "?expunged=skip&locks=none"), (BOX, "?layout=file")],
)
def test_what_is_less_ordinary_goes_the_long_way(there: bytes, options: str) -> None:
    assert both_ways(there, options, [MAIL], "", None)[0] is False


@pytest.mark.parametrize("shared", [False, True])
def test_a_quota_is_left_to_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: bool) -> None:
    """Wherever its rules lie: beside the file, or in the state directory where that one is a shared spool."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "spool").mkdir()
    box = tmp_path / "spool" / "box"
    box.write_bytes(BOX)
    if shared:
        box.parent.chmod(0o1777)
    with open_store(f"mbox:{box}") as store:
        store.quota.set_rules(QuotaRules(storage=100))
    assert [name for name in os.listdir(box.parent) if "quota" in name] == ([] if shared else [".mailstore-quota.box"])
    with straight_only() as taken:
        with pytest.raises(QuotaExceeded):
            deliver(MAIL, f"mbox:{box}")
        with open_store(f"mbox:{box}") as store:
            store.quota.set_rules(None)
        deliver(MAIL, f"mbox:{box}")
    assert taken == [False, True]


_PIECES = [
    *(
        b"From ",
        b">From ",
        b">>From joe",
        LINE,
        b"\n",
        b"\r\n",
        b"\n\n",
        b" ",
        b"Subject: x",
        b"status: RO",
        b"X-UID: 7",
    ),
    *(b"X-Mailstore-Kept-Status: R", b"Content-Length: 3\n", b"\x01\x01\x01\x01\n", b"\xff\x00", b"body", b":"),
]
_SENDERS = ["", "joe@example.org", "two words", "ann<x>", "\udcff@x", "ä@x", "a" * 2000, "0" * 40, "-", "MAILER_DAEMON"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(sorted(BEGINNINGS)),
    st.lists(st.sampled_from(_PIECES), max_size=4).map(b"".join),
    st.lists(st.lists(st.sampled_from(_PIECES), max_size=10).map(b"".join), min_size=1, max_size=2),
    st.sampled_from(["", *(f"?dialect={name}" for name in ("mboxo", "mboxrd", "mboxcl", "mboxcl2", "rfc4155"))]),
    st.sampled_from([None, *_SENDERS]),
)
def test_any_message_both_ways(begins: str, tail: bytes, mails: list[bytes], options: str, sender: str | None) -> None:
    both_ways(BEGINNINGS[begins] + tail, options, [b"A: b\n" + mail for mail in mails], sender, None)


# --- what others may leave, and where it may stop


def test_what_a_crash_left_is_cleared_away_first(tmp_path: Path) -> None:
    box = tmp_path / "box"
    box.write_bytes(BOX + LINE + b"Status:   \nhalf")
    fd = os.open(box, os.O_RDWR)
    note.Append(str(box), fd, len(BOX), LINE + b"Status:   \nhalf a message\n\n", 200)
    os.close(fd)
    with straight_only() as taken:
        deliver(b"A: b\n\nc\n", f"mbox:{box}")
        deliver(b"A: d\n\ne\n", f"mbox:{box}")
    assert taken == [False, True]
    with open_store(f"mbox:{box}", readonly=True) as store:
        assert [one.bytes() for one in store.inbox] == [b"Subject: there\n\nbefore\n", b"A: b\n\nc\n", b"A: d\n\ne\n"]


def test_both_ways_make_the_same_calls(tmp_path: Path) -> None:
    """The same locks, note and syncs in the same order; the store's index, which no delivery writes to, left out."""
    seen = []
    for name, way in (("a", straight_only()), ("b", the_long_way())):
        (tmp_path / name).mkdir()
        box = tmp_path / name / "box"
        box.write_bytes(BOX)
        with open_store(f"mbox:{box}") as store:
            assert len(store.inbox) == 1
        plan = Plan()
        with way, plan.at_work():
            deliver(MAIL, f"mbox:{box}")
        seen.append(plan.seen)
    locked = ["open", "open", "write", "link", "unlink"]
    noted = ["open", "open", "fsync", "open", "pwrite", "fdatasync"]
    appended = [*locked, *noted, "pwrite", "fsync", "pwrite"]
    assert seen[0] == [*appended, "unlink", "unlink"]
    # a store may be appended to again: its note goes when it is closed, under the locks once more
    assert seen[1] == [*appended, "unlink", *locked, "unlink", "unlink"]


@pytest.mark.parametrize("how", ["kill", "tear", "fail", "full"])
def test_stopped_at_every_call(tmp_path: Path, how: str) -> None:
    """Nothing acknowledged is lost, nothing is read that is not whole, a retry leaves no lock and no note behind."""
    mail = b"Subject: hello\n\nbody\n"
    for at in range(1, 30):
        (tmp_path / str(at)).mkdir()
        box = tmp_path / str(at) / "box"
        box.write_bytes(BOX)

        def work(box: Path = box, at: int = at) -> list[object]:
            plan = Plan(at, how)  # type: ignore[arg-type]
            with plan.at_work():
                try:
                    deliver(mail, f"mbox:{box}")
                except (StorageFailure, StorageFull) as error:
                    return [len(plan.seen) >= at, type(error).__name__]
            return [len(plan.seen) >= at, ""]

        answer = in_child(work)
        with open_store(f"mbox:{box}") as store:
            found = [one.bytes() for one in store.inbox]
        assert found[0] == b"Subject: there\n\nbefore\n"
        assert found[1:] in ([], [mail])
        if answer is not None and answer[1] == "":
            assert found[1:] == [mail]
            if not answer[0]:
                break
        deliver(mail, f"mbox:{box}")
        left = [name for name in os.listdir(box.parent) if not name.startswith(".mailstore-index")]
        leftovers = [name for name in left if name.startswith(".mailstore-") and name.count("-") == 2]
        assert sorted(set(left) - set(leftovers)) == ["box"]  # a dead process' temporary file goes after 36 hours
    else:
        raise AssertionError("it never came through")


# --- SQLite


def rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return all there is in a database, but for what is random."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1")]
    assert "message" in tables
    found = {table: sorted(connection.execute(f"SELECT * FROM {table}"), key=repr) for table in tables}
    found["property"] = [row for row in found["property"] if row[0] != "epoch"]
    assert connection.pragma("integrity_check") == "ok"
    connection.close()
    return found


@pytest.mark.parametrize("options", ["", "?account=joe"])
def test_both_ways_leave_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: str) -> None:
    """A message that is there already has its body shared, an encoded subject is decoded, a sender may be anything."""
    monkeypatch.setattr(clock, "source", lambda: 1_700_000_000_000_000_000)
    monkeypatch.setattr(os, "urandom", lambda count: b"\7" * count)
    mails = [MAIL, MAIL, b"Subject: =?utf-8?q?=C3=A4?=\nFrom: \xff\n\nx", b"a: b", b"A: b\r\n\r\n\0\r\n"]
    left = []
    for name, way in (("a", straight_only()), ("b", the_long_way())):
        path = tmp_path / f"{name}.db"
        with open_store(f"sqlite:{path}{options}", create=True) as store:
            store.inbox.append(b"A: b\n\nc\n")
        with way as taken:
            for mail, sender in zip(mails, ("ann@x", "ann@x", None, "\udcff%", "\n"), strict=True):
                deliver(mail, f"sqlite:{path}{options}", sender=sender, recipient="joe@x")
        assert taken in ([True] * 5, None)
        left.append(rows(path))
    assert left[0] == left[1]
    assert len(left[0]["message"]) == 6
    assert len(left[0]["body"]) == 5


def test_what_sqlite_leaves_to_the_store(tmp_path: Path) -> None:
    """A database or account that is not there, a quota, a large message."""
    location = f"sqlite:{tmp_path}/s.db"
    with straight_only() as taken:
        with pytest.raises(NoSuchStore):
            deliver(MAIL, location)
        deliver(MAIL, location, create=True)
        deliver(MAIL, f"{location}?account=joe", create=True)
        deliver(MAIL, f"{location}?account=joe")
        deliver(b"A: b\n\n" + b"x" * (1 << 20), location)
        with open_store(location) as store:
            store.quota.set_rules(QuotaRules(messages=2))
        with pytest.raises(QuotaExceeded):
            deliver(MAIL, location)
    assert taken == [False, False, False, True, False, False]


@pytest.mark.parametrize("how", ["kill", "fail", "full"])
def test_sqlite_stopped_at_every_call(tmp_path: Path, how: str) -> None:
    """Every file call of SQLite's; whatever was acknowledged is there, and nothing else but a whole message."""
    mail = b"Subject: hello\n\nbody\n"
    for at in range(1, 200, 3):
        path = tmp_path / f"{at}.db"
        with open_store(f"sqlite:{path}", create=True):
            pass

        def work(path: Path = path, at: int = at) -> list[object]:
            plan = Plan(at, how)  # type: ignore[arg-type]
            with plan.at_work(), straight_only() as taken:
                try:
                    deliver(mail, f"sqlite:{path}")
                except MailstoreError as error:
                    return [len(plan.seen) >= at, type(error).__name__]
            return [len(plan.seen) >= at, "" if taken == [True] else "not straight"]

        answer = in_child(work)
        with open_store(f"sqlite:{path}") as store:
            found = [one.bytes() for one in store.inbox]
        assert found in ([], [mail])
        if answer is not None and answer[1] == "":
            assert found == [mail]
            if not answer[0]:
                assert at > 1
                return
        assert answer is None or answer[1] in ("", "StorageFailure", "StorageFull", "StoreBusy", "CorruptStore")
    raise AssertionError("it never came through")
