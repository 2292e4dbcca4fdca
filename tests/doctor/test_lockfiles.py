"""Lock files: what they say, whether their owner lives, and who would break them when."""

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.played import program

from mailstore.doctor.lockfiles import Seen, breaks, look_at, owner
from mailstore.doctor.report import Breaker, StaleRule
from mailstore.system import clock

HERE = os.uname().nodename


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"123:host.example", (123, "host.example")),
        (b"123\n", (123, None)),
        (b"123\nhost\n", (123, "host")),
        (b"123 host\n", (123, "host")),
        (b"0", (0, None)),
        (b"0\n", (0, None)),
        (b"", (0, None)),
        (b"\0\0\0", (0, None)),
        (b"host:123", (0, None)),
        (b"-1", (0, None)),
        (b"12345678901234567890", (0, None)),
    ],
)
def test_what_a_lock_says(text, expected):
    assert owner(text) == expected


@given(st.binary(max_size=64))
def test_any_bytes_may_be_in_a_lock(text):
    pid, _ = owner(text)
    assert 0 <= pid < 10**9


@given(st.integers(1, 10**9 - 1), st.from_regex(r"[A-Za-z0-9.-]{1,30}", fullmatch=True))
def test_pid_and_host_are_read_back(pid, host):
    assert owner(f"{pid}:{host}".encode()) == (pid, host)
    assert owner(f"{pid}\n".encode()) == (pid, None)


def seen(**facts):
    known = {"pid": 0, "local": False, "foreign": False, "alive": False, "mtime_age": 1000.0, "ctime_age": 1000.0,
             "mailbox_age": 1000.0, "size": 0, "kernel_free": True}  # fmt: skip
    return Seen(**{**known, **facts})


DOVECOT = StaleRule("host", 120.0, "newest", living_pid=True, mailbox=True, kernel=True)
POSTFIX = StaleRule(age=500.0, clock="ctime")
PROCMAIL = StaleRule(age=1024.0, clock="mtime", largest=16)
LIBLOCKFILE = StaleRule("any", 300.0, "mtime", living_pid=True)


@pytest.mark.parametrize(
    ("rule", "facts", "expected"),
    [
        (None, {}, None),
        (DOVECOT, {}, 0.0),
        (DOVECOT, {"pid": 5, "local": True}, 0.0),
        (DOVECOT, {"pid": 5, "local": True, "mtime_age": 0.0}, 0.0),
        (DOVECOT, {"pid": 5, "local": True, "alive": True}, None),
        (DOVECOT, {"pid": 5, "foreign": True}, 0.0),
        (DOVECOT, {"ctime_age": 20.0}, 100.0),
        (DOVECOT, {"mailbox_age": 30.0}, 90.0),
        (DOVECOT, {"mailbox_age": None}, 0.0),
        (DOVECOT, {"kernel_free": False}, None),
        (POSTFIX, {"pid": 5, "local": True, "alive": True}, 0.0),
        (POSTFIX, {"ctime_age": 200.0}, 300.0),
        (PROCMAIL, {}, 24.0),
        (PROCMAIL, {"mtime_age": 2000.0, "size": 16}, 0.0),
        (PROCMAIL, {"mtime_age": 2000.0, "size": 17}, None),
        (LIBLOCKFILE, {"pid": 5, "mtime_age": 1.0}, 0.0),
        (LIBLOCKFILE, {"pid": 5, "alive": True}, None),
        (LIBLOCKFILE, {"mtime_age": 1.0}, 299.0),
        (StaleRule("host"), {"pid": 5}, None),
    ],
)
def test_each_programs_rule(rule, facts, expected):
    assert breaks(rule, seen(**facts)) == expected


@given(st.builds(StaleRule, st.sampled_from(["", "host", "any"]), st.none() | st.floats(0, 1e6),
                 st.sampled_from(["mtime", "ctime", "newest"]), st.booleans(), st.booleans(), st.booleans()),
       st.floats(0, 1e6), st.floats(0, 1e6))  # fmt: skip
def test_a_lock_only_grows_older(rule, age, more):
    now = breaks(rule, seen(mtime_age=age, ctime_age=age, mailbox_age=age))
    later = breaks(rule, seen(mtime_age=age + more, ctime_age=age + more, mailbox_age=age + more))
    assert (now is None) == (later is None)
    assert now is None or later <= now


@pytest.fixture
def box(tmp_path):
    (tmp_path / "box").write_bytes(b"")
    return str(tmp_path / "box")


def look(box, kernel_free=True, programs=()):
    return look_at(f"{box}.lock", box, kernel_free, programs)


def write(box, text):
    with open(f"{box}.lock", "wb") as file:
        file.write(text)


def dead_pid():
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def test_no_lock(box):
    assert look(box) is None


def test_a_living_owner(box):
    write(box, f"{os.getppid()}:{HERE}".encode())
    lock = look(box)
    assert (lock.pid, lock.host, lock.dead, lock.stale) == (os.getppid(), HERE, False, False)
    assert lock.process.pid == os.getppid()
    assert lock.process.since <= lock.since + 1
    assert lock.since == os.stat(f"{box}.lock").st_mtime


@pytest.mark.parametrize("form", ["{pid}:{host}", "{pid}\n"])
def test_a_dead_owner(box, form):
    pid = dead_pid()
    write(box, form.format(pid=pid, host=HERE).encode())
    dovecot, postfix = program("Dovecot", (), breaks=DOVECOT), program("Postfix", (), breaks=POSTFIX)
    idle = program("Idle", (), breaks=POSTFIX, uses_mbox=False)
    lock = look(box, programs=[dovecot, postfix, idle, program("mutt", ())])
    assert (lock.pid, lock.process, lock.dead) == (pid, None, True)
    assert lock.stale == (HERE in form.format(pid=pid, host=HERE))  # a bare pid may be of another host
    assert [breaker.program for breaker in lock.breakers] == ["Dovecot", "Postfix"]
    assert 490 < lock.breakers[1].seconds <= 500


def test_another_hosts_process(box):
    write(box, b"1:elsewhere.example")
    lock = look(box)
    assert (lock.pid, lock.host, lock.process, lock.dead, lock.stale) == (1, "elsewhere.example", None, False, False)


@pytest.mark.parametrize("kernel_free", [True, False])
def test_an_old_lock_is_stale_where_the_mailbox_is_free(box, monkeypatch, kernel_free):
    write(box, b"0")
    now = clock.now_ns()
    monkeypatch.setattr(clock, "source", lambda: now + 121 * 10**9)
    assert look(box, kernel_free).stale is kernel_free
    breakers = look(box, kernel_free, [program("Dovecot", (), breaks=DOVECOT)]).breakers
    assert breakers == (Breaker("Dovecot", 0.0 if kernel_free else None),)


def test_what_is_no_lock_file(box):
    os.mkfifo(f"{box}.lock")
    lock = look(box)
    assert (lock.says, lock.pid, lock.stale) == (None, None, False)
    os.unlink(f"{box}.lock")
    os.symlink("/etc/passwd", f"{box}.lock")
    assert look(box).says is None


def test_hostile_contents_stay_text(box):
    write(box, b"\x1b[31m\xff" * 200)
    assert look(box).says == (b"\x1b[31m\xff" * 200)[:512].decode("utf-8", "backslashreplace")
