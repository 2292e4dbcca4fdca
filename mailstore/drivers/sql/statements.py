"""Every statement of the driver, in plain SQL for any dialect (see mailstore.drivers.sql.dialect)."""

from __future__ import annotations

from mailstore.model.flags import DELETED

TYPE_CHECKING = False  # loading this loads nothing: a delivery starts a process for each mail
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TypeVar

    _T = TypeVar("_T")

WIDTHS = (1, 16, 256)
"""How many values an IN list holds; a shorter one repeats its last value, so that few statements need preparing."""

# -- the store and its accounts

EPOCH = "SELECT value FROM property WHERE name = 'epoch'"
SET_EPOCH = "INSERT INTO property (name, value) VALUES ('epoch', ?)"
PROPERTY = "SELECT value FROM property WHERE name = ?"
SET_PROPERTY = "INSERT INTO property (name, value) VALUES (?, ?)"
DROP_PROPERTY = "DELETE FROM property WHERE name = ?"
FIND_ACCOUNT = "SELECT account FROM account WHERE name = ?"
LIST_ACCOUNTS = "SELECT name FROM account ORDER BY name"
ADD_ACCOUNT = """INSERT INTO account (account, name, revision, last_folder, last_body, last_uidvalidity)
    SELECT coalesce(max(account), 0) + 1, ?, 0, 0, 0, 0 FROM account"""
ACCOUNT = "SELECT revision, last_folder, last_body, last_uidvalidity FROM account WHERE account = ?"
LOCK_ACCOUNT = ACCOUNT + "[lock]"
SAVE_ACCOUNT = """UPDATE account SET revision = ?, last_folder = ?, last_body = ?, last_uidvalidity = ?
    WHERE account = ?"""

# -- folders

_FOLDER = """SELECT folder, path, uidvalidity, uidnext, modseq, messages, unseen, recent, size, special_use FROM folder
    WHERE account = ?"""
LIST_FOLDERS = _FOLDER
FIND_FOLDER = _FOLDER + " AND path = ?"
ADD_FOLDER = """INSERT INTO folder
    (account, folder, path, uidvalidity, uidnext, modseq, messages, unseen, recent, size, special_use)
    VALUES (?, ?, ?, ?, 1, ?, 0, 0, 0, 0, NULL)"""
SAVE_FOLDER = """UPDATE folder SET uidvalidity = ?, uidnext = ?, modseq = ?, messages = ?, unseen = ?, recent = ?,
    size = ? WHERE account = ? AND folder = ?"""
MOVE_FOLDER = "UPDATE folder SET path = ? WHERE account = ? AND folder = ?"
SET_SPECIAL_USE = "UPDATE folder SET special_use = ? WHERE account = ? AND folder = ?"
DROP_FOLDER = "DELETE FROM folder WHERE account = ? AND folder = ?"
USAGE = "SELECT coalesce(sum(messages), 0), coalesce(sum(size), 0) FROM folder WHERE account = ?"
DELETED_OF_FOLDERS = f"""SELECT folder, count(*), coalesce(sum(size), 0) FROM message
    WHERE account = ? AND flags & {DELETED} <> 0 GROUP BY folder"""  # noqa: S608 - as the index message_deleted has it
COUNT_FOLDERS = f"""SELECT folder, count(*), sum(size), sum(CASE WHEN flags & {DELETED} <> 0 THEN 1 ELSE 0 END),
    sum(CASE WHEN flags & {DELETED} <> 0 THEN size ELSE 0 END) FROM message
    WHERE account = ? GROUP BY folder"""  # noqa: S608 - no outside text
SET_SUMS = "UPDATE folder SET messages = ?, size = ? WHERE account = ? AND folder = ?"
SUBSCRIPTIONS = "SELECT path FROM subscription WHERE account = ?"
SUBSCRIBE = "INSERT INTO subscription (account, path) VALUES (?, ?)"
UNSUBSCRIBE = "DELETE FROM subscription WHERE account = ? AND path = ?"

# -- messages

ADD_MESSAGE = """INSERT INTO message (account, folder, uid, modseq, flags, keywords, internal_date, saved_date, sender,
    uidl, size, body, delivery) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
SET_FLAGS = "UPDATE message SET flags = ?, keywords = ?, modseq = ? WHERE account = ? AND folder = ? AND uid = ?"
MOVE_MESSAGE = """UPDATE message SET folder = ?, uid = ?, modseq = ?, flags = ?, saved_date = ?
    WHERE account = ? AND folder = ? AND uid = ?"""
DROP_MESSAGE = "DELETE FROM message WHERE account = ? AND folder = ? AND uid = ?"
DROP_MESSAGES = "DELETE FROM message WHERE account = ? AND folder = ?"
BODIES_OF_FOLDER = "SELECT DISTINCT body FROM message WHERE account = ? AND folder = ?"
FOR_COPY = """SELECT m.flags, m.keywords, m.internal_date, m.sender, m.uidl, m.body, b.digest, b.size, b.crlf_size,
    b.sent_by, b.subject FROM message AS m JOIN body AS b ON b.account = m.account AND b.body = m.body
    WHERE m.account = ? AND m.folder = ? AND m.uid = ?"""
CHANGED_UIDS = "SELECT uid FROM message WHERE account = ? AND folder = ? AND modseq > ?"
DELIVERED = """SELECT m.delivery, f.path, f.uidvalidity, m.uid FROM message AS m
    JOIN folder AS f ON f.account = m.account AND f.folder = m.folder
    WHERE m.account = ? AND m.delivery IN ([many])"""
ADD_TOMBSTONE = "INSERT INTO tombstone (account, folder, uid, modseq) VALUES (?, ?, ?, ?)"
VANISHED = "SELECT uid FROM tombstone WHERE account = ? AND folder = ? AND modseq > ?"

# -- bodies

FIND_BODIES = "SELECT digest, body FROM body WHERE account = ? AND digest IN ([many])"
STORED = """SELECT coalesce(sum(size), 0) FROM body AS b WHERE b.account = ?
    AND EXISTS (SELECT 1 FROM message AS m WHERE m.account = b.account AND m.body = b.body)"""
STORED_BY_ALL = "SELECT coalesce(sum(size), 0) FROM body"
ADD_BODY = """INSERT INTO body (account, body, digest, size, crlf_size, sent_by, subject)
    VALUES (?, ?, ?, ?, ?, ?, ?)"""
FINISH_BODY = """UPDATE body SET digest = ?, size = ?, crlf_size = ?, sent_by = ?, subject = ?
    WHERE account = ? AND body = ?"""
DROP_UNUSED_BODY = """DELETE FROM body WHERE account = ? AND body = ?
    AND NOT EXISTS (SELECT 1 FROM message AS m WHERE m.account = body.account AND m.body = body.body)
    AND NOT EXISTS (SELECT 1 FROM stage AS s WHERE s.account = body.account AND s.body = body.body)"""
ADD_CHUNK = "INSERT INTO chunk (account, body, n, data) VALUES (?, ?, ?, ?)"
CHUNK_DATA = "SELECT data FROM chunk WHERE account = ? AND body = ? AND n = ?"
ADD_STAGE = "INSERT INTO stage (account, stage, body, since) VALUES (?, ?, ?, ?)"
FIND_STAGES = "SELECT stage, body FROM stage WHERE account = ? AND stage IN ([many])"
STALE_STAGES = "SELECT stage, body FROM stage WHERE account = ? AND since < ?"
DROP_STAGE = "DELETE FROM stage WHERE account = ? AND stage = ?"

# -- listings

PAGE = "m.uid > ? AND m.uid < ?"
CHOSEN = "m.uid IN ([many])"


def listing(want: int, condition: str) -> str:
    """Return the SELECT that lists messages with the fields of ``want`` by ascending UID.

    Parameters: account, folder, those of ``condition`` (PAGE or CHOSEN), and how many rows at most. Columns: uid,
    modseq, flags, keywords, internal_date, saved_date, sender, uidl, size, body, crlf_size, digest, first chunk; the
    last three are NULL where not wanted, the chunk also where the body is large and only the body is wanted.
    """
    from mailstore.model.info import BODY, CHUNK, CRLF_SIZE, DIGEST, HEADER  # late: a delivery lists nothing

    about, data = want & (CRLF_SIZE | DIGEST), want & (BODY | HEADER)
    columns = f"{'b.crlf_size, b.digest' if about else 'NULL, NULL'}, {'c.data' if data else 'NULL'}"
    joins = ""
    if about:
        joins += " LEFT JOIN body AS b ON b.account = m.account AND b.body = m.body"
    if data:
        joins += " LEFT JOIN chunk AS c ON c.account = m.account AND c.body = m.body AND c.n = 0"
        joins += "" if want & HEADER else f" AND m.size <= {CHUNK}"
    return f"""SELECT m.uid, m.modseq, m.flags, m.keywords, m.internal_date, m.saved_date, m.sender, m.uidl, m.size,
        m.body, {columns} FROM message AS m{joins}
        WHERE m.account = ? AND m.folder = ? AND {condition} ORDER BY m.uid LIMIT ?"""  # noqa: S608 - no outside text


def in_lists(values: Sequence[_T]) -> Iterator[tuple[list[_T], int]]:
    """Cut ``values`` for IN lists: each part is filled up to a width of WIDTHS with its last value."""
    at = 0
    while at < len(values):
        left = len(values) - at
        width = next((width for width in WIDTHS if width >= left), WIDTHS[-1])
        part = list(values[at : at + width])
        yield part + part[-1:] * (width - len(part)), width
        at += width
