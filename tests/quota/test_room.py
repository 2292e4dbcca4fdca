"""The ordinary delivery into a Maildir with a quota: it loads nothing more, and refuses as the store does."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.maildirs import age, make, names, opened, put

from mailstore import MessageTooLarge, QuotaExceeded, UsageError
from mailstore.delivery import deliver
from mailstore.formats.maildirsize import MOST, render_line
from mailstore.formats.quotarules import format_rules
from mailstore.model.changes import Usage
from mailstore.model.quota import STYLES, QuotaRules, QuotaStyle

MESSAGE = b"Subject: x\n\n" + b"x" * 88


def sized(tmp_path: Path, text: bytes) -> Path:
    root = make(tmp_path / "Maildir")
    (root / "maildirsize").write_bytes(text)
    return root


def sums(root: Path) -> bytes:
    return (root / "maildirsize").read_bytes()


def test_a_message_that_fits_is_one_line_more(tmp_path: Path) -> None:
    root = sized(tmp_path, b"200S,2C\n100 1\n")
    put(root / "cur", "1.a.host,S=100:2,S", MESSAGE)
    deliver(MESSAGE, str(root))
    assert sums(root) == b"200S,2C\n100 1\n" + render_line(100, 1)
    assert [name.partition(",S=")[2].partition(",")[0] for name in names(root) if name.startswith("new")] == ["100"]


def test_it_is_refused_before_anything_is_visible(tmp_path: Path) -> None:
    root = sized(tmp_path, b"199S\n100 1\n")
    put(root / "cur", "1.a.host,S=100:2,S", MESSAGE)
    with pytest.raises(QuotaExceeded) as caught:
        deliver(MESSAGE, f"maildir:{root}")
    error = caught.value
    assert (error.resource, error.usage, error.wanted) == ("STORAGE", 1, 1)
    assert names(root) == ["cur/1.a.host,S=100:2,S"]
    assert os.listdir(root / "tmp") == []
    assert sums(root) == b"199S\n100 1\n"


def test_a_message_too_many(tmp_path: Path) -> None:
    root = sized(tmp_path, b"1C\n100 1\n")
    put(root / "cur", "1.a.host,S=100:2,S", MESSAGE)
    with pytest.raises(QuotaExceeded) as caught:
        deliver(MESSAGE, str(root))
    assert (caught.value.resource, caught.value.limit, caught.value.usage) == ("MESSAGE", 1, 1)


def test_a_message_larger_than_the_whole_quota(tmp_path: Path) -> None:
    root = sized(tmp_path, b"99S\n0 0\n")
    with pytest.raises((MessageTooLarge, QuotaExceeded)):
        deliver(MESSAGE, str(root))
    assert names(root) == []


@pytest.mark.parametrize("text", [b"150S\n100 1\n0 0\n", b"150S\n-100 1\n", b"150S\n100 1\n\0\0\0", b"150S\n"])
def test_sums_that_may_be_wrong_are_made_anew_first(tmp_path: Path, text: bytes) -> None:
    root = sized(tmp_path, text)
    deliver(MESSAGE, str(root))
    assert sums(root) == b"150S\n" + render_line(0, 0) + render_line(100, 1)
    with pytest.raises(QuotaExceeded):
        deliver(MESSAGE, str(root))
    assert sums(root) == b"150S\n" + render_line(100, 1)


def test_sums_that_nobody_wrote_for_a_quarter_of_an_hour(tmp_path: Path) -> None:
    root = sized(tmp_path, b"150S\n100 1\n")
    with pytest.raises(QuotaExceeded):
        deliver(MESSAGE, str(root))
    age(root / "maildirsize")
    deliver(MESSAGE, str(root))
    assert sums(root) == b"150S\n" + render_line(0, 0) + render_line(100, 1)


@pytest.mark.parametrize("limits", [b"100000S", b"0S"])
def test_a_file_that_has_become_too_long_is_made_anew(tmp_path: Path, limits: bytes) -> None:
    lines = (MOST - len(limits)) // 26
    root = sized(tmp_path, limits + b"\n" + render_line(0, 0) * lines)
    deliver(MESSAGE, str(root))
    assert sums(root) == limits + b"\n" + render_line(100, 1)


def test_ten_megabytes_of_sums(tmp_path: Path) -> None:
    root = sized(tmp_path, b"150S\n" + render_line(1, 1) * 400_000)
    deliver(MESSAGE, str(root))
    assert sums(root) == b"150S\n" + render_line(0, 0) + render_line(100, 1)


@pytest.mark.parametrize("kind", ["directory", "symlink", "dangling", "fifo", "no limits", "empty", "negative limit"])
def test_bookkeeping_refuses_no_mail(tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    root = make(tmp_path / "Maildir")
    path, elsewhere = root / "maildirsize", tmp_path / "elsewhere"
    elsewhere.write_bytes(b"1S\n1 1\n")
    if kind == "directory":
        path.mkdir()
    elif kind in ("symlink", "dangling"):
        path.symlink_to(elsewhere if kind == "symlink" else tmp_path / "nothing")
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.write_bytes({"no limits": b"much\n1 1\n", "empty": b"", "negative limit": b"-5S\n1 1\n"}[kind])
    with caplog.at_level(logging.WARNING, "mailstore.quota"):
        deliver(MESSAGE, str(root))
    assert [name.startswith("new/") for name in names(root)] == [True]
    assert "maildirsize" in caplog.text
    assert elsewhere.read_bytes() == b"1S\n1 1\n"


def test_what_the_driver_says_of_a_file_that_is_none(tmp_path: Path) -> None:
    root = make(tmp_path / "Maildir")
    (root / "maildirsize").mkdir()
    store = opened(root)
    store.inbox.append(MESSAGE)
    assert store.quota.recorded() is None
    assert store.quota.problems == [f"no limit holds: {root}/maildirsize holds no sums: not a regular file"]


def test_a_folder_s_quota_is_that_of_the_maildir_above(tmp_path: Path) -> None:
    root = sized(tmp_path, b"250S\n100 1\n")
    put(root / "cur", "1.a.host,S=100:2,S", MESSAGE)
    box, trash = make(root / ".Box"), make(root / ".Trash")
    for folder in (box, trash):
        (folder / "maildirfolder").touch()
    deliver(MESSAGE, str(box))
    assert sums(root) == b"250S\n100 1\n" + render_line(100, 1)
    with pytest.raises(QuotaExceeded):
        deliver(MESSAGE, str(box))
    assert sums(root) == b"250S\n" + render_line(200, 2)
    assert opened(box).quota.recorded() == Usage(2, 200)
    opened(trash).inbox.append(MESSAGE)
    assert sums(root) == b"250S\n" + render_line(200, 2)
    assert opened(trash).quota.usage() == opened(box).quota.recalculate() == Usage(2, 200)
    with pytest.raises(UsageError, match="is a folder of"):
        opened(box).quota.set_rules(None)


def test_a_mark_that_leads_nowhere(tmp_path: Path) -> None:
    root = sized(tmp_path, b"250S\n0 0\n")
    (root / "maildirfolder").touch()
    deliver(MESSAGE, str(root))
    assert sums(root) == b"250S\n0 0\n" + render_line(100, 1)


def test_a_maildir_with_more_rules_is_left_to_the_store(tmp_path: Path) -> None:
    root = make(tmp_path / "Maildir")
    (root / "mailstore-quota").write_bytes(b"message_size = 50\n")
    with pytest.raises(MessageTooLarge):
        deliver(MESSAGE, str(root))
    assert names(root) == []


@pytest.mark.parametrize("kind", ["directory", "symlink", "fifo", "nonsense"])
def test_rules_that_are_none_refuse_no_mail(tmp_path: Path, kind: str) -> None:
    root = make(tmp_path / "Maildir")
    path = root / "mailstore-quota"
    if kind == "directory":
        path.mkdir()
    elif kind == "symlink":
        path.symlink_to("nowhere")
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.write_bytes(b"style = 5\n")
    deliver(MESSAGE, str(root))
    assert [name.startswith("new/") for name in names(root)] == [True]


@pytest.mark.parametrize("style", [None, *STYLES])
def test_the_sums_load_nothing_of_the_library(tmp_path: Path, style: QuotaStyle | None) -> None:
    root = sized(tmp_path, b"10000S\n0 0\n")
    if style is not None:
        (root / "mailstore-quota").write_bytes(format_rules(QuotaRules(style=style)))
    code = (
        "import sys; before = set(sys.modules); from mailstore.delivery import deliver;"
        f"deliver({MESSAGE!r}, {str(root)!r}); print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert sums(root) == b"10000S\n0 0\n" + render_line(100, 1)
    assert {"mailstore.delivery.room", "mailstore.system.maildirsize"} <= set(done.stdout.split())
    heavy = {
        "re",
        "typing",
        "dataclasses",
        "enum",
        "logging",
        "mailstore.errors",
        "mailstore.store",
        "mailstore.drivers",
    }
    assert heavy.isdisjoint(done.stdout.split())


def test_lines_of_several_writers_do_not_mix(tmp_path: Path) -> None:
    root = sized(tmp_path, b"100000S\n0 0\n")
    code = f"from mailstore.delivery import deliver\nfor _ in range(40): deliver({MESSAGE!r}, {str(root)!r})"
    writers = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(4)]
    assert [writer.wait() for writer in writers] == [0] * 4
    assert sums(root) == b"100000S\n0 0\n" + render_line(100, 1) * 160
    store = opened(root)
    assert store.quota.recorded() == store.quota.recalculate() == Usage(160, 16_000)
