"""Giving messages their rows, within the transaction of a commit: a body where the account has none of it, a message.

Loading this loads next to nothing: a delivery starts a process for each mail.
"""

from __future__ import annotations

from mailstore.drivers.sql import statements as sql
from mailstore.drivers.sql.dialect import SQLITE
from mailstore.drivers.sql.rows import AccountRow, FolderRow
from mailstore.drivers.sql.text import encode_keywords, encode_text, headline
from mailstore.model.flags import RECENT, SYSTEM_FLAGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import apsw

    from mailstore.model.info import Meta

_FLAGS_KEPT = SYSTEM_FLAGS | RECENT


class StagedMessage:
    """See mailstore.model.changes.Staged; picklable. It waits in ``content`` or in the body of row ``stage``."""

    __slots__ = ("content", "crlf_size", "digest", "key", "meta", "sent_by", "size", "stage", "subject")

    def __init__(
        self,
        meta: Meta,
        key: bytes | None,
        digest: bytes,
        size: int,
        crlf_size: int,
        sent_by: str,
        subject: str,
        content: bytes | None = None,
        stage: str = "",
    ) -> None:
        self.meta = meta
        self.key = key
        self.digest = digest
        self.size = size
        self.crlf_size = crlf_size
        self.sent_by = sent_by
        self.subject = subject
        self.content = content
        self.stage = stage


def measured(content: bytes, digest: bytes, meta: Meta, key: bytes | None) -> StagedMessage:
    """Return a small message that waits in memory; ``digest`` is its SHA-256."""
    sent_by, subject = headline(content)
    return StagedMessage(meta, key, digest, len(content), len(content) + count_bare(content), sent_by, subject, content)


def count_bare(content: bytes) -> int:
    """Return how many LF have no CR before them."""
    return content.count(b"\n") - (content.count(b"\r\n") if b"\r" in content else 0)


def new_bodies(connection: apsw.Connection, account: int, count: int) -> int:
    """Take ``count`` fresh body ids, within a transaction; returns the first."""
    row = AccountRow.load(connection, account)
    row.last_body += count
    row.save(connection)
    return row.last_body - count + 1


def find_stages(connection: apsw.Connection, account: int, names: Sequence[str]) -> dict[str, int]:
    """Return the body that waits under each of the names; a name that is gone is missing."""
    found: dict[str, int] = {}
    for part, width in sql.in_lists(names):
        found.update(connection.execute(SQLITE.render(sql.FIND_STAGES, width), (account, *part)))
    return found


def place(connection: apsw.Connection, account: int, staged: Sequence[StagedMessage]) -> list[int]:
    """Give each staged message its body row, storing only contents that the account does not have; within a commit.

    Raises:
        NoSuchMessage: one that waits in the database was dropped meanwhile.
    """
    have = _known(connection, account, {one.digest for one in staged})
    waiting = find_stages(connection, account, [one.stage for one in staged if one.stage])
    fresh: dict[bytes, StagedMessage] = {}
    for one in staged:
        if one.stage and one.stage not in waiting:
            from mailstore.errors import NoSuchMessage

            raise NoSuchMessage("a staged message is gone: it was committed or discarded before, or waited 36 hours")
        if one.digest in have:
            continue
        if one.stage:
            have[one.digest] = body = waiting[one.stage]
            facts = (one.digest, one.size, one.crlf_size, one.sent_by, one.subject, account, body)
            connection.execute(SQLITE.render(sql.FINISH_BODY), facts)
            fresh.pop(one.digest, None)
        else:
            fresh[one.digest] = one
    if fresh:
        have.update(_insert(connection, account, list(fresh.values())))
    return [have[one.digest] for one in staged]


def _known(connection: apsw.Connection, account: int, digests: Iterable[bytes]) -> dict[bytes, int]:
    have: dict[bytes, int] = {}
    for part, width in sql.in_lists(sorted(digests)):
        have.update(connection.execute(SQLITE.render(sql.FIND_BODIES, width), (account, *part)))
    return have


def _insert(connection: apsw.Connection, account: int, fresh: list[StagedMessage]) -> dict[bytes, int]:
    first = new_bodies(connection, account, len(fresh))
    numbered = list(enumerate(fresh, first))
    connection.executemany(
        SQLITE.render(sql.ADD_BODY),
        [(account, body, one.digest, one.size, one.crlf_size, one.sent_by, one.subject) for body, one in numbered],
    )
    connection.executemany(
        SQLITE.render(sql.ADD_CHUNK), [(account, body, 0, one.content) for body, one in numbered if one.content]
    )
    return {one.digest: body for body, one in numbered}


def message_row(
    folder: FolderRow, uid: int, meta: Meta, staged: StagedMessage, body: int, now: int
) -> tuple[int | str | bytes | None, ...]:
    """Return the row of a message that ``folder`` gets, and count it; ``now``: seconds since 1970 UTC."""
    flags = meta.flags & _FLAGS_KEPT
    folder.count(1, flags, staged.size)
    return (
        folder.account,
        folder.folder,
        uid,
        folder.next_modseq(),
        flags,
        encode_keywords(meta.keywords) if meta.keywords else "",
        now if meta.internal_date is None else meta.internal_date,
        now if meta.saved_date is None else meta.saved_date,
        None if meta.sender is None else encode_text(meta.sender),
        None if meta.uidl is None else encode_text(meta.uidl),
        staged.size,
        body,
        staged.key,
    )
