"""What a survey says of accounts: right figures from each format, whatever lies or happens there."""

import importlib
import inspect
import os
import pkgutil
import shutil
from pathlib import Path

import pytest
from support.maildirs import make, put

import mailstore.survey as package
from mailstore import NoSuchStore, Usage, open_store
from mailstore.model.names import FolderPath
from mailstore.pages.text import harmless
from mailstore.survey import Group, Survey, find_targets, survey, survey_facts
from mailstore.survey import look as look_module
from mailstore.survey.tally import OTHERS, Tally
from mailstore.survey.text import author_of, subject_of

DAY = 86400
OLD, NEW = 1_400_000_000, 1_700_000_000  # 2014 and 2023


def message(size: int, sender: str = "Ann <ann@Example.ORG>") -> bytes:
    head = f"From: {sender}\nSubject: =?utf-8?q?gr=C3=BCn?=\n\n".encode()
    return head + b"x" * (size - len(head))


def fill(location: str) -> None:
    with open_store(location, create=True, folders=True) as store:
        store.inbox.append(message(1000), internal_date=NEW)
        store.inbox.append(message(5000, "bob@example.net"), internal_date=OLD, flags=["\\Deleted"])
        store.create("Trash").append(message(300_000), internal_date=NEW + DAY)
        store.create("Empty")


@pytest.fixture(params=["maildir", "mbox", "sqlite"])
def location(request, tmp_path):
    """A filled store of each format."""
    text = f"{request.param}:{tmp_path}/store"
    fill(text)
    return text


def one(location: str, depth: str = "messages") -> Survey:
    found = survey(find_targets([location]), depth=depth)
    assert found.unreadable == []
    return found


def test_the_figures_of_an_account(location):
    found = one(location, "senders")
    (account,) = found.accounts
    assert account.total == Usage(3, 306_000)
    # without a quota as Courier counts; an mbox counts its files with all that is in them
    assert account.usage == Usage(1, 1347 if location.startswith("mbox") else 1000)
    assert (account.style, account.limits, account.percent) == ("", (None, None), None)
    assert [(str(s.folder), s.messages, s.size, s.counted) for s in account.folders] == [
        ("Trash", 1, 300_000, False), ("INBOX", 2, 6000, True), ("Empty", 0, 0, True),
    ]  # fmt: skip
    assert (account.oldest, account.newest) == (OLD, NEW + DAY)
    assert account.problems == ()
    assert found.by_year == [Group("2014", 1, 5000), Group("2023", 2, 301_000)]
    assert [group for group in found.by_size if group.messages] == [
        Group("under 4K", 1, 1000), Group("4K to 16K", 1, 5000), Group("256K to 1M", 1, 300_000),
    ]  # fmt: skip
    assert found.by_sender == [
        Group("ann@example.org", 2, 301_000), Group("bob@example.net", 1, 5000),
    ]  # fmt: skip
    assert [(top.size, str(top.folder), top.author, top.subject) for top in found.top] == [
        (300_000, "Trash", "ann@example.org", "grün"),
        (5000, "INBOX", "bob@example.net", "grün"),
        (1000, "INBOX", "ann@example.org", "grün"),
    ]
    assert found.groups("folder") == [Group("Trash", 1, 300_000), Group("INBOX", 2, 6000), Group("Empty", 0, 0)]
    assert found.groups("account") == [Group(account.name, 1, account.usage.size)]


def test_each_depth_tells_the_same_as_far_as_it_goes(location):
    sums, folders, full = (one(location, depth).accounts[0] for depth in ("sums", "folders", "messages"))
    assert sums.usage == folders.usage == full.usage
    assert (sums.total, sums.folders, sums.footprint) == (None, None, None)
    if not location.startswith("mbox"):  # which counts its files, and lists its messages
        assert (folders.total, folders.folders) == (full.total, full.folders)
    assert [(one.folder, one.messages) for one in folders.folders] == [
        (one.folder, one.messages) for one in full.folders
    ]
    assert (folders.oldest, folders.footprint) == (None, None)


def test_nothing_is_changed(location, tmp_path):
    def state() -> list[tuple[str, int, int]]:
        found = []
        for directory, _, files in os.walk(tmp_path):
            for name in (".", *files):
                seen = os.stat(os.path.join(directory, name))
                found.append((os.path.join(directory, name), seen.st_size, seen.st_mtime_ns))
        return sorted(found)

    before = state()
    one(location, "senders")
    assert state() == before


def test_hard_links_count_in_shares(tmp_path):
    for user in ("ann", "bob", "eve"):
        make(tmp_path / user)
    first = put(tmp_path / "ann" / "cur", "1.a.x:2,S", b"x" * 9000)
    for user in ("bob", "eve"):
        os.link(first, tmp_path / user / "cur" / "1.a.x:2,S")
    put(tmp_path / "eve" / "cur", "2.a.x:2,S", b"y" * 100)
    found = survey(find_targets([f"maildir:{tmp_path}/%u"]), depth="messages")
    blocks = first.stat().st_blocks * 512
    alone = (tmp_path / "eve" / "cur" / "2.a.x:2,S").stat().st_blocks * 512
    assert [account.total.size for account in found.accounts] == [9000, 9000, 9100]
    assert [account.distinct for account in found.accounts] == [3000, 3000, 3100]
    assert [account.footprint.physical for account in found.accounts] == [blocks // 3, blocks // 3, blocks // 3 + alone]


def test_bodies_that_a_database_stores_once(tmp_path):
    path = tmp_path / "mail.db"
    for user in ("ann", "bob"):
        with open_store(f"sqlite:{path}", create=True, account=user) as store:
            for _ in range(3):
                store.inbox.append(message(20_000))
    with open_store(f"sqlite:{path}", account="bob") as store:
        store.inbox.append(message(40_000))
    ann, bob = survey(find_targets([str(path)]), depth="messages").accounts
    assert (ann.total.size, ann.distinct) == (60_000, 20_000)
    assert (bob.total.size, bob.distinct) == (100_000, 60_000)
    blocks = sum(file.stat().st_blocks * 512 for file in (path, Path(f"{path}-wal")) if file.exists())
    assert ann.footprint.physical == blocks // 4
    assert bob.footprint.physical == blocks * 3 // 4


def test_an_account_that_cannot_be_read_is_named_and_the_others_go_on(tmp_path):
    make(tmp_path / "ann")
    put(tmp_path / "ann" / "new", "1.a.x")
    (tmp_path / "bad").write_bytes(b"\0")
    found = survey(find_targets([f"maildir:{tmp_path}/*", f"{tmp_path}/none"]))
    assert [account.name for account in found.accounts] == ["ann"]
    assert [(one.name, type(one.error).__name__) for one in found.unreadable] == [
        ("bad", "NotAStore"), (f"{tmp_path}/none", "NoSuchStore"),
    ]  # fmt: skip


def test_a_maildir_that_vanishes_during_the_scan(tmp_path, monkeypatch):
    """Gone between two folders: what was seen stays, nothing fails; gone as a whole: an account that is not there."""
    root = make(tmp_path / "m", ".A", ".B")
    for folder in ("", ".A", ".B"):
        put(root / folder / "cur", "1.a.x:2,", b"x" * 10)
    real = look_module._read

    def read(folder, *arguments):
        count = real(folder, *arguments)
        if folder.path == FolderPath(("A",)):
            shutil.rmtree(root)
        return count

    monkeypatch.setattr(look_module, "_read", read)
    (account,) = one(f"maildir:{root}").accounts
    assert account.total == Usage(2, 20)
    assert account.problems == ()
    (gone,) = survey(find_targets([f"maildir:{root}"])).unreadable
    assert isinstance(gone.error, NoSuchStore)


def test_messages_that_cannot_be_read_are_counted_as_a_problem(tmp_path):
    root = make(tmp_path / "m")
    put(root / "cur", "1.a.x:2,", b"x" * 10)
    os.symlink("loop", root / "cur" / "2.a.x:2,")
    (account,) = one(f"maildir:{root}").accounts
    assert account.total == Usage(1, 10)
    assert account.problems == ("INBOX: 1 messages cannot be read",)


def test_odd_dates_and_names_do_no_harm(tmp_path):
    with open_store(f"sqlite:{tmp_path}/m.db", create=True) as store:
        store.inbox.append(message(500, "x"), internal_date=1 << 60)
        store.inbox.append(b"", internal_date=-(1 << 40))
        store.create(FolderPath(("\x1b]0;x\x07\u202e",))).append(b"Subject: \x1b[31m\n\n", internal_date=0)
    found = one(f"sqlite:{tmp_path}/m.db", "senders")
    assert found.by_year == [Group("1970", 1, 16), Group("", 2, 500)]
    facts = survey_facts(found, "sender")["accounts"][0]
    assert (facts["oldest"], facts["newest"]) == (None, None)
    assert {group.key for group in found.by_sender} == {"", "x"}
    assert [top.subject for top in found.top] == ["grün", "[31m", ""]


@pytest.mark.parametrize(
    ("header", "author"),
    [
        (b"From: Joe <Joe@EXAMPLE.org>\n\n", "Joe@example.org"),
        (b"FROM: joe@example.org (Joe)\n\n", "joe@example.org"),
        (b"From: =?utf-8?q?J=C3=BC?= <j@x>\r\n\r\n", "j@x"),
        (b'From: "Evil <b@c>" <x@evil>\n\n', "x@evil"),
        (b"From: undisclosed\n\n", "undisclosed"),
        (b"From: \xff\xfe <a@b>\n\n", "a@b"),
        (b"To: a@b\n\n", ""),
        (b"", ""),
    ],
)
def test_senders(header, author):
    assert author_of(header) == author


def test_subjects_and_harmless_text():
    assert subject_of(b"Subject: =?utf-8?q?a=1Bb?=\n two\n\n") == "a b two"
    assert harmless("plain ü 漢") == "plain ü 漢"
    assert harmless("a\nb\x1b\udcff\u202e\U000e0041\\") == "a\\x0ab\\x1b\\xff\\u202e\\U000e0041\\"


def test_very_many_senders_stay_bounded():
    tally = Tally(0)
    for number in range(120_000):
        tally.add_sender(f"s{number}@example.org", 1)
        if number % 2 == 0:
            tally.add_sender("big@example.org", 1000)
    groups = tally.senders()
    assert len(groups) <= 50_001
    assert groups[0] == Group("big@example.org", 60_000, 60_000_000)
    assert groups[-1].key == OTHERS
    assert sum(group.messages for group in groups) == 180_000
    assert sum(group.size for group in groups) == 60_120_000


def test_rules_that_cannot_be_read_are_a_problem_and_mail_is_counted(tmp_path):
    root = make(tmp_path / "m", ".Trash")
    put(root / "cur", "1.a.x:2,", b"x" * 10)
    put(root / ".Trash" / "cur", "2.a.x:2,", b"x" * 100)
    (root / "maildirsize").write_bytes(b"nonsense\n5 5\n")
    for depth in ("sums", "folders", "messages"):
        (account,) = one(f"maildir:{root}", depth).accounts
        assert account.usage == Usage(1, 10)
        assert (account.limits, account.style) == ((None, None), "")
        assert len(account.problems) == 1
        assert "maildirsize" in account.problems[0]


def test_a_warm_account_answers_without_a_look_at_its_mail(tmp_path, monkeypatch):
    root = make(tmp_path / "m", *(f".F{number}" for number in range(5)))
    for number in range(5):
        put(root / f".F{number}" / "cur", f"{number}.a.x,S=10:2,", b"x" * 10)
    (root / "maildirsize").write_bytes(b"1000S,100C\n50 5\n")
    listed: list[str] = []
    real_list, real_scan = os.listdir, os.scandir
    monkeypatch.setattr(os, "listdir", lambda path=".": (listed.append(str(path)), real_list(path))[1])
    monkeypatch.setattr(os, "scandir", lambda path=".": (listed.append(str(path)), real_scan(path))[1])
    (account,) = one(f"maildir:{root}", "sums").accounts
    assert (account.usage, account.limits, account.percent) == (Usage(5, 50), (1000, 100), 5.0)
    assert account.kept == Usage(5, 50)
    assert [path for path in listed if path.endswith(("/cur", "/new"))] == []


@pytest.mark.parametrize("limit", [0, 1, (1 << 63) - 1])
def test_limits_of_nothing_and_of_everything(tmp_path, limit):
    root = make(tmp_path / "m")
    put(root / "cur", "1.a.x,S=10:2,", b"x" * 10)
    (root / "maildirsize").write_bytes(b"%dS\n10 1\n" % limit)
    (account,) = one(f"maildir:{root}").accounts
    assert account.limits.size == (limit or None)  # 0 is no limit
    assert account.percent == (None if not limit else 1000.0 if limit == 1 else pytest.approx(0))


def test_a_public_name_is_never_a_module():
    """A module that is imported takes the place of a function of its name in its package."""
    for found in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"mailstore.survey.{found.name}")
    assert [name for name in package.__all__ if inspect.ismodule(getattr(package, name))] == []
