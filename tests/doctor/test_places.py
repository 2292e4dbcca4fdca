"""Where a store lies, and which of its files can be locked."""

import os

import pytest
from support.played import Played
from support.privilege import small_disk

from mailstore import NoSuchStore, NotAStore, Unsupported, open_store
from mailstore.doctor import inspect_locks
from mailstore.doctor import place as places
from mailstore.doctor.kernel import Named
from mailstore.doctor.place import inspect_place
from mailstore.doctor.procfs import Mount
from mailstore.doctor.targets import c_client_lock, targets
from mailstore.registry import parse_location


def test_a_directory_of_ones_own(tmp_path):
    (tmp_path / "box").touch()
    found = inspect_place(str(tmp_path / "box"), str(tmp_path))
    assert (found.exists, found.dotlock, found.notes) == (True, "owner", ())
    assert found.filesystem
    assert found.mode.startswith("drwx")
    assert not inspect_place(str(tmp_path / "none"), str(tmp_path)).exists


@pytest.mark.skipif(os.geteuid() != 0, reason="root: gives files away")
@pytest.mark.parametrize(
    ("mode", "group", "expected"),
    [(0o2775, 8, "group"), (0o755, 8, "root"), (0o1777, 0, "owner"), (0o775, 65534, "owner"), (0o700, 0, "root")],
)
def test_who_makes_a_dotlock(tmp_path, mode, group, expected):
    spool = tmp_path / "spool"
    spool.mkdir()
    os.chown(spool, 0, group)
    spool.chmod(mode)
    (spool / "nobody").touch()
    os.chown(spool / "nobody", 65534, 65534)
    assert inspect_place(str(spool / "nobody"), str(spool)).dotlock == expected
    os.chown(spool / "nobody", 0, 0)
    assert inspect_place(str(spool / "nobody"), str(spool)).dotlock == "owner"


@pytest.mark.skipif(os.geteuid() != 0, reason="root: gives files away")
def test_a_spool_mailbox_that_is_not_there_yet(tmp_path):
    os.chown(tmp_path, 0, 8)
    tmp_path.chmod(0o2775)
    found = inspect_place(str(tmp_path / "nobody"), str(tmp_path))
    assert (found.exists, found.owner, found.dotlock) == (False, "nobody", "group")
    found = inspect_place(str(tmp_path / "no such user"), str(tmp_path))
    assert (found.exists, found.owner, found.dotlock) == (False, "root", "owner")


def test_links_are_noted(tmp_path):
    box, link, second = tmp_path / "box", tmp_path / "link", tmp_path / "second"
    box.touch()
    link.symlink_to(box)
    (note,) = inspect_place(str(link), str(tmp_path)).notes
    assert note == f"a symbolic link to {box}: programs given that name make another dotlock"
    os.link(box, second)
    (note,) = inspect_place(str(box), str(tmp_path)).notes
    assert note.startswith("a file of 2 names")


@pytest.mark.parametrize(
    ("kind", "options", "note"),
    [
        ("nfs4", {"rw"}, "NFS: flock is mapped to fcntl"),
        ("nfs", {"rw", "local_lock=all"}, "mounted with local_lock=all: kernel locks do not reach other hosts"),
        ("cifs", {"nobrl"}, "mounted with nobrl"),
        ("9p", set(), "9p: whether kernel locks reach other hosts depends on its server"),
        ("fuse.sshfs", set(), "fuse.sshfs: whether"),
        ("ext4", {"rw"}, None),
    ],
)
def test_network_file_systems(tmp_path, monkeypatch, kind, options, note):
    (tmp_path / "box").touch()
    mount = Mount((0, 44), kind, "server:/mail", frozenset(options))
    monkeypatch.setattr(places, "look", lambda path: Named(path, (1, 2), (0, 44, 2), mount))
    found = inspect_place(str(tmp_path / "box"), str(tmp_path))
    assert (found.filesystem, found.device) == (kind, "server:/mail")
    assert len(found.notes) == (note is not None)
    assert note is None or found.notes[0].startswith(note)


@pytest.mark.skipif(os.geteuid() != 0, reason="root: mounts a file system")
def test_the_file_system_is_that_of_the_mailbox(tmp_path):
    with small_disk(tmp_path / "disk", "size=1m") as disk:
        (disk / "box").touch()
        found = inspect_place(str(disk / "box"), str(disk))
        assert (found.filesystem, found.device) == ("tmpfs", "tmpfs")


def of(text):
    found = targets(parse_location(text))
    assert found is not None
    return found


def test_one_mbox(tmp_path):
    box = str(tmp_path / "box")
    assert of(f"mbox:{box}").files == (box,)
    (tmp_path / "box").touch()
    found = of(f"mbox:{box}")
    assert found.files == (box, c_client_lock(box))
    assert (found.directory, found.lock_files) == (str(tmp_path), ((f"{box}.lock", box),))
    status = os.stat(box)
    assert c_client_lock(box) == f"/tmp/.{status.st_dev:x}.{status.st_ino:x}"


def test_a_tree_of_mboxes_with_its_inbox_elsewhere(tmp_path):
    for name in ("mail/a", "mail/b.lock", "mail/.hidden", "mail/sub/c", "mail/.imap/d", "inbox"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).touch()
    found = of(f"mbox:{tmp_path}/mail:INBOX={tmp_path}/inbox")
    boxes = [str(tmp_path / name) for name in ("inbox", "mail/a", "mail/sub/c")]
    assert [guarded for _, guarded in found.lock_files] == boxes
    assert (found.path, found.directory) == (f"{tmp_path}/mail", str(tmp_path))


def test_a_maildir(tmp_path):
    for name in ("cur", "new", "tmp", ".Sub/cur", ".Sub/new", ".Sub/tmp"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("cur/message", "dovecot-uidlist", "dovecot.index.log", "subscriptions.lock", ".Sub/dovecot-keywords"):
        (tmp_path / name).touch()
    found = of(f"maildir:{tmp_path}")
    assert set(found.files) == {f"{tmp_path}/{name}" for name in
                                ("dovecot-uidlist", "dovecot.index.log", ".Sub/dovecot-keywords")}  # fmt: skip
    assert dict(found.lock_files) == {
        f"{tmp_path}/dovecot-uidlist.lock": f"{tmp_path}/dovecot-uidlist",
        f"{tmp_path}/tmp/courier.lock": str(tmp_path),
        f"{tmp_path}/subscriptions.lock": f"{tmp_path}/subscriptions",
        f"{tmp_path}/.Sub/dovecot-uidlist.lock": f"{tmp_path}/.Sub/dovecot-uidlist",
        f"{tmp_path}/.Sub/tmp/courier.lock": f"{tmp_path}/.Sub",
    }


def test_what_cannot_be_inspected(tmp_path):
    with pytest.raises(Unsupported, match="memory: has no files"):
        inspect_locks("memory:")
    with pytest.raises(NoSuchStore):
        inspect_locks(f"mbox:{tmp_path}/none/box", Played())
    with pytest.raises(NoSuchStore):
        inspect_locks(f"maildir:{tmp_path}/none", Played())
    with pytest.raises(NoSuchStore):
        inspect_locks(f"sqlite:{tmp_path}/none.db", Played())
    (tmp_path / "text").write_text("no mail")
    with pytest.raises(NotAStore):
        inspect_locks(str(tmp_path / "text"), Played())


def test_an_mbox_that_is_not_there_yet(tmp_path):
    report = inspect_locks(f"mbox:{tmp_path}/box?locks=none", Played())
    assert (report.ok, report.locks, report.lock_files, report.place.exists) == (True, (), (), False)
    assert report.location == f"mbox:{tmp_path}/box"
    assert report.advice.location == f"mbox:{tmp_path}/box?locks=debian"
    assert [program.key for program in report.programs] == ["python"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["box", "box?dialect=mboxrd"])
def test_the_advice_can_be_opened(tmp_path, text):
    found = inspect_locks(f"mbox:{tmp_path}/{text}", Played()).advice
    assert found.location.startswith(f"mbox:{tmp_path}/{text}")
    with open_store(found.location, create=True) as store:
        store.inbox.append(b"a: b\n\n")
        assert len(list(store.inbox.rows())) == 1
