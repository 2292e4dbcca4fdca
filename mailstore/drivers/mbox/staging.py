"""Messages on their way in: small ones in memory, large ones in an unlinked temporary file that dies with the process.

Nothing of ours lies beside the mailbox before the commit, so nothing is left over after a crash.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mailstore.model.changes import Append, Change
from mailstore.model.info import Arrival, Body, Meta, body_chunks, body_size
from mailstore.system import fs
from mailstore.system.spool import Spool


@dataclass(slots=True)
class StagedMessage:
    """See mailstore.model.changes.Staged."""

    body: Body
    meta: Meta
    key: bytes | None

    @property
    def size(self) -> int:
        """Bytes of the message."""
        return body_size(self.body)

    def discard(self) -> None:
        """Give the temporary file back; may be called twice."""
        if not isinstance(self.body, bytes):
            self.body.close()


def stage(arrival: Arrival, directory: str | None) -> StagedMessage:
    """Take a message in; a large one is copied into a temporary file (in ``directory``, None: the system's)."""
    body = arrival.body
    if isinstance(body, bytes):
        return StagedMessage(body, arrival.meta, arrival.key)
    spool = Spool(directory)
    try:
        with fs.errors(directory or "temporary file"):
            spool.append(body_chunks(body))
    except BaseException:
        spool.close()
        raise
    return StagedMessage(spool, arrival.meta, arrival.key)


def are_plain(changes: Sequence[Change]) -> bool:
    """Tell whether changes are appends that ask nothing of the folder: no key, no UID, no keyword to be listed."""
    for change in changes:
        if not isinstance(change, Append) or change.uid or change.staged.key is not None:
            return False
        if (change.staged.meta if change.meta is None else change.meta).keywords:
            return False
    return True
