"""The tables, and how an older database becomes one of today. See docs/formats/sqlite.md.

Every key begins with the account, so that accounts can be spread over servers; SQLite reads the same definitions as
PostgreSQL and MariaDB would, through the dialect.
"""

from __future__ import annotations

APPLICATION_ID = 0x4D535452
"""``MSTR``, at byte 68 of the file: what makes a SQLite database one of ours."""

PAGE_SIZE = 8192
"""Bytes. A quarter faster than SQLite's 4096 when mail of 2 to 30 KB is written."""

_VERSION_1 = (
    """CREATE TABLE property (
        name [name] NOT NULL PRIMARY KEY,
        value [text] NOT NULL
    )[clustered]""",
    """CREATE TABLE account (
        account [integer] NOT NULL PRIMARY KEY,
        name [name] NOT NULL UNIQUE,
        revision [integer] NOT NULL,
        last_folder [integer] NOT NULL,
        last_body [integer] NOT NULL,
        last_uidvalidity [integer] NOT NULL
    )[heap]""",
    """CREATE TABLE folder (
        account [integer] NOT NULL REFERENCES account (account),
        folder [integer] NOT NULL,
        path [name] NOT NULL,
        uidvalidity [integer] NOT NULL,
        uidnext [integer] NOT NULL,
        modseq [integer] NOT NULL,
        messages [integer] NOT NULL,
        unseen [integer] NOT NULL,
        recent [integer] NOT NULL,
        size [integer] NOT NULL,
        special_use [text],
        PRIMARY KEY (account, folder),
        UNIQUE (account, path)
    )[clustered]""",
    """CREATE TABLE subscription (
        account [integer] NOT NULL REFERENCES account (account),
        path [name] NOT NULL,
        PRIMARY KEY (account, path)
    )[clustered]""",
    """CREATE TABLE body (
        account [integer] NOT NULL REFERENCES account (account),
        body [integer] NOT NULL,
        digest [digest],
        size [integer] NOT NULL,
        crlf_size [integer] NOT NULL,
        sent_by [text] NOT NULL,
        subject [text] NOT NULL,
        PRIMARY KEY (account, body),
        UNIQUE (account, digest)
    )[heap]""",
    """CREATE TABLE chunk (
        account [integer] NOT NULL,
        body [integer] NOT NULL,
        n [integer] NOT NULL,
        data [blob] NOT NULL,
        PRIMARY KEY (account, body, n),
        FOREIGN KEY (account, body) REFERENCES body (account, body) ON DELETE CASCADE
    )[heap]""",
    """CREATE TABLE message (
        account [integer] NOT NULL,
        folder [integer] NOT NULL,
        uid [integer] NOT NULL,
        modseq [integer] NOT NULL,
        flags [integer] NOT NULL,
        keywords [text] NOT NULL,
        internal_date [integer] NOT NULL,
        saved_date [integer] NOT NULL,
        sender [text],
        uidl [text],
        size [integer] NOT NULL,
        body [integer] NOT NULL,
        delivery [digest],
        PRIMARY KEY (account, folder, uid),
        UNIQUE (account, delivery),
        FOREIGN KEY (account, folder) REFERENCES folder (account, folder),
        FOREIGN KEY (account, body) REFERENCES body (account, body)
    )[clustered]""",
    "CREATE INDEX message_modseq ON message (account, folder, modseq)",
    "CREATE INDEX message_body ON message (account, body)",
    """CREATE TABLE tombstone (
        account [integer] NOT NULL,
        folder [integer] NOT NULL,
        uid [integer] NOT NULL,
        modseq [integer] NOT NULL,
        PRIMARY KEY (account, folder, uid),
        FOREIGN KEY (account, folder) REFERENCES folder (account, folder) ON DELETE CASCADE
    )[clustered]""",
    "CREATE INDEX tombstone_modseq ON tombstone (account, folder, modseq)",
    """CREATE TABLE stage (
        account [integer] NOT NULL,
        stage [name] NOT NULL,
        body [integer] NOT NULL,
        since [integer] NOT NULL,
        PRIMARY KEY (account, stage),
        FOREIGN KEY (account, body) REFERENCES body (account, body)
    )[clustered]""",
    "CREATE INDEX stage_body ON stage (account, body)",
)

_VIEW = r"""CREATE VIEW messages AS
    SELECT
        a.name AS account,
        f.path AS folder,
        m.uid AS uid,
        strftime('%Y-%m-%dT%H:%M:%SZ', m.internal_date, 'unixepoch') AS date,
        trim(
            iif(m.flags & 1, '\Seen ', '') || iif(m.flags & 2, '\Answered ', '') || iif(m.flags & 4, '\Flagged ', '')
            || iif(m.flags & 8, '\Draft ', '') || iif(m.flags & 16, '\Deleted ', '')
            || iif(m.flags & 32, '\Recent ', '')
        ) AS flags,
        m.keywords AS keywords,
        b.sent_by AS "from",
        b.subject AS subject,
        m.size AS size
    FROM message AS m
    JOIN account AS a ON a.account = m.account
    JOIN folder AS f ON f.account = m.account AND f.folder = m.folder
    JOIN body AS b ON b.account = m.account AND b.body = m.body"""
"""For people with the plain ``sqlite3`` shell; the only SQL here that is SQLite's own."""

_DELETED = "CREATE INDEX message_deleted ON message (account, folder, size, flags) WHERE flags & 16 <> 0"
r"""What is flagged ``\Deleted``, which Courier's way to count leaves out of a quota; the index holds nothing else."""

MIGRATIONS: tuple[tuple[str, ...], ...] = ((*_VERSION_1, _VIEW), (_DELETED,))
"""Step n makes a database of schema n into one of schema n + 1; a new database takes all of them from 0."""

VERSION = len(MIGRATIONS)
"""The schema that this code reads and writes (SQLite's ``user_version``)."""
