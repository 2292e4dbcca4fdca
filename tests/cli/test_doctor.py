"""mstore doctor locks."""

import os
from dataclasses import replace

import pytest

from mailstore.doctor import (
    Advice,
    Breaker,
    Conflict,
    KernelLock,
    LockFile,
    LockReport,
    Place,
    Process,
    Program,
)
from mailstore_cli import doctor

PROGRAM = Program(
    "evil", "Evil\x1b[31m", "/p", "1.0", "delivers", ("fcntl", "dotlock"), None, "configured", "s", gives_up=20.0,
    notes=("hands mail over: mailbox_command = \x1b]0;x\x07",),
)  # fmt: skip
PLACE = Place(
    "/m/box\n", True, "ext4", "/dev/vda", "joe", "/m", "drwxr-xr-x", "root", "mail", "group", ("a note\u202e",)
)
REPORT = LockReport(
    location="mbox:/m/box\n",
    format="mbox",
    taken=1_700_000_000.0,
    place=PLACE,
    protocol=("it is locked",),
    programs=(PROGRAM,),
    locks=(),
    lock_files=(),
    conflicts=(),
    advice=Advice("debian", "mbox:/m/box?locks=debian", ("because",)),
    unseen=(),
)
HOLDER = KernelLock("/m/box", "fcntl", "write", False, 0, None, "", (Process(42, "evil\x07", "joe", None),))
LOCK = LockFile(
    "/m/box.lock", "/m/box", "\x1b[2J", None, None, None, False, "joe", 1_700_000_000.0, 7200.0, False,
    (Breaker("Dovecot", 0.0), Breaker("Postfix", 300.0), Breaker("Exim", None)),
)  # fmt: skip


@pytest.fixture
def shown(mstore, monkeypatch):
    """Run the command on a report that is made up."""

    def run(report, *options):
        monkeypatch.setattr(doctor, "inspect_locks", lambda location: report)
        return mstore("doctor", "locks", "/m/box", *options)

    return run


def test_nothing_is_wrong(shown):
    ran = shown(REPORT)
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.lines == [
        (
            "mbox:/m/box\\x0a: of joe, on ext4 (/dev/vda), in /m (drwxr-xr-x root:mail; "
            "a dotlock there can be made by group mail alone)"
        ),
        "  a note\\u202e",
        "  it is locked",
        "",
        "Programs",
        "Program       Version  Writes under     Reads under  Known       Waits",
        "Evil\\x1b[31m  1.0      fcntl > dotlock  -            configured  20 s, keeping its locks",
        "  Evil\\x1b[31m: hands mail over: mailbox_command = \\x1b]0;x\\x07",
        "",
        "Locks now",
        "  none",
        "",
        "Advice",
        "  mbox:/m/box?locks=debian",
        "  because",
        "",
        "nothing is wrong",
    ]


def test_a_lock_that_is_held_is_nothing_wrong(shown):
    ran = shown(replace(REPORT, locks=(HOLDER,), unseen=("this and\x1b that",)))
    assert ran.exit_code == 0
    assert "/m/box  fcntl write  42       evil\\x07  joe   -" in ran.lines
    assert "  not seen: this and\\x1b that" in ran.lines


def test_who_may_not_be_seen(shown):
    hidden = replace(HOLDER, processes=(), waiting=True, first=120, last=128, path="/m/mail.db-shm", meaning="open")
    part = replace(HOLDER, first=5, last=9, processes=(Process(1, "x", "y", 1_700_000_000.5),))
    ran = shown(replace(REPORT, locks=(part, hidden)))
    rows = [line.split() for line in ran.lines if line.startswith("/m/")]
    assert rows[0][:6] == ["/m/box", "fcntl", "write", "1", "x", "y"]
    assert rows[0][-2:] == ["bytes", "5-9"]
    assert rows[1] == ["/m/mail.db-shm", "fcntl", "write", "(waiting)", "?", "?", "?", "-", "open"]


def test_a_lock_file(shown):
    ran = shown(replace(REPORT, lock_files=(LOCK,)))
    assert ran.exit_code == 0
    (line,) = [line for line in ran.lines if ".lock" in line]
    assert line.startswith("  /m/box.lock of joe says '\\x1b[2J': names no process; untouched for 2 h, since 2023-11-1")
    start = ran.lines.index(line)
    assert ran.lines[start + 1 : start + 4] == [
        "    Dovecot removes it now",
        "    Postfix removes it in 5 min",
        "    Exim leaves it",
    ]


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"says": None}, "may not be read: names no process"),
        ({"says": "\n"}, "is empty: names no process"),
        ({"says": "7", "pid": 7, "dead": True, "stale": True}, "says '7': process 7 is dead"),
        ({"says": "7:x", "pid": 7, "host": "x"}, "says '7:x': process 7 of another host"),
        ({"says": "7", "pid": 7, "process": Process(7, "mutt", "ann", 1.0)}, "says '7': process 7 (mutt, ann) lives"),
    ],
)
def test_what_lock_files_say(shown, facts, text):
    ran = shown(replace(REPORT, lock_files=(replace(LOCK, **facts),)))
    assert f"  /m/box.lock of joe {text}; untouched" in ran.text
    assert ran.exit_code == facts.get("stale", False)
    assert ("; stale" in ran.text) == facts.get("stale", False)
    assert ran.lines[-1] == ("0 conflicts, 1 stale lock" if facts.get("stale") else "nothing is wrong")


def test_a_conflict(shown):
    conflict = Conflict("opposite-order", ("A", "B"), "A and B\x07 wait")
    ran = shown(replace(REPORT, conflicts=(conflict,)))
    assert ran.exit_code == 1
    assert "  opposite-order: A and B\\x07 wait" in ran.lines
    assert ran.lines[-1] == "1 conflict, 0 stale locks"


def test_json(shown):
    ran = shown(replace(REPORT, locks=(HOLDER,), lock_files=(LOCK,)), "--json")
    assert ran.exit_code == 0
    assert ran.object["ok"] is True
    assert ran.object["place"]["path"] == "/m/box\n"
    assert ran.object["locks"][0]["processes"] == [{"pid": 42, "program": "evil\x07", "user": "joe", "since": None}]
    assert shown(replace(REPORT, conflicts=(Conflict("no-dotlock", ("A",), "x"),)), "--json").exit_code == 1


def test_each_kind_of_store_on_disk(mstore, on_disk):
    ran = mstore("doctor", "locks", on_disk)
    assert ran.stderr == ""
    assert ran.lines[0].startswith(f"{on_disk}: of ")
    assert ran.lines[-1]
    if not on_disk.startswith("mbox"):
        assert (ran.exit_code, ran.lines[-1]) == (0, "nothing is wrong")
        assert "Programs" not in ran.lines
        assert "Advice" not in ran.lines


def test_a_stale_lock_is_found(mstore, tmp_path):
    import subprocess
    import sys

    box = tmp_path / "box"
    box.touch()
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    (tmp_path / "box.lock").write_text(f"{child.pid}:{os.uname().nodename}")
    ran = mstore("doctor", "locks", f"mbox:{box}")
    assert ran.exit_code == 1
    assert f"process {child.pid} is dead" in ran.text
    assert ran.lines[-1].endswith(", 1 stale lock")
    assert (tmp_path / "box.lock").exists()


@pytest.mark.parametrize(
    ("location", "code"), [("memory:", 69), ("mbox:/no/such/place/box", 66), ("maildir:/no/such/place", 66)]
)
def test_what_cannot_be_inspected(mstore, location, code):
    ran = mstore("doctor", "locks", location)
    assert (ran.exit_code, ran.stdout) == (code, b"")
    assert ran.stderr.count("\n") == 1
