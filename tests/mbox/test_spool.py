"""Mailboxes in spool directories: closed to their users, or open to everybody."""

from __future__ import annotations

import errno
import grp
import hashlib
import json
import os
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import peers
from support.locking import opened
from support.users import DAEMON, NOBODY, as_user, shared_directory

from mailstore import Store, open_store
from mailstore.errors import CannotCreate, NoSuchStore, NotAStore, ReadOnlyStore, StoreBusy
from mailstore.model.info import BODY, body_chunks
from mailstore.system import fs, lockhelpers, mailboxes, mailboxlocks, stalelocks
from mailstore.system.lockhelpers import Helper, HelperFailed
from mailstore.system.lockrules import LockRules
from mailstore.system.mailboxlocks import mailbox_lock

LINE = b"From joe@example.org Thu Nov  9 22:33:52 2023\n"
ONE, TWO, NEW = (b"Subject: %s\n\nbody\n" % name for name in (b"one", b"two", b"new"))
BOX = LINE + ONE + b"\n" + LINE + TWO + b"\n"
PLANTED = b"From evil Thu Nov  9 22:33:52 2023\nSubject: not yours\n\nbody\n\n"
MAIL = grp.getgrnam("mail").gr_gid if any(group.gr_name == "mail" for group in grp.getgrall()) else 8


def texts(store: Store) -> list[bytes]:
    return [b"".join(body_chunks(row.body)) for row in store.inbox.rows(BODY) if row.body is not None]


def read(path: Path) -> list[bytes]:
    with open_store(f"mbox:{path}", readonly=True) as store:
        return texts(store)


def append(path: Path, options: str = "", *, timeout: float = 0) -> list[bytes]:
    with open_store(f"mbox:{path}{options}", lock_timeout=timeout) as store:
        store.inbox.append(NEW)
        return texts(store)


def put(path: Path, data: bytes, owner: int = NOBODY, group: int = MAIL, mode: int = 0o660) -> Path:
    path.write_bytes(data)
    os.chown(path, owner, group)
    path.chmod(mode)
    return path


# --- a directory that is closed to its users, as /var/mail is


@pytest.fixture
def closed() -> Iterator[Path]:
    """A mailbox of ``nobody`` in a directory of root and group mail."""
    with shared_directory(0o2775, 0, MAIL) as directory:
        yield put(directory / "joe", BOX)


def home_of(box: Path) -> Path:
    return box.parent.parent / "home"


def as_joe(box: Path, action: Callable[[], object]) -> object:
    return as_user(NOBODY, home_of(box), action)


@pytest.mark.root
@pytest.mark.interop
class TestClosed:
    @pytest.mark.parametrize(
        ("helper", "programs"),
        [("auto", ("dotlockfile",)), ("dotlockfile", ("dotlockfile",)), ("mutt_dotlock", ("mutt_dotlock",))],
    )
    def test_a_helper_makes_the_dotlock(self, closed: Path, helper: str, programs: tuple[str, ...]) -> None:
        peers.need(*programs)
        lock = closed.with_name("joe.lock")

        def hold() -> tuple[int, bool]:
            with opened(closed) as fd, mailbox_lock(str(closed), fd, LockRules(helper=helper, timeout=0)) as held:
                assert held is not None
                owner = lock.lstat().st_uid
                os.utime(lock, (1, 1))
                held._touched = -1e9
                held.refresh()
                return owner, lock.lstat().st_mtime > 1

        assert as_joe(closed, hold) == (NOBODY, True)
        assert not lock.exists()

    @pytest.mark.parametrize("helper", ["dotlockfile", "mutt_dotlock"])
    def test_everything_can_be_changed(self, closed: Path, helper: str) -> None:
        peers.need(helper)
        inode = closed.stat().st_ino

        def change() -> list[bytes]:
            with open_store(f"mbox:{closed}?helper={helper}", lock_timeout=0) as store:
                store.inbox.append(NEW)
                store.inbox.add_flags([2], ["\\Seen"])
                store.inbox.expunge([1], only_deleted=False)
                return texts(store)

        assert as_joe(closed, change) == [TWO, NEW]
        assert read(closed) == [TWO, NEW]
        assert os.listdir(closed.parent) == ["joe"]
        assert closed.stat().st_ino == inode

    @pytest.mark.parametrize("helper", ["dotlockfile", "mutt_dotlock"])
    def test_it_respects_what_others_hold(self, closed: Path, helper: str) -> None:
        peers.need("dotlockfile", helper)
        lock = closed.with_name("joe.lock")
        subprocess.run(["dotlockfile", "-p", "-l", "-r", "0", lock], check=True)
        before = lock.stat()
        with pytest.raises(StoreBusy, match=r"joe\.lock of process"):
            as_joe(closed, lambda: append(closed, f"?helper={helper}"))
        after = lock.stat()  # but for its atime: joe, who reads it, is not its owner
        assert (after.st_ino, after.st_ctime_ns, after.st_mtime_ns) == (
            before.st_ino,
            before.st_ctime_ns,
            before.st_mtime_ns,
        )
        assert closed.read_bytes() == BOX

    @pytest.mark.parametrize("helper", ["dotlockfile", "mutt_dotlock"])
    def test_others_respect_what_it_made(self, closed: Path, helper: str) -> None:
        peers.need("dotlockfile", "mutt_dotlock")
        lock = closed.with_name("joe.lock")

        def hold() -> list[int]:
            with opened(closed) as fd, mailbox_lock(str(closed), fd, LockRules(helper=helper, timeout=0)):
                commands: list[list[str | Path]] = [
                    ["dotlockfile", "-p", "-l", "-r", "0", lock],
                    ["mutt_dotlock", "-p", "-r0", closed],
                ]
                return [subprocess.run(command, capture_output=True, check=False).returncode for command in commands]

        assert as_joe(closed, hold) == [4, 3]
        assert not lock.exists()

    @pytest.mark.parametrize("helper", ["none", "auto"])
    def test_without_a_helper_nothing_is_written(
        self, closed: Path, helper: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if helper == "auto":
            monkeypatch.setattr(lockhelpers, "_PROGRAMS", {"dotlockfile": ("/none",), "mutt_dotlock": ("/none",)})
        with pytest.raises(CannotCreate, match=r"joe\.lock cannot be made: .*(helper=none|installed).*locks=fcntl"):
            as_joe(closed, lambda: append(closed, f"?helper={helper}"))
        assert closed.read_bytes() == BOX
        assert as_joe(closed, lambda: append(closed, f"?helper={helper}&locks=fcntl")) == [ONE, TWO, NEW]

    def test_a_helper_that_may_not_is_an_error(self, closed: Path) -> None:
        peers.need("dotlockfile")
        put(closed, BOX, owner=DAEMON, mode=0o666)
        with pytest.raises(CannotCreate, match="dotlockfile gave exit code"):
            as_joe(closed, lambda: append(closed, "?helper=dotlockfile"))
        assert closed.read_bytes() == BOX

    def test_an_old_lock_nobody_can_read_is_broken_by_the_rule(
        self, closed: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        peers.need("mutt_dotlock")
        lock = closed.with_name("joe.lock")
        as_joe(closed, lambda: subprocess.run(["mutt_dotlock", "-p", "-r0", closed], check=True))
        assert stat.S_IMODE(lock.stat().st_mode) == 0
        with pytest.raises(StoreBusy):
            as_joe(closed, lambda: append(closed, "?helper=mutt_dotlock"))
        monkeypatch.setattr(stalelocks, "STALE", -(10**6))
        assert as_joe(closed, lambda: append(closed, "?helper=mutt_dotlock")) == [ONE, TWO, NEW]
        assert not lock.exists()


def test_a_helper_gets_a_clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_PRELOAD", "")
    program = tmp_path / "helper"
    program.write_text(f'#!/bin/sh\nenv > {tmp_path}/env; echo "$@" > {tmp_path}/arguments\n')
    program.chmod(0o755)
    assert Helper("dotlockfile", str(program)).lock("box")
    names = {line.partition("=")[0] for line in (tmp_path / "env").read_text().splitlines()}
    assert names <= {"PATH", "LC_ALL", "PWD", "SHLVL", "_", "OLDPWD"}
    assert (tmp_path / "arguments").read_text() == f"-p -l -r 0 {os.getcwd()}/box.lock\n"


def test_a_helper_that_fails(tmp_path: Path) -> None:
    for text in ("#!/bin/sh\nexit 9\n", "no program"):
        program = tmp_path / "helper"
        program.write_text(text)
        program.chmod(0o755)
        with pytest.raises(HelperFailed):
            Helper("mutt_dotlock", str(program)).lock(str(tmp_path / "box"))
        with pytest.raises(HelperFailed):
            Helper("mutt_dotlock", str(program)).unlock(str(tmp_path / "box"))


# --- a directory that everybody can write to


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """Where the mailbox of ``nobody`` is to be, in a directory like /tmp; beside it, ``other`` is another's."""
    with shared_directory(0o1777) as directory:
        put(directory.parent / "other", PLANTED, owner=DAEMON, mode=0o666)
        yield directory / "joe"


@pytest.mark.root
class TestOpenToAll:
    def test_ones_own_mailbox_is_used(self, open_to_all: Path) -> None:
        put(open_to_all, BOX)
        assert as_joe(open_to_all, lambda: append(open_to_all)) == [ONE, TWO, NEW]
        assert os.listdir(open_to_all.parent) == ["joe"]

    @pytest.mark.parametrize("owner", [0, NOBODY, DAEMON])
    def test_a_symlink_is_not_followed(self, open_to_all: Path, owner: int) -> None:
        target = open_to_all.parent.parent / "other"
        open_to_all.symlink_to(target)
        os.lchown(open_to_all, owner, owner)
        for action in (lambda: append(open_to_all), lambda: read(open_to_all)):
            with pytest.raises(NotAStore, match="symbolic link in a directory that everybody can write to"):
                as_joe(open_to_all, action)
        assert target.read_bytes() == PLANTED
        assert open_to_all.is_symlink()

    @pytest.mark.parametrize("directory_of", ["joe", "root"])
    def test_a_symlink_of_another_user_is_not_followed_anywhere(self, open_to_all: Path, directory_of: str) -> None:
        link = home_of(open_to_all) / "box"
        link.symlink_to(open_to_all.parent.parent / "other")
        os.lchown(link, DAEMON, DAEMON)
        user = NOBODY if directory_of == "joe" else 0
        for action in (lambda: append(link), lambda: read(link)):
            with pytest.raises(NotAStore, match=f"symbolic link of user {DAEMON}"):
                as_user(user, home_of(open_to_all), action)

    @pytest.mark.parametrize("owner", [0, NOBODY])
    def test_a_symlink_of_ones_own_or_roots_is_followed_elsewhere(self, open_to_all: Path, owner: int) -> None:
        link = home_of(open_to_all) / "box"
        link.symlink_to(put(open_to_all.parent.parent / "mine", BOX))
        os.lchown(link, owner, owner)
        os.chown(open_to_all.parent.parent, NOBODY, NOBODY)
        assert as_joe(open_to_all, lambda: append(link)) == [ONE, TWO, NEW]

    def test_a_link_to_a_link_of_another_user_is_not_followed(self, open_to_all: Path) -> None:
        home = home_of(open_to_all)
        (home / "first").symlink_to("second")
        (home / "second").symlink_to(open_to_all.parent.parent / "other")
        os.lchown(home / "first", NOBODY, NOBODY)
        os.lchown(home / "second", DAEMON, DAEMON)
        with pytest.raises(NotAStore, match=f"second is a symbolic link of user {DAEMON}"):
            as_joe(open_to_all, lambda: read(home / "first"))

    def test_a_hard_link_is_read_but_not_written_to(self, open_to_all: Path) -> None:
        secret = put(open_to_all.parent.parent / "mine", BOX)
        os.link(secret, open_to_all)
        assert as_joe(open_to_all, lambda: read(open_to_all)) == [ONE, TWO]
        with pytest.raises(ReadOnlyStore, match="has 2 names"):
            as_joe(open_to_all, lambda: append(open_to_all))
        assert secret.read_bytes() == BOX
        assert os.listdir(open_to_all.parent) == ["joe"]

    @pytest.mark.parametrize("user", [0, NOBODY])
    def test_anothers_mailbox_is_read_but_not_written_to(self, open_to_all: Path, user: int) -> None:
        put(open_to_all, BOX, owner=DAEMON, mode=0o666)
        assert as_user(user, home_of(open_to_all), lambda: read(open_to_all)) == [ONE, TWO]
        with pytest.raises(ReadOnlyStore, match=f"belongs to user {DAEMON}"):
            as_user(user, home_of(open_to_all), lambda: append(open_to_all))
        assert open_to_all.read_bytes() == BOX
        assert os.listdir(open_to_all.parent) == ["joe"]

    def test_anothers_dotlock_is_respected(self, open_to_all: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        put(open_to_all, BOX)
        lock = put(open_to_all.with_name("joe.lock"), b"0\n", owner=DAEMON, mode=0o644)
        monkeypatch.setattr(stalelocks, "STALE", -(10**6))  # it is old, but a sticky directory keeps it
        with pytest.raises(StoreBusy, match=r"joe\.lock"):
            as_joe(open_to_all, lambda: append(open_to_all))
        assert lock.read_bytes() == b"0\n"
        assert open_to_all.read_bytes() == BOX

    def test_a_hard_link_at_the_dotlock_is_anothers_lock(self, open_to_all: Path) -> None:
        put(open_to_all, BOX)
        other = open_to_all.parent.parent / "other"
        os.link(other, open_to_all.with_name("joe.lock"))
        with pytest.raises(StoreBusy):
            as_joe(open_to_all, lambda: append(open_to_all))
        assert other.read_bytes() == PLANTED
        assert open_to_all.read_bytes() == BOX


@pytest.mark.root
@pytest.mark.parametrize("kind", ["append", "copy"])
@pytest.mark.parametrize(("mode", "owner"), [(0o777, NOBODY), (0o2775, DAEMON)])
def test_a_journal_that_was_planted_is_not_believed(kind: str, mode: int, owner: int) -> None:
    """It says that a crash left the mailbox half written, and what it should hold."""
    with shared_directory(mode, 0, MAIL) as directory:
        box = put(directory / "joe", BOX)
        facts = {"inode": box.stat().st_ino, "offset": 0, "before": "", "start": BOX[:64].hex(), "length": -1}
        facts |= {"size": len(BOX), "stale": ""}
        line = json.dumps(facts).encode().ljust(512)
        name = f"{fs.TEMPORARY}{kind}.{hashlib.sha256(b'joe').hexdigest()[:32]}.lock"
        put(directory / name, PLANTED + line if kind == "copy" else line, owner=owner, mode=0o666)
        with open_store(f"mbox:{box}", lock_timeout=0) as store:  # as root, who would be believed anywhere
            assert texts(store) == [ONE, TWO]
        assert box.read_bytes() == BOX


@pytest.mark.parametrize("kind", ["append", "copy"])
def test_a_pipe_at_the_journal_hangs_nobody(tmp_path: Path, kind: str) -> None:
    box = tmp_path / "joe"
    box.write_bytes(BOX)
    os.mkfifo(tmp_path / f"{fs.TEMPORARY}{kind}.{hashlib.sha256(b'joe').hexdigest()[:32]}.lock")
    with open_store(f"mbox:{box}", lock_timeout=0) as store:
        assert texts(store) == [ONE, TWO]
    assert box.read_bytes() == BOX


# --- what is no mailbox


def a_device(path: Path) -> None:
    if os.getuid() != 0:
        peers.refuse("making a device needs root")
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


KINDS = {"a pipe": os.mkfifo, "a device": a_device, "a socket": a_socket, "a directory": Path.mkdir}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("writing", [True, False])
def test_other_kinds_are_not_opened(tmp_path: Path, kind: str, writing: bool) -> None:
    path = tmp_path / "b"
    KINDS[kind](path)
    opened_any: list[object] = []
    watching = fs.Calls(open=lambda *arguments, **_: opened_any.append(arguments) or -1)
    with fs.replaced(watching), pytest.raises(NotAStore, match=f"is {kind}, not a regular file"):
        mailboxes.open_mailbox(str(path), writing=writing)
    assert opened_any == []
    if kind != "a directory":
        with pytest.raises(NotAStore):
            open_store(f"mbox:{path}", readonly=not writing)


@pytest.mark.parametrize("kind", KINDS)
def test_other_kinds_that_came_later(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "box"
    path.write_bytes(BOX)
    with open_store(f"mbox:{path}", lock_timeout=0) as store:
        assert texts(store) == [ONE, TWO]
        path.rename(tmp_path / "kept")
        KINDS[kind](path)
        for action in (lambda: store.inbox.append(NEW), store.inbox.state):
            with pytest.raises(NotAStore, match=kind):
                action()
    assert (tmp_path / "kept").read_bytes() == BOX


def test_a_link_that_leads_nowhere_does_not_hang(tmp_path: Path) -> None:
    path = tmp_path / "box"
    path.write_bytes(BOX)
    with open_store(f"mbox:{path}", lock_timeout=0) as store:
        path.unlink()
        path.symlink_to("nowhere")
        with pytest.raises(NoSuchStore, match="leads nowhere"):
            store.inbox.append(NEW)
    assert os.listdir(tmp_path) == ["box"]


def test_links_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    with pytest.raises(NotAStore, match="too many symbolic links"):
        mailboxes.open_mailbox(str(tmp_path / "one"), writing=True)


def test_a_symlink_put_there_before_the_opening_is_not_followed(tmp_path: Path) -> None:
    path, target = tmp_path / "box", tmp_path / "target"
    path.write_bytes(BOX)
    target.write_bytes(PLANTED)

    def swap(name: str, flags: int, *arguments: int, **keywords: int) -> int:
        if name == str(path) and not path.is_symlink():
            path.unlink()
            path.symlink_to(target)
        return os.open(name, flags, *arguments, **keywords)

    with fs.replaced(fs.Calls(open=swap)), pytest.raises(NotAStore, match="became a symbolic link"):
        mailboxes.open_mailbox(str(path), writing=True)


@pytest.mark.parametrize("options", ["", "?locks=none", "?locks=dotlock,fcntl"])
def test_a_mailbox_replaced_between_opening_and_locking(tmp_path: Path, options: str) -> None:
    path, new = tmp_path / "box", tmp_path / "new"
    path.write_bytes(BOX)
    new.write_bytes(PLANTED)
    inode = path.stat().st_ino
    with open_store(f"mbox:{path}{options}", lock_timeout=0) as store:

        def swap(name: str, flags: int, *arguments: int, **keywords: int) -> int:
            fd = os.open(name, flags, *arguments, **keywords)
            if name == str(path) and os.fstat(fd).st_ino == inode:
                path.rename(tmp_path / "kept")
                new.rename(path)
            return fd

        with fs.replaced(fs.Calls(open=swap)):
            store.inbox.append(NEW)
        assert texts(store) == [b"Subject: not yours\n\nbody\n", NEW]
    assert (tmp_path / "kept").read_bytes() == BOX


def test_a_mailbox_that_is_replaced_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "box"
    path.write_bytes(BOX)
    monkeypatch.setattr(mailboxlocks, "is_named", lambda *_: False)
    with open_store(f"mbox:{path}", lock_timeout=0) as store, pytest.raises(StoreBusy, match="again and again"):
        store.inbox.append(NEW)
    assert path.read_bytes() == BOX
    assert os.listdir(tmp_path) == ["box"]


def test_what_is_planted_at_the_temporary_name_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, target = tmp_path / "box", tmp_path / "target"
    path.write_bytes(BOX)
    target.write_bytes(PLANTED)
    random = iter([bytes(8)] * 2)
    planted = tmp_path / f"{fs.TEMPORARY}{os.getpid()}-{bytes(8).hex()}"
    planted.symlink_to(target)
    real = os.urandom
    monkeypatch.setattr(os, "urandom", lambda size: next(random, None) or real(size))
    with opened(path) as fd, mailbox_lock(str(path), fd, LockRules(timeout=0)):
        assert path.with_name("box.lock").read_bytes().startswith(b"%d:" % os.getpid())
    assert next(random, "all were used") == "all were used"
    assert target.read_bytes() == PLANTED
    assert planted.is_symlink()


def test_what_is_planted_at_the_dotlock_is_said(tmp_path: Path) -> None:
    path = tmp_path / "box"
    path.write_bytes(BOX)
    path.with_name("box.lock").symlink_to("nowhere")
    with (
        open_store(f"mbox:{path}", lock_timeout=60) as store,
        pytest.raises(CannotCreate, match=r"box\.lock is a symbolic link"),
    ):
        store.inbox.append(NEW)
    assert path.read_bytes() == BOX
    assert not (tmp_path / "nowhere").exists()


def test_a_failure_to_open_stays_that(tmp_path: Path) -> None:
    def fail(*_: object, **__: object) -> int:
        raise OSError(errno.EIO, "no")

    path = tmp_path / "box"
    path.write_bytes(BOX)
    with fs.replaced(fs.Calls(open=fail)), pytest.raises(OSError, match="no"):
        mailboxes.open_mailbox(str(path), writing=True)
