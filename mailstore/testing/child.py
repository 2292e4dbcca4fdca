"""What the suite lets a second process do with a store; prints one JSON value.

Started by path (``python -P child.py describe LOCATION``), not as a module: a child has no need of pytest.

    describe LOCATION                      everything that can be seen
    append LOCATION FOLDER COUNT NAME      append COUNT small messages; prints their UIDs
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

from mailstore import Store, open_store
from mailstore.model.flags import RECENT, flag_names
from mailstore.model.info import BODY, CRLF_SIZE, DIGEST, META, SIZE, Row, body_chunks


def numbered(name: str, number: int) -> bytes:
    """Return the small message that ``append`` makes."""
    return f"Subject: {name} {number}\n\nbody {name} {number}\n".encode()


def append(store: Store, folder: str, count: int, name: str) -> list[int]:
    """Append ``count`` messages one by one, each durable before the next; return their UIDs."""
    inbox = store.folder(folder)
    return [inbox.append(numbered(name, number)).uid for number in range(count)]


def describe_row(row: Row, saved_dates: bool) -> dict[str, Any]:
    r"""Return a row as JSON takes it. ``\Recent`` is left out: it belongs to sessions."""
    return {
        "uid": row.uid,
        "flags": list(flag_names(row.flags & ~RECENT)),
        "keywords": sorted(row.keywords),
        "internal_date": row.internal_date,
        "saved_date": row.saved_date if saved_dates else None,
        "sender": row.sender,
        "uidl": row.uidl,
        "size": row.size,
        "crlf_size": row.crlf_size,
        "digest": row.digest.hex() if row.digest else None,
        "sha256": hashlib.sha256(b"".join(body_chunks(row.body or b""))).hexdigest(),
        "error": None if row.error is None else str(row.error),
    }


def describe(store: Store) -> dict[str, Any]:
    """Return a whole store as JSON takes it: folders, subscriptions, numbering, messages with digests."""
    saved_dates = store.capabilities.saved_date  # else they live in the index, which not everybody reads
    folders = []
    for info in store.folders():
        entry: dict[str, Any] = {
            "path": list(info.path),
            "selectable": info.selectable,
            "subscribed": info.subscribed,
            "special_use": info.special_use,
        }
        if info.selectable:
            folder = store.folder(info.path)
            want = META | SIZE | CRLF_SIZE | DIGEST | BODY
            entry["messages"] = [describe_row(row, saved_dates) for row in folder.rows(want)]
            state = folder.state()
            entry["uidvalidity"], entry["uidnext"] = state.uidvalidity, state.uidnext
        folders.append(entry)
    return {"format": store.capabilities.format, "folders": folders}


def main(arguments: list[str]) -> None:
    """Carry out one command."""
    command, location, *rest = arguments
    if command == "describe":
        with open_store(location) as store:
            answer: Any = describe(store)
    else:
        folder, count, name = rest
        with open_store(location) as store:
            answer = append(store, folder, int(count), name)
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1:])
