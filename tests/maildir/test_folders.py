import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.maildirs import BODY_TEXT, make, names, opened, put, rows, shown

from mailstore import (
    AmbiguousLocation,
    FolderExists,
    FolderPath,
    InvalidFolderName,
    LocationError,
    NoSuchFolder,
    NoSuchStore,
    NotAStore,
    open_store,
)
from mailstore.drivers.maildir import journal, recognise
from mailstore.drivers.maildir.layout import Layout, Spelling, guess_names
from mailstore.system import fs


def listed(store) -> dict[str, bool]:
    return {str(info.path): info.selectable for info in store.folders()}


# --- recognising


def test_nothing_and_something_else(tmp_path: Path) -> None:
    with pytest.raises(NoSuchStore):
        opened(tmp_path / "none")
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotAStore, match="is a directory, and this is none"):
        opened(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotAStore, match="it is empty"):
        opened(tmp_path / "empty")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mail.txt").write_text("x")
    with pytest.raises(NotAStore, match="it holds no cur, new and tmp"):
        opened(tmp_path / "full", create=True)
    assert os.listdir(tmp_path / "full") == ["mail.txt"]
    assert recognise.detect(str(tmp_path / "full")) is None
    with opened(tmp_path / "empty", create=True):
        assert {"cur", "new", "tmp"} <= set(os.listdir(tmp_path / "empty"))
    with pytest.raises(LocationError, match=r"layout is one of \+\+, fs, legacy, not 'flat'"):
        opened(tmp_path / "empty", "?layout=flat")


def test_the_root_has_no_maildirfolder_and_every_folder_has(tmp_path: Path) -> None:
    with opened(tmp_path / "box", create=True) as store:
        store.create("A/B")
    assert not (tmp_path / "box/maildirfolder").exists()
    assert (tmp_path / "box/.A.B/maildirfolder").read_bytes() == b""
    assert sorted(os.listdir(tmp_path / "box/.A.B")) == ["cur", "dovecot-uidlist", "maildirfolder", "new", "tmp"]


def test_layouts_are_told_apart(tmp_path: Path) -> None:
    with opened(make(tmp_path / "plain")) as store:
        assert store.capabilities.format == "maildir++"
    with opened(make(tmp_path / "flat", ".A.B", ".C")) as store:
        assert listed(store) == {"INBOX": True, "A": False, "A/B": True, "C": True}
    with opened(make(tmp_path / "tree", "A/B", "C.d")) as store:
        assert store.capabilities.format == "maildir"
        assert listed(store) == {"INBOX": True, "A": False, "A/B": True, "C.d": True}
    make(tmp_path / "both", ".A", "B")
    with pytest.raises(AmbiguousLocation) as caught:
        opened(tmp_path / "both")
    assert caught.value.readings == tuple(f"maildir:{tmp_path}/both?layout={one}" for one in ("++", "fs", "legacy"))
    with opened(tmp_path / "both", "?layout=fs") as store:
        assert listed(store) == {"INBOX": True, ".A": True, "B": True}


def test_a_tree_as_mbsync_makes_it(tmp_path: Path) -> None:
    root = tmp_path / "Mail"
    for folder in ("Inbox", "Sent", "Lists/one"):
        make(root / folder)
        put(root / folder, "cur/1.a.h:2,S", folder.encode())
    with open_store(root, readonly=True) as store:
        assert listed(store) == {"INBOX": True, "Lists": False, "Lists/one": True, "Sent": True}
        assert [row.body for row in rows(store)] == [b"Inbox"]
    with opened(root) as store:
        store.inbox.append(b"x\n", flags=["\\Seen"])
    assert len(names(root / "Inbox")) == 2
    assert not (root / "cur").exists()


# --- names


@pytest.mark.parametrize(
    ("spellings", "names"),
    [
        ([".A", ".B&-C"], "mutf7"),
        ([".Entw&APw-rfe"], "mutf7"),
        ([".Entw\udcc3\udcbcrfe"], "utf8"),
        ([".Entwürfe", ".R&D"], "utf8"),
        ([".R&D"], "utf8"),
        ([".Entwürfe", ".Entw&APw-rfe"], "mutf7"),
        ([], "mutf7"),
    ],
)
def test_spelling_is_found(spellings: list[str], names: str) -> None:
    assert guess_names(spellings) == names


def test_names_of_both_spellings(tmp_path: Path) -> None:
    make(tmp_path / "seven", ".Entw&APw-rfe.a&-b")
    make(tmp_path / "eight", ".Entwürfe.a&b")
    for name in ("seven", "eight"):
        with opened(tmp_path / name) as store:
            assert listed(store) == {"INBOX": True, "Entwürfe": False, "Entwürfe/a&b": True}
            store.create("Größe&")
    assert (tmp_path / "seven/.Gr&APYA3w-e&-").is_dir()
    assert (tmp_path / "eight/.Größe&").is_dir()
    with opened(tmp_path / "new", "?names=utf8", create=True) as store:
        store.create("日本")
    assert (tmp_path / "new/.日本").is_dir()


def test_names_that_are_spelled_otherwise_are_listed_and_reachable(tmp_path: Path) -> None:
    box = make(tmp_path / "box", ".INBOX", ".e\u0301", ".a..b", "..c", ".latin\udce9", ".Entw&APw-rfe", ".bad&", ".x.")
    put(box / ".INBOX", "cur/1.a.h:2,S", b"inbox 2\n")
    with opened(box, readonly=True) as store:
        found = listed(store)
        assert set(found) >= {"INBOX", "INBOX (2)", "é", "latin^e9", "Entwürfe", "bad&"}
        assert sum(found.values()) == 9
        assert [row.body for row in rows(store, "INBOX (2)")] == [b"inbox 2\n"]
        for path, selectable in found.items():
            if selectable:
                assert store.folder(path).state().messages == (path == "INBOX (2)")


@settings(deadline=None, max_examples=30)
@given(st.lists(st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=60), min_size=1, max_size=4))
def test_spelling_and_reading_any_name(parts: list[str]) -> None:
    path = FolderPath(parts)
    for layout in ("++", "fs"):
        for coding in ("mutf7", "utf8"):
            spelling = Spelling(layout, coding)
            full = spelling.full(path)
            pieces = full[1:].split(".") if layout == "++" else full.split("/")
            assert FolderPath(spelling.read(piece) for piece in pieces) == path
            directory = spelling.directory(path)
            assert all(0 < len(os.fsencode(piece)) <= 255 for piece in directory.split("/") if not path.is_inbox)
            assert not {"", ".", "..", "cur", "new", "tmp"} & set(directory.split("/")) or path.is_inbox


def test_long_names(tmp_path: Path) -> None:
    long = FolderPath(("deep", "é" * 200, "n" * 250))
    for layout in ("++", "fs"):
        box = tmp_path / layout
        with opened(box, f"?layout={layout}", create=True) as store:
            store.create(long).append(BODY_TEXT)
        with opened(box) as store:
            assert [info.path for info in store.folders() if info.selectable][1:] == [long]
            assert [row.body for row in store.folder(long).rows(256)] == [BODY_TEXT]
            store.rename(FolderPath(("deep",)), FolderPath(("ü" * 150, "other")))
            moved = FolderPath(("ü" * 150, "other", *long[1:]))
            assert [info.path for info in store.folders() if info.selectable][1:] == [moved]
            store.rename(moved, FolderPath(("short",)))
            assert [info.path for info in store.folders() if info.selectable][1:] == [FolderPath(("short",))]
            assert [row.body for row in store.folder("short").rows(256)] == [BODY_TEXT]


def test_a_name_that_looks_cut_and_is_not(tmp_path: Path) -> None:
    name = "x^~" + "0" * 32
    with opened(tmp_path / "box", create=True) as store:
        store.create(name)
        assert set(listed(store)) == {"INBOX", name}
    (tmp_path / f"box/.{name}/mailstore-name").write_text("../../elsewhere\n")
    with opened(tmp_path / "box") as store:
        assert set(listed(store)) == {"INBOX", name}


def test_no_name_leads_out_of_the_root(tmp_path: Path) -> None:
    for layout in ("++", "fs"):
        box = tmp_path / "in" / layout
        with opened(box, f"?layout={layout}", create=True) as store:
            for parts in (
                ("..",),
                ("..", "x"),
                ("../../x",),
                ("/etc",),
                (".",),
                ("a", "..", "..", "b"),
                ("nul\0",),
                ("~root",),
            ):
                store.create(FolderPath(parts)).append(BODY_TEXT)
        assert sorted(os.listdir(tmp_path / "in")) == sorted(os.listdir(tmp_path / "in"))
    assert os.listdir(tmp_path) == ["in"]
    assert sorted(os.listdir(tmp_path / "in")) == ["++", "fs"]


def test_a_lone_surrogate_cannot_be_spelled(tmp_path: Path) -> None:
    with opened(tmp_path / "box", create=True) as store:
        with pytest.raises(InvalidFolderName):
            store.create(FolderPath(("a\ud800",)))
        assert set(listed(store)) == {"INBOX"}


# --- renames and deletions


def test_a_subtree_keeps_its_uids_and_ids(tmp_path: Path) -> None:
    for layout in ("++", "fs"):
        with opened(tmp_path / layout, f"?layout={layout}", create=True) as store:
            for name in ("A", "A/B", "A/B/C", "AB"):
                store.create(name).append(name.encode(), uid=7)
            before = {str(info.path): info.id for info in store.folders()}
            store.rename("A", "X/Y")
            assert {p: i for p, i in {str(f.path): f.id for f in store.folders()}.items() if p != "X"} == {
                "INBOX": before["INBOX"], "AB": before["AB"],
                "X/Y": before["A"], "X/Y/B": before["A/B"], "X/Y/B/C": before["A/B/C"],
            }  # fmt: skip
            assert [(row.uid, row.body) for row in rows(store, "X/Y/B/C")] == [(7, b"A/B/C")]
            with pytest.raises(FolderExists):
                store.rename("AB", "X/Y/B")
            with pytest.raises(NoSuchFolder):
                store.rename("A", "Z")
            with pytest.raises(InvalidFolderName):
                store.rename("X", "X/Y/Z")
            store.create("A")
        assert not (tmp_path / layout / journal.NAME).exists()


class Killed(BaseException):
    pass


@pytest.mark.parametrize("at", range(1, 5))
def test_a_rename_that_was_interrupted_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    box = tmp_path / "box"
    with opened(box, create=True) as store:
        for name in ("A", "A/B", "A/C", "A/D"):
            store.create(name).append(name.encode())
        real, done = fs.rename, []

        def rename(source: str, target: str) -> None:
            if source.startswith(str(box / ".A")):
                done.append(source)
                if len(done) == at:
                    raise Killed
            real(source, target)

        monkeypatch.setattr(journal.fs, "rename", rename)
        with pytest.raises(Killed):
            store.rename("A", "Z")
        monkeypatch.undo()
    assert (box / journal.NAME).exists()
    with opened(box) as store:
        assert {p for p, selectable in listed(store).items() if selectable} == {"INBOX", "Z", "Z/B", "Z/C", "Z/D"}
        assert [row.body for row in rows(store, "Z/C")] == [b"A/C"]
        assert store.recover().finished == 0
    assert not (box / journal.NAME).exists()


def test_an_intent_of_somebody_else_leads_nowhere(tmp_path: Path) -> None:
    box = make(tmp_path / "box")
    (tmp_path / "precious").mkdir()
    for text in (
        '{"renames": [["../precious", "stolen"]]}',
        '{"renames": [["/etc", "x"]]}',
        "{",
        '{"renames": [1]}',
        "[]",
    ):
        (box / journal.NAME).write_text(text)
        with opened(box) as store:
            assert set(listed(store)) == {"INBOX"}
        assert (tmp_path / "precious").is_dir()
        assert not (box / journal.NAME).exists()


def test_a_rename_that_fails_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = tmp_path / "box"
    with opened(box, create=True) as store:
        for name in ("A", "A/B", "A/C"):
            store.create(name)
        real, done = fs.rename, []

        def rename(source: str, target: str) -> None:
            done.append(source)
            if len(done) == 3:
                raise OSError(5, "Input/output error")
            real(source, target)

        monkeypatch.setattr(journal.fs, "rename", rename)
        with pytest.raises(Exception, match="Input/output error"):
            store.rename("A", "Z")
        monkeypatch.undo()
        assert set(listed(store)) == {"INBOX", "A", "A/B", "A/C"}
        assert not (box / journal.NAME).exists()


def test_folders_below_stay_when_a_folder_is_deleted(tmp_path: Path) -> None:
    for layout in ("++", "fs"):
        with opened(tmp_path / layout, f"?layout={layout}", create=True) as store:
            store.create("A").append(b"a")
            store.create("A/B").append(b"b")
            store.delete("A")
            assert listed(store) == {"INBOX": True, "A": False, "A/B": True}
            with pytest.raises(NoSuchFolder):
                store.folder("A")
            with pytest.raises(NoSuchFolder):
                store.delete("A")
            assert [row.body for row in rows(store, "A/B")] == [b"b"]
            assert rows(store.create("A").store, "A") == []
            store.delete("A/B")
            store.delete("A")
            assert listed(store) == {"INBOX": True}
            assert os.listdir(tmp_path / layout / "tmp") == []
            store.create("B")
            store.rename("B", "A")


# --- subscriptions and special use


def test_subscriptions_are_dovecots(tmp_path: Path) -> None:
    box = make(tmp_path / "box", ".A.B")
    (box / "subscriptions").write_bytes(b"V\t2\n\nEntw&APw-rfe\nA\tB\nodd\t\t\n")
    with opened(box) as store:
        assert {str(i.path) for i in store.folders() if i.subscribed} == {"Entwürfe", "A/B"}
        store.subscribe("a.b/c&d")
        store.unsubscribe("Entwürfe")
        store.subscribe("inbox")
        store.subscribe("INBOX")
    assert (box / "subscriptions").read_bytes() == b"V\t2\n\nA\tB\nodd\t\t\na^2eb\tc&-d\nINBOX\n"


def test_subscriptions_of_version_1_stay_so(tmp_path: Path) -> None:
    box = make(tmp_path / "box")
    (box / "subscriptions").write_bytes(b"A.B\n")
    with opened(box) as store:
        store.subscribe("C/D")
        assert {str(i.path) for i in store.folders() if i.subscribed} == {"A/B", "C/D"}
    assert (box / "subscriptions").read_bytes() == b"A.B\nC.D\n"


def test_couriers_subscriptions_are_read(tmp_path: Path) -> None:
    box = make(tmp_path / "box", ".A")
    (box / "courierimapsubscribed").write_bytes(b"INBOX\nINBOX.A\n")
    with opened(box) as store:
        assert {str(i.path) for i in store.folders() if i.subscribed} == {"INBOX", "A"}
        store.subscribe("B")
        assert {str(i.path) for i in store.folders() if i.subscribed} == {"INBOX", "A", "B"}
    assert (box / "courierimapsubscribed").read_bytes() == b"INBOX\nINBOX.A\n"
    with opened(box, "?index=courier") as store:
        store.subscribe("C/d")
    assert (box / "courierimapsubscribed").read_bytes() == b"INBOX\nINBOX.A\nINBOX.C.d\n"


def test_special_use_goes_with_the_folder(tmp_path: Path) -> None:
    with opened(tmp_path / "box", create=True) as store:
        store.create("Gesendet", special_use="\\Sent")
        store.rename("Gesendet", "Sent")
        assert {str(i.path): i.special_use for i in store.folders()} == {"INBOX": None, "Sent": "\\Sent"}
        store.set_special_use("Sent", None)
        assert store.special_use("Sent") is None if hasattr(store, "special_use") else True
        assert shown(store, "Sent") == {}


def test_layout_finds_what_it_made(tmp_path: Path) -> None:
    layout = Layout(str(make(tmp_path / "box", ".A.B")), Spelling("++", "mutf7"))
    assert layout.find(FolderPath(("A", "B"))) == ".A.B"
    assert layout.find(FolderPath(("A",))) is None
    assert layout.find(FolderPath(("inbox",))) == ""


def test_couriers_shared_folders_are_no_second_layout(tmp_path: Path) -> None:
    box = make(tmp_path / "box", ".A", "shared-folders/them/.B")
    with opened(box, readonly=True) as store:
        assert listed(store) == {"INBOX": True, "A": True}
