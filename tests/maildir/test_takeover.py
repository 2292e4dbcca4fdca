"""Another server goes on with a Maildir where it lies."""

from pathlib import Path

import pytest
from support.maildirs import make, names, opened, put, shown

from mailstore import open_store
from mailstore.errors import Unsupported
from mailstore.testing.faults import Plan, in_child


def courier_box(root: Path) -> Path:
    box = make(root, ".Sent", ".Empty")
    for name in ("cur/1.a.h:2,S", "cur/2.b.h:2,", "new/3.c.h"):
        put(box, name)
    put(box / ".Sent", "cur/4.d.h:2,F")
    (box / "courierimapuiddb").write_text("1 795354195 9\n3 1.a.h\n5 2.b.h\n")
    (box / ".Sent/courierimapuiddb").write_text("1 795354196 2\n1 4.d.h\n")
    (box / "courierpop3dsizelist").write_text("/2 3 1600000000\n1.a.h:2,S 21 1:1600000000\n2.b.h:2, 21 2:1600000000\n")
    (box / "courierimapsubscribed").write_text("INBOX.Sent\n")
    (box / "courierimapkeywords").mkdir()
    (box / "courierimapkeywords/:list").write_text("$Junk\nWork\n\n1.a.h:0 1\n")
    (box / "courierimapkeywords/2.b.h").write_text("Work\n")
    return box


BEFORE = {3: ("\\Seen", "$Junk", "Work"), 5: ("Work",), 9: ("\\Recent",)}


def letters(box: Path) -> dict[str, str]:
    return dict(line.split(" ")[::-1] for line in (box / "dovecot-keywords").read_text().splitlines())


def test_couriers_maildir_becomes_dovecots(tmp_path: Path) -> None:
    box = courier_box(tmp_path / "box")
    with opened(box) as store:
        assert [(str(path), count) for path, count in store.take_over()] == [("INBOX", 3), ("Empty", 0), ("Sent", 1)]
        assert shown(store) == BEFORE
    known = letters(box)
    junk, work = (chr(97 + int(known[name])) for name in ("$Junk", "Work"))
    assert names(box) == [f"cur/1.a.h:2,S{''.join(sorted(junk + work))}", f"cur/2.b.h:2,{work}", "new/3.c.h"]
    lines = (box / "dovecot-uidlist").read_text().splitlines()[1:]
    assert lines == ["3 PUID1-1600000000 :1.a.h", "5 PUID2-1600000000 :2.b.h", "9 :3.c.h"]
    assert (box / "subscriptions").read_text() == "V\t2\n\nSent\n"
    assert all((box / name / "dovecot-uidlist").exists() for name in (".Sent", ".Empty"))
    with opened(box) as store:
        store.take_over()
        assert shown(store) == BEFORE
    assert (box / "dovecot-uidlist").read_text().splitlines()[1:] == lines


def test_and_couriers_again(tmp_path: Path) -> None:
    box = courier_box(tmp_path / "box")
    with opened(box) as store:
        store.take_over()
    for path in ("courierimapuiddb", "courierpop3dsizelist", "courierimapsubscribed"):
        (box / path).unlink()
    for path in (box / "courierimapkeywords").iterdir():
        path.unlink()
    (box / "courierimapkeywords").rmdir()
    with opened(box, "?index=courier") as store:
        store.take_over()
        assert shown(store) == BEFORE
    assert (box / "courierimapkeywords/:list").read_text() == "$Junk\nWork\n\n1.a.h:0 1\n2.b.h:1\n"
    assert (box / "courierimapuiddb").read_text().splitlines()[1:] == ["3 1.a.h", "5 2.b.h", "9 3.c.h"]
    assert (box / "courierpop3dsizelist").read_text().splitlines() == [
        "/2 3 1600000000",
        "1.a.h:2, 21 1:1600000000",
        "2.b.h:2, 21 2:1600000000",
    ]
    assert (box / "courierimapsubscribed").read_text() == "INBOX.Sent\n"


def test_a_crash_anywhere_loses_no_keyword(tmp_path: Path) -> None:
    for number in range(1, 500, 3):
        box = courier_box(tmp_path / str(number))
        plan = Plan(number, "kill")

        def work(box: Path = box, plan: Plan = plan) -> str:
            with opened(box, index="memory") as store, plan.at_work():
                store.take_over()
            return "done"

        done = in_child(work)
        with opened(box, readonly=True) as store:
            found = shown(store)
            assert {uid: found[uid] for uid in (3, 5)} == {uid: BEFORE[uid] for uid in (3, 5)}
        if done is not None:
            break
        with opened(box, index="memory") as store:
            store.take_over()
            assert shown(store) == BEFORE
    assert 10 < number < 490


def test_other_formats_have_nothing_to_take_over() -> None:
    with open_store("memory:") as store, pytest.raises(Unsupported, match="nothing need be taken over"):
        store.take_over()
