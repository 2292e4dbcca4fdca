"""Courier, Dovecot, Exim and we keep one ``maildirsize``: totals, file and verdict are the same, whoever wrote last."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.quotas import KEEPERS, DovecotQuota, Keeper

from mailstore import QuotaExceeded, Store, open_store
from mailstore.delivery import deliver
from mailstore.model.changes import Usage
from mailstore.quota import total

pytestmark = pytest.mark.interop

MESSAGE = b"Subject: one\nFrom: a@example.org\n\n" + b"one\n" * 30


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that the programs' users can reach; pytest closes its own to others."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(params=KEEPERS, ids=lambda kind: kind.style)
def keeper(request: pytest.FixtureRequest, place: Path) -> Keeper:
    """A program with a Maildir."""
    program: Keeper = request.param(place)
    return program


def opened(keeper: Keeper) -> Store:
    return open_store(f"maildir:{keeper.root}?layout=++&quota_style={keeper.style}")


def counted(keeper: Keeper) -> Usage:
    """What a look at every message gives, in the program's style; the file must say the same."""
    with opened(keeper) as store:
        rules = store.quota.rules()
        assert rules is not None
        usage = total(rules, store.quota.count())
        assert store.quota.recorded() == store.quota.usage() == usage
    assert keeper.written() == usage
    return usage


def message(size: int, head: bytes = MESSAGE) -> bytes:
    return head + b"x" * (size - len(head) - 1) + b"\n"


def change(keeper: Keeper) -> None:
    """Change a bit of everything, our way."""
    with opened(keeper) as store:
        first = next(iter(store.inbox.rows(0))).uid
        store.inbox.append(message(501), flags=["\\Deleted"])
        second = store.inbox.append(message(502)).uid
        store.inbox.append(message(503), flags=["\\Seen"])
        trash = store.folder("Trash", create=True)
        trash.append(message(504))
        store.folder("Trash/Below", create=True).append(message(505))
        store.inbox.move([second], trash)
        store.folder("Box.One", create=True).append(message(506), flags=["\\Deleted", "\\Seen"])
        store.inbox.add_flags([first], ["\\Flagged"])
    keeper.own()


def test_totals_and_file_agree(keeper: Keeper) -> None:
    keeper.limit(100_000, 100)
    assert keeper.deliver(MESSAGE)
    first = counted(keeper)
    assert first.messages == 1
    with opened(keeper) as store:
        rules = store.quota.rules()
        assert rules is not None
        assert (rules.storage, rules.messages) == (100_000, 100)
    change(keeper)
    ours = counted(keeper)
    # INBOX has 1, 501 deleted, 503; Trash 502 and 504; below it 505; Box.One 506 deleted
    assert ours.messages == (3 if keeper.style == "courier" else 7)
    assert ours.size - first.size == (503 + 505 if keeper.style == "courier" else sum(range(501, 507)))
    before = keeper.file.read_bytes()
    assert keeper.deliver(MESSAGE)
    after = keeper.file.read_bytes()
    assert after.startswith(before), "it did not believe our lines"
    assert after.count(b"\n") == before.count(b"\n") + 1
    theirs = counted(keeper)
    assert (theirs.messages, theirs.size) == (ours.messages + 1, ours.size + first.size)
    assert keeper.recount() == theirs == counted(keeper)


def test_a_file_that_we_made_anew_is_believed(keeper: Keeper) -> None:
    keeper.limit(100_000, 100)
    assert keeper.deliver(MESSAGE)
    change(keeper)
    with opened(keeper) as store:
        usage = store.quota.recalculate()
    assert keeper.file.read_bytes() == b"100000S,100C\n%12d %12d\n" % (usage.size, usage.messages)
    before = keeper.file.read_bytes()
    assert keeper.deliver(MESSAGE)
    assert keeper.file.read_bytes().startswith(before)
    assert counted(keeper).messages == usage.messages + 1
    assert keeper.recount() == counted(keeper)
    with opened(keeper) as store:
        store.inbox.expunge([row.uid for row in store.inbox.rows(0)], only_deleted=False)
        store.delete("Trash")
    assert keeper.recount() == counted(keeper)


def test_the_verdict_is_the_same_to_the_byte(keeper: Keeper) -> None:
    keeper.limit(100_000, 100)
    assert keeper.deliver(message(2000))
    used = counted(keeper).size
    more = used - 2000  # what the program puts in front of a message
    keeper.limit(used + 3000, 100)
    for _ in range(2):  # the first may find other limits in the file, or none
        assert not keeper.deliver(message(3001 - more))
        with pytest.raises(QuotaExceeded) as caught:
            deliver(message(3001), str(keeper.root))
        assert caught.value.resource == "STORAGE"
    assert counted(keeper).size == used
    deliver(message(3000), str(keeper.root))
    assert counted(keeper).size == used + 3000
    assert not keeper.deliver(MESSAGE)
    with opened(keeper) as store:
        store.inbox.expunge([max(row.uid for row in store.inbox.rows(0))], only_deleted=False)
    assert counted(keeper).size == used
    with opened(keeper) as store:
        store.inbox.expunge([row.uid for row in store.inbox.rows(0)], only_deleted=False)
    keeper.limit(3000, 100)
    assert keeper.deliver(message(3000 - more))
    assert counted(keeper) == Usage(1, 3000)
    with pytest.raises(QuotaExceeded):
        deliver(MESSAGE, str(keeper.root))


def test_the_verdict_on_the_number_of_messages(keeper: Keeper) -> None:
    keeper.limit(100_000, 2)
    assert keeper.deliver(MESSAGE)
    deliver(MESSAGE, str(keeper.root))
    assert not keeper.deliver(MESSAGE)
    with pytest.raises(QuotaExceeded) as caught:
        deliver(MESSAGE, str(keeper.root))
    assert (caught.value.resource, caught.value.limit, caught.value.usage) == ("MESSAGE", 2, 2)
    with opened(keeper) as store:
        store.inbox.expunge([next(iter(store.inbox.rows(0))).uid], only_deleted=False)
    assert keeper.deliver(MESSAGE)
    assert counted(keeper).messages == 2


def test_a_file_that_dovecot_keeps_for_nested_folders(place: Path) -> None:
    keeper = DovecotQuota(place, "fs")
    keeper.limit(100_000, 100)
    assert keeper.deliver(MESSAGE)
    first = keeper.written()
    location = f"maildir:{keeper.root}?layout=fs&quota_style=dovecot"
    with open_store(location) as store:
        store.inbox.append(message(501), flags=["\\Deleted"])
        box = store.folder("Box/Below", create=True)
        box.append(message(502))
        store.folder("Trash", create=True).append(message(503))
        box.move([row.uid for row in box.rows(0)], store.inbox)
        assert store.quota.recorded() == store.quota.usage() == Usage(4, first.size + 501 + 502 + 503)
    assert not (keeper.root / "mailstore-maildirsize").exists()
    before = keeper.file.read_bytes()
    keeper.own()
    assert keeper.deliver(MESSAGE)
    assert keeper.file.read_bytes().startswith(before)
    assert keeper.written() == keeper.recount() == Usage(5, 2 * first.size + 501 + 502 + 503)
    with open_store(location) as store:
        assert store.quota.recalculate() == keeper.written()
