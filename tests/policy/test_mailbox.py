"""A look at a real mailbox decides as a delivery does, and leaves everything as it was."""

import os
from pathlib import Path

import pytest

from mailstore import MessageTooLarge, NoSuchStore, QuotaExceeded, QuotaRules, open_store
from mailstore.delivery import deliver
from mailstore.model.names import FolderPath
from mailstore.model.quota import FolderRule, Portion
from mailstore.policy.mailbox import check

FORMS = {
    "maildir": "maildir:{}/joe",
    "fs": "maildir:{}/joe?layout=fs",
    "sqlite": "sqlite:{}/joe.db",
    "mbox": "mbox:{}/tree",
}
JUNK = FolderPath(("Junk",))


def look(location: str, size: int, folder: str = "INBOX") -> type[Exception] | None:
    try:
        check(location, folder, size, lock_timeout=60)
    except (QuotaExceeded, MessageTooLarge) as error:
        return type(error)
    return None


def everything(root: Path) -> dict[str, tuple[int, int, bytes]]:
    """Inode, time of change and contents of all that lies below."""
    return {
        str(path): (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in sorted(root.rglob("*"))
    }


@pytest.fixture(params=FORMS)
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    found = FORMS[request.param].format(tmp_path)
    open_store(found, create=True, folders=True).close()
    return found


def give(location: str, rules: QuotaRules, *messages: bytes) -> int:
    """Give a mailbox rules and messages; returns how many bytes all of them count."""
    with open_store(location) as store:
        store.quota.set_rules(rules)
        with store.quota.unenforced():
            for message in messages:
                store.inbox.append(message)
        return sum(count.size for count in store.quota.count())


def test_each_verdict(location: str) -> None:
    used = give(location, QuotaRules(storage=5000, message_size=3000), b"Subject: x\n\n" + b"x" * 2988)
    room = 5000 - used
    assert 0 < room <= 2000
    assert [look(location, size) for size in (0, 1, room)] == [None, None, None]
    assert look(location, room + 1) is QuotaExceeded
    assert look(location, 3000) is QuotaExceeded
    assert look(location, 3001) is MessageTooLarge


def test_a_full_mailbox_refuses_what_has_no_size(location: str) -> None:
    used = give(location, QuotaRules(storage=1000), b"Subject: x\n\n" + b"x" * 988)
    give(location, QuotaRules(storage=used))
    assert look(location, 0) is QuotaExceeded
    give(location, QuotaRules(storage=used + 1))
    assert look(location, 0) is None


def test_a_limit_of_messages(location: str) -> None:
    give(location, QuotaRules(messages=1))
    assert look(location, 0) is None
    give(location, QuotaRules(messages=1), b"Subject: x\n\n")
    assert look(location, 0) is QuotaExceeded


def test_the_rules_of_the_folder_hold(location: str) -> None:
    rules = QuotaRules(storage=1000, folders=(FolderRule(JUNK, storage=Portion(100, 4000)),))
    give(location, rules, b"Subject: x\n\n" + b"x" * 988)
    assert look(location, 500) is QuotaExceeded
    assert look(location, 500, "Junk") is QuotaExceeded  # it is not there: INBOX takes the mail
    with open_store(location) as store:
        store.create(JUNK)
    assert look(location, 500, "Junk") is None
    assert look(location, 500, "inbox") is QuotaExceeded
    assert look(location, 500, "a//b") is QuotaExceeded


def test_the_rules_of_the_opener_hold_instead(location: str) -> None:
    give(location, QuotaRules(storage=1000), b"Subject: x\n\n" + b"x" * 988)
    check(location, "INBOX", 100, lock_timeout=60, quota=QuotaRules(storage=9000))
    with pytest.raises(MessageTooLarge):
        check(location, "INBOX", 100, lock_timeout=60, quota=QuotaRules(message_size=99))


def test_sums_that_have_drifted_refuse_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A maildirsize of two lines that says "full" is in doubt: the mail is counted, and the file left as it is."""
    location = f"maildir:{tmp_path}/joe"
    open_store(location, create=True).close()
    give(location, QuotaRules(storage=1000), b"Subject: x\n\n" + b"x" * 488)
    sums = tmp_path / "joe" / "maildirsize"
    sums.write_text("1000S\n500 1\n900 1\n")
    before = everything(tmp_path)
    assert look(location, 500) is None
    assert look(location, 501) is QuotaExceeded
    assert everything(tmp_path) == before
    assert caplog.messages == []


@pytest.mark.parametrize("location", ["maildir", "fs", "mbox"], indirect=True)
def test_rules_that_cannot_be_read_are_no_limit(location: str, caplog: pytest.LogCaptureFixture) -> None:
    give(location, QuotaRules(storage=1000, grace=Portion(1, 1)), b"Subject: x\n\n" + b"x" * 988)
    assert look(location, 500) is QuotaExceeded
    root = Path(location.partition(":")[2].partition("?")[0])
    (file,) = (path for path in root.parent.rglob("*quota*") if b"grace" in path.read_bytes())
    file.write_bytes(b"storage = what")
    assert look(location, 500) is None
    (said,) = (record for record in caplog.records if record.name == "mailstore.policy")
    assert said.levelname == "WARNING"
    assert said.message.startswith(f"{location}: no limit holds: ")


def test_a_mailbox_without_a_quota_takes_all(location: str) -> None:
    assert look(location, 1 << 40) is None


def test_a_mailbox_that_is_not_there(tmp_path: Path) -> None:
    for form in FORMS.values():
        with pytest.raises(NoSuchStore):
            check(form.format(tmp_path / "nobody"), "INBOX", 1, lock_timeout=60)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written(location: str, tmp_path: Path) -> None:
    give(location, QuotaRules(storage=1000), b"Subject: x\n\n" + b"x" * 500, b"Subject: y\n\n" + b"x" * 600)
    for path in tmp_path.rglob("*"):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    before = everything(tmp_path)
    assert look(location, 0) is QuotaExceeded
    assert look(location, 1 << 30) is MessageTooLarge
    assert look(location, 0, "Junk") is QuotaExceeded
    assert everything(tmp_path) == before


def test_a_look_decides_as_a_delivery_does(location: str) -> None:
    """At each size around the limit."""
    edge = 4000 - give(location, QuotaRules(storage=4000), b"Subject: x\n\n" + b"x" * 1988)
    outcomes = []
    for size in (edge - 1, edge, edge + 1, edge + 300):
        outcomes.append(look(location, size))
        assert delivered(location, mail(size)) is outcomes[-1], size
    assert outcomes == [None, None, QuotaExceeded, QuotaExceeded]


def delivered(location: str, message: bytes) -> type[Exception] | None:
    """Deliver; what was stored is removed again."""
    try:
        deliver(message, location)
    except (QuotaExceeded, MessageTooLarge) as error:
        return type(error)
    with open_store(location) as store:
        store.inbox.expunge([message.uid for message in store.inbox][1:], only_deleted=False)
    return None


def mail(size: int) -> bytes:
    """Return a message of ``size`` bytes."""
    head = b"Subject: x\n\n"
    return head + b"y" * (size - len(head) - 1) + b"\n"
