"""Section 8 of the contract, first half: making, finding, renaming and deleting folders."""

from __future__ import annotations

import pytest

from mailstore import (
    FolderExists,
    FolderPath,
    InvalidFolderName,
    NoSuchFolder,
    SetState,
    Store,
    Unsupported,
)
from mailstore.testing.contract.base import Contract
from mailstore.testing.contract.uids import uids
from mailstore.testing.harness import Harness
from mailstore.testing.marks import both_ways, clause, needs
from mailstore.testing.observe import bodies, listing, paths, tree
from mailstore.testing.samples import BODIES, NAMES

ONE, TWO = BODIES["ordinary"], BODIES["crlf"]


class FolderContract(Contract):
    """Section 8: folders that are made, renamed and deleted."""

    @clause("8.1")
    def test_inbox(self, harness: Harness, store: Store) -> None:
        """INBOX is there, whatever its case, and no other spelling is another folder."""
        assert paths(store) == ["INBOX"]
        with pytest.raises((FolderExists, Unsupported)):
            store.create("INBOX")
        store.folder("inbox").append(ONE)
        assert bodies(store.folder("InBox")) == [ONE]
        for name in ("INBOX", "inbox"):
            with pytest.raises((FolderExists, Unsupported)):
                store.create(name)
            with pytest.raises((InvalidFolderName, Unsupported)):
                store.delete(name)
        assert paths(harness.reopen(store)) == ["INBOX"]

    @clause("8.1")
    @needs("folders")
    def test_inbox_comes_first(self, harness: Harness, store: Store) -> None:
        """Before names that sort before it."""
        for name in ("A", "B/C", "INBOX/sub", "Z"):
            store.create(name)
        for opened in harness.now_and_reopened(store):
            assert [path for path in paths(opened) if path != "B"] == ["INBOX", "A", "B/C", "INBOX/sub", "Z"]

    @clause("8.2", "8.3")
    @needs("folders")
    @pytest.mark.parametrize("name", NAMES, ids=[repr(name)[:40] for name in NAMES])
    def test_any_name(self, harness: Harness, store: Store, name: tuple[str, ...]) -> None:
        """Make, write, list, reopen, rename, write, delete; nothing beside the store is touched."""
        outside = harness.directory / "outside"
        outside.mkdir()
        (outside / "x").write_bytes(b"not yours")
        path, aside = FolderPath(name), FolderPath(["aside", name[-1]])
        folder = store.create(path)
        uid = folder.append(ONE).uid
        for opened in harness.now_and_reopened(store):
            listed = [info.path for info in opened.folders() if info.selectable]
            assert path in listed
            assert listing(opened.folder(path))[uid].body == ONE
        opened.rename(path, aside)
        assert path not in [info.path for info in opened.folders() if info.selectable]
        opened.folder(aside).append(TWO)
        opened.rename(aside, path)
        reopened = harness.reopen(opened)
        assert bodies(reopened.folder(path)) == [ONE, TWO]
        reopened.delete(path)
        with pytest.raises(NoSuchFolder):
            reopened.folder(path)
        assert path not in [info.path for info in harness.reopen(reopened).folders() if info.selectable]
        assert [entry.name for entry in outside.iterdir()] == ["x"]
        beside = {entry.name for entry in harness.directory.iterdir()} - {"outside", "probe.d"}
        assert all(entry.startswith(harness.root.name) for entry in beside)

    @clause("8.2")
    @needs("folders")
    def test_all_names_together(self, harness: Harness, store: Store) -> None:
        """No two names are one folder."""
        wanted = [FolderPath(name) for name in NAMES]
        for path in wanted:
            store.create(path).append(str(path).encode(errors="surrogateescape"))
        for opened in harness.now_and_reopened(store):
            listed = [info.path for info in opened.folders() if info.selectable]
            assert len(listed) == len(set(listed))
            assert set(wanted) <= set(listed)
            for path in wanted:
                assert bodies(opened.folder(path)) == [str(path).encode(errors="surrogateescape")]

    @clause("8.3")
    @needs("folders", "persistent")
    def test_no_name_leaves_the_store(self, harness: Harness, store: Store) -> None:
        """A file beside the store is out of reach for any name."""
        target = harness.root.parent / "victim"
        target.mkdir()
        (target / "mail").write_bytes(b"From x\n")
        before = tree(target)
        for name in (
            ("..", "victim"),
            ("../victim",),
            ("..", "victim", "mail"),
            ("../../victim/mail",),
            (str(target),),
        ):
            path = FolderPath(name)
            with pytest.raises(NoSuchFolder):
                store.folder(path)
            with pytest.raises(NoSuchFolder):
                store.delete(path)
            with pytest.raises(NoSuchFolder):
                store.rename(path, FolderPath(["Mine"]))
            store.create(path).append(ONE)
            assert bodies(store.folder(path)) == [ONE]
            store.delete(path)
        assert tree(target) == before

    @clause("8.4")
    @needs("folders")
    def test_errors(self, harness: Harness, store: Store) -> None:
        """What cannot be is refused by name and changes nothing."""
        store.create("A").append(ONE)
        store.create("A/B").append(TWO)
        store.create("C")
        for call in (
            lambda: store.create("A"),
            lambda: store.rename("A", "C"),
            lambda: store.rename("INBOX", "C"),
        ):
            with pytest.raises(FolderExists):
                call()
        for gone in (
            lambda: store.folder("a"),
            lambda: store.delete("X"),
            lambda: store.rename("X", "Y"),
            lambda: store.folder("A/B/C"),
            lambda: store.delete("A/C"),
        ):
            with pytest.raises(NoSuchFolder):
                gone()
        for call in (
            lambda: store.rename("A", "A/B/C"),
            lambda: store.rename("A", "INBOX"),
            lambda: store.delete("INBOX"),
            lambda: store.create("A//B"),
        ):
            with pytest.raises((InvalidFolderName, FolderExists)):
                call()
        for opened in harness.now_and_reopened(store):
            assert paths(opened) == ["INBOX", "A", "A/B", "C"]
            assert (bodies(opened.folder("A")), bodies(opened.folder("A/B"))) == ([ONE], [TWO])

    @clause("8.4")
    @needs("folders")
    def test_a_folder_that_is_gone(self, store: Store) -> None:
        """A Folder whose folder was deleted says so, whatever is asked of it."""
        folder = store.create("A")
        folder.append(ONE)
        store.delete("A")
        for call in (folder.state, lambda: list(folder.rows()), lambda: folder.append(TWO)):
            with pytest.raises(NoSuchFolder):
                call()
        assert paths(store) == ["INBOX"]

    @clause("8.5")
    @needs("folders")
    def test_missing_parents(self, harness: Harness, store: Store) -> None:
        """Parents are listed; those that hold messages can be opened, the others can be made."""
        store.create("P/Q/R").append(ONE)
        store = harness.reopen(store)
        infos = {str(info.path): info.selectable for info in store.folders()}
        assert list(infos) == ["INBOX", "P", "P/Q", "P/Q/R"]
        for name in ("P", "P/Q"):
            if infos[name]:
                assert bodies(store.folder(name)) == []
            else:
                with pytest.raises(NoSuchFolder):
                    store.folder(name)
                store.create(name)
            store.folder(name).append(TWO)
        store = harness.reopen(store)
        assert [bodies(store.folder(name)) for name in ("P", "P/Q", "P/Q/R")] == [[TWO], [TWO], [ONE]]

    @clause("8.5")
    @needs("folders")
    def test_parent_made_above_others(self, harness: Harness, store: Store) -> None:
        """Folders below a parent that is made later stay whole, also those that hold nothing yet."""
        store.create("P/Q/empty")
        store.create("P/Q/full").append(ONE)
        for name in ("P/Q", "P"):
            if name not in paths(store):
                store.create(name)
        store = harness.reopen(store)
        assert paths(store) == ["INBOX", "P", "P/Q", "P/Q/empty", "P/Q/full"]
        for name in ("P/Q/empty", "P/Q/full"):
            if harness.capabilities.foreign_writers:
                harness.foreign_append(FolderPath.parse(name), TWO.replace(b"\r\n", b"\n"))
            store.folder(name).append(TWO)
        assert bodies(store.folder("P/Q/full"))[0] == ONE
        assert len(store.folder("P/Q/empty")) == len(store.folder("P/Q/full")) - 1

    @clause("8.5")
    @needs("folders")
    def test_virtual_parents_come_and_go(self, harness: Harness, store: Store) -> None:
        """What was deleted above a folder, or is only there for it."""
        for name in ("A", "A/B", "C"):
            store.create(name).append(name.encode())
        store.delete("A")
        store = harness.reopen(store)
        with pytest.raises(NoSuchFolder):
            store.folder("A")
        with pytest.raises(NoSuchFolder):
            store.delete("A")
        with pytest.raises(FolderExists):
            store.rename("C", "A")
        store.rename("A", "D")
        store = harness.reopen(store)
        infos = [(str(info.path), info.selectable) for info in store.folders()]
        assert infos == [("INBOX", True), ("C", True), ("D", False), ("D/B", True)]
        assert bodies(store.folder("D/B")) == [b"A/B"]
        store.delete("D/B")
        assert [str(info.path) for info in harness.reopen(store).folders()] == ["INBOX", "C"]

    @clause("8.6")
    @needs("folders", "mail_and_children")
    def test_mail_and_children(self, harness: Harness, store: Store) -> None:
        """Both at once, whichever came first."""
        store.create("A").append(ONE)
        store.create("A/B").append(TWO)
        store.create("C/D").append(ONE)
        store.folder("C", create=True).append(TWO)
        store = harness.reopen(store)
        assert [bodies(store.folder(name)) for name in ("A", "A/B", "C", "C/D")] == [[ONE], [TWO], [TWO], [ONE]]

    @clause("8.7")
    @needs("folders")
    def test_delete(self, harness: Harness, store: Store) -> None:
        """Children stay, with their messages, and so does everything else."""
        for name in ("A", "A/B", "A/B/C", "AB"):
            store.create(name).append(name.encode())
        store.delete("A")
        for opened in harness.now_and_reopened(store):
            assert paths(opened) == ["INBOX", "A/B", "A/B/C", "AB"]
            assert [bodies(opened.folder(name)) for name in ("A/B", "A/B/C", "AB")] == [[b"A/B"], [b"A/B/C"], [b"AB"]]
        assert bodies(opened.create("A")) == []
        for name in ("A/B/C", "A/B", "A"):
            opened.delete(name)
        assert [str(info.path) for info in harness.reopen(opened).folders()] == ["INBOX", "AB"]

    @clause("8.8")
    @needs("folders")
    def test_rename_takes_all_along(self, harness: Harness, store: Store) -> None:
        """Messages, UIDs, UIDVALIDITY, flags, and folders below; but no folder that only looks alike."""
        for name in ("A", "A/B", "A/B/C", "AB", "A.B"):
            folder = store.create(name)
            store.commit([SetState(folder.path, 1000 + len(name), 50)])
            folder.append(ONE, flags=["\\Seen"], internal_date=5)
            folder.append(name.encode())
        kept = {name: listing(store.folder(name)) for name in ("A", "A/B", "A/B/C", "AB", "A.B")}
        store.rename("A", "X/Y")
        for opened in harness.now_and_reopened(store):
            assert [path for path in paths(opened) if path != "X"] == ["INBOX", "A.B", "AB", "X/Y", "X/Y/B", "X/Y/B/C"]
            for old, new in (("A", "X/Y"), ("A/B", "X/Y/B"), ("A/B/C", "X/Y/B/C"), ("AB", "AB"), ("A.B", "A.B")):
                assert listing(opened.folder(new)) == kept[old]
                assert opened.folder(new).state()[:2] == (1000 + len(old), 52)
        opened.folder("X/Y").append(TWO)
        opened.rename("X/Y/B", "A")
        assert paths(harness.reopen(opened))[:4] == ["INBOX", "A", "A/C", "A.B"]

    @clause("8.8")
    @needs("folders")
    def test_rename_to_similar_names(self, harness: Harness, store: Store) -> None:
        """To a name that differs in case, and up and down the tree."""
        store.create("A/B").append(ONE)
        for old, new in (("A/B", "A/b"), ("A/b", "b"), ("b", "C/deep/er"), ("C/deep/er", "A")):
            store.rename(old, new)
            store = harness.reopen(store)
            assert bodies(store.folder(new)) == [ONE]
            with pytest.raises(NoSuchFolder):
                store.folder(old)

    @clause("8.9")
    @needs("folders")
    @both_ways
    def test_rename_inbox(self, harness: Harness, store: Store) -> None:
        """Its messages move, INBOX stays empty, and its children stay."""
        store.create("INBOX/sub").append(TWO)
        given = [store.inbox.append(body, internal_date=5).uid for body in (ONE, TWO)]
        before, uidnext = listing(store.inbox), store.inbox.state().uidnext
        store.rename("INBOX", "Old")
        for opened in harness.now_and_reopened(store):
            assert paths(opened) == ["INBOX", "INBOX/sub", "Old"]
            assert [seen.body for seen in listing(opened.folder("Old")).values()] == [
                seen.body for seen in before.values()
            ]
            assert bodies(opened.inbox) == []
            assert bodies(opened.folder("INBOX/sub")) == [TWO]
            assert opened.inbox.state().uidnext >= uidnext
        assert opened.inbox.append(ONE).uid > max(given)

    @clause("8.14")
    @needs("folders")
    def test_below_inbox(self, harness: Harness, store: Store) -> None:
        """Folders below INBOX, found in any case of the first component's own."""
        store.create("INBOX/sub/deep").append(ONE)
        store.inbox.append(TWO)
        store = harness.reopen(store)
        assert bodies(store.folder("INBOX/sub/deep")) == [ONE]
        store.rename("INBOX/sub", "Out")
        store = harness.reopen(store)
        assert bodies(store.folder("Out/deep")) == [ONE]
        assert (bodies(store.inbox), uids(store.inbox)) == ([TWO], [1])

    @clause("8.15")
    def test_without_folders(self, harness: Harness, store: Store) -> None:
        """Where there is INBOX alone, everything else is refused, and INBOX works."""
        if harness.capabilities.folders:
            assert store.create("A").path == FolderPath(["A"])
        else:
            with pytest.raises(Unsupported):
                store.create("A")
            with pytest.raises(NoSuchFolder):
                store.folder("A")
            assert paths(store) == ["INBOX"]
        store.inbox.append(ONE)
        assert bodies(harness.reopen(store).inbox) == [ONE]
