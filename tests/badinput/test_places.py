"""Places that are hostile: names that leave the root, unreadable files, links in circles, read-only and full disks."""

from __future__ import annotations

import os
import stat
from collections import Counter
from pathlib import Path

import pytest
from support.converting import location
from support.facts import facts
from support.mstore import mstore
from support.privilege import remount, small_disk, unprivileged

from mailstore import Arrival, FolderPath, Meta, NoSuchStore, StorageFailure, open_store

HOSTILE = (
    ("..",),
    ("..", "..", "evil"),
    ("../evil",),
    ("/etc/evil",),
    ("a", "..", "..", "evil"),
    (".",),
    ("nul\0name",),
    ("trailing ",),
    (".hidden",),
    ("cur",),
    ("new", "tmp"),
    ("~root",),
    ("line\nbreak",),
    ("x" * 200,),
    ("ü" * 200,),
    ("^2e",),
    ("INBOX", "sub"),
)


@pytest.mark.parametrize("form", ["mboxtree", "maildir", "maildir++", "sqlite"])
def test_folder_names_stay_inside_the_root(form: str, tmp_path: Path) -> None:
    root = tmp_path / "outer/inner"
    root.mkdir(parents=True)
    where = location(form, root / "store")
    with open_store(where, create=True) as store:
        for number, name in enumerate(HOSTILE):
            store.create(FolderPath(name)).append(b"Subject: %d\n\n%d\n" % (number, number))
    assert all("store" in entry for entry in os.listdir(root))
    assert os.listdir(tmp_path / "outer") == ["inner"]
    assert not Path("/etc/evil").exists()
    with open_store(where, readonly=True) as store:
        found = {
            tuple(info.path): [message.bytes() for message in store.folder(info.path)]
            for info in store.folders()
            if info.selectable
        }
    for number, name in enumerate(HOSTILE):
        assert found[name] == [b"Subject: %d\n\n%d\n" % (number, number)]
    assert all(bodies == [] for path, bodies in found.items() if path not in HOSTILE)


@pytest.mark.parametrize("form", ["mboxtree", "maildir", "maildir++"])
def test_hostile_names_through_convert(form: str, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    with open_store(f"sqlite:{tmp_path}/mail.db", create=True) as store:
        for number, name in enumerate(HOSTILE):
            store.create(FolderPath(name)).append(b"Subject: %d\n\n%d\n" % (number, number))
    there = location(form, tmp_path / "root/store")
    ran = mstore("convert", "--json", f"sqlite:{tmp_path}/mail.db", there)
    assert (ran.code, ran.json["messages"]["copied"], ran.json["problems"]) == (0, len(HOSTILE), [])
    assert {name.partition(".")[0] for name in os.listdir(tmp_path)} == {"mail", "root"}
    assert mstore("verify", f"sqlite:{tmp_path}/mail.db", there).code == 0


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    """A Maildir of 20 messages."""
    root = tmp_path / "maildir"
    with open_store(f"maildir:{root}", create=True) as store:
        store.inbox.append_many(
            Arrival(b"Subject: %d\n\ntext\n" % number, Meta(1, internal_date=1_000_000_000 + number))
            for number in range(20)
        )
    return root


def _subjects(where: str) -> list[bytes]:
    with open_store(where, readonly=True) as store:
        return [message.bytes().partition(b"\n")[0] for message in store.inbox]


def _all_but(number: int) -> list[bytes]:
    return [b"Subject: %d" % n for n in range(20) if n != number]


def _file_of(maildir: Path, number: int) -> Path:
    wanted = b"Subject: %d\n" % number
    return next(path for path in (maildir / "cur").iterdir() if path.read_bytes().startswith(wanted))


@pytest.mark.parametrize("to", ["mbox", "sqlite", "maildir++"])
def test_an_unreadable_file_in_the_middle(to: str, maildir: Path, tmp_path: Path) -> None:
    prefix = unprivileged()
    victim = _file_of(maildir, 7)
    victim.chmod(0)
    there = location(to, tmp_path / "out")
    ran = mstore("convert", "--json", f"maildir:{maildir}", there, prefix=prefix)
    messages = ran.json["messages"]
    assert (ran.code, messages["found"], messages["copied"], messages["failed"]) == (1, 20, 19, 1)
    problem = ran.json["problems"][0]
    assert (problem["folder"], problem["position"], problem["error"]) == ("INBOX", 8, "UnreadableMessage")
    assert _subjects(there) == _all_but(7)
    listed = mstore("ls", f"maildir:{maildir}", prefix=prefix)
    assert len(listed.out.splitlines()) >= 19
    victim.chmod(0o600)
    again = mstore("convert", "--json", f"maildir:{maildir}", there)
    assert (again.code, again.json["messages"]["copied"], again.json["messages"]["skipped"]) == (0, 1, 19)
    assert sorted(_subjects(there)) == sorted([*_all_but(7), b"Subject: 7"])


@pytest.mark.parametrize("kind", ["dangling", "loop", "directory", "fifo", "socket-like"])
def test_what_is_no_file_in_cur(kind: str, maildir: Path, tmp_path: Path) -> None:
    """It is named and left alone; the mail around it is copied, and nothing hangs."""
    odd = maildir / "cur" / "1000000007.M5P1.odd:2,S"
    if kind == "dangling":
        odd.symlink_to(tmp_path / "nowhere")
    elif kind == "loop":
        odd.symlink_to(odd)
    elif kind == "directory":
        odd.mkdir()
        (odd / "inside").write_bytes(b"Subject: inside\n\n")
    elif kind == "fifo":
        os.mkfifo(odd)
    else:
        os.mknod(odd, 0o600 | stat.S_IFSOCK)
    for to in ("mbox", "sqlite"):
        there = location(to, tmp_path / "out")
        ran = mstore("convert", "--json", f"maildir:{maildir}", there)
        assert ran.json["messages"]["copied"] == 20
        if kind in ("dangling", "loop"):
            assert (ran.code, ran.json["messages"]["failed"], len(ran.json["problems"])) == (1, 1, 1)
            assert "odd" in ran.json["problems"][0]["key"] + ran.json["problems"][0]["reason"]
        assert _subjects(there) == [b"Subject: %d" % number for number in range(20)]
    assert mstore("info", f"maildir:{maildir}").code in (0, 1)
    assert mstore("ls", f"maildir:{maildir}").code in (0, 1)
    assert odd.is_symlink() or odd.exists()


def test_a_link_out_of_the_maildir_is_not_followed_when_writing(maildir: Path, tmp_path: Path) -> None:
    """A directory ``tmp`` that is a link to elsewhere: no mail is written there."""
    (tmp_path / "elsewhere").mkdir()
    (maildir / "tmp").rmdir()
    (maildir / "tmp").symlink_to(tmp_path / "elsewhere")
    mstore("add", f"maildir:{maildir}", data=b"Subject: x\n\nx\n")
    assert os.listdir(tmp_path / "elsewhere") == []


def test_directories_that_link_in_circles(tmp_path: Path) -> None:
    with open_store(f"maildir:{tmp_path}/fs?layout=fs", create=True) as store:
        store.create("a/b").append(b"Subject: 1\n\n")
    (tmp_path / "fs/a/b/up").symlink_to("../..")
    (tmp_path / "fs/self").symlink_to("self")
    with open_store(f"mbox:{tmp_path}/tree?layout=sbd", create=True) as store:
        store.create("c").append(b"Subject: 2\n\n")
    (tmp_path / "tree/up").symlink_to("..")
    (tmp_path / "tree/self").symlink_to("self")
    for where in (f"maildir:{tmp_path}/fs?layout=fs", f"mbox:{tmp_path}/tree?layout=sbd"):
        ran = mstore("info", "--json", where)
        assert ran.code in (0, 1)
        assert ran.json["messages"] == 1


@pytest.mark.parametrize("to", ["mbox", "maildir++", "sqlite"])
def test_a_read_only_destination(to: str, maildir: Path, tmp_path: Path) -> None:
    prefix = unprivileged()
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked").chmod(0o555)
    ran = mstore("convert", f"maildir:{maildir}", location(to, tmp_path / "locked/out"), prefix=prefix)
    assert (ran.code, len(ran.err.strip().splitlines())) == (73, 1), ran.err
    assert os.listdir(tmp_path / "locked") == []


@pytest.mark.parametrize("to", ["mbox", "maildir++", "sqlite"])
def test_a_read_only_file_system(to: str, maildir: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=10m") as disk:
        where = location(to, disk / "out")
        with open_store(where, create=True) as store:
            store.inbox.append(b"Subject: there\n\nthere\n")
        remount(disk, "ro")
        ran = mstore("convert", f"maildir:{maildir}", where)
        assert ran.code == 73, ran.err
        assert mstore("add", where, data=b"Subject: x\n\n").code == 73
        ran = mstore("ls", where)
        assert (ran.code, len(ran.out.splitlines())) == (0, 1)
        assert mstore("convert", where, f"mbox:{tmp_path}/copy").code == 0
        assert _subjects(f"mbox:{tmp_path}/copy") == [b"Subject: there"]


@pytest.mark.parametrize("options", ["size=2m", "size=20m,nr_inodes=60"])
@pytest.mark.parametrize("to", ["mbox", "maildir++", "maildir", "sqlite"])
def test_a_full_disk(to: str, options: str, tmp_path: Path) -> None:
    """Nothing half-written is mail to any reader; with more room the rerun brings all of it, once."""
    bodies = [b"Subject: %d\n\n" % number + b"%d text\n" % number * 3000 for number in range(200)]
    with open_store(f"sqlite:{tmp_path}/mail.db", create=True) as store:
        store.inbox.append_many(Arrival(body, Meta(1, internal_date=1_000_000_000)) for body in bodies)
    with small_disk(tmp_path / "disk", options) as disk:
        there = location(to, disk / "out")
        ran = mstore("convert", "--json", f"sqlite:{tmp_path}/mail.db", there)
        if "nr_inodes" in options and not to.startswith("maildir"):
            assert ran.code == 0, ran.err
        else:
            assert ran.code == 75, ran.err + ran.out
        whole = set(bodies)
        for name in ("cur", "new"):
            for path in disk.rglob(f"{name}/*"):
                assert path.read_bytes() in whole
        if Path(there.partition(":")[2].partition("?")[0]).exists():
            with open_store(there, readonly=True) as store:
                kept = Counter(message.bytes() for message in store.inbox)
            assert not kept - Counter(bodies)
        remount(disk, "size=200m,nr_inodes=10000")
        again = mstore("convert", "--json", f"sqlite:{tmp_path}/mail.db", there)
        assert (again.code, again.json["messages"]["failed"]) == (0, 0), again.err
        with open_store(there, readonly=True) as store:
            assert [message.bytes() for message in store.inbox] == bodies
        assert mstore("verify", f"sqlite:{tmp_path}/mail.db", there).code == 0


@pytest.mark.parametrize("form", ["mbox", "maildir++", "sqlite"])
def test_an_append_to_a_full_disk(form: str, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=1m") as disk:
        where = location(form, disk / "out")
        with open_store(where, create=True) as store:
            store.inbox.append(b"Subject: first\n\nfirst\n")
            before = facts(store.inbox)
        ran = mstore("add", where, data=b"Subject: large\n\n" + b"x" * 2_000_000)
        assert (ran.code, len(ran.err.strip().splitlines())) == (75, 1), ran.err
        with open_store(where) as store:
            assert facts(store.inbox) == before
        assert mstore("add", where, data=b"Subject: small\n\nsmall\n").code == 0
        assert _subjects(where) == [b"Subject: first", b"Subject: small"]


@pytest.mark.parametrize("form", ["maildir", "mbox", "sqlite"])
def test_what_cannot_be_looked_at_is_not_taken_for_missing(tmp_path: Path, form: str) -> None:
    """A missing mailbox is refused for good at RCPT; a directory that may not be searched is no missing mailbox."""
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(StorageFailure) as caught:
        open_store(f"{form}:{tmp_path}/loop/joe")
    assert caught.value.temporary
    with pytest.raises(NoSuchStore):
        open_store(f"{form}:{tmp_path}/joe/joe")
    with pytest.raises(NoSuchStore):
        open_store(f"{form}:{tmp_path}/{'j' * 300}")
