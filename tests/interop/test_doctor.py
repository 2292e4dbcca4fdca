"""The doctor beside the real programs: what it says of them is what they do, and their locks are seen as they are."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import pytest
from support.dovecot import NOBODY
from support.holding import held, running
from support.peers import UTC, need, run
from support.played import Played

from mailstore.doctor import LockReport, Program, inspect_locks
from mailstore.doctor.inspect import installed
from mailstore.doctor.machine import Here

pytestmark = pytest.mark.interop

MAIL = b"From joe@example.org Wed Nov 25 11:08:28 2026\nSubject: x\n\nHi\n\n"
HOST = os.uname().nodename
Found = TypeVar("Found")


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that Dovecot's user can reach; pytest closes its own to others."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        if os.getuid() == 0:
            os.chown(name, NOBODY, NOBODY)
        yield Path(name)


@pytest.fixture
def box(place: Path) -> Path:
    (place / "box").write_bytes(MAIL)
    (place / "box").chmod(0o600)
    if os.getuid() == 0:
        os.chown(place / "box", NOBODY, NOBODY)
    return place / "box"


def report(box: Path) -> LockReport:
    return inspect_locks(f"mbox:{box}", Played())


def until(look: Callable[[], Found]) -> Found:
    """Wait for what another program is about to do."""
    for _ in range(3000):
        found = look()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("it did not happen")


def program(key: str) -> Program:
    (found,) = [one for one in installed(Here(), False) if one.key == key]
    return found


# --- what they are configured to do -----------------------------------------------------------------------------------


def test_postfix_is_asked() -> None:
    need("postconf")
    local, virtual = program("postfix-local"), program("postfix-virtual")
    for found, setting in ((local, "mailbox_delivery_lock"), (virtual, "virtual_mailbox_lock")):
        written = run(["postconf", "-h", setting]).decode()
        assert sorted(found.write) == sorted(re.findall(r"[a-z]+", written))
        assert found.basis == "configured"
    assert local.version == run(["postconf", "-h", "mail_version"]).decode().strip()


def test_dovecot_is_asked() -> None:
    need("doveconf")
    found = program("dovecot")
    assert found.write == tuple(run(["doveconf", "-h", "mbox_write_locks"]).decode().split())
    assert found.read == tuple(run(["doveconf", "-h", "mbox_read_locks"]).decode().split())
    assert found.basis == "configured"
    assert found.version == run(["dovecot", "--version"]).decode().split()[0]


def test_procmail_and_mutt_are_asked() -> None:
    need("procmail", "mutt")
    assert program("procmail").basis == "compiled"
    assert program("mutt").basis == "compiled"
    assert re.fullmatch(r"\d+\.\d+\.\d+", program("mutt").version)


# --- what they really do ----------------------------------------------------------------------------------------------


def traced(command: Sequence[str | Path], box: Path, place: Path, *, user: int | None, data: bytes = b"") -> list[str]:
    """Run a program under strace and return the locks that it took on ``box``, in their order."""
    need("strace")
    trace = place / "trace"
    run(
        ["strace", "-f", "-y", "-qq", "-e", "trace=link,openat,fcntl,flock", "-o", trace, *command],
        data=data, home=place, user=user, cwd=place, ok=range(256),
    )  # fmt: skip
    order: list[str] = []
    for line in trace.read_text(errors="replace").splitlines():
        taken = ""
        if re.search(rf'link\(.*, "[^"]*{box.name}\.lock"\) = 0', line) or (
            f'{box.name}.lock"' in line and "O_EXCL" in line and not line.endswith("(File exists)")
        ):
            taken = "dotlock"
        elif f"{box}>" in line and "SETLK" in line and "UNLCK" not in line and line.endswith("= 0"):
            taken = "fcntl"
        elif f"{box}>" in line and re.search(r"flock\(.*LOCK_(EX|SH)", line):
            taken = "flock"
        if taken and taken not in order:
            order.append(taken)
    return order


def me() -> int | None:
    return NOBODY if os.getuid() == 0 else None


def test_procmail_takes_what_it_says(box: Path, place: Path) -> None:
    need("procmail")
    command = ["procmail", "-p", f"DEFAULT={box}", f"ORGMAIL={box}", "/dev/null"]
    assert tuple(traced(command, box, place, user=me(), data=b"a: b\n\nx\n")) == program("procmail").write


def test_maildrop_takes_what_we_say(box: Path, place: Path) -> None:
    need("maildrop")
    (place / "rc").write_text(f'to "{box}"\n')
    (place / "rc").chmod(0o600)
    if os.getuid() == 0:
        os.chown(place / "rc", NOBODY, NOBODY)
    command = ["maildrop", "./rc"]
    assert tuple(traced(command, box, place, user=me(), data=b"a: b\n\nx\n")) == program("maildrop").write


def test_lockmail_takes_what_we_say(box: Path, place: Path) -> None:
    need("lockmail")
    found = traced(["lockmail", str(box), "true"], box, place, user=me())
    assert ("c-client", *found) == program("lockmail").write


def test_mailutils_takes_what_we_say(box: Path, place: Path) -> None:
    need("movemail")
    (place / "out").write_bytes(b"")
    if os.getuid() == 0:
        os.chown(place / "out", NOBODY, NOBODY)
    assert tuple(traced(["movemail", str(box), str(place / "out")], box, place, user=me())) == (
        program("mailutils").write
    )


def doveadm(box: Path, place: Path, locks: str) -> list[str]:
    return [
        "doveadm", "-o", f"mail_location=mbox:{place}/mail:INBOX={box}", "-o", f"mbox_write_locks={locks}",
        "-o", f"mbox_read_locks={locks.replace('dotlock', '').strip()}",
        "flags", "add", "\\Seen", "mailbox", "INBOX", "all",
    ]  # fmt: skip


@pytest.mark.parametrize("locks", ["fcntl dotlock", "dotlock fcntl", "flock dotlock"])
def test_dovecot_takes_what_it_is_configured_to(box: Path, place: Path, locks: str) -> None:
    need("doveadm")
    found = traced(doveadm(box, place, locks), box, place, user=me())
    assert [one for one in found if one in locks.split()] == locks.split()


# --- their locks, as we see them --------------------------------------------------------------------------------------


def test_dotlockfile(box: Path) -> None:
    need("dotlockfile")
    run(["dotlockfile", "-l", f"{box}.lock"])
    (lock,) = report(box).lock_files
    assert (lock.says, lock.pid, lock.process, lock.stale) == ("0\n", None, None, False)
    run(["dotlockfile", "-u", f"{box}.lock"])
    command = ["dotlockfile", "-p", f"{box}.lock", "sleep", "600"]
    with running(command) as process:
        (lock,) = until(lambda: report(box).lock_files)
        assert (lock.pid, lock.host, lock.dead, lock.stale) == (process.pid, None, False, False)
        assert lock.process is not None
        assert lock.process.program == "dotlockfile"
        child = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text())
    os.kill(child, 15)
    (lock,) = report(box).lock_files
    assert (lock.process, lock.dead, lock.stale) == (None, True, False)
    os.unlink(f"{box}.lock")


def test_procmails_lockfile(box: Path) -> None:
    need("lockfile")
    run(["lockfile", "-r0", f"{box}.lock"])
    (lock,) = report(box).lock_files
    assert (lock.says, lock.pid, lock.host, lock.stale) == ("0", None, None, False)


def test_mutt_dotlock(box: Path) -> None:
    need("mutt_dotlock")
    run(["mutt_dotlock", str(box)], ok=(0,))
    (lock,) = report(box).lock_files
    assert lock.pid is None
    assert (lock.says or "") == ""
    assert not lock.stale


def test_lockmail(box: Path) -> None:
    need("lockmail")
    with running(["lockmail", str(box), "sleep", "600"]) as process:
        (lock,) = until(lambda: report(box).lock_files)
        assert (lock.pid, lock.host) == (process.pid, HOST)
        found = until(lambda: [one for one in report(box).locks if one.path == str(box)])
        assert [(one.kind, one.mode, [by.pid for by in one.processes]) for one in found] == [
            ("fcntl", "write", [process.pid])
        ]
        child = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text())
    os.kill(child, 15)
    (lock,) = report(box).lock_files
    assert (lock.dead, lock.stale) == (True, False) if report(box).locks else (True, True)


def waiting(command: Sequence[str], box: Path, place: Path) -> tuple[LockReport, int]:
    """Start a program while the mailbox's kernel lock is held; return the report when it waits, and its pid."""
    with held("fcntl-write", box), subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=place,
        env={**UTC, "HOME": str(place), "USER": "joe", "LOGNAME": "joe"}, user=me(), group=me(),
        extra_groups=None if me() is None else [],
    ) as process:  # fmt: skip
        try:
            assert process.stdin is not None
            process.stdin.write(b"a: b\n\nx\n")
            process.stdin.close()
            until(lambda: any(lock.waiting for lock in report(box).locks))
            return report(box), process.pid
        finally:
            process.kill()


@pytest.mark.parametrize("name", ["procmail", "maildrop", "doveadm"])
def test_who_holds_one_lock_and_waits_for_the_other(name: str, box: Path, place: Path) -> None:
    """Half of the deadlock that the doctor warns of, with the real program."""
    need(name)
    (place / "rc").write_text(f'to "{box}"\n')
    (place / "rc").chmod(0o600)
    if os.getuid() == 0:
        os.chown(place / "rc", NOBODY, NOBODY)
    command = {
        "procmail": ["procmail", "-p", f"DEFAULT={box}", f"ORGMAIL={box}", "/dev/null"],
        "maildrop": ["maildrop", "./rc"],
        "doveadm": doveadm(box, place, "dotlock fcntl"),
    }[name]
    found, pid = waiting(command, box, place)
    waits = [lock for lock in found.locks if lock.waiting]
    assert [(lock.kind, lock.mode, [one.pid for one in lock.processes]) for lock in waits] == [
        ("fcntl", "write", [pid])
    ]
    (lock,) = found.lock_files
    assert lock.path == f"{box}.lock"
    if name != "procmail":  # which writes a 0
        assert (lock.pid, lock.host) == (pid, None if name == "maildrop" else HOST)
        assert lock.process is not None
        assert lock.process.program == name
