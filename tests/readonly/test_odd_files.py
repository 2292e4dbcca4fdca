"""What lies among the messages of a format that is only read: FIFOs, links, what may not be read, what changes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.foreign import Apple, Eml, Mh, emlx
from support.privilege import unprivileged

from mailstore import (
    BODY,
    INBOX,
    META,
    FolderPath,
    MessageChanged,
    NoSuchFolder,
    NoSuchMessage,
    UnreadableMessage,
    open_store,
)

BODY_OF = b"Subject: x\n\nbody\n"
NAMES = {Mh: "{}", Eml: "{}.eml", Apple: "{}.emlx"}
EACH = pytest.mark.parametrize("kind", [Mh, Eml, Apple])
MSTORE = Path(__file__).parents[2] / "cli" / "mstore"


def made(kind: type, tmp_path: Path) -> tuple[Any, Path]:
    written = kind(tmp_path / "store")
    written.make()
    return written, written.append(INBOX, BODY_OF)


@EACH
def test_what_is_no_file(kind: type, tmp_path: Path) -> None:
    """A FIFO blocks nobody; nothing is read through a link; each is told, and the rest goes on."""
    _, file = made(kind, tmp_path)
    name = NAMES[kind].format
    os.mkfifo(file.with_name(name(2001)))
    (tmp_path / "secret").write_bytes(b"Subject: secret\n\n")
    file.with_name(name(2002)).symlink_to(tmp_path / "secret")
    if kind is not Mh:  # there it is a folder
        file.with_name(name(2003)).mkdir()
    with open_store(kind.location.format(root=tmp_path / "store")) as store:
        rows = list(store.inbox.rows(META | BODY))
        errors = [str(row.error) for row in rows if isinstance(row.error, UnreadableMessage)]
        assert [row.body for row in rows if row.error is None] == [BODY_OF]
        assert [row.uid for row in rows if row.error is not None] == [0] * len(errors)
        assert any("a FIFO" in error for error in errors)
        assert any("a symbolic link, which is not followed" in error for error in errors)
        assert any("a directory" in error for error in errors) is (kind is not Mh)
        assert len(store.inbox) == 1


@EACH
def test_a_file_that_was_written_to(kind: type, tmp_path: Path) -> None:
    """Its reader gets the bytes that were listed, or MessageChanged; the next listing has another message."""
    _, file = made(kind, tmp_path)
    large = b"Subject: large\n\n" + b"x" * (3 << 20)
    file.write_bytes(large if kind is not Apple else emlx(large))
    with open_store(kind.location.format(root=tmp_path / "store")) as store:
        delta = store.inbox.changes(None, BODY)
        (row,) = (row for batch in delta.batches for row in batch)
        assert row.body is not None
        assert not isinstance(row.body, bytes)
        assert row.body.read_at(0, 16) == large[:16]
        held = store.inbox.open(row.uid)
        with file.open("r+b") as other:
            other.seek(100)
            other.write(b"changed")
        os.utime(file, (1, 1))
        for blob in (row.body, held):
            with pytest.raises(MessageChanged):
                blob.read_at(0, 1000)
            blob.close()
        with pytest.raises((MessageChanged, NoSuchMessage)):
            store.inbox.open(row.uid)
        later = store.inbox.changes(delta.token, META)
        assert later.vanished == (row.uid,)
        assert [one.uid > row.uid for batch in later.batches for one in batch] == [True]


@EACH
def test_a_file_that_was_replaced(kind: type, tmp_path: Path) -> None:
    """By another of the same size and time: it is another file."""
    _, file = made(kind, tmp_path)
    other = b"Subject: y\n\nbody\n"
    with open_store(kind.location.format(root=tmp_path / "store")) as store:
        token = store.inbox.changes().token
        status = file.stat()
        file.with_name("fresh").write_bytes(other if kind is not Apple else emlx(other))
        os.utime(file.with_name("fresh"), ns=(status.st_atime_ns, status.st_mtime_ns))
        file.with_name("fresh").rename(file)
        delta = store.inbox.changes(token, BODY)
        assert [row.body for batch in delta.batches for row in batch] == [other]
        assert len(delta.vanished) == 1


def convert_unprivileged(kind: type, root: Path) -> dict[str, Any]:
    """Convert the store by the command line, with file permissions that count; return its report."""
    location = kind.location.format(root=root)
    target = f"maildir:{root.parent}/out"
    command = [*unprivileged(), sys.executable, str(MSTORE), "convert", "--json", location, target]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode != 0
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@EACH
def test_a_message_that_may_not_be_read(kind: type, tmp_path: Path) -> None:
    """Is a problem with its reason, and the rest is carried."""
    written, file = made(kind, tmp_path)
    written.append(INBOX, b"Subject: other\n\n")
    file.chmod(0)
    report = convert_unprivileged(kind, tmp_path / "store")
    assert [report["messages"][name] for name in ("found", "copied", "failed")] == [2, 1, 1]
    assert [problem["reason"] for problem in report["problems"]] == [f"{file}: Permission denied"]


@EACH
def test_a_directory_that_may_not_be_read(kind: type, tmp_path: Path) -> None:
    """Is a folder that says why, and the rest is carried."""
    written, _ = made(kind, tmp_path)
    written.append(FolderPath(("closed",)), BODY_OF)
    closed = next(path for path in (tmp_path / "store").iterdir() if path.name.startswith("closed"))
    closed.chmod(0)
    try:
        report = convert_unprivileged(kind, tmp_path / "store")
    finally:
        closed.chmod(0o700)
    assert report["messages"]["copied"] == 1
    assert [(one["folder"], one["reason"]) for one in report["problems"]] == [
        ("closed", f"{closed}: Permission denied")
    ]


@EACH
def test_a_message_that_goes_while_it_is_listed(kind: type, tmp_path: Path) -> None:
    """It is left out of the listing, and the rest goes on."""
    written, file = made(kind, tmp_path)
    written.append(INBOX, b"Subject: other\n\n")
    with open_store(kind.location.format(root=tmp_path / "store")) as store:
        delta = store.inbox.changes(None, BODY)
        file.unlink()
        assert [row.body for batch in delta.batches for row in batch] == [b"Subject: other\n\n"]


@EACH
def test_a_folder_that_goes(kind: type, tmp_path: Path) -> None:
    written, _ = made(kind, tmp_path)
    written.append(FolderPath(("gone",)), BODY_OF)
    with open_store(kind.location.format(root=tmp_path / "store")) as store:
        folder = store.folder("gone")
        assert len(folder) == 1
        for path in list((tmp_path / "store").iterdir()):
            if path.name.startswith("gone"):
                shutil.rmtree(path)
        with pytest.raises(NoSuchFolder):
            folder.state()
        with pytest.raises(NoSuchFolder):
            store.folder("gone")


def test_a_tree_that_is_too_deep(tmp_path: Path) -> None:
    deep = tmp_path.joinpath("store", *["d"] * 120)
    deep.mkdir(parents=True)
    (deep / "1.eml").write_bytes(BODY_OF)
    with open_store(f"eml:{tmp_path}/store") as store:
        (one,) = store.omissions()
        assert (one.reason, one.damaged) == ("more than 100 directories deep", True)
