"""Sums made anew: what is counted, while others go on, and when something fails."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.maildirs import make, opened, put

from mailstore import ReadOnlyStore, StorageFailure, StorageFull, Store, open_store
from mailstore.drivers.maildir import counting, ledger
from mailstore.drivers.maildir.counting import Counted, count_directory, count_names
from mailstore.drivers.maildir.driver import MaildirDriver
from mailstore.formats.maildirname import parse_info, size_of, split_name
from mailstore.formats.maildirsize import GREATEST, render_line
from mailstore.model.changes import Usage
from mailstore.model.flags import DELETED
from mailstore.model.quota import STYLES, QuotaRules, QuotaStyle
from mailstore.system import fs
from mailstore.system.calls import Calls

BODY = b"Subject: x\n\n" + b"x" * 88
RULES = QuotaRules(storage=10**6)


def driver_of(store: Store) -> MaildirDriver:
    assert isinstance(store.driver, MaildirDriver)
    return store.driver


def account(tmp_path: Path, *folders: str) -> tuple[Path, MaildirDriver]:
    root = make(tmp_path / "Maildir", *folders)
    (root / "maildirsize").write_bytes(b"1000000S\n0 0\n")
    put(root / "cur", "1.a.host,S=100:2,S", BODY)
    return root, driver_of(opened(root))


def text(root: Path) -> bytes:
    return (root / "maildirsize").read_bytes()


# --- what is counted

names = st.one_of(
    st.builds(
        "{}{}{}{}".format,
        st.sampled_from(("1.M2P3.host", "1.x", ".hidden", "..two", "a,b", "a;b", "1.\u00e9")),
        st.sampled_from(("", ",S=5", ",S=70", ",S=5x", ",S=", ",S=5,W=7", ",W=7,S=5", ",S=1,S=2", ",U=9,S=5")),
        st.sampled_from(("", ":2,", ":2,S", ":2,ST", ":2,Ta", ":2,aT", ";2,T", "!2,T", ":1,T", ":2,S,other", ":2,T,T")),
        st.sampled_from(("", "\n", "\n1.x,S=9")),
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=20),
)


@given(st.lists(names, unique=True, max_size=20), st.sampled_from(STYLES))
def test_names_are_counted_as_if_one_by_one(listed: list[str], style: QuotaStyle) -> None:
    expected = Counted()
    for name in listed:
        hidden = name[0] == "." and (style == "courier" or (style == "dovecot" and name[:2] == ".."))
        base, info = split_name(name)
        if not hidden and (size := size_of(base)) is not None:
            gone = bool(parse_info(info).flags & DELETED)
            expected += Counted(1, size, gone, size * gone)
    assert count_names("/nowhere", listed, style) == expected


def test_what_says_no_size_is_asked(tmp_path: Path) -> None:
    root = make(tmp_path / "Maildir")
    put(root / "cur", "1.a.host:2,S", BODY)
    put(root / "cur", "2.a.host,S=7:2,T", BODY)
    put(root / "cur", "3.a.host,S=8x:2,T", BODY)
    put(root / "cur", ".nfs123", BODY)
    put(root / "cur", "..x", BODY)
    (root / "cur" / "directory").mkdir()
    (root / "cur" / "dangling").symlink_to("nowhere")
    assert count_directory(f"{root}/cur", "courier") == Counted(3, 207, 2, 107)
    assert count_directory(f"{root}/cur", "dovecot") == Counted(4, 307, 2, 107)
    assert count_directory(f"{root}/cur", "exim") == Counted(5, 407, 2, 107)
    assert count_directory(f"{root}/nowhere", "exim") == Counted()


def test_folders_that_are_links_are_not_followed(tmp_path: Path) -> None:
    root, driver = account(tmp_path)
    other = make(tmp_path / "other")
    put(other / "cur", "1.a.host,S=100:2,S", BODY)
    (root / ".Shared").symlink_to(other)
    assert driver.recalculate_quota(RULES) == Usage(1, 100)


# --- while others go on


def before_renames(act: Callable[[int], None]) -> Calls:
    """System calls of which each rename to ``maildirsize`` is preceded by what ``act`` does."""
    seen = []

    def rename(source: str, target: str, **more: int) -> None:
        if target.endswith("maildirsize"):
            seen.append(target)
            act(len(seen))
        os.rename(source, target, **more)

    return Calls(rename=rename)


def test_a_delivery_meanwhile_is_counted(tmp_path: Path) -> None:
    root, driver = account(tmp_path, ".Box")
    tries = []

    def deliver(number: int) -> None:
        tries.append(number)
        if number == 1:
            put(root / ".Box" / "new", "2.a.host,S=50", BODY)

    with fs.replaced(before_renames(deliver)):
        assert driver.recalculate_quota(RULES) == Usage(2, 150)
    assert tries == [1, 2]
    assert text(root) == b"1000000S\n" + render_line(150, 2)


def test_after_five_times_it_is_accepted(tmp_path: Path) -> None:
    root, driver = account(tmp_path)

    def deliver(number: int) -> None:
        put(root / "new", f"2{number}.a.host,S=50", BODY)
        os.utime(root / "new", (number, number))  # the clock of a file system ticks too slowly to tell

    with fs.replaced(before_renames(deliver)):
        assert driver.recalculate_quota(RULES) == Usage(5, 300)
    assert len(os.listdir(root / "new")) == 5
    assert text(root) == b"1000000S\n" + render_line(300, 5)


def test_what_does_not_count_disturbs_nobody(tmp_path: Path) -> None:
    root, driver = account(tmp_path, ".Trash")
    tries = []

    def deliver(number: int) -> None:
        tries.append(number)
        put(root / ".Trash" / "new", f"2{number}.a.host,S=50", BODY)

    with fs.replaced(before_renames(deliver)):
        assert driver.recalculate_quota(RULES) == Usage(1, 100)
    assert tries == [1]


def test_limits_that_change_meanwhile_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, driver = account(tmp_path)

    def count(directory: str, style: str) -> Counted:
        (root / "maildirsize").write_bytes(b"5S,7C\n0 0\n")
        return counting.count_folder(directory, style)

    monkeypatch.setattr(ledger, "count_folder", count)
    driver.recalculate_quota(RULES)
    assert text(root) == b"5S,7C\n" + render_line(100, 1)


def test_a_maildir_that_vanishes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    root, driver = account(tmp_path, ".A", ".B")

    def count(directory: str, style: str) -> Counted:
        counted = counting.count_folder(directory, style)
        shutil.rmtree(root, ignore_errors=True)
        return counted

    monkeypatch.setattr(ledger, "count_folder", count)
    with caplog.at_level(logging.WARNING, "mailstore.quota"):
        assert driver.recalculate_quota(RULES) in (Usage(1, 100), Usage(0, 0))
        assert list(driver.count_quota()) == [(("INBOX",), 0, 0, 0, 0)]
    assert not root.exists()


def test_processes_that_deliver_meanwhile(tmp_path: Path) -> None:
    root, driver = account(tmp_path)
    code = f"from mailstore.delivery import deliver\nfor _ in range(30): deliver({BODY!r}, {str(root)!r})"
    writers = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    seen = [0]
    while any(writer.poll() is None for writer in writers):
        seen.append(driver.recalculate_quota(RULES).messages)
        assert text(root).startswith(b"1000000S\n")
    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen == sorted(seen)
    assert driver.recalculate_quota(RULES) == driver.recorded_quota() == Usage(61, 6100)
    assert os.listdir(root / "tmp") == []


# --- when something fails


def failing(name: str, number: int, where: str) -> Calls:
    """System calls of which ``name`` fails on what is called like ``where``."""
    files: dict[int, str] = {}

    def open_(path: str, flags: int, *more: int, **keywords: int) -> int:
        if name == "open" and where in path and flags & (os.O_CREAT | os.O_APPEND):
            raise OSError(number, os.strerror(number), path)
        fd = os.open(path, flags, *more, **keywords)
        files[fd] = path
        return fd

    def write(fd: int, data: bytes) -> int:
        if name == "write" and where in files.get(fd, ""):
            raise OSError(number, os.strerror(number))
        return os.write(fd, data)

    return Calls(open=open_, write=write)


@pytest.mark.parametrize("call", ["open", "write"])
def test_sums_that_cannot_be_written(tmp_path: Path, call: str, caplog: pytest.LogCaptureFixture) -> None:
    root, driver = account(tmp_path)
    with fs.replaced(failing(call, errno.ENOSPC, "NeWmAiLdIrSiZe")), caplog.at_level(logging.WARNING):
        assert driver.recalculate_quota(RULES) == Usage(1, 100)
    assert text(root) == b"1000000S\n0 0\n"
    assert os.listdir(root / "tmp") == []
    assert "the sums were not written" in caplog.text
    with fs.replaced(failing(call, errno.ENOSPC, "NeWmAiLdIrSiZe")), pytest.raises(StorageFull):
        driver.set_quota_rules(QuotaRules(storage=5))
    assert text(root) == b"1000000S\n0 0\n"


@pytest.mark.parametrize("call", ["open", "write"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_a_line_that_cannot_be_written_costs_no_mail(
    tmp_path: Path, call: str, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    root, driver = account(tmp_path)
    store = opened(root)
    with fs.replaced(failing(call, number, "maildirsize")), caplog.at_level(logging.WARNING):
        store.inbox.append(BODY)
    assert "100 bytes in 1 messages were not entered" in caplog.text
    assert store.inbox.state().messages == 2
    assert text(root) == b"1000000S\n0 0\n"
    assert driver.quota_usage(RULES, sure=True) == Usage(0, 0)  # one line, and young: it is believed
    assert driver.recalculate_quota(RULES) == Usage(2, 200)


def test_a_store_that_is_only_read(tmp_path: Path) -> None:
    root, _ = account(tmp_path)
    (root / "maildirsize").write_bytes(b"1000000S\n-5 0\n")
    driver = driver_of(opened(root, readonly=True))
    assert driver.quota_usage(RULES) == driver.recalculate_quota(RULES) == Usage(1, 100)
    assert text(root) == b"1000000S\n-5 0\n"
    for refused in (lambda: driver.set_quota_rules(None), lambda: driver.set_quota_note("x", "y")):
        with pytest.raises(ReadOnlyStore):
            refused()


def test_owner_and_permissions_stay(tmp_path: Path) -> None:
    root, driver = account(tmp_path)
    (root / "maildirsize").chmod(0o640)
    if os.getuid() == 0:
        os.chown(root / "maildirsize", 65534, 65534)
    before = (root / "maildirsize").stat()
    driver.recalculate_quota(RULES)
    after = (root / "maildirsize").stat()
    assert after.st_ino != before.st_ino
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


@pytest.mark.parametrize("kind", ["symlink", "directory"])
def test_limits_are_set_over_what_is_no_file(tmp_path: Path, kind: str) -> None:
    root, driver = account(tmp_path)
    (root / "maildirsize").unlink()
    if kind == "symlink":
        (root / "maildirsize").symlink_to(tmp_path / "elsewhere")
        driver.set_quota_rules(RULES)
        assert text(root) == b"1000000S\n" + render_line(100, 1)
        assert not (tmp_path / "elsewhere").exists()
    else:
        (root / "maildirsize").mkdir()
        with pytest.raises(StorageFailure, match="directory"):
            driver.set_quota_rules(RULES)
        assert os.listdir(root / "tmp") == []


@pytest.mark.parametrize(
    ("line", "storage"), [(b"0S", None), (b"99999999999999999999999S", GREATEST), (b"9223372036854775807S", GREATEST)]
)
def test_odd_limits(tmp_path: Path, line: bytes, storage: int | None) -> None:
    root, driver = account(tmp_path)
    (root / "maildirsize").write_bytes(line + b"\n0 0\n")
    assert driver.quota_rules() == QuotaRules(storage=storage)
    assert driver.recalculate_quota(QuotaRules()) == Usage(1, 100)
    assert text(root) == (line if len(line) < 20 else b"%dS" % GREATEST) + b"\n" + render_line(100, 1)
    opened(root).inbox.append(BODY)
    assert driver.recorded_quota() == Usage(2, 200)


def test_a_line_of_limits_that_nobody_understands_is_left_for_a_person(tmp_path: Path) -> None:
    root, driver = account(tmp_path)
    (root / "maildirsize").write_bytes(b"1GB\n5 1\n")
    assert driver.recalculate_quota(RULES) == Usage(1, 100)
    assert text(root) == b"1GB\n5 1\n"


def test_rules_that_cannot_be_understood_are_told_and_cost_no_mail(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root, driver = account(tmp_path)
    (root / "mailstore-quota").write_bytes(b"nonsense")
    store = opened(root)
    with caplog.at_level(logging.WARNING):
        store.inbox.append(BODY)
    assert f"{root}/mailstore-quota: quota rules: " in caplog.text
    assert store.quota.problems == [one for one in store.quota.problems if "mailstore-quota" in one] != []
    assert driver.recorded_quota() == Usage(1, 100)


@pytest.mark.root
def test_rules_and_notes_that_root_writes_belong_to_whom_the_maildir_belongs(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("gives a Maildir to another user: needs root")
    root = tmp_path / "joe"
    with open_store(f"maildir:{root}", create=True) as store:
        for path in (root, *root.iterdir()):
            os.chown(path, 65534, 65534)
        root.chmod(0o700)
        store.quota.set_rules(QuotaRules(storage=1000, message_size=500))
        store.quota.set_note("warned", "1")
        store.quota.set_rules(QuotaRules(storage=1000, message_size=600))
    kept = [root / name for name in ("maildirsize", "mailstore-quota", "mailstore-quota-warned")]
    assert {(path.stat().st_uid, path.stat().st_gid) for path in kept} == {(65534, 65534)}
