"""Where root may make something for a user: whose directories those are, and who may write there."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.users import DAEMON, NOBODY, shared_directory

from mailstore.system import handover

pytestmark = pytest.mark.root


@pytest.fixture
def base() -> Iterator[Path]:
    with shared_directory(0o755) as directory:
        yield directory


def test_a_directory_of_roots_is_safe(base: Path) -> None:
    assert handover.is_safe(str(base / "joe"))
    assert handover.is_safe("/etc/hostname")
    assert handover.is_safe("/tmp/anything")  # the sticky bit: nobody can take another's name away


@pytest.mark.parametrize(("mode", "owner", "safe", "crowded"), [
    (0o755, 0, True, True),
    (0o775, 0, False, True),
    (0o757, 0, False, False),
    (0o1777, 0, True, True),
    (0o755, NOBODY, False, False),
])  # fmt: skip
def test_whose_it_is_and_who_may_write(base: Path, mode: int, owner: int, safe: bool, crowded: bool) -> None:
    os.chown(base, owner, 0)
    base.chmod(mode)
    assert handover.is_safe(str(base / "joe")) is safe
    assert handover.is_safe(str(base / "joe"), crowded=True) is crowded
    inner = base / "inner"
    inner.mkdir()
    assert handover.is_safe(str(inner / "joe"), crowded=True) is safe  # further up a group is one too many


def test_the_owner_himself_may_decide(base: Path) -> None:
    os.chown(base, NOBODY, 0)
    assert handover.is_safe(str(base / "x"), NOBODY)
    assert not handover.is_safe(str(base / "x"), DAEMON)


def test_links_are_looked_at_and_followed(base: Path) -> None:
    theirs = base.parent / "home"  # nobody's
    (base / "ours").mkdir()
    os.symlink(base / "ours", base / "fine")
    assert handover.is_safe(str(base / "fine" / "x"))
    os.symlink(theirs, base / "away")
    assert not handover.is_safe(str(base / "away" / "x"))
    os.symlink("../spool/ours", base / "relative")
    assert handover.is_safe(str(base / "relative" / "x"))
    os.lchown(base / "fine", NOBODY, NOBODY)
    assert not handover.is_safe(str(base / "fine" / "x"))
    os.symlink("round", base / "round")
    assert not handover.is_safe(str(base / "round" / "x"))
    assert not handover.is_safe(str(base / "missing" / "x"))


def test_what_is_made_is_the_users(base: Path) -> None:
    handover.make_for(str(base / "file"), NOBODY, DAEMON, directory=False)
    handover.make_for(str(base / "directory"), NOBODY, DAEMON, directory=True)
    for name, mode in (("file", 0o600), ("directory", 0o700)):
        found = (base / name).stat()
        assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (NOBODY, DAEMON, mode)
    handover.make_for(str(base / "file"), DAEMON, DAEMON, directory=False)  # another owner from now on
    assert (base / "file").stat().st_uid == DAEMON
    with pytest.raises(FileExistsError):
        handover.make_for(str(base / "file"), NOBODY, NOBODY, directory=False, new=True)
    with pytest.raises(FileExistsError):
        handover.make_for(str(base / "directory"), NOBODY, NOBODY, directory=True, new=True)


def test_nothing_that_was_planted_is_given_away(base: Path) -> None:
    secret = base / "secret"
    secret.write_text("root's")
    os.symlink(secret, base / "link")
    with pytest.raises(OSError, match="symbolic links"):
        handover.make_for(str(base / "link"), NOBODY, NOBODY, directory=False)
    os.link(secret, base / "hard")
    with pytest.raises(FileExistsError):
        handover.make_for(str(base / "hard"), NOBODY, NOBODY, directory=False)
    os.mkfifo(base / "pipe")
    with pytest.raises(FileExistsError):
        handover.make_for(str(base / "pipe"), NOBODY, NOBODY, directory=False)
    with pytest.raises(OSError, match="Not a directory"):
        handover.make_for(str(base / "link"), NOBODY, NOBODY, directory=True)
    assert secret.stat().st_uid == 0


def test_a_place_for_many_users(base: Path) -> None:
    handover.make_private(str(base / "a" / "b"))
    assert stat.S_IMODE((base / "a" / "b").stat().st_mode) == 0o711
    handover.make_private(str(base / "a" / "b"))
    (base / "a" / "b").chmod(0o777)
    with pytest.raises(PermissionError):
        handover.make_private(str(base / "a" / "b"))
    os.chown(base, NOBODY, NOBODY)
    (base / "a" / "b").chmod(0o711)
    with pytest.raises(PermissionError):
        handover.make_private(str(base / "a" / "b"))
