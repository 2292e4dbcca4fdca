"""The schema and the statements: what carries over to other databases, and what the tokens promise."""

import re
from pathlib import Path

import apsw
import pytest

from mailstore import FolderPath, SetState, Token, Unsupported, open_store
from mailstore.drivers.sql import schema, statements
from mailstore.drivers.sql.dialect import SQLITE, Dialect
from mailstore.drivers.sql.rows import MAX_UID
from mailstore.model.info import BODY, DIGEST

TABLES = {"account", "body", "chunk", "folder", "message", "property", "stage", "subscription", "tombstone"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with open_store(f"sqlite:{tmp_path}/x.db", create=True) as store:
        store.inbox.append(b"one")
    return tmp_path / "x.db"


def test_every_key_begins_with_the_account(path: Path) -> None:
    connection = apsw.Connection(str(path))
    assert {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")} == TABLES
    for table in TABLES - {"property"}:
        indexes = [name for (name,) in connection.execute("SELECT name FROM pragma_index_list(?)", (table,))]
        columns = [connection.execute("SELECT name FROM pragma_index_info(?)", (name,)).get for name in indexes]
        firsts = {column if isinstance(column, str) else column[0] for column in columns if column}
        key = connection.execute("SELECT name FROM pragma_table_info(?) WHERE pk = 1", (table,)).get
        assert key == "account"
        assert firsts <= {"account"} or table == "account"
    connection.close()


def test_the_file_says_what_it_is(path: Path) -> None:
    connection = apsw.Connection(str(path))
    assert connection.pragma("application_id") == 0x4D535452
    assert connection.pragma("user_version") == schema.VERSION == 2
    assert connection.pragma("page_size") == 8192
    assert connection.pragma("journal_mode") == "wal"
    assert path.read_bytes()[68:72] == b"MSTR"
    connection.close()


def test_a_database_of_the_first_schema_is_brought_up_to_date(path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.execute("DROP INDEX message_deleted; PRAGMA user_version = 1")
    connection.close()
    with open_store(f"sqlite:{path}", readonly=True) as store:
        store.quota.usage()
    with open_store(f"sqlite:{path}") as store:
        assert [message.bytes() for message in store.inbox] == [b"one"]
    connection = apsw.Connection(str(path))
    assert connection.pragma("user_version") == 2
    assert connection.execute("SELECT name FROM sqlite_schema WHERE name = 'message_deleted'").get
    connection.close()


def test_deleted_messages_are_found_by_an_index_of_nothing_else(path: Path) -> None:
    connection = apsw.Connection(str(path))
    plan = list(connection.execute(f"EXPLAIN QUERY PLAN {SQLITE.render(statements.DELETED_OF_FOLDERS)}", (1,)))
    connection.close()
    assert [row[3] for row in plan] == ["SEARCH message USING COVERING INDEX message_deleted (account=?)"]


def _all_statements() -> list[str]:
    texts = [value for name, value in vars(statements).items() if name.isupper() and isinstance(value, str)]
    listings = [statements.listing(want, statements.CHOSEN) for want in (0, BODY, DIGEST, BODY | DIGEST)]
    return [text for text in texts if " " in text and not text.startswith("m.")] + listings


def test_statements_are_plain_sql(path: Path) -> None:
    """Each is understood as it stands, and none uses what only SQLite has."""
    connection = apsw.Connection(str(path))
    for text in _all_statements():
        connection.execute(f"EXPLAIN {SQLITE.render(text)}", [None] * SQLITE.render(text).count("?"))
        assert not re.search(
            r"\b(OR REPLACE|OR IGNORE|ON CONFLICT|RETURNING|rowid|PRAGMA|iif|ifnull)\b|[`\"]", text, re.IGNORECASE
        )
    connection.close()


def test_rendering() -> None:
    other = Dialect(
        placeholder="%s",
        integer="BIGINT",
        text="TEXT",
        name="VARCHAR(700)",
        blob="MEDIUMBLOB",
        digest="VARBINARY(32)",
        clustered="",
        heap=" ENGINE=InnoDB",
        lock=" FOR UPDATE",
    )
    assert other.render("SELECT a FROM t WHERE b IN ([many])[lock]", 3) == (
        "SELECT a FROM t WHERE b IN (%s, %s, %s) FOR UPDATE"
    )
    assert other.render("x [integer], y [name], z [blob][clustered][heap]") == (
        "x BIGINT, y VARCHAR(700), z MEDIUMBLOB ENGINE=InnoDB"
    )
    for step in schema.MIGRATIONS:
        for statement in step:
            assert "[" not in other.render(statement)


def test_another_epoch_means_everything(path: Path) -> None:
    with open_store(f"sqlite:{path}") as store:
        token = store.inbox.changes().token
        assert not store.inbox.changes(token).full
        assert store.inbox.changes(token._replace(epoch="another")).full
        assert store.inbox.changes(token._replace(uidvalidity=token.uidvalidity - 1)).full
        assert store.inbox.changes(token._replace(modseq=token.modseq + 1)).full
        assert store.changes("another.1").full
        assert not store.changes(store.changes().token).full
    with open_store(f"sqlite:{path}") as store:
        assert not store.inbox.changes(token).full
        assert store.inbox.changes(Token(token.epoch, token.uidvalidity, 0)).full is False


def test_uidvalidity_grows_for_a_folder_made_again(path: Path) -> None:
    with open_store(f"sqlite:{path}") as store:
        seen = []
        for _ in range(3):
            seen.append(store.create("A").state().uidvalidity)
            store.delete("A")
        assert seen == sorted(set(seen))
        store.create("B")
        store.commit([SetState(FolderPath(["B"]), MAX_UID - 1, 5)])
        assert store.folder("B").state()[:2] == (MAX_UID - 1, 5)
        assert store.create("C").state().uidvalidity == MAX_UID
        assert 0 < store.create("D").state().uidvalidity < MAX_UID


@pytest.mark.parametrize("uidvalidity", [0, -1, MAX_UID + 1])
def test_a_uidvalidity_that_none_can_have(path: Path, uidvalidity: int) -> None:
    with open_store(f"sqlite:{path}") as store:
        fresh = store.create("A")
        before = fresh.state()
        assert store.commit([SetState(fresh.path, uidvalidity, 7)])[0].status == "unchanged"
        assert fresh.state() == before


def test_hints_stay_within_32_bits(path: Path) -> None:
    with open_store(f"sqlite:{path}") as store:
        assert store.inbox.append(b"x", uid=1 << 32).uid == 2
        assert store.inbox.append(b"x", uid=(1 << 32) - 2).uid == (1 << 32) - 2
        assert store.inbox.append(b"x").uid == MAX_UID
        with pytest.raises(Unsupported, match="INBOX has given its last UID"):
            store.inbox.append(b"x")
        assert len(store.inbox) == 4
