"""Messages of the source that a program has written anew with another header.

The problem. Where mutt changes an mbox, each message that it writes ends its header with ``Lines:``, which it had not
before. By their digests all are new, and those that were carried are gone: a rerun doubled the mailbox.

The solution. A message with such a field is the one that was carried if without the field it has the same bytes. The
destination keeps what it has; the journal notes the digest that the source has now.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from mailstore.formats.headers import header_of
from mailstore.model.info import BODY, Body, Row, body_chunks
from mailstore.spi import FolderDriver

_LINES = re.compile(rb"(?:\A|(?<=[\r\n]))Lines: \d+\r?\n(?=\r?\n\Z)")


def may_be_rewritten(row: Row) -> bool:
    """Tell whether a message, listed with its header, has the field where mutt writes it."""
    return row.header is not None and _LINES.search(row.header[-64:]) is not None


def digests_before(source: FolderDriver, uids: list[int]) -> Iterator[tuple[int, bytes]]:
    """Yield UID and SHA-256 of messages without the field that was added."""
    for rows in source.fetch(uids, BODY):
        for row in rows:
            if row.error is None and row.body is not None:
                yield row.uid, _digest_before(row.body)
            if row.body is not None and not isinstance(row.body, bytes):
                row.body.close()


def _digest_before(body: Body) -> bytes:
    header = header_of(body)
    digest = hashlib.sha256(_LINES.sub(b"", header))
    skip = len(header)
    for chunk in (body,) if isinstance(body, bytes) else body_chunks(body):
        digest.update(chunk[skip:])
        skip = max(0, skip - len(chunk))
    return digest.digest()
