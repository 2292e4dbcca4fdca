"""What is found where: homes, spools, accounts, mixtures, and what is no mail."""

import os
from pathlib import Path

import pytest

from mailstore import open_store
from mailstore.detection import Find, find_mail

MAIL = b"From a@x Thu Nov  9 22:33:52 2023\nSubject: 1\n\nx\n\n"


def maildir(*paths: Path) -> None:
    for path in paths:
        for part in ("cur", "new", "tmp"):
            (path / part).mkdir(parents=True)


def mbox(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(MAIL)


def text(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("hello\n")


def found(*paths: Path, **options: int) -> dict[str, Find]:
    return {one.path: one for one in find_mail(paths, **options).finds}


def mail(*paths: Path) -> dict[str, tuple[str, ...]]:
    """Locations by path, relative to the first of ``paths`` (``.``)."""
    base = str(paths[0])
    return {
        os.path.relpath(path, base): tuple(reading.location.replace(base, "~") for reading in one.readings)
        for path, one in found(*paths).items()
        if one.is_mail
    }


def test_a_home_directory(tmp_path: Path) -> None:
    mbox(tmp_path / "mbox", tmp_path / "mail/work", tmp_path / "mail/lists/a")
    maildir(tmp_path / "Maildir", tmp_path / "Maildir/.Sent")
    text(*(tmp_path / name for name in ("a.txt", "b.txt", "c.txt", "Documents/d.txt", "mail/notes")))
    assert mail(tmp_path) == {
        "Maildir": ("maildir:~/Maildir",),
        "mail": ("mbox:~/mail",),
        "mbox": ("mbox:~/mbox",),
    }


def test_homes_are_no_store_and_go_with_the_spool(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    for user in ("ann", "joe"):
        mbox(tmp_path / f"home/{user}/mail/sent", spool / user)
    (spool / "new").write_bytes(b"")
    spool.chmod(0o1777)
    result = find_mail([spool, tmp_path / "home"])
    by_path = {os.path.relpath(one.path, tmp_path): one for one in result.finds}
    assert {path: one.kind for path, one in by_path.items()} == {
        "spool": "spool",
        **dict.fromkeys(("spool/ann", "spool/joe", "spool/new", "home/ann/mail", "home/joe/mail"), "store"),
    }
    together = f"mbox:{tmp_path}/home/joe/mail?inbox={spool}/joe"
    assert by_path["home/joe/mail"].hints == [f"{spool}/joe is this user's INBOX: {together}"]
    assert by_path["spool/joe"].hints == [f"{tmp_path}/home/joe/mail has this user's folders: {together}"]
    assert by_path["spool/new"].evidence == ["an empty file"]
    with open_store(together, readonly=True) as store:
        assert [str(info.path) for info in store.folders()] == ["INBOX", "sent"]
    assert [pattern.location for pattern in result.patterns] == [
        f"mbox:{tmp_path}/home/{{user}}/mail?inbox={spool}/{{user}}",
        f"mbox:{spool}/{{user}}",
    ]


def test_a_lock_in_a_spool_is_no_account(tmp_path: Path) -> None:
    """Its mailbox is one; a user of such a name is one too."""
    mbox(tmp_path / "joe")
    for name in ("joe.lock", "ann.lock"):
        (tmp_path / name).touch()
    tmp_path.chmod(0o1777)
    assert [(os.path.basename(one.path), one.kind) for one in find_mail([tmp_path]).finds[1:]] == [
        ("ann.lock", "store"),
        ("joe", "store"),
        ("joe.lock", "known"),
    ]


def test_a_directory_of_accounts(tmp_path: Path) -> None:
    box = tmp_path / "example.org"
    maildir(box / "ann", box / "ann/.Sent", box / "joe", box / "joe/.Sent", box / "new user")
    result = find_mail([tmp_path])
    assert {os.path.relpath(one.path, box): one.kind for one in result.finds} == {
        ".": "accounts",
        **dict.fromkeys(("ann", "joe", "new user"), "store"),
    }
    assert [pattern.location for pattern in result.patterns] == [f"maildir:{box}/{{user}}"]
    assert [find.folders for find in result.finds] == [None, 2, 2, 1]


@pytest.mark.parametrize(
    ("folders", "location"),
    [
        (["INBOX", "work", "work/lists"], "maildir:~"),
        (["INBOX", "work", "work/.lists"], "maildir:~"),
        ([".", ".work"], "maildir:~"),
    ],
)
def test_trees_of_maildirs(folders: list[str], location: str, tmp_path: Path) -> None:
    maildir(*(tmp_path / "Mail" / name for name in folders))
    assert mail(tmp_path / "Mail") == {".": (location,)}


def test_a_mixture_is_explained(tmp_path: Path) -> None:
    box = tmp_path / "mail"
    mbox(box / "work", box / "sent", box / "old")
    maildir(box / "new style")
    finds = found(tmp_path)
    assert [os.path.relpath(path, tmp_path) for path in finds] == ["mail", "mail/new style"]
    assert finds[str(box)].evidence[1:] == [f"not part of it: {box}/new style, directories cur, new, tmp"]
    assert finds[str(box)].location == f"mbox:{box}"


def test_several_readings_are_all_named(tmp_path: Path) -> None:
    for number in range(1, 4):
        mbox(tmp_path / f"box/{number}.eml")
    readings = mail(tmp_path / "box")["."]
    assert "mbox:~" in readings
    assert len(readings) > 1
    assert {one.kind for one in find_mail([tmp_path / "box"]).finds} == {"ambiguous"}


def test_what_is_known_and_no_mail(tmp_path: Path) -> None:
    for name in ("cyrus/cyrus.header", "cyrus/1.", "dbox/mailboxes/x", "dbox/storage/m.1", "c/.INBOX/dovecot-uidlist",
                 "i/.INBOX/dovecot.index", "tb/Inbox.msf", "tb/popstate.dat", "old.pst", "q/active/1", "q/deferred/1",
                 "q/incoming/1"):  # fmt: skip
        text(tmp_path / name)
    finds = found(tmp_path)
    told = {os.path.relpath(path, tmp_path): one.evidence[0].split(":")[0] for path, one in finds.items()}
    assert told == {
        "cyrus": "a mailbox of Cyrus IMAP (files 1., 2. and so on)",
        "dbox": "Dovecot's dbox",
        "c/.INBOX": "Dovecot's records of a Maildir that is elsewhere (CONTROL=)",
        "i/.INBOX": "Dovecot's indexes of mail that is elsewhere (INDEX=)",
        "tb/Inbox.msf": "Thunderbird's index of a folder",
        "tb/popstate.dat": "Thunderbird's POP3 unique ids",
        "old.pst": "Outlook's mail",
        "q": "the queue of a mail server",
    }
    assert not find_mail([tmp_path]).any_mail


def test_a_database_of_several_accounts(tmp_path: Path) -> None:
    for user in ("ann", "joe"):
        with open_store(f"sqlite:{tmp_path}/mail.db?account={user}", create=True) as store:
            store.inbox.append(b"x\n")
    find = found(tmp_path)[f"{tmp_path}/mail.db"]
    assert find.kind == "accounts"
    assert find.evidence[1:] == [f"account sqlite:{tmp_path}/mail.db?account={user}" for user in ("ann", "joe")]


@pytest.mark.parametrize("name", ["a?b=c", "x:INBOX=y", "new\nline\udcff", "mbox:x"])
def test_odd_names(name: str, tmp_path: Path) -> None:
    mbox(tmp_path / name / "box")
    (find,) = find_mail([tmp_path / name]).finds
    with open_store(find.location, readonly=True) as store:
        assert [message.bytes() for message in store.inbox] == [b"Subject: 1\n\nx\n"]
    assert find.folders == 1


def test_records_are_evidence(tmp_path: Path) -> None:
    maildir(tmp_path / "Maildir")
    for name in ("courierimapuiddb", "courierpop3dsizelist"):
        (tmp_path / "Maildir" / name).write_text("")
    assert found(tmp_path)[f"{tmp_path}/Maildir"].evidence == [
        "directories cur, new, tmp",
        "courierimapuiddb: Courier's UIDs",
        "courierpop3dsizelist: Courier's POP3 unique ids",
    ]


def test_links_are_named_and_not_followed_unless_asked_for(tmp_path: Path) -> None:
    mbox(tmp_path / "real/box")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "loop").symlink_to(".")
    finds = found(tmp_path)
    assert {path: one.kind for path, one in finds.items() if one.kind == "link"} == {
        f"{tmp_path}/link": "link",
        f"{tmp_path}/loop": "link",
    }
    assert finds[f"{tmp_path}/link"].evidence == ["a symbolic link to real"]
    assert list(found(tmp_path / "link")) == [f"{tmp_path}/link/box"]


def test_what_is_closed_or_deep_or_missing_is_named(tmp_path: Path) -> None:
    mbox(tmp_path / "a/b/c/box")
    assert found(tmp_path, depth=2)[f"{tmp_path}/a/b"].evidence == ["more than 2 directories deep"]
    assert found(tmp_path, depth=3)[f"{tmp_path}/a/b/c"].evidence == ["more than 3 directories deep"]
    assert found(tmp_path, depth=4)[f"{tmp_path}/a/b/c/box"].is_mail
    assert found(tmp_path / "none")[f"{tmp_path}/none"].evidence == ["no such file or directory"]
    os.mkfifo(tmp_path / "fifo")
    assert found(tmp_path / "fifo")[f"{tmp_path}/fifo"].kind == "passed over"


def times(root: Path) -> list[tuple[Path, int, int]]:
    """When each file was written and read, and each directory written."""
    return sorted(
        (path, path.stat().st_mtime_ns, path.stat().st_atime_ns if path.is_file() else 0) for path in root.rglob("*")
    )


def test_counting(tmp_path: Path) -> None:
    mbox(tmp_path / "mail/a", tmp_path / "mail/b")
    (tmp_path / "mail/.hidden").write_bytes(MAIL)
    before = times(tmp_path)
    find = found(tmp_path / "mail", count=True)[f"{tmp_path}/mail"]
    assert (find.folders, find.messages) == (3, 2)
    assert find.evidence[1:] == [f"not shown: {tmp_path}/mail/.hidden: a hidden file, though it is mail"]
    assert find.size is not None
    assert times(tmp_path) == before
