"""Thunderbird's profiles: accounts, folders, flags, what is left out; and that nothing is written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.mstore import mstore

from mailstore import FolderPath, Omission, Store, detect, open_store, registry
from mailstore.convert import Options, convert, verify_stores
from mailstore.errors import AmbiguousLocation, LocationError, NoSuchStore, NotAStore, ReadOnlyStore
from mailstore.formats.mbox.metadata import find_fields, read_fields
from mailstore.model.flags import ANSWERED, DELETED, FLAGGED, RECENT, SEEN
from mailstore.model.info import BODY, META
from mailstore.testing.observe import tree


def record(subject: str, status: str = "0001", more: str = "00000000", keys: str = "", line: str = "") -> bytes:
    line = line or "From - Tue Nov 14 22:13:20 2023"
    return (
        f"{line}\nX-Mozilla-Status: {status}\nX-Mozilla-Status2: {more}\nX-Mozilla-Keys: {keys:<80}\n"
        f"X-Account-Key: account1\nSubject: {subject}\n\nbody\n\n"
    ).encode()


def body(subject: str) -> bytes:
    return f"X-Account-Key: account1\nSubject: {subject}\n\nbody\n".encode()


def put(path: Path, *records: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(records))


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    root = tmp_path / "x1y2z3.default"
    local, pop = root / "Mail" / "Local Folders", root / "Mail" / "pop.example.org"
    imap = root / "ImapMail" / "imap.example.org"
    put(root / "prefs.js", b'user_pref("mail.root.pop3-rel", "[ProfD]Mail");\n')
    put(root / "News" / "news.example.org.rc")
    put(local / "Trash")
    put(local / "Unsent Messages.msf", b"// <!-- <mdb:mork:z")
    put(local / "Old.sbd" / "R&D", record("kept"), record("gone", "0009"), record("gone too", "1009"))
    put(local / "Old.sbd" / "R&D.sbd" / "Mai", record("may"))
    put(pop / "Inbox", record("first", "0000", "00010000"), record("second", "1007", keys="$label1 work"))
    put(pop / "Inbox.msf", b"// <!-- <mdb:mork:z")
    put(pop / "Inbox.sbd" / "Sub", record("below"))
    put(pop / "Sent", record("sent"))
    for name in ("popstate.dat", "msgFilterRules.dat", "filterlog.html", "virtualFolders.dat", "x.json", "y.html"):
        put(pop / name, b"" if name == "y.html" else b"no mail\n")
    put(pop / "invoices.dat", record("an mbox all the same"))
    put(pop / "notes", b"not an mbox\n")
    put(pop / "Inbox.mozmsgs" / "1.wdseml", b"x")
    put(imap / "INBOX", record("kept offline"))
    put(imap / "INBOX.sbd" / "Gel&APY-scht", record("deleted", more="00200000"))
    for name in ("INBOX.msf", "Sent.msf", "Junk.msf"):
        put(imap / name, b"// <!-- <mdb:mork:z")
    return root


def bodies(store: Store, path: str) -> list[bytes]:
    return [bytes(row.body) for row in store.folder(path).rows(BODY)]  # type: ignore[arg-type]


def folders(store: Store) -> list[str]:
    return [str(info.path) for info in store.folders() if info.selectable]


def test_a_profile(profile: Path) -> None:
    before = tree(profile)
    with open_store(str(profile), readonly=True) as store:
        assert store.capabilities.format == "thunderbird"
        assert not store.capabilities.writable
        assert folders(store) == [
            "INBOX",
            "Local Folders/Old/R&D",
            "Local Folders/Old/R&D/Mai",
            "Local Folders/Trash",
            "imap.example.org/INBOX",
            "imap.example.org/INBOX/Gelöscht",
            "pop.example.org/Inbox",
            "pop.example.org/Inbox/Sub",
            "pop.example.org/Sent",
            "pop.example.org/invoices.dat",
        ]
        assert {info.special_use for info in store.folders()} == {None}
        assert bodies(store, "INBOX") == []
        assert bodies(store, "Local Folders/Old/R&D") == [body("kept")]
        assert bodies(store, "pop.example.org/Inbox") == [body("first"), body("second")]
        with pytest.raises(ReadOnlyStore):
            store.create("New")
    assert tree(profile) == before


def test_one_account(profile: Path) -> None:
    with open_store(f"thunderbird:{profile}?account=pop.example.org") as store:
        assert folders(store) == ["INBOX", "INBOX/Sub", "Sent", "invoices.dat"]
        assert {str(info.path): info.special_use for info in store.folders() if info.special_use} == {"Sent": "\\Sent"}
        first, second = store.folder("INBOX").rows(META)
        assert (first.flags, first.keywords, first.sender) == (RECENT, frozenset(), None)
        assert second.flags == SEEN | ANSWERED | FLAGGED
        assert second.keywords == {"$Forwarded", "$label1", "work"}
    with open_store(f"thunderbird:{profile}?account=ImapMail/imap.example.org") as store:
        assert folders(store) == ["INBOX", "INBOX/Gelöscht"]
        assert [row.flags for row in store.folder("INBOX/Gelöscht").rows()] == [SEEN | DELETED]
    with open_store(f"thunderbird:{profile}/Mail/pop.example.org") as store:
        assert folders(store) == ["INBOX", "INBOX/Sub", "Sent", "invoices.dat"]
    with open_store(f"thunderbird:{profile}/ImapMail/imap.example.org") as store:
        assert folders(store) == ["INBOX", "INBOX/Gelöscht"]
    with pytest.raises(LocationError, match=r"account=nobody.*Mail/Local Folders, Mail/pop"):
        open_store(f"thunderbird:{profile}?account=nobody")


def test_accounts(profile: Path) -> None:
    found = [str(location) for location in registry.accounts(registry.parse_location(str(profile)))]
    assert found == [
        f"thunderbird:{profile}?account={name}"
        for name in ("Mail/Local Folders", "Mail/pop.example.org", "ImapMail/imap.example.org")
    ]


def test_two_accounts_of_one_name(tmp_path: Path) -> None:
    for kind in ("Mail", "ImapMail"):
        put(tmp_path / kind / "mail.example.org" / "Inbox", record(kind))
    put(tmp_path / "prefs.js")
    with open_store(str(tmp_path)) as store:
        assert folders(store) == ["INBOX", "ImapMail/mail.example.org/Inbox", "Mail/mail.example.org/Inbox"]
    with pytest.raises(LocationError, match="or two"):
        open_store(f"thunderbird:{tmp_path}?account=mail.example.org")


def test_what_is_left_out_is_told(profile: Path) -> None:
    pop = profile / "Mail" / "pop.example.org"
    put(pop / "Archives" / "cur" / "1.eml", body("one to a file"))
    with open_store(str(profile), readonly=True) as store:
        found = store.omissions()
    assert sorted(found) == sorted(
        [
            Omission("Local Folders/Old/R&D", "deleted in Thunderbird, not compacted away yet", 2),
            Omission(
                str(pop / "Archives"),
                f"1 message(s) that Thunderbird keeps one to a file: convert them with eml:{pop}/Archives/cur",
                damaged=True,
            ),
            Omission(str(pop / "notes"), "it does not begin with a From_ line"),
            Omission(
                str(profile / "ImapMail" / "imap.example.org"),
                "2 folder(s) of the IMAP server are known here by name alone: their mail was not kept offline",
            ),
        ]
    )


def test_expunged_messages_on_request(profile: Path) -> None:
    with open_store(f"thunderbird:{profile}?expunged=include") as store:
        assert bodies(store, "Local Folders/Old/R&D") == [body("kept"), body("gone"), body("gone too")]
        assert [one.messages for one in store.omissions()] == [None] * 2


@pytest.mark.parametrize("target", ["maildir:{}", "sqlite:{}", "mbox:{}?layout=sbd"])
def test_conversion(profile: Path, tmp_path: Path, target: str) -> None:
    before = tree(profile)
    with (
        open_store(str(profile), readonly=True) as old,
        open_store(target.format(tmp_path / "to"), create=True, folders=True) as new,
    ):
        report = convert(old, new, Options(processes=1))
        assert (report.problems, report.verified, report.copied) == ([], True, 9)
        assert [one.messages for one in report.left_out if one.messages] == [2]
        assert verify_stores(old, new).same
        again = convert(old, new, Options(folders=(FolderPath(("pop.example.org", "Sent")),)))
        assert (again.copied, [one.messages for one in again.left_out]) == (0, [None] * 2)
    assert tree(profile) == before


def test_on_the_command_line(profile: Path, tmp_path: Path) -> None:
    ran = mstore("convert", profile, f"{tmp_path}/one/")
    assert ran.code == 0, ran.err
    assert "Left out: Local Folders/Old/R&D: deleted in Thunderbird, not compacted away yet (2 messages)" in ran.out
    ran = mstore("convert", "--include-expunged", "--json", profile, f"{tmp_path}/two/")
    assert ran.json["messages"]["copied"] == 11
    ran = mstore("convert", "--include-expunged", f"{tmp_path}/two/", f"{tmp_path}/three/")
    assert ran.code == 64
    assert ran.err.startswith("mstore: maildir knows no option 'expunged' (there are: ")


def test_recognition(profile: Path, tmp_path: Path) -> None:
    pop = profile / "Mail" / "pop.example.org"
    assert [found.format for found in detect(str(profile))] == ["thunderbird"]
    assert [found.format for found in detect(str(pop))] == ["mbox", "thunderbird"]
    with pytest.raises(AmbiguousLocation, match=r"mbox.*thunderbird"):
        open_store(str(pop))
    plain = tmp_path / "mail"
    put(plain / "Mail" / "lists" / "python", record("a tree with a folder called Mail"))
    put(plain / "inbox", record("x"))
    put(plain / "Drafts.sbd" / "x", record("x"))
    assert [found.format for found in detect(str(plain))] == ["mbox"]


@pytest.mark.parametrize(("make", "error"), [("nothing", NoSuchStore), ("file", NotAStore), ("directory", NotAStore)])
def test_what_is_none(tmp_path: Path, make: str, error: type[Exception]) -> None:
    path = tmp_path / "x"
    if make == "file":
        put(path, record("x"))
    elif make == "directory":
        put(path / "README", b"hello\n")
    with pytest.raises(error):
        open_store(f"thunderbird:{path}")


def test_old_lines_and_partial_messages(tmp_path: Path) -> None:
    put(
        tmp_path / "Inbox",
        record("bare", line="From "),
        record("dash", line="From -"),
        record("beginning", status="0401"),
    )
    put(tmp_path / "Inbox.msf")
    with open_store(f"thunderbird:{tmp_path}") as store:
        rows = list(store.inbox.rows(META | BODY))
    assert [row.body for row in rows] == [body("bare"), body("dash"), body("beginning")]
    assert [row.notes for row in rows] == [
        ("the From_ line has no date; date taken from the file's mtime",),
        ("the From_ line has no date; date taken from the file's mtime",),
        ("only its beginning is here: Thunderbird left the rest on the POP3 server",),
    ]


def test_links_and_depth(tmp_path: Path) -> None:
    put(tmp_path / "Inbox.msf")
    put(tmp_path / "Inbox", record("x"))
    (tmp_path / "Loop.sbd").symlink_to(tmp_path)
    path = tmp_path
    for _ in range(150):
        path /= "A.sbd"
    put(path / "deep", record("deep"))
    with open_store(f"thunderbird:{tmp_path}") as store:
        assert folders(store) == ["INBOX"]
        assert [one.reason for one in store.omissions()] == ["more than 100 directories deep", "not a regular file"]


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF))
def test_status_bits(status: int, more: int) -> None:
    block = b"X-Mozilla-Status: %04x\nX-Mozilla-Status2: %08X\n\n" % (status, more)
    marks = read_fields(find_fields(block, 0, len(block), b"\n"))
    expected = 0
    for bit, flag in ((1, SEEN), (2, ANSWERED), (4, FLAGGED)):
        expected |= flag if status & bit else 0
    expected |= (DELETED if more & 0x200000 else 0) | (RECENT if more & 0x10000 else 0)
    label = more >> 25 & 7
    words = {f"$label{label}"} if 1 <= label <= 5 else set()
    words |= ({"$Forwarded"} if status & 0x1000 else set()) | ({"$MDNSent"} if more & 0x800000 else set())
    assert (marks.flags, marks.keywords) == (expected, words)
    assert (marks.expunged, marks.partial) == (bool(status & 8), bool(status & 0x400))


def test_trees_of_pst_converters(tmp_path: Path) -> None:
    root = tmp_path / "pst"
    put(root / "Inbox" / "Inbox.mbox", record("in"))
    put(root / "Inbox" / "Work" / "mbox", record("work"))
    put(root / "Sent Items" / "Sent Items", record("sent"))
    put(root / "Sent Items" / "Sent Items.mbox", record("again"))
    put(root / "Notes" / "extra.mbox", record("extra"))
    before = tree(root)
    with open_store(str(root)) as store:
        assert store.capabilities.format == "mbox"
        assert folders(store) == ["INBOX", "INBOX/Work", "Notes/extra", "Sent Items"]
        assert bodies(store, "INBOX/Work") == [body("work")]
        assert store.omissions() == [
            Omission(
                str(root / "Sent Items" / "Sent Items.mbox"), "another file has the same folder name", damaged=True
            )
        ]
        with pytest.raises(ReadOnlyStore, match="layout nested"):
            store.create("x")
    assert tree(root) == before
    assert not os.path.exists(root / ".no-inbox")


def test_mail_beside_the_accounts_is_told(profile: Path, tmp_path: Path) -> None:
    """An account that was moved and linked, a file that somebody put where the accounts are."""
    before = {one.where for one in open_store(f"thunderbird:{profile}").omissions()}
    put(tmp_path / "disk/Inbox", record("far"))
    (profile / "Mail/moved").symlink_to(tmp_path / "disk")
    put(profile / "Mail/stray", record("one"))
    put(profile / "old mail", record("two"))
    with open_store(f"thunderbird:{profile}") as store:
        found = [one for one in store.omissions() if one.where not in before]
        assert found == [
            Omission(f"{profile}/old mail", "mail beside the accounts: an mbox file", damaged=True),
            Omission(f"{profile}/Mail/moved", "a link to a directory: open that by itself", damaged=True),
            Omission(f"{profile}/Mail/stray", "mail beside the accounts: an mbox file", damaged=True),
        ]
