"""Google Takeout as a store: folders, flags, exact bytes, several files; and conversions from it."""

from __future__ import annotations

import gzip
import hashlib
import os
from pathlib import Path

import apsw
import pytest
from support.mstore import mstore

from mailstore import FolderPath, Omission, Store, detect, open_store
from mailstore.convert import Options, convert, verify_stores
from mailstore.errors import CannotCreate, LocationError, NoSuchFolder, NoSuchStore, NotAStore, ReadOnlyStore
from mailstore.model.flags import DRAFT, FLAGGED, SEEN
from mailstore.model.info import BODY, CRLF_SIZE, DIGEST, HEADER, META, SIZE
from mailstore.testing.observe import body_bytes, tree

DATE = 1_700_000_000


def content(labels: str, subject: str, rest: str = "body\r\n", fields: str = "") -> bytes:
    label = f"X-Gmail-Labels: {labels}\r\n" if labels else ""
    return f"X-GM-THRID: 17\r\n{label}{fields}Subject: {subject}\r\n\r\n{rest}".encode()


def record(number: int, body: bytes, quoting: bytes = b">From ") -> bytes:
    line = f"From {1_500_000_000_000_000_000 + number}@xxx Tue Nov 14 22:13:20 +0000 2023\r\n".encode()
    return line + body.replace(b"\nFrom ", b"\n" + quoting) + b"\r\n"


MAIL = [
    content("Inbox,Unread", "one"),
    content("Inbox,Opened,Important,Work/2023", "two"),
    content("Sent,Opened", "three"),
    content("Archived,Opened,Starred,Category Promotions", "four"),
    content('Opened,Work/2023,"Smith, Jones"', "five"),
    content("Drafts,Opened", "six"),
    content("Trash,Opened,Work/2023", "seven"),
    content("Spam,Unread", "eight"),
]


def put(path: Path, bodies: list[bytes], first: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(record(first + at, body) for at, body in enumerate(bodies)))
    return path


@pytest.fixture
def takeout(tmp_path: Path) -> Path:
    root = tmp_path / "takeout"
    put(root / "Takeout" / "Mail" / "All mail Including Spam and Trash.mbox", MAIL)
    (root / "Takeout" / "archive_browser.html").write_text("<html>")
    return root


def bodies(store: Store, path: str) -> list[bytes]:
    return [body_bytes(row.body) for row in store.folder(path).rows(BODY)]


def folders(store: Store) -> dict[str, int]:
    return {str(info.path): store.folder(info.path).state().messages for info in store.folders() if info.selectable}


def test_labels_are_folders(takeout: Path) -> None:
    before = tree(takeout)
    with open_store(str(takeout), readonly=True) as store:
        assert store.capabilities.format == "takeout"
        assert folders(store) == {
            "INBOX": 2,
            "Archive": 1,
            "Drafts": 1,
            "Sent": 1,
            "Smith, Jones": 1,
            "Spam": 1,
            "Trash": 1,
            "Work/2023": 2,
        }
        uses = {str(info.path): info.special_use for info in store.folders() if info.special_use}
        assert uses == {
            "Archive": "\\Archive",
            "Drafts": "\\Drafts",
            "Sent": "\\Sent",
            "Spam": "\\Junk",
            "Trash": "\\Trash",
        }
        assert bodies(store, "INBOX") == MAIL[:2]
        assert bodies(store, "Work/2023") == [MAIL[1], MAIL[4]]
        first, second = store.inbox.rows(META)
        assert (first.flags, first.keywords, first.internal_date, first.sender) == (0, frozenset(), DATE, None)
        assert (second.flags, second.keywords) == (SEEN, {"$Important"})
        (four,) = store.folder("Archive").rows()
        assert (four.flags, four.keywords) == (SEEN | FLAGGED, {"CATEGORY_PROMOTIONS"})
        assert [row.flags for row in store.folder("Drafts").rows()] == [SEEN | DRAFT]
        assert [row.keywords for row in store.folder("Trash").rows()] == [{"Work/2023"}]
        assert store.omissions() == []
        assert store.usage() == (10, sum(map(len, [*MAIL, MAIL[1], MAIL[4]])))
        with pytest.raises(ReadOnlyStore):
            store.create("x")
        with pytest.raises(NoSuchFolder):
            store.folder("Work")
    assert tree(takeout) == before


def test_labels_as_keywords(takeout: Path) -> None:
    with open_store(str(takeout), labels="keywords") as store:
        assert folders(store) == {"INBOX": 2, "Archive": 2, "Drafts": 1, "Sent": 1, "Spam": 1, "Trash": 1}
        assert [row.keywords for row in store.inbox.rows()] == [set(), {"$Important", "Work/2023"}]
    with open_store(str(takeout), labels="both") as store:
        assert [row.keywords for row in store.folder("Smith, Jones").rows()] == [{"Work/2023", "Smith,_Jones"}]


def test_every_way_to_read(takeout: Path) -> None:
    with open_store(str(takeout)) as store:
        folder = store.folder("Work/2023")
        rows = list(folder.rows(META | SIZE | CRLF_SIZE | DIGEST | HEADER | BODY))
        assert [row.uid for row in rows] == [2, 5]
        assert [row.key for row in rows] == ["1500000000000000001", "1500000000000000004"]
        for row, body in zip(rows, (MAIL[1], MAIL[4]), strict=True):
            assert (row.size, row.crlf_size, row.digest) == (len(body), len(body), hashlib.sha256(body).digest())
            assert row.header == body[: body.index(b"\r\n\r\n") + 4]
            blob = folder.open(row.uid)
            assert (blob.size, blob.read_at(0, 1 << 20)) == (len(body), body)
            blob.close()
        assert [message.uid for message in folder.fetch([5, 2])] == [5, 2]
        gone = list(folder.fetch([1]))
        assert type(gone[0].error).__name__ == "NoSuchMessage"
        state = folder.state()
        assert (state.messages, state.unseen, state.uidnext, state.size) == (2, 0, 9, len(MAIL[1]) + len(MAIL[4]))
        delta = folder.changes(None)
        again = folder.changes(delta.token)
        assert (delta.full, again.full, list(again.batches)) == (True, False, [])


def test_header_fields_are_the_senders(tmp_path: Path) -> None:
    """Google's writer keeps nothing in them that an mbox program would."""
    fields = "Status: RO\r\nX-Status: D\r\nContent-Length: 3\r\nX-UID: 7\r\nX-Keywords: a\r\nX-Mozilla-Status: 0008\r\n"
    body = content("Inbox,Opened", "x", fields=fields)
    forged = content("Inbox,Unread", "y", fields="X-Gmail-Labels: Trash,Starred\r\n", rest="X-Gmail-Labels: Spam\r\n")
    bare = content("", "z", rest="X-Gmail-Labels: Spam\r\n")
    path = put(tmp_path / "x.mbox", [body, forged, bare])
    with open_store(str(path)) as store:
        assert bodies(store, "INBOX") == [body, forged]
        assert [(row.flags, row.keywords) for row in store.inbox.rows()] == [(SEEN, set()), (0, set())]
        (row,) = store.folder("Archive").rows()
        assert row.notes == ("it has no X-Gmail-Labels; taken for read and archived",)


@pytest.mark.parametrize("large", [False, True])
def test_quoting(tmp_path: Path, large: bool) -> None:
    """One > is taken off at any depth, unless quoted replies show that the writer quotes From lines alone."""
    filler = "x" * 70 + "\r\n"
    rest = "From me\r\n>From you\r\n> quoted\r\n" + filler * (20_000 if large else 1)
    body = content("Inbox,Unread", "x", rest=rest)
    path = tmp_path / "x.mbox"
    path.write_bytes(record(0, body.replace(b"\n>From ", b"\n>>From ")))
    with open_store(str(path)) as store:
        assert bodies(store, "INBOX") == [body]
        assert next(iter(store.inbox.rows(SIZE))).size == len(body)
    reply = content("Inbox,Unread", "x", rest="> a\r\n>From you\r\n> b\r\n" + filler)
    path.write_bytes(record(0, body) + record(1, reply))
    with open_store(str(path)) as store:
        found = bodies(store, "INBOX")
        assert found[0] == body.replace(b"\n>From ", b"\nFrom ")  # mboxo cannot say it
        assert [row.size for row in store.inbox.rows(SIZE)] == [len(one) for one in found]


def test_a_large_message(tmp_path: Path) -> None:
    body = content("Inbox,Work", "large", rest="y" * 76 + "\r\n")
    large = body + b"z" * (3 << 20) + b"\r\n"
    path = put(tmp_path / "x.mbox", [MAIL[0], large, MAIL[1]])
    with open_store(str(path)) as store:
        assert bodies(store, "Work") == [large]
        assert [row.size for row in store.inbox.rows(SIZE)] == [len(MAIL[0]), len(large), len(MAIL[1])]
        with store.folder("Work").get(2).open() as file:
            file.seek(len(large) - 4)
            assert file.read() == b"zz\r\n"


def test_other_languages(tmp_path: Path) -> None:
    mail = [
        content("=?UTF-8?Q?Posteingang,Ge=C3=B6ffnet,Kategorie_=E2=80=9EPers=C3=B6nlich=E2=80=9C?=", "a"),
        content("Posteingang,Ungelesen,Inbox", "b"),
        content("=?UTF-8?Q?Entw=C3=BCrfe,Ge=C3=B6ffnet?=", "c"),
    ]
    path = put(tmp_path / "x.mbox", mail)
    with open_store(str(path)) as store:
        assert folders(store) == {"INBOX": 2, "Drafts": 1}
        assert [(row.flags, row.keywords) for row in store.inbox.rows()] == [(SEEN, {"CATEGORY_PERSONAL"}), (0, set())]
        assert any("Gmail's own are de, as most of them show" in fact for fact in store.evidence)
    with open_store(str(path), language="en") as store:
        assert folders(store)["Posteingang"] == 2
        assert [one.reason.partition(" in ")[0] for one in store.omissions()] == [
            "no message is labelled as opened or unread"
        ]


def test_a_file_for_each_label(tmp_path: Path) -> None:
    """A message that stands in two of them is one; two messages of the same bytes stay two."""
    twin = content("Inbox,Work,Opened", "twin")
    mail = tmp_path / "Takeout" / "Mail"
    put(mail / "Inbox.mbox", [MAIL[1], twin, twin])
    put(mail / "Work-2023.mbox", [MAIL[1], twin, twin])
    put(mail / "Other.mbox", [content("Inbox,Opened", "another"), twin], first=50)
    (mail / "notes.mbox").write_bytes(b"From joe@example.org Tue Nov 14 22:13:20 2023\nSubject: x\n\nbody\n\n")
    with open_store(f"takeout:{tmp_path}") as store:
        assert sorted(bodies(store, "INBOX")) == sorted([MAIL[1], twin, twin, content("Inbox,Opened", "another"), twin])
        assert len({row.key for row in store.inbox.rows()}) == 5
        assert store.omissions() == [
            Omission(str(mail / "notes.mbox"), "a file called .mbox that is not Takeout's", damaged=True),
            Omission(
                str(tmp_path),
                "stand in more than one of the files, with the same bytes and labels; each is shown once",
                3,
            ),
        ]


def test_changed_under_a_reader(takeout: Path) -> None:
    path = takeout / "Takeout" / "Mail" / "All mail Including Spam and Trash.mbox"
    with open_store(str(takeout)) as store:
        folder = store.folder("Sent")
        before = folder.changes(None)
        token = store.changes().token
        path.write_bytes(path.read_bytes() + record(90, content("Sent,Unread", "new")))
        assert [body_bytes(row.body) for row in folder.rows(BODY)] == [MAIL[2], content("Sent,Unread", "new")]
        assert folder.changes(before.token).full
        assert store.changes(token).full
        put(path, [MAIL[0]])
        with pytest.raises(NoSuchFolder):
            folder.state()


@pytest.mark.parametrize("target", ["maildir:{}", "sqlite:{}", "mbox:{}?layout=sbd"])
def test_conversion(takeout: Path, tmp_path: Path, target: str) -> None:
    before = tree(takeout)
    with (
        open_store(str(takeout), readonly=True) as old,
        open_store(target.format(tmp_path / "to"), create=True, folders=True) as new,
    ):
        report = convert(old, new, Options(processes=1))
        assert (report.problems, report.losses, report.verified, report.copied) == ([], [], True, 10)
        assert verify_stores(old, new).same
        assert convert(old, new, Options(processes=1)).copied == 0
    assert tree(takeout) == before


def test_sqlite_stores_a_message_of_many_labels_once(tmp_path: Path) -> None:
    labels = [f"L{number}" for number in range(30)]
    path = put(tmp_path / "x.mbox", [content(",".join(["Opened", *labels]), "x", rest="y" * 5000)])
    with open_store(str(path)) as old, open_store(f"sqlite:{tmp_path}/x.db", create=True) as new:
        report = convert(old, new, Options(processes=1))
        assert (report.copied, report.verified) == (30, True)
    connection = apsw.Connection(str(tmp_path / "x.db"), flags=apsw.SQLITE_OPEN_READONLY)
    assert connection.execute("SELECT count(*) FROM body").fetchall() == [(1,)]
    connection.close()


def test_hostile_labels(tmp_path: Path) -> None:
    names = [
        "../../up",
        "..",
        ".",
        "/",
        "a//b",
        "cur",
        "~",
        "-rf",
        "x" * 225,
        "a/b/../c",
        "con\x01trol",
        "INBOX",
        "new",
    ]
    many = [f"label {number}" for number in range(1000)]
    encoded = ",".join(f'"{name}"' for name in names)
    mail = [content(f"Opened,{encoded}", "odd"), content(",".join(["Opened", *many]), "many")]
    path = put(tmp_path / "in" / "x.mbox", mail)
    with open_store(str(path)) as old, open_store(f"maildir:{tmp_path}/out/mail", create=True) as new:
        assert len(old.folders()) > 1010
        chosen = tuple(info.path for info in old.folders() if info.selectable and info.path[0][:6] != "label ")
        report = convert(old, new, Options(processes=1, folders=chosen))
        assert (report.problems, report.verified) == ([], True)
    assert sorted(os.listdir(tmp_path)) == ["in", "out"]
    assert {entry.partition(".")[0] for entry in os.listdir(tmp_path / "out")} == {"mail"}


def test_recognition(takeout: Path, tmp_path: Path) -> None:
    file = next(takeout.rglob("*.mbox"))
    assert [found.format for found in detect(str(takeout))] == ["takeout"]
    assert [found.format for found in detect(str(file))] == ["takeout"]
    packed = tmp_path / "all.mbox.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    with open_store(str(packed)) as store:
        assert bodies(store, "INBOX") == MAIL[:2]
    ordinary = tmp_path / "mail"
    ordinary.mkdir()
    (ordinary / "inbox").write_bytes(
        b"From joe@example.org Tue Nov 14 22:13:20 2023\nX-Gmail-Labels: Inbox\nSubject: x\n\nbody\n\n"
    )
    (ordinary / "Sent").write_bytes(file.read_bytes())
    assert [found.format for found in detect(str(ordinary))] == ["mbox"]
    assert [found.format for found in detect(str(ordinary / "inbox"))] == ["mbox"]


def test_what_is_none(tmp_path: Path) -> None:
    with pytest.raises(NoSuchStore):
        open_store(f"takeout:{tmp_path}/x")
    with pytest.raises(CannotCreate):
        open_store(f"takeout:{tmp_path}/x", create=True)
    with pytest.raises(NotAStore, match="no mbox file of Google Takeout"):
        open_store(f"takeout:{tmp_path}")
    path = put(tmp_path / "x.mbox", MAIL)
    with pytest.raises(LocationError, match="labels=tags"):
        open_store(f"takeout:{path}?labels=tags")
    with pytest.raises(LocationError, match="language=tlh"):
        open_store(f"takeout:{path}?language=tlh")


def test_on_the_command_line(takeout: Path, tmp_path: Path) -> None:
    ran = mstore("convert", f"takeout:{takeout}?labels=keywords", f"{tmp_path}/to/")
    assert ran.code == 0, ran.err
    with open_store(f"{tmp_path}/to/", readonly=True) as store:
        assert {keyword for row in store.inbox.rows() for keyword in row.keywords} == {"$Important", "Work/2023"}
        assert FolderPath(("Archive",)) in [info.path for info in store.folders()]


def test_files_anywhere_in_the_directory(tmp_path: Path) -> None:
    """However deep, and packed; what is not looked into is told, and what may be mail is a problem."""
    put(tmp_path / "Takeout/Mail/a.mbox", [MAIL[0]])
    put(tmp_path / "Takeout/Mail/a/b/c/d/deep.mbox", [MAIL[0]], 1)
    packed = put(tmp_path / "Takeout/Mail/packed", [MAIL[0]], 2)
    (packed.parent / "packed.mbox.gz").write_bytes(gzip.compress(packed.read_bytes()))
    put(tmp_path / "Takeout/Mail/.old/b.mbox", [MAIL[0]], 3)
    (tmp_path / "Takeout/Mail/empty.mbox").touch()
    (tmp_path / "Takeout/Mail/gone.mbox").symlink_to("nowhere")
    (tmp_path / "Takeout/Mail/link").symlink_to(tmp_path)
    with open_store(f"takeout:{tmp_path}") as store:
        assert len(store.inbox) == 3
        mail = tmp_path / "Takeout/Mail"
        other = "a file called .mbox that is not Takeout's"
        assert store.omissions() == [
            Omission(f"{mail}", "hidden directories, which are not looked into: 1 (.old)"),
            Omission(f"{mail}", "links to directories, which are not followed: 1 (link)"),
            Omission(f"{mail}/empty.mbox", other),
            Omission(f"{mail}/gone.mbox", other, damaged=True),
        ]
