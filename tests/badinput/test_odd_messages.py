"""Messages that no one should send: huge lines, NULs, endless headers, no header, no body. All keep their bytes."""

from __future__ import annotations

import hashlib
import json
import mailbox
import sys
from pathlib import Path

import pytest
from support.converting import CIRCUIT, location
from support.facts import facts
from support.mstore import mstore

from mailstore import open_store

ODD = {
    "empty": b"",
    "only a line end": b"\n",
    "no header": b"\njust a body\n",
    "no body": b"Subject: nothing follows\n",
    "no body, no line end": b"Subject: cut",
    "no colon anywhere": b"this is not a header\nnor this\n\nbody\n",
    "NULs": b"Subject: \0\n\n\0\0\0\nFrom \0\n\0",
    "every byte": b"Subject: bytes\n\n" + bytes(range(256)) * 3,
    "carriage returns": b"Subject: cr\r\rbody\rFrom x\r",
    "mixed line ends": b"Subject: mix\r\nX: y\n\r\nbody\nFrom here\r\n",
    "100,000 headers": b"".join(b"X-%d: %d\n" % (n, n) for n in range(100_000)) + b"\nbody\n",
    "a header of 2 MB": b"Subject: " + b"x" * 2_000_000 + b"\n\nbody\n",
    "200,000 folds": b"Subject: a\n" + b" b\n" * 200_000 + b"\nbody\n",
    "200,000 separators": b"Subject: s\n\n" + b"From a@b Sun May  7 04:53:57 2006\n" * 200_000,
    "quoted separators": b"Subject: q\n\n" + b"".join(b">" * n + b"From x\n" for n in range(300)),
    "a From_ line first": b"From a@b Sun May  7 04:53:57 2006\nSubject: x\n\nbody\n",
    "forged metadata": b"Status: RO\nX-UID: 77\nX-IMAPbase: 1 2\nX-Status: D\nContent-Length: 9999\nSubject: f\n\nx\n",
    "forged, other case": b"STATUS: RO\nx-uid: 77\nX-Keywords: a b\nX-IMAP: 1 1\nSubject: f\n\nbody\n",
    "MMDF marks": b"Subject: m\n\n\1\1\1\1\n\1\1\1\1\nbody\n",
    "the pseudo message": b"From: Mail System Internal Data <M@x>\nStatus: RO\nX-IMAP: 1234567890 0000000005\n"
    b"Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n\nThis text is part of the internal format\n",
}
FORMS = sorted(set(CIRCUIT))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ODD)
def test_comes_back(form: str, name: str, tmp_path: Path) -> None:
    """Between two ordinary messages, in a store opened again."""
    before, after = b"Subject: before\n\nbefore\n", b"Subject: after\n\nafter\n"
    where = location(form, tmp_path / "store")
    with open_store(where, create=True) as store:
        for body in (before, ODD[name], after):
            store.inbox.append(body, internal_date=1_000_000_000)
        if form == "memory":
            assert [message.bytes() for message in store.inbox] == [before, ODD[name], after]
            return
    with open_store(where, readonly=True) as store:
        assert [message.bytes() for message in store.inbox] == [before, ODD[name], after]
        assert [fact.flags for fact in facts(store.inbox)] == [frozenset()] * 3
        sizes = [row.size for row in store.inbox.rows()]
        assert sizes == [len(before), len(ODD[name]), len(after)]


@pytest.mark.parametrize("form", sorted(set(FORMS) - {"memory"}))
def test_all_of_them_through_the_command_line(form: str, tmp_path: Path) -> None:
    with open_store(f"sqlite:{tmp_path}/odd.db", create=True) as store:
        for body in ODD.values():
            store.inbox.append(body, internal_date=1_000_000_000)
    there = location(form, tmp_path / "there")
    ran = mstore("convert", "--json", f"sqlite:{tmp_path}/odd.db", there)
    assert (ran.code, ran.json["messages"]["copied"], ran.json["problems"]) == (0, len(ODD), [])
    assert mstore("verify", f"sqlite:{tmp_path}/odd.db", there).code == 0
    listed = [json.loads(line) for line in mstore("ls", "--json", "--digest", there).out.splitlines()]
    assert [row["sha256"] for row in listed] == [hashlib.sha256(body).hexdigest() for body in ODD.values()]


def test_a_line_of_500_megabytes(tmp_path: Path) -> None:
    """It goes through every store that has a place, and no process of ours is ever larger than 64 MB."""
    head, size = b"Subject: long\n\n", 500_000_000
    box = tmp_path / "mbox"
    with box.open("wb") as file:
        file.write(b"From a@example.org Sun May  7 04:53:57 2006\n" + head)
        start = file.tell() - len(head)
        file.truncate(start + size - 1)
    with box.open("ab") as file:
        file.write(b"\n\nFrom a@example.org Sun May  7 04:53:58 2006\nSubject: next\n\nnext\n\n")
    launch = (sys.executable, "-IS", str(Path(__file__).parents[2] / "benchmarks" / "launch.py"))
    previous = f"mbox:{box}"
    for there in (f"maildir:{tmp_path}/md", f"sqlite:{tmp_path}/mail.db", f"mbox:{tmp_path}/back"):
        ran = mstore("convert", "--json", previous, there, prefix=launch)
        output, _, figures = ran.out.rstrip("\n").rpartition("\n")
        _, _, peak, code = figures.split()
        assert (int(code), json.loads(output)["messages"]["copied"]) == (0, 2), ran.err
        assert int(peak) < 64 << 20
        with open_store(there, readonly=True) as store:
            assert [row.size for row in store.inbox.rows()] == [size, 20]
        previous = there


def test_python_finds_no_message_in_another(tmp_path: Path) -> None:
    """However a message is made up, a plain reader of our mbox sees as many messages as there are."""
    with open_store(f"mbox:{tmp_path}/mbox", create=True) as store:
        for body in ODD.values():
            store.inbox.append(body)
    theirs = mailbox.mbox(tmp_path / "mbox", create=False)
    assert len(theirs) == len(ODD)
    theirs.close()
