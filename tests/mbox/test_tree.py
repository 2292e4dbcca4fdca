"""Trees of mbox files: layouts, names, INBOX, subscriptions, what is passed over."""

import itertools
import os
from pathlib import Path
from typing import Any

import pytest

from mailstore import SetState, Store, open_store
from mailstore.drivers.mbox.held import Held
from mailstore.errors import FolderExists, InvalidFolderName, StoreBusy
from mailstore.model.info import BODY
from mailstore.model.names import FolderPath
from mailstore.system import fs
from mailstore.system.lockrules import LockRules
from mailstore.testing.faults import Plan, in_child

LINE = b"From joe@example.org Thu Nov  9 22:33:52 2023\n"
ONE = b"Subject: one\n\nbody\n"


def tree(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(LINE + b"Subject: " + os.fsencode(path.name) + b"\n\nbody\n\n")
    return root


def folders(store: Store) -> list[str]:
    return [str(info.path) for info in store.folders() if info.selectable]


def opened(root: Path, options: str = "", **settings: Any) -> Store:
    return open_store(f"mbox:{root}" + (f"?{options}" if options else ""), **settings)


def test_plain_trees(tmp_path: Path) -> None:
    root = tree(tmp_path / "mail", "inbox", "Lists/python", "Lists/mailstore", "Sent")
    with opened(root) as store:
        assert folders(store) == ["INBOX", "Lists/mailstore", "Lists/python", "Sent"]
        assert any("layout plain" in fact for fact in store.evidence)
        with pytest.raises(InvalidFolderName, match="holds messages"):
            store.create("Sent/2023")
        with pytest.raises(FolderExists, match="folders below"):
            store.create("Lists")
        store.create("Lists/Entwürfe")
    assert (root / "Lists" / "Entw&APw-rfe").is_file()


def test_thunderbirds_trees(tmp_path: Path) -> None:
    root = tree(tmp_path / "mail", "Inbox", "Inbox.sbd/Work", "Sent", "Sent.sbd/2023", "Sent.sbd/2023.sbd/Mai")
    (root / "Inbox.msf").write_bytes(b'// <!-- <mdb:mork:z v="1.4"/> -->\n')
    with opened(root) as store:
        assert folders(store) == ["INBOX", "Inbox/Work", "Sent", "Sent/2023", "Sent/2023/Mai"]
        assert [row.body for row in store.folder("Sent/2023/Mai").rows(BODY)] == [b"Subject: Mai\n\nbody\n"]
        store.rename("Sent", "Old/Post")
        assert folders(store) == ["INBOX", "Inbox/Work", "Old/Post", "Old/Post/2023", "Old/Post/2023/Mai"]
    assert (root / "Old.sbd" / "Post.sbd" / "2023.sbd" / "Mai").is_file()
    assert (root / "Inbox.msf").read_bytes().startswith(b"// <!--")


def test_inbox_elsewhere(tmp_path: Path) -> None:
    root = tree(tmp_path / "mail", "Sent")
    spool = tmp_path / "spool"
    spool.write_bytes(LINE + ONE + b"\n")
    for location in (f"mbox:{root}?inbox={spool}", f"mbox:{root}:INBOX={spool}"):
        with open_store(location, readonly=True) as store:
            assert folders(store) == ["INBOX", "Sent"]
            assert [row.body for row in store.inbox.rows(BODY)] == [ONE]


def test_what_is_passed_over_is_reported_and_kept(tmp_path: Path) -> None:
    root = tree(tmp_path / "mail", "inbox", ".hidden")
    (root / "notes.txt").write_bytes(b"no mail\n")
    (root / "empty").write_bytes(b"")
    (root / "inbox.lock").write_bytes(b"")
    (root / "link").symlink_to("nowhere")
    (root / "loop").symlink_to(root)
    os.mkfifo(root / "fifo")
    before = sorted(os.listdir(root))
    with opened(root, readonly=True) as store:
        assert folders(store) == ["INBOX", "empty"]
        said = "\n".join(store.evidence)
    for name in ("notes.txt", ".hidden", "fifo", "link", "loop"):
        assert f"/{name}: not read" in said
    assert sorted(os.listdir(root)) == before


NAMES = [".", "..", "../x", "a/b", "a\0b", "trailing ", ".hidden", "~joe", "x.sbd", "x.msf", "x.lock", "^2e", "a.b",
         "Entwürfe", "日本語", "&", "a&-b", "x" * 250, "ü" * 150, "popstate.dat", "INBOX/x"]  # fmt: skip


@pytest.mark.parametrize("layout", ["sbd", "plain"])
def test_any_name(tmp_path: Path, layout: str) -> None:
    root = tmp_path / "mail"
    with opened(root, f"layout={layout}", create=True) as store:
        for name in NAMES:
            folder = store.create(FolderPath((name,)))
            folder.append(b"Subject: x\n\n" + name.encode() + b"\n")
        for name in NAMES:
            store.create(FolderPath(("below", name, "end")))
    with opened(root, f"layout={layout}", readonly=True) as store:
        found = {tuple(info.path) for info in store.folders() if info.selectable}
        assert found == {("INBOX",)} | {(name,) for name in NAMES} | {("below", name, "end") for name in NAMES}
        for name in NAMES:
            [row] = store.folder(FolderPath((name,))).rows(BODY)
            assert row.body == b"Subject: x\n\n" + name.encode() + b"\n"
    assert os.listdir(tmp_path) == ["mail"]


def test_dovecots_subscriptions(tmp_path: Path) -> None:
    root = tree(tmp_path / "mail", "Lists/python")
    (root / ".subscriptions").write_bytes(b"V\t2\n\nLists\tpython\ngone\n")
    with opened(root) as store:
        assert [str(info.path) for info in store.folders() if info.subscribed] == ["Lists/python", "gone"]
        store.subscribe("Entwürfe/x")
        store.unsubscribe("gone")
    assert (root / ".subscriptions").read_bytes() == b"V\t2\n\nEntw&APw-rfe\tx\nLists\tpython\n"


@pytest.mark.parametrize("stop", range(1, 8))
def test_a_rename_is_finished_after_a_crash(tmp_path: Path, stop: int) -> None:
    root = tree(tmp_path / "mail", "A", "A.sbd/B", "A.sbd/B.sbd/C")

    class Crash(BaseException):
        pass

    count = 0

    def crash(source: str, target: str) -> None:
        nonlocal count
        count += 1
        if count >= stop:
            raise Crash
        os.rename(source, target)

    store = opened(root)
    try:
        with fs.replaced(fs.Calls(rename=crash, rename_noreplace=crash)):
            store.rename("A", "Z/Y")
    except Crash:
        pass
    with opened(root) as again:
        assert folders(again) in (["INBOX", "A", "A/B", "A/B/C"], ["INBOX", "Z/Y", "Z/Y/B", "Z/Y/B/C"])
        assert len(folders(again)) == 4


def test_a_new_tree_holds_inbox_where_dovecot_looks(tmp_path: Path) -> None:
    with opened(tmp_path / "mail", "layout=sbd", create=True) as store:
        store.inbox.append(ONE)
    assert (tmp_path / "mail" / "inbox").read_bytes().endswith(ONE + b"\n")


def test_an_empty_folder_that_is_being_written(tmp_path: Path) -> None:
    """It grows before its first bytes come: whoever lists the folders meanwhile, or after a crash, sees it still."""
    state = SetState(FolderPath(["Empty"]), 4_000_000, 50)
    lengths = set()
    for at in itertools.count(1):
        with opened(tmp_path / str(at), "layout=sbd", create=True) as store:
            store.create("Empty")

        def work(at: int = at) -> str:
            with opened(tmp_path / str(at), index="memory") as store, Plan(at, "kill").at_work():
                store.commit([state])
            return "done"

        killed = in_child(work) is None
        box = tmp_path / str(at) / "Empty"
        lengths.add(box.read_bytes()[:5])
        for readonly in (True, False):
            with opened(tmp_path / str(at), readonly=readonly, index="memory") as store:
                assert [str(info.path) for info in store.folders()] == ["INBOX", "Empty"]
                found = store.folder("Empty").state()
                assert (found.uidvalidity == 4_000_000) == (found.uidnext >= 50)
        if not killed:
            break
    assert lengths == {b"", b"\0" * 5, b"From "}


def test_a_rename_of_which_a_power_cut_kept_both_names(tmp_path: Path) -> None:
    """The new name came to the disk, and that the old one is gone did not."""
    with opened(tree(tmp_path / "m", "A", "A.sbd/B"), "layout=sbd") as store:
        assert folders(store) == ["INBOX", "A", "A/B"]

    def work() -> None:
        with opened(tmp_path / "m") as store, Plan().at_work() as plan:
            plan.meeting = lambda: plan.die() if plan.seen[-1:] == ["rename_noreplace"] else None
            store.rename("A", "New")

    assert in_child(work) is None
    assert sorted(os.listdir(tmp_path / "m"))[-2:] == ["A.sbd", "New"]
    os.link(tmp_path / "m/New", tmp_path / "m/A")
    with opened(tmp_path / "m") as store:
        assert folders(store) == ["INBOX", "New", "New/B"]
        assert store.recover()[:2] == (0, 0)
    assert not (tmp_path / "m/A").exists()


def test_a_store_is_closed_whose_folder_went_away_with_its_directory(tmp_path: Path) -> None:
    with open_store(f"mbox:{tmp_path}/tree/", create=True, folders=True) as store:
        store.create("A/x")
        store.folder("A/x").append(ONE)
        store.rename("A", "B")
        assert not os.path.exists(tmp_path / "tree" / "A.sbd")
        assert [message.uid for message in store.folder("B/x").messages(0)] == [1]


def test_a_folder_is_not_renamed_under_an_append(tmp_path):
    """The append would find its file under another name, and its mail would be taken for not stored."""
    location = f"mbox:{tmp_path}/t?layout=sbd"
    with open_store(location, create=True, folders=True) as store:
        store.create("A").append(b"Subject: x\n\n")
        store.create("A/B").append(b"Subject: y\n\n")
        file = tmp_path / "t" / "A.sbd" / "B"
        with (
            open_store(location, lock_timeout=0.2) as other,
            Held(str(file), LockRules(timeout=1.0)),
            pytest.raises(StoreBusy),
        ):
            other.rename("A", "C")
        assert sorted(str(info.path) for info in store.folders()) == ["A", "A/B", "INBOX"]
        store.rename("A", "C")
        assert [len(store.folder(name)) for name in ("C", "C/B")] == [1, 1]
        assert [path.name for path in tmp_path.rglob("*.lock") if "mailstore" not in path.name] == []


@pytest.mark.parametrize(
    ("place", "text"), [("mail", "INBOX\nwork\nlists/a\n"), (".", "INBOX\nmail/work\nmail/lists/a\nNews/x\n")]
)
def test_c_clients_subscriptions(place: str, text: str, tmp_path: Path) -> None:
    root = tmp_path / "mail"
    (root / "lists").mkdir(parents=True)
    for name in ("work", "lists/a", "other"):
        (root / name).write_bytes(LINE + ONE)
    (tmp_path / place / ".mailboxlist").write_text(text)
    (tmp_path / "mail/inbox").write_bytes(b"")

    def subscribed(readonly: bool = True) -> list[str]:
        with open_store(f"mbox:{root}", readonly=readonly) as store:
            return [str(info.path) for info in store.folders() if info.subscribed]

    assert subscribed() == ["INBOX", "lists/a", "work"]
    with open_store(f"mbox:{root}") as store:
        store.subscribe("other")
        store.unsubscribe("work")
    assert subscribed() == ["INBOX", "lists/a", "other"]
    assert (root / ".subscriptions").read_bytes() == b"V\t2\n\nINBOX\nlists\ta\nother\n"
    assert (tmp_path / place / ".mailboxlist").read_text() == text
