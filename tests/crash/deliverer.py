"""Delivers numbered messages, and says which were acknowledged: ``deliverer.py LOCATION SINGLE BATCHED``.

The first SINGLE one commit each, the BATCHED others ten a commit. A line on standard output, one write, is an
acknowledgement. In the end it waits, the store open, for the end of its standard input, and leaves without closing.
"""

from __future__ import annotations

import os
import sys

from crash.kit import message

from mailstore import Arrival, FolderPath, open_store
from mailstore.model.changes import Append

INBOX = FolderPath(("INBOX",))
BATCH = 10


def main(location: str, single: int, batched: int) -> None:
    with open_store(location) as store:
        at = 0
        while at < single + batched:
            count = 1 if at < single else min(BATCH, single + batched - at)
            staged = store.stage([Arrival(message(number)) for number in range(at, at + count)])
            for outcome in store.commit([Append(INBOX, one) for one in staged], need_uids=False):
                assert outcome.status == "done", outcome
            os.write(1, b"".join(b"%07d\n" % number for number in range(at, at + count)))
            at += count
        sys.stdin.read()
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
