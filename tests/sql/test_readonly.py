"""A database opened read-only stays as it is, whatever state it is in, and is read right."""

import os
import signal
import subprocess
import sys
from itertools import count
from pathlib import Path

import apsw
import pytest
from support.privilege import unprivileged

from mailstore import StorageFailure, Store, StoreBusy, open_store
from mailstore.drivers.sql import folder, quiet
from mailstore.model.info import BODY
from mailstore.testing.observe import tree

KILLED_WRITER = """
import os, signal, sys
from mailstore import open_store
store = open_store(sys.argv[1])
store.inbox.append(b"in the wal", flags=["\\\\Seen"])
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed database with one message."""
    directory = tmp_path / "mail"
    directory.mkdir()
    with open_store(f"sqlite:{directory}/a ?#%41.db", create=True) as store:
        store.inbox.append(b"in the file")
    return directory / "a ?#%41.db"


@pytest.fixture
def interrupted(path: Path) -> Path:
    """The same after a writer was killed: its last message is in the -wal alone."""
    done = subprocess.run([sys.executable, "-c", KILLED_WRITER, f"sqlite:{path}"], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.with_name(path.name + "-wal").stat().st_size > 0
    return path


def contents(store: Store) -> list[bytes]:
    bodies = [message.row.body for message in store.inbox.messages(BODY)]
    assert all(isinstance(body, bytes) for body in bodies)
    return bodies


def test_no_file_is_made(path: Path) -> None:
    assert os.listdir(path.parent) == [path.name]
    before = tree(path.parent)
    with open_store(f"sqlite:{path}", readonly=True) as store:
        assert contents(store) == [b"in the file"]
        assert tree(path.parent) == before
    assert tree(path.parent) == before


def test_the_wal_of_a_killed_writer_counts(interrupted: Path) -> None:
    before = tree(interrupted.parent)
    with open_store(f"sqlite:{interrupted}", readonly=True) as store:
        assert contents(store) == [b"in the file", b"in the wal"]
        assert store.inbox.state()[1:6] == (3, store.inbox.state().highest_modseq, 2, 1, 1)
        assert tree(interrupted.parent) == before
    assert tree(interrupted.parent) == before


def test_a_wal_without_its_shared_memory_counts(interrupted: Path) -> None:
    """As in a copy made of the database and its -wal."""
    interrupted.with_name(interrupted.name + "-shm").unlink()
    before = tree(interrupted.parent)
    with open_store(f"sqlite:{interrupted}", readonly=True) as store:
        assert contents(store) == [b"in the file", b"in the wal"]
    assert tree(interrupted.parent) == before


def test_the_wal_beside_what_a_link_leads_to(interrupted: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(interrupted)
    before = tree(tmp_path)
    with open_store(f"sqlite:{link}", readonly=True) as store:
        assert contents(store) == [b"in the file", b"in the wal"]
    assert tree(tmp_path) == before


@pytest.mark.parametrize("state", ["path", "interrupted"])
def test_read_only_directory(state: str, request: pytest.FixtureRequest) -> None:
    path: Path = request.getfixturevalue(state)
    for file in path.parent.iterdir():
        file.chmod(0o444)
    path.parent.chmod(0o555)
    script = (
        "import sys; from mailstore import open_store; "
        "store = open_store(sys.argv[1]); print(len(store.inbox), store.capabilities.writable)"
    )
    command = [*unprivileged(), sys.executable, "-c", script, f"sqlite:{path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    path.parent.chmod(0o755)
    assert (done.stdout, done.stderr) == (f"{1 + (state == 'interrupted')} False\n", "")


def test_what_a_writer_adds_is_seen(path: Path) -> None:
    """The reader opened a file that nobody had open; then one comes, writes, and goes again."""
    with open_store(f"sqlite:{path}", readonly=True) as reader:
        assert contents(reader) == [b"in the file"]
        with open_store(f"sqlite:{path}") as writer:
            writer.inbox.append(b"two")
            assert contents(reader) == [b"in the file", b"two"]
            writer.inbox.append(b"three")
            assert contents(reader) == [b"in the file", b"two", b"three"]
        assert contents(reader) == [b"in the file", b"two", b"three"]


def test_a_writer_in_the_middle_of_a_listing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each batch is whole: the message expunged meanwhile is missing, the others have their own bytes."""
    monkeypatch.setattr(folder, "_BATCH_BYTES", 1)
    with open_store(f"sqlite:{path}") as writer:
        for number in range(4):
            writer.inbox.append(b"%d" % number)
    with open_store(f"sqlite:{path}", readonly=True) as reader:
        rows = iter(reader.inbox.rows(BODY))
        assert [next(rows).body, next(rows).body] == [b"in the file", b"0"]
        with open_store(f"sqlite:{path}") as writer:
            writer.inbox.expunge([3], only_deleted=False)
            writer.inbox.append(b"new")
        assert [row.body for row in rows] == [b"2", b"3"]


def test_a_live_writer_in_another_process(path: Path) -> None:
    script = (
        "import sys; from mailstore import open_store; store = open_store(sys.argv[1]);\n"
        "for line in sys.stdin: store.inbox.append(line.strip().encode()); print('done', flush=True)"
    )
    command = [sys.executable, "-c", script, f"sqlite:{path}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        for line in ("one", "two"):
            writer.stdin.write(line + "\n")
            writer.stdin.flush()
            assert writer.stdout.readline() == "done\n"
            with open_store(f"sqlite:{path}", readonly=True) as reader:
                assert contents(reader)[-1] == line.encode()
        writer.stdin.close()
    with open_store(f"sqlite:{path}", readonly=True) as reader:
        assert contents(reader) == [b"in the file", b"one", b"two"]


def _live(path: Path) -> bool:
    connection, found = quiet.connect(str(path), live=False)
    connection.close()
    return found is None


def test_who_is_live(interrupted: Path) -> None:
    """A lock that another process holds in -shm tells a live writer from a killed one."""
    assert not _live(interrupted)
    script = (
        "import sys; from mailstore import open_store; "
        "store = open_store(sys.argv[1]); print(len(store.inbox), flush=True); input()"
    )
    command = [sys.executable, "-c", script, f"sqlite:{interrupted}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "2\n"
        assert _live(interrupted)
        writer.communicate("\n")
    assert not _live(interrupted)


@pytest.fixture
def half_written(tmp_path: Path) -> Path:
    """A new database whose filling was interrupted: pages in the file that the rollback journal takes back."""
    path = tmp_path / "half.db"
    with open_store(f"sqlite:{path}", create=True) as store:
        store.inbox.append(b"old")
    connection = apsw.Connection(str(path))
    connection.pragma("journal_mode", "delete")
    connection.pragma("cache_size", 5)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE message SET keywords = 'half'")
    connection.execute("CREATE TABLE filler (x)")
    connection.executemany("INSERT INTO filler VALUES (?)", [(bytes(4000),)] * 500)
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("half.db", "half.db-journal"):
        (copy / name).write_bytes((tmp_path / name).read_bytes())
    connection.execute("ROLLBACK")
    connection.close()
    return copy / "half.db"


def test_an_interrupted_filling_is_not_read_half(half_written: Path) -> None:
    before = tree(half_written.parent)
    with pytest.raises(StorageFailure, match="open it once for writing"):
        open_store(f"sqlite:{half_written}", readonly=True)
    assert tree(half_written.parent) == before
    with open_store(f"sqlite:{half_written}") as store:
        assert [message.keywords for message in store.inbox] == [frozenset()]
    with open_store(f"sqlite:{half_written}", readonly=True) as store:
        assert contents(store) == [b"old"]


def test_a_database_that_never_stays_the_same(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = count()
    with open_store(f"sqlite:{path}", readonly=True) as store:
        monkeypatch.setattr(quiet, "stamp", lambda _: ((next(counter),), ()))
        with pytest.raises(StoreBusy, match="changed at every attempt"):
            store.inbox.state()
