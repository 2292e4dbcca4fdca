from pathlib import Path

from support.maildirs import make, names, opened, put, rows, shown

from mailstore.formats import courier


def courier_box(root: Path) -> Path:
    box = make(root, ".Sent")
    for name in ("cur/1.a.h:2,S", "cur/2.b.h:2,", "cur/3.c.h:2,F"):
        put(box, name)
    (box / "courierimapuiddb").write_text("1 795354195 9\n3 1.a.h\n5 2.b.h\n")
    keywords = box / "courierimapkeywords"
    keywords.mkdir()
    (keywords / ":list").write_text("$Junk\nWork\n\n1.a.h:0 1\n2.b.h:1\n")
    (keywords / "2.b.h").write_text("New\n")
    (keywords / ".5983000.2.b.h").write_text("Old\n")
    (keywords / ".5983000.3.c.h").write_text("Three\n")
    (keywords / ".5982999.3.c.h").write_text("Two\n")
    return box


EXPECTED = {3: ("\\Seen", "$Junk", "Work"), 5: ("New",), 9: ("\\Flagged", "Three")}


def test_couriers_files_are_read(tmp_path: Path) -> None:
    box = courier_box(tmp_path / "box")
    with opened(box, readonly=True) as store:
        assert shown(store) == EXPECTED
        assert [row.recorded for row in rows(store)] == [True, True, False]
        assert store.inbox.state().uidvalidity == 795354195


def test_couriers_keywords_go_along_into_dovecots_record(tmp_path: Path) -> None:
    box = courier_box(tmp_path / "box")
    with opened(box) as store:
        assert shown(store) == EXPECTED
    with opened(box) as store:
        assert shown(store) == EXPECTED
        store.inbox.remove_flags([3], ["work"])
        assert shown(store)[3] == ("\\Seen", "$Junk")
    assert (box / "courierimapuiddb").read_text() == "1 795354195 9\n3 1.a.h\n5 2.b.h\n"
    assert (box / "dovecot-uidlist").exists()


def test_couriers_files_are_written_when_asked(tmp_path: Path) -> None:
    box = courier_box(tmp_path / "box")
    with opened(box, "?index=courier") as store:
        assert not store.capabilities.sender
        assert shown(store) == EXPECTED
        store.inbox.append(b"x\n", flags=["\\Draft"], keywords=["Fresh"])
        store.inbox.remove_flags([5], ["New"])
        store.inbox.add_flags([3], ["More", "\\Answered"])
        sent = store.folder("Sent")
        store.inbox.copy([3], sent)
        store.inbox.move([9], sent)
    assert not (box / "dovecot-uidlist").exists()
    assert not (box / "dovecot-keywords").exists()
    lines = (box / "courierimapuiddb").read_text().splitlines()
    assert lines[0].split()[:2] == ["1", "795354195"]
    assert int(lines[0].split()[2]) == 11
    assert [line.split()[0] for line in lines[1:]] == ["3", "5", "9", "10"]
    updates = {
        name.name: courier.parse_keyword_update(name.read_bytes()) for name in (box / "courierimapkeywords").iterdir()
    }
    assert updates["2.b.h"] == frozenset()
    assert updates["1.a.h"] == frozenset({"$Junk", "Work", "More"})
    with opened(box, "?index=courier") as store:
        assert shown(store) == {3: ("\\Seen", "\\Answered", "$Junk", "More", "Work"), 5: (), 10: ("\\Draft", "Fresh")}
        assert {words[-1] for words in shown(store, "Sent").values()} == {"Work", "Three"}
    assert "cur/2.b.h:2," in names(box)
