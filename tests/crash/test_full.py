"""No byte, no inode, no quota left: a clean temporary failure, nothing half stored, and it goes on when there is room.

For real: a tmpfs of a few megabytes or a few inodes, a btrfs whose quota group is limited, RLIMIT_FSIZE and RLIMIT_AS.
"""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from crash.kit import (
    FORMS,
    MESSAGES,
    SCRIPT,
    THOROUGH,
    delivery,
    found,
    left_over,
    listed,
    location,
    message,
    other,
    see,
    source,
    text,
)
from crash.kit import deliver as run
from support.disks import eat, eat_inodes, limit_to, limited
from support.mstore import mstore
from support.privilege import remount, small_disk

from mailstore import StorageFull, open_store
from mailstore.delivery import deliver

LARGE = b"From: ann@example.org\nSubject: large\n\n" + b"a line of it\n" * 800_000


class Place(NamedTuple):
    """A directory with little room.

    Attributes:
        path: the directory.
        tighten: leaves about so much (bytes, or inodes).
        little: how much that is to be before the last deliveries.
        widen: makes much room.
        quota: it is the user's, not the disk's.
    """

    path: Path
    tighten: Callable[[Path, int], None]
    little: int
    widen: Callable[[], None]
    quota: bool = False


@contextmanager
def bytes_left(tmp_path: Path) -> Iterator[Place]:
    with small_disk(tmp_path / "disk", "size=4m") as at:
        yield Place(at, eat, 400_000, lambda: remount(at, "size=200m"))


@contextmanager
def inodes_left(tmp_path: Path) -> Iterator[Place]:
    with small_disk(tmp_path / "disk", "size=100m,nr_inodes=80") as at:
        yield Place(at, eat_inodes, 20, lambda: remount(at, "nr_inodes=10000"))


@contextmanager
def quota_left(tmp_path: Path) -> Iterator[Place]:
    with limited(tmp_path, "4M") as at:
        yield Place(at, eat, 400_000, lambda: limit_to(at, "none"), quota=True)


PLACES = {"bytes": bytes_left, "inodes": inodes_left, "quota": quota_left}


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with PLACES[request.param](tmp_path) as made:
        yield made


def deliver_until_full(form: str, place: Place, first: int) -> int:
    """Deliver messages from ``first`` on until there is no room; returns the first that was refused."""
    for number in range(first, first + 30):
        if number == first + 20:
            place.tighten(place.path, 0)
        if form == "sqlite" and place.quota:  # a process of its own: see bus_error
            if run(form, place.path, message(number))[0]:
                return number
            continue
        try:
            deliver(message(number), location(form, place.path))
        except StorageFull as error:
            if error.quota != place.quota:
                raise
            return number
    raise AssertionError("it never got full")


def bus_error(form: str, place: Place, code: int) -> bool:
    """Tell whether that is a btrfs taking the room away that SQLite's shared memory had when it was mapped."""
    return form == "sqlite" and place.quota and code == -signal.SIGBUS


def check_refused(form: str, place: Place) -> None:
    """See that the large message left nothing.

    Out of quota a btrfs cuts no file, and lets SQLite open none: then what is left of it goes when there is room.
    """
    if not place.quota:
        assert see(form, place.path) == list(range(4))
        assert left_over(form, place.path) == []
        return
    place.widen()
    assert sorted(listed(form, place.path)) == see(form, place.path) == list(range(4))
    assert left_over(form, place.path) == []
    limit_to(place.path, "4M")


@pytest.mark.root
@pytest.mark.parametrize("form", FORMS)
def test_deliveries_until_nothing_is_left(form: str, place: Place) -> None:
    """75 or StorageFull, never half a message; what was acknowledged stays; with room it goes on."""
    where = location(form, place.path)
    open_store(where, create=True).close()
    for number in range(4):
        deliver(message(number), where)
    place.tighten(place.path, place.little)
    if place.little > 1000:
        code, said = run(form, place.path, LARGE)
        assert (code, said.count("\n")) == (75, 1), said
        check_refused(form, place)
    refused = deliver_until_full(form, place, 4)
    assert refused > 4
    place.tighten(place.path, 0)
    permanent = 77 if place.quota else 75
    for words, expected in (((), 75), (("--over-quota", "permanent"), permanent), ((), 75)):
        code, said = run(form, place.path, message(refused), *words)
        killed = form == "sqlite" and place.quota and said == f"mstore: interrupted by signal {int(signal.SIGBUS)}\n"
        assert (code, said.count("\n")) == (75 if killed else expected, 1), said
    with open_store(where, readonly=True) as store:
        there = sorted(found(one.bytes()) for one in store.inbox)
    unasked = there[refused:]
    assert there[:refused] == list(range(refused))
    assert unasked == [] or (place.quota and form == "sqlite" and set(unasked) == {refused})  # killed after its commit
    place.widen()
    assert see(form, place.path) == there
    assert left_over(form, place.path) == []
    assert run(form, place.path, message(refused)) == (0, "")
    assert sorted(listed(form, place.path)) == see(form, place.path) == [*there, refused]
    assert left_over(form, place.path) == []


def command(*words: str) -> int:
    """Run ``mstore`` and return its exit code."""
    done = subprocess.run([sys.executable, SCRIPT, *words], capture_output=True, check=False, timeout=120)
    return done.returncode


@pytest.mark.root
@pytest.mark.parametrize("form", FORMS)
def test_flags_and_expunges_with_nothing_left(form: str, place: Place) -> None:
    """Each is done in full or refused in full; all is as it was but for what was done."""
    where = location(form, place.path)
    with open_store(where, create=True) as store:
        for number in range(8):
            store.inbox.append(message(number))
    place.tighten(place.path, 0)
    ran = command("flag", "--add", "seen", where, "2", "5")
    assert ran in (0, 75) or bus_error(form, place, ran)
    seen = set() if ran else {2, 5}
    ran = command("expunge", "--force", where, "1", "4")
    assert ran in (0, 75) or bus_error(form, place, ran)
    left = [number for number in range(8) if ran or number not in (0, 3)]
    for widened in (False, True):
        with open_store(where, readonly=True) as store:
            assert [found(one.bytes()) for one in store.inbox] == left
            assert {one.uid for one in store.inbox if "\\Seen" in one.flags} == seen
        if not widened:
            place.widen()
    assert see(form, place.path) == left
    assert left_over(form, place.path) == []
    with open_store(where) as store:
        assert store.inbox.expunge([2, 5], only_deleted=False) == (2, 5)
        assert store.inbox.add_flags([3], ["\\Seen"]).changed == (3,)
    assert listed(form, place.path) == [number for number in left if number not in (1, 4)]


@pytest.mark.root
@pytest.mark.parametrize("form", FORMS)
def test_a_conversion_with_nothing_left(form: str, place: Place, tmp_path: Path) -> None:
    """75, and nothing torn is visible; with room the same command brings all of it, each once."""
    origin = source(other(form), tmp_path)
    place.tighten(place.path, place.little // 10)
    ran = mstore("convert", "--json", "-j", "1", origin, location(form, place.path))
    assert ran.code == 75, ran.err + ran.out
    if form != "sqlite":
        assert -1 not in see(form, place.path)
    place.widen()
    ran = mstore("convert", "--json", "-j", "1", origin, location(form, place.path))
    assert (ran.code, ran.json["messages"]["failed"]) == (0, 0), ran.err
    assert sorted(see(form, place.path)) == sorted(listed(form, place.path)) == list(range(MESSAGES))
    assert left_over(form, place.path) == []


def limit(number: int, value: int) -> Callable[[], None]:
    """Return what sets a limit of the process, with the signal that would end it ignored."""

    def apply() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(number, (value, value))

    return apply


def limited_run(form: str, directory: Path, data: bytes, number: int, value: int) -> tuple[int, bytes]:
    """Deliver in a process with a limit; returns its exit code and what it said."""
    done = subprocess.run(
        delivery(form, directory), input=data, capture_output=True, preexec_fn=limit(number, value), check=False
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_may_grow_no_further(form: str, tmp_path: Path) -> None:
    """RLIMIT_FSIZE: the write is short, then EFBIG. The mbox keeps what it had, and not a byte more."""
    where = location(form, tmp_path)
    with open_store(where, create=True) as store:
        for number in range(3):
            store.inbox.append(message(number))
    size = 1_500_000
    code, said = limited_run(form, tmp_path, LARGE, resource.RLIMIT_FSIZE, size)
    assert (code, said.count(b"\n")) == (75, 1), said
    assert see(form, tmp_path) == listed(form, tmp_path) == [0, 1, 2]
    assert left_over(form, tmp_path) == []
    assert limited_run(form, tmp_path, message(3), resource.RLIMIT_FSIZE, size) == (0, b"")
    assert sorted(listed(form, tmp_path)) == see(form, tmp_path) == [0, 1, 2, 3]


@pytest.mark.parametrize("form", FORMS)
def test_too_little_memory(form: str, tmp_path: Path) -> None:
    """RLIMIT_AS, from what the interpreter cannot start with to enough: 0 with the mail, or 75 without it; never 1."""
    open_store(location(form, tmp_path), create=True).close()
    data = b"Subject: 1000000\n" + b"X-Long: " + b"x" * 900_000 + b"\n\n" + text(1_000_000)
    delivered = []
    for mebibytes in range(14, 120, 3 if THOROUGH else 12):
        code, said = limited_run(form, tmp_path, data, resource.RLIMIT_AS, mebibytes << 20)
        if code not in (0, 75):
            assert b"mstore" not in said, (code, said)  # the interpreter itself did not come up
            assert code in (1, 127, -6, -11), (code, said)
            assert not delivered
        delivered += [1_000_000] * (code == 0)
        assert see(form, tmp_path) == delivered, (mebibytes, code, said)
        assert left_over(form, tmp_path) == []
    assert delivered
