"""A delivery that is killed, torn, or fails at any system call: old or new, nothing half visible, a rerun works."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailstore import open_store
from mailstore.errors import MailstoreError
from mailstore.model.changes import Append
from mailstore.model.info import BODY, META, Arrival, Meta, body_chunks
from mailstore.model.names import INBOX
from mailstore.testing.faults import How, Plan, in_child

OLD = b"Subject: old\n\nbody\n"
NEW = [b"Subject: new\n\n" + b"text\n" * 400, b"Subject: newer\n\nno end"]
HEAD = b"From joe@example.org Thu Nov  9 22:33:52 2023\n" + OLD
FILES = {
    "whole": HEAD + b"\n",
    "without its empty line": HEAD,
    "mmdf": b"\x01\x01\x01\x01\n" + HEAD + b"\x01\x01\x01\x01\n",
}


def deliver(path: Path) -> None:
    with open_store(f"mbox:{path}") as store:
        staged = store.stage([Arrival(body, Meta()) for body in NEW])
        store.commit([Append(INBOX, one) for one in staged], need_uids=False)


def texts(path: Path) -> list[bytes]:
    with open_store(f"mbox:{path}") as store:
        return [b"".join(body_chunks(row.body or b"")) for row in store.inbox.rows(META | BODY)]


def attempt(path: Path, at: int, how: How) -> tuple[str, int]:
    """Deliver in a process of its own; returns how it went and how many points it met. 'killed' where it ended."""

    def work() -> tuple[str, int]:
        with Plan(at, how).at_work() as plan:
            try:
                deliver(path)
            except MailstoreError as error:
                return type(error).__name__, len(plan.seen)
            return "done", len(plan.seen)

    answer = in_child(work)
    return ("killed", 0) if answer is None else (answer[0], answer[1])


@pytest.mark.parametrize("how", ["kill", "tear", "fail", "full"])
@pytest.mark.parametrize("name", FILES)
def test_any_system_call(tmp_path: Path, name: str, how: How) -> None:
    box = tmp_path / "count"
    box.write_bytes(FILES[name])
    points = attempt(box, 0, "count")[1]
    assert points > 8
    results = set()
    for at in range(1, points + 1):
        box = tmp_path / f"box{at}"
        box.write_bytes(FILES[name])
        went, _ = attempt(box, at, how)
        found = texts(box)
        results.add((went, len(found)))
        assert found in ([OLD], [OLD, *NEW])
        assert (went != "done") or len(found) == 3
        assert (went in ("done", "killed")) or (len(found) == 1 and box.read_bytes() == FILES[name])
        if len(found) == 1:
            deliver(box)
            assert texts(box) == [OLD, *NEW]
    assert (
        "killed" if how in ("kill", "tear") else {"fail": "StorageFailure", "full": "StorageFull"}[how],
        1,
    ) in results
