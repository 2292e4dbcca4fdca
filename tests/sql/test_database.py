"""Opening: what is no store of ours, what is damaged, who else is at work."""

import gc
import os
import shutil
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from mailstore import (
    CannotCreate,
    CorruptStore,
    LocationError,
    MailstoreError,
    NoSuchStore,
    NotAStore,
    StorageFailure,
    StoreBusy,
    UnreadableMessage,
    Unsupported,
    detect,
    open_store,
)
from mailstore.drivers.sql import FORMAT, database, schema
from mailstore.drivers.sql.opened import is_open
from mailstore.model.info import BODY, DIGEST
from mailstore.testing.observe import tree


def filled(path: Path, bodies: int = 3, size: int = 20_000) -> Path:
    with open_store(f"sqlite:{path}", create=True) as store:
        for number in range(bodies):
            store.inbox.append(b"Subject: %d\n\n" % number + b"%d" % number * size)
    return path


def files(directory: Path) -> dict[str, object]:
    """Return what ``tree`` does, without the directory's own times."""
    return {name: facts for name, facts in tree(directory).items() if name != "."}


def _text(path: Path) -> None:
    path.write_text("this is no database, only text that is longer than a header of a database\n" * 20)


def _foreign(path: Path) -> None:
    apsw.Connection(str(path)).execute("CREATE TABLE t (x)")


def _with_application_id(path: Path) -> None:
    apsw.Connection(str(path)).execute("PRAGMA application_id = 42")


def _newer(path: Path) -> None:
    filled(path)
    apsw.Connection(str(path)).execute(f"PRAGMA user_version = {schema.VERSION + 1}")


def _mkfifo(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_text, "no SQLite database"),
        (_foreign, "of another application"),
        (_with_application_id, "of another application"),
        (_newer, f"has schema {schema.VERSION + 1}; this mailstore knows up to {schema.VERSION}: upgrade mailstore"),
        (Path.touch, "is empty"),
        (Path.mkdir, "not a regular file"),
        (_mkfifo, "not a regular file"),
    ],
)
@pytest.mark.parametrize("readonly", [False, True])
def test_not_a_store(tmp_path: Path, make, reason: str, readonly: bool) -> None:
    path = tmp_path / "x.db"
    make(path)
    before = files(tmp_path)
    with pytest.raises(NotAStore, match=reason) as caught:
        open_store(f"sqlite:{path}", readonly=readonly)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert files(tmp_path) == before


@pytest.mark.parametrize("make", [_text, _foreign, _with_application_id, _newer, Path.mkdir, _mkfifo])
def test_creating_harms_nothing(tmp_path: Path, make) -> None:
    path = tmp_path / "x.db"
    make(path)
    before = files(tmp_path)
    with pytest.raises(NotAStore):
        open_store(f"sqlite:{path}", create=True)
    assert files(tmp_path) == before


def test_an_empty_file_can_become_a_store(tmp_path: Path) -> None:
    (tmp_path / "x.db").touch()
    with open_store(f"sqlite:{tmp_path}/x.db", create=True) as store:
        store.inbox.append(b"x")
    with open_store(f"sqlite:{tmp_path}/x.db") as store:
        assert len(store.inbox) == 1


def test_nothing_there(tmp_path: Path) -> None:
    for path in (tmp_path / "x.db", tmp_path / "no" / "x.db", filled(tmp_path / "file") / "x.db"):
        with pytest.raises(NoSuchStore, match="no such file"):
            open_store(f"sqlite:{path}")
    for path in (tmp_path / "no" / "x.db", tmp_path / "file" / "x.db"):
        with pytest.raises(CannotCreate, match="its directory does not exist"):
            open_store(f"sqlite:{path}", create=True)
    assert sorted(os.listdir(tmp_path)) == ["file"]


def test_locations(tmp_path: Path) -> None:
    with pytest.raises(LocationError, match="sqlite:FILE"):
        open_store("sqlite:///x.db")
    with pytest.raises(LocationError, match="no option 'user'"):
        open_store(f"sqlite:{tmp_path}/x.db?user=joe", create=True)
    with pytest.raises(LocationError, match="UTF-8"):
        open_store(f"sqlite:{tmp_path}/\udcff.db", create=True)


def test_detect(tmp_path: Path) -> None:
    path = filled(tmp_path / "x.db")
    evidence = "SQLite 3 database with mailstore's application id"
    assert FORMAT.detect(str(path)) == evidence
    assert [found.format for found in detect(str(path))] == ["sqlite"]
    with open_store(str(path)) as store:
        assert store.evidence == (evidence, f"schema {schema.VERSION}", "account ''")
    _foreign(tmp_path / "foreign.db")
    _text(tmp_path / "text")
    (tmp_path / "short").write_bytes(b"SQLite")
    for other in ("foreign.db", "text", "short", "", "nothing"):
        assert FORMAT.detect(str(tmp_path / other)) is None


def test_detecting_drops_no_lock(tmp_path: Path) -> None:
    """A descriptor closed takes all POSIX locks along: a process that is then the last would remove the -wal."""
    path = filled(tmp_path / "x.db")
    with open_store(str(path)) as store:
        store.inbox.append(b"x")
        assert FORMAT.detect(str(path)) is not None
        with open_store(f"sqlite:{path}", readonly=True):
            pass
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                "import apsw, sys; print(apsw.Connection(sys.argv[1]).execute('PRAGMA wal_checkpoint').get)",
                path,
            ],
            check=False,
        )
        assert done.returncode == 0
        assert (tmp_path / "x.db-wal").exists()
        assert is_open(str(path))
    assert not (tmp_path / "x.db-wal").exists()
    assert not is_open(str(path))


def test_a_store_that_nobody_closed_counts_no_more(tmp_path: Path) -> None:
    """Its locks went with its connection, and another file may get its inode."""
    path = filled(tmp_path / "x.db", 1)
    store = open_store(f"sqlite:{path}")
    assert len(store.inbox) == 1
    assert is_open(str(path))
    del store
    gc.collect()
    assert not is_open(str(path))


def test_a_removed_wal_is_survived(tmp_path: Path) -> None:
    """Another process took itself for the last and removed -wal and -shm under our hands, then writes."""
    path = filled(tmp_path / "x.db", 1)
    append = (
        "import os, sys, apsw; from mailstore import open_store\n"
        "apsw.Connection(sys.argv[1]).execute('PRAGMA wal_checkpoint(TRUNCATE)').get\n"
        "os.unlink(sys.argv[1] + '-wal'); os.unlink(sys.argv[1] + '-shm')\n"
        "with open_store('sqlite:' + sys.argv[1]) as store: store.inbox.append(b'theirs')"
    )
    with open_store(f"sqlite:{path}") as store:
        store.inbox.append(b"ours")
        subprocess.run([sys.executable, "-c", append, path], check=True)
        assert len(store.inbox) == 3
        store.inbox.append(b"ours too")
        assert len(store.inbox) == 4
    with open_store(f"sqlite:{path}", readonly=True) as store:
        assert [message.row.body for message in store.inbox.messages(BODY)][1:] == [b"ours", b"theirs", b"ours too"]


def test_nothing_is_written_into_a_database_that_was_deleted(tmp_path: Path) -> None:
    """The file has no name any more: what is committed there would be lost with the connection."""
    path = filled(tmp_path / "x.db", 1)
    with open_store(f"sqlite:{path}") as store:
        assert len(store.inbox) == 1
        for name in os.listdir(tmp_path):
            os.unlink(tmp_path / name)
        with pytest.raises(StorageFailure, match=r"x\.db is gone"):
            store.inbox.append(b"lost?")
    assert os.listdir(tmp_path) == []


def test_a_database_that_another_took_the_place_of_is_not_mixed_up_with_it(tmp_path: Path) -> None:
    """The accounts' numbers mean others there; who asks for the folders gets those of the new database."""
    path = tmp_path / "x.db"
    with open_store(f"sqlite:{path}?account=ann", create=True) as store:
        store.create("Mine")
        inbox = store.inbox
        inbox.append(b"ann's")
        filled(tmp_path / "new.db", 2)
        with open_store(f"sqlite:{tmp_path}/new.db?account=bob", create=True):
            pass
        with open_store(f"sqlite:{tmp_path}/new.db?account=ann", create=True) as other:
            other.inbox.append(b"of the new one")
        for suffix in ("-wal", "-shm"):
            os.unlink(f"{path}{suffix}")  # as who restores a backup must: SQLite would take them for the new one's
        os.replace(tmp_path / "new.db", path)
        for attempt in (lambda: inbox.append(b"x"), lambda: list(inbox.rows(BODY)), store.quota.usage):
            with pytest.raises(StorageFailure, match="another file"):
                attempt()
        assert [str(info.path) for info in store.folders()] == ["INBOX"]
        store.inbox.append(b"ann's again")
        with pytest.raises(StorageFailure, match="another file"):
            list(inbox.rows(BODY))
    with open_store(f"sqlite:{path}?account=ann", readonly=True) as store:
        assert [message.row.body for message in store.inbox.messages(BODY)] == [b"of the new one", b"ann's again"]
    with open_store(f"sqlite:{path}?account=bob", readonly=True) as store:
        assert len(store.inbox) == 0


@pytest.mark.parametrize("keep", [50, 100, 8192, 20_000])
def test_truncated(tmp_path: Path, keep: int) -> None:
    path = filled(tmp_path / "x.db")
    with path.open("r+b") as file:
        file.truncate(keep)
    with pytest.raises(MailstoreError) as caught, open_store(f"sqlite:{path}", readonly=True) as store:
        list(store.inbox.rows(BODY))
    assert isinstance(caught.value, CorruptStore | NotAStore)
    assert str(path) in str(caught.value)


def test_a_damaged_body_spoils_no_other(tmp_path: Path) -> None:
    path = filled(tmp_path / "x.db", 3, size=200_000)
    size = schema.PAGE_SIZE
    pages = [path.read_bytes()[at : at + size] for at in range(0, path.stat().st_size, size)]
    overflow = next(number for number, page in enumerate(pages) if page[4:] == b"1" * (size - 4))
    with path.open("r+b") as file:
        file.seek(overflow * size)
        file.write(b"\xff" * size)
    with open_store(f"sqlite:{path}", readonly=True) as store:
        rows = list(store.inbox.rows(BODY | DIGEST))
        assert [row.uid for row in rows] == [1, 2, 3]
        assert [row.error is None for row in rows] == [True, False, True]
        assert isinstance(rows[1].error, UnreadableMessage)
        assert (rows[1].body, rows[1].size) == (None, 200_012)
        assert [rows[0].body, rows[2].body] == [b"Subject: %d\n\n" % n + b"%d" % n * 200_000 for n in (0, 2)]
        with pytest.raises(UnreadableMessage, match="message 2 of folder INBOX"):
            store.inbox.open(2)


def test_a_missing_chunk(tmp_path: Path) -> None:
    path = filled(tmp_path / "x.db", 2)
    apsw.Connection(str(path)).execute("DELETE FROM chunk WHERE body = 1")
    with open_store(f"sqlite:{path}") as store:
        first, second = store.inbox.rows(BODY)
        assert isinstance(first.error, UnreadableMessage)
        assert "0 of its 20012 bytes" in str(first.error)
        assert (second.error, second.size) == (None, 20012)


def test_accounts(tmp_path: Path) -> None:
    path = filled(tmp_path / "x.db", 1)
    for readonly in (False, True):
        with pytest.raises(NoSuchStore, match=r"no account 'joe' \(there are: ''\)"):
            open_store(f"sqlite:{path}?account=joe", readonly=readonly)
    with open_store(f"sqlite:{path}?account=joe", create=True) as joe, open_store(f"sqlite:{path}") as nobody:
        assert (len(joe.inbox), len(nobody.inbox)) == (0, 1)
        joe.create("Mine")
        joe.inbox.append(b"joe's")
        assert [str(info.path) for info in nobody.folders()] == ["INBOX"]
        assert (joe.usage(), nobody.usage()) == ((1, 5), (1, 20012))
        assert joe.evidence[2] == "account 'joe'"
        assert joe.folders()[0].id != nobody.folders()[0].id


@pytest.mark.parametrize(
    ("version", "fixed"),
    [
        (3_040_001, False),
        (3_044_005, False),
        (3_044_006, True),
        (3_045_000, False),
        (3_050_006, False),
        (3_050_007, True),
        (3_051_002, False),
        (3_051_003, True),
        (3_054_001, True),
    ],
)
def test_libraries_that_lose_mail(version: int, fixed: bool) -> None:
    if fixed:
        database.check_library(version)
    else:
        with pytest.raises(Unsupported, match="WAL-reset bug"):
            database.check_library(version)


def test_busy(tmp_path: Path) -> None:
    path = filled(tmp_path / "x.db", 1)
    other = apsw.Connection(str(path))
    with open_store(f"sqlite:{path}", lock_timeout=0.05) as store:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy, match="locked by another program") as caught:
            store.inbox.append(b"x")
        assert 0.05 <= caught.value.waited < 60
        assert len(store.inbox) == 1
        other.execute("ROLLBACK")
        store.inbox.append(b"x")
        assert len(store.inbox) == 2


def fork(work) -> int:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return child


def join(child: int) -> None:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_forked_child_has_its_own_connection(tmp_path: Path) -> None:
    path = filled(tmp_path / "x.db", 1)
    with open_store(f"sqlite:{path}") as store, open_store(f"sqlite:{path}", readonly=True) as reader:

        def work() -> None:
            assert len(reader.inbox) == 2
            store.inbox.append(b"child")
            store.close()
            assert len(reader.inbox) == 3
            assert (tmp_path / "x.db-wal").exists()

        store.inbox.append(b"parent")
        assert len(reader.inbox) == 2
        join(fork(work))
        store.inbox.append(b"parent again")
        bodies = [message.row.body for message in reader.inbox.messages(BODY)]
        assert bodies[1:] == [b"parent", b"child", b"parent again"]
    connection = apsw.Connection(str(path))
    assert connection.execute("PRAGMA integrity_check").get == "ok"
    connection.close()


def test_a_child_outlives_its_parents_connection(tmp_path: Path) -> None:
    """The child holds locks of its own: the parent's closing does not take the -wal away from it."""
    path = filled(tmp_path / "x.db", 1)
    store = open_store(f"sqlite:{path}")
    store.inbox.append(b"parent")
    ready, go = os.pipe(), os.pipe()

    def work() -> None:
        store.inbox.append(b"child")
        os.write(ready[1], b"x")
        os.read(go[0], 1)
        assert (tmp_path / "x.db-wal").exists()
        store.inbox.append(b"child again")
        store.close()

    child = fork(work)
    os.close(ready[1])
    assert os.read(ready[0], 1) == b"x"
    store.close()
    os.write(go[1], b"x")
    join(child)
    with open_store(f"sqlite:{path}", readonly=True) as reader:
        bodies = [message.row.body for message in reader.inbox.messages(BODY)]
        assert bodies[1:] == [b"parent", b"child", b"child again"]
    for end in (ready[0], *go):
        os.close(end)


def test_an_idle_child_writes_nothing(tmp_path: Path) -> None:
    """A child that leaves in the ordinary way neither writes the parent's pages nor removes its files."""
    path = filled(tmp_path / "x.db", 1)
    script = (
        "import os, sys; from mailstore import open_store\n"
        "store = open_store(sys.argv[1]); store.inbox.append(b'parent')\n"
        "if os.fork() == 0: sys.exit(0)\n"
        "assert os.waitstatus_to_exitcode(os.wait()[1]) == 0\n"
        "assert os.path.getsize(sys.argv[1][7:] + '-wal') > 0\n"
        "store.inbox.append(b'again'); assert len(store.inbox) == 3; store.close()"
    )
    subprocess.run([sys.executable, "-c", script, f"sqlite:{path}"], check=True)
    with open_store(f"sqlite:{path}", readonly=True) as reader:
        assert len(reader.inbox) == 3


def test_a_new_file_is_private(tmp_path: Path) -> None:
    path = filled(tmp_path / "x.db")
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="no sqlite3 shell here")
def test_the_plain_shell_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with open_store(f"sqlite:{path}", create=True) as store:
        folder = store.create("Lists/Größe")
        folder.append(
            b"From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>\nSubject: one\n two\n\nbody\n",
            flags=["\\Seen", "\\Flagged", "work", "$Junk"],
            internal_date=1_000_000_000,
        )
        store.inbox.append(b"no header", internal_date=-1)
    done = subprocess.run(
        ["sqlite3", path, "SELECT * FROM messages ORDER BY folder"], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        "|INBOX|1|1969-12-31T23:59:59Z|\\Recent||||9",
        "|Lists/Größe|1|2001-09-09T01:46:40Z|\\Seen \\Flagged|$Junk work|Jürgen <j@example.org>|one two|70",
    ]
