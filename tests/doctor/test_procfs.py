"""Lines of /proc, as recorded, and anything else that could stand there."""

from hypothesis import given
from hypothesis import strategies as st

from mailstore.doctor import procfs
from mailstore.doctor.procfs import LockLine

LOCKS = """\
1: POSIX  ADVISORY  WRITE 27557 fe:00:2319219 0 EOF
1: -> POSIX  ADVISORY  READ 27850 fe:00:2319219 0 EOF
2: OFDLCK ADVISORY  READ  -1 00:1b:77 1073741826 1073742335
3: FLOCK  ADVISORY  WRITE 0 fe:00:5 0 EOF
4: LEASE  ACTIVE    READ  33 fe:00:6 0 EOF
5: POSIX  MSNFS     WRITE 12 fe:00:7 128 128
nonsense
6: POSIX  ADVISORY  WRITE x fe:00:7 0 EOF
7: POSIX  ADVISORY  WRITE 9 fe00 0 EOF
8: POSIX  ADVISORY  WRITE 9 fe:00:7 0 EOF more
"""


def test_the_kernels_list_of_locks():
    assert list(procfs.lock_lines(LOCKS)) == [
        LockLine("fcntl", "write", False, 27557, (0xFE, 0, 2319219), 0, None),
        LockLine("fcntl", "read", True, 27850, (0xFE, 0, 2319219), 0, None),
        LockLine("fcntl-ofd", "read", False, None, (0, 0x1B, 77), 1073741826, 1073742335),
        LockLine("flock", "write", False, None, (0xFE, 0, 5), 0, None),
        LockLine("lease", "read", False, 33, (0xFE, 0, 6), 0, None),
        LockLine("fcntl", "write", False, 12, (0xFE, 0, 7), 128, 128),
    ]


numbers = st.integers(0, 1 << 40)


@given(
    kind=st.sampled_from(sorted(procfs.KINDS)),
    mode=st.sampled_from(["READ", "WRITE"]),
    waiting=st.booleans(),
    pid=st.integers(-1, 1 << 22),
    file=st.tuples(st.integers(0, 4095), st.integers(0, 1 << 20), numbers),
    first=numbers,
    last=st.none() | numbers,
)
def test_every_line_that_the_kernel_can_print(kind, mode, waiting, pid, file, first, last):
    major, minor, inode = file
    end = "EOF" if last is None else last
    arrow = "-> " if waiting else ""
    text = f"17: {arrow}{kind:<6} ADVISORY  {mode:<5} {pid} {major:02x}:{minor:02x}:{inode} {first} {end}"
    expected = LockLine(procfs.KINDS[kind], mode.lower(), waiting, pid if pid > 0 else None, file, first, last)
    assert procfs.lock_line(text) == expected
    assert procfs.fdinfo(f"pos:\t0\nlock:\t{text}\n").locks == (expected,)


@given(st.text())
def test_no_text_breaks_a_parser(text):
    list(procfs.lock_lines(text))
    procfs.fdinfo(text)
    procfs.start_ticks(text)
    procfs.boot_time(text)
    procfs.effective_user(text)
    procfs.mount_of(text, 1)
    procfs.unescaped(text)


def test_an_open_file():
    text = (
        "pos:\t0\nflags:\t02100002\nmnt_id:\t27\nino:\t2319219\n"
        "lock:\t1: POSIX  ADVISORY  WRITE 27557 fe:00:2319219 0 EOF\n"
    )
    assert procfs.fdinfo(text) == (2319219, 27, (LockLine("fcntl", "write", False, 27557, (254, 0, 2319219), 0, None),))
    assert procfs.fdinfo("pos:\t0\nflags:\t02\n") == (None, None, ())


@given(st.text(st.characters(exclude_characters="\n")), st.integers(0, 1 << 60))
def test_a_programs_name_may_be_anything(name, ticks):
    text = f"42 ({name}) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 {ticks} 1000 200 18446744073709551615\n"
    assert procfs.start_ticks(text) == ticks


def test_times_and_users():
    assert procfs.boot_time("cpu  1 2\nbtime 1795604268\nprocesses 5\n") == 1795604268
    assert procfs.boot_time("cpu  1 2\n") is None
    assert procfs.effective_user("Name:\tx\nUid:\t1000\t0\t0\t0\n") == 0
    assert procfs.effective_user("Name:\tx\n") is None
    assert procfs.start_ticks("") is None


MOUNTS = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
31 27 0:44 / /mail rw,noatime shared:7 master:1 - nfs4 server:/a\\040b rw,vers=4.2,local_lock=flock
32 27 x:y / /odd rw - ext4 /dev/vdb rw
"""


def test_the_mount_of_a_file():
    assert procfs.mount_of(MOUNTS, 27) == ((254, 0), "ext4", "/dev/vda", {"rw", "relatime", "discard"})
    nfs = procfs.mount_of(MOUNTS, 31)
    assert nfs == ((0, 44), "nfs4", "server:/a b", {"rw", "noatime", "vers=4.2", "local_lock=flock"})
    assert procfs.mount_of(MOUNTS, 32) is None
    assert procfs.mount_of(MOUNTS, 2) is None


@given(st.text(st.characters(max_codepoint=0x7F)))
def test_mountinfo_escapes(text):
    escaped = "".join(f"\\{ord(one):03o}" if one in " \t\n\\" else one for one in text)
    assert procfs.unescaped(escaped) == text
