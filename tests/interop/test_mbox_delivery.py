"""Programs that read an mbox count what was delivered to it without reading it."""

from __future__ import annotations

import mailbox
from pathlib import Path

import pytest
from support.mutt import mutt
from support.peers import need, run

from mailstore import open_store
from mailstore.model.changes import Append
from mailstore.model.info import Arrival, Meta
from mailstore.model.names import INBOX

pytestmark = pytest.mark.interop

LINE = b"From joe@example.org Thu Nov  9 22:33:52 2023\n"
BASE = b"X-IMAPbase: 1700000000 0000000001\nX-UID: 1\n"
FIRST = b"Subject: first\n\ntext\n"
NESTED = b"Subject: nested\n\n" + LINE + b"A: b\n\ntext\n"
LAST = b"Subject: last\n\nno end"
FILES = {
    "plain": LINE + FIRST + b"\n",
    "numbered": LINE + BASE + FIRST + b"\n",
    "without its empty line": LINE + FIRST,
    "without its line end": LINE + FIRST[:-1],
    "counted": LINE + b"Content-Length: 5\n" + FIRST + b"\n",
}


@pytest.fixture(params=FILES)
def box(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file that another program wrote, with two deliveries behind its message."""
    path = tmp_path / "box"
    path.write_bytes(FILES[request.param])
    with open_store(f"mbox:{path}") as store:
        staged = store.stage([Arrival(body, Meta()) for body in (NESTED, LAST)])
        store.commit([Append(INBOX, one) for one in staged], need_uids=False)
    return path


def test_python(box: Path) -> None:
    theirs = mailbox.mbox(box, create=False)
    assert [message["Subject"] for message in theirs] == ["first", "nested", "last"]
    theirs.close()


def test_mutt(box: Path, tmp_path: Path) -> None:
    seen = mutt(box, tmp_path / "mutt")["all"]
    subjects = [line for message in seen for line in message.split(b"\n") if line.startswith(b"Subject: ")]
    assert sorted(subjects) == [b"Subject: first", b"Subject: last", b"Subject: nested"]


def test_mailutils(box: Path, tmp_path: Path) -> None:
    need("messages")
    assert run(["messages", "-q", box], home=tmp_path) == b"3\n"
