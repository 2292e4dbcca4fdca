"""MMDF files that are changed: every message stays between its marks."""

from pathlib import Path

from mailstore import open_store
from mailstore.model.info import BODY, body_chunks

MARK = b"\x01\x01\x01\x01"
MESSAGES = [b"Subject: %d\n\nbody\n" % number for number in range(5)]


def texts(path: Path, options: str = "") -> list[bytes]:
    with open_store(f"mbox:{path}{options}", readonly=True) as store:
        return [b"".join(body_chunks(row.body)) for row in store.inbox.rows(BODY) if row.body is not None]


def test_records_that_a_rewrite_copies(tmp_path: Path) -> None:
    path = tmp_path / "box"
    with open_store(f"mbox:{path}?dialect=mmdf", create=True) as store:
        for message in MESSAGES:
            store.inbox.append(message)
        store.inbox.expunge([2], only_deleted=False)
    assert texts(path) == [MESSAGES[0], *MESSAGES[2:]]
    assert path.read_bytes().count(MARK + b"\n") == 8


def test_hidden_records_stay_apart(tmp_path: Path) -> None:
    path = tmp_path / "box"
    hidden = b"X-Mozilla-Status: 0008\nSubject: hidden\n\nbody\n"
    records = [MESSAGES[0], hidden, MESSAGES[1], MESSAGES[2], hidden]
    path.write_bytes(b"".join(MARK + b"\n" + record + MARK + b"\n" for record in records))
    with open_store(f"mbox:{path}") as store:
        store.inbox.expunge([2], only_deleted=False)
    assert texts(path) == [MESSAGES[0], MESSAGES[2]]
    assert len(texts(path, "?expunged=include")) == 4


def test_a_file_without_its_last_line_end(tmp_path: Path) -> None:
    path = tmp_path / "box"
    path.write_bytes(MARK + b"\n" + MESSAGES[0] + MARK)
    with open_store(f"mbox:{path}") as store:
        store.inbox.append(MESSAGES[1])
    assert texts(path) == MESSAGES[:2]


def test_a_file_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "box"
    path.write_bytes(MARK + b"\n" + MESSAGES[0] + MARK + b"\n" + MARK + b"\n" + MESSAGES[1][:-3])
    with open_store(f"mbox:{path}") as store:
        store.inbox.append(MESSAGES[2])
    assert texts(path) == [MESSAGES[0], MESSAGES[1][:-3] + b"\n", MESSAGES[2]]
