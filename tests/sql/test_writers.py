"""Many processes that write to one database at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mailstore import open_store
from mailstore.model.info import BODY, body_chunks

WRITERS, EACH = 8, 20
# Writes on until all have written EACH: who is passed over by the others for longer than the time out fails.
WRITE = """
import os, sys
from mailstore import open_store

location, directory, name, writers, each = *sys.argv[1:4], *map(int, sys.argv[4:])
with open_store(location, lock_timeout=30) as store, open(os.path.join(directory, name), "ab", buffering=0) as count:
    written = 0
    while True:
        store.inbox.append(b"Subject: %s %d\\n\\nbody\\n" % (name.encode(), written))
        written += 1
        count.write(b".")
        done = [os.path.getsize(entry) for entry in os.scandir(directory)]
        if len(done) == writers and min(done) >= each:
            break
"""


def test_all_of_eight_writers_get_their_turn(tmp_path: Path) -> None:
    location, counts = f"sqlite:{tmp_path / 'mail.db'}", tmp_path / "counts"
    counts.mkdir()
    open_store(location, create=True).close()
    names = [f"writer{number}" for number in range(WRITERS)]
    children = [
        subprocess.Popen([sys.executable, "-c", WRITE, location, counts, name, str(WRITERS), str(EACH)])
        for name in names
    ]
    assert [child.wait() for child in children] == [0] * WRITERS
    written = {name: (counts / name).stat().st_size for name in names}
    assert min(written.values()) >= EACH
    with open_store(location, readonly=True) as store:
        rows = list(store.inbox.rows(BODY))
        texts = [b"".join(body_chunks(row.body)) for row in rows if row.body is not None]
    assert sorted(texts) == sorted(
        b"Subject: %s %d\n\nbody\n" % (name.encode(), number) for name in names for number in range(written[name])
    )
    assert [row.uid for row in rows] == list(range(1, len(texts) + 1))
    for name in names:  # each one's own in its order
        mine = [text for text in texts if text.startswith(b"Subject: %s " % name.encode())]
        assert mine == [b"Subject: %s %d\n\nbody\n" % (name.encode(), number) for number in range(written[name])]
