"""Copy and move between stores, and what a failure in the middle leaves."""

import threading

import pytest

import mailstore
from mailstore.errors import StorageFull


@pytest.fixture(params=[(), ("clone", "move")], ids=["native", "masked"])
def store(request):
    with mailstore.open_store("memory:", mask=request.param) as opened:
        yield opened


@pytest.fixture
def other():
    with mailstore.open_store("memory:") as opened:
        yield opened


def bodies(folder):
    return [message.bytes() for message in folder]


def test_copy_keeps_all_but_the_saved_date(store):
    uid = store.inbox.append(b"x", flags=["\\Seen", "Work"], internal_date=5, saved_date=6, sender="a@b", uidl="u").uid
    archive = store.create("Archive")
    copied = store.inbox.copy([uid, 99], archive)
    assert copied.pairs == ((uid, 1),)
    assert copied.uidvalidity == archive.state().uidvalidity
    message = archive.get(1)
    assert message.flags == {"\\Seen", "Work", "\\Recent"}
    assert (message.row.internal_date, message.sender, message.uidl) == (5, "a@b", "u")
    assert message.row.saved_date != 6
    assert len(store.inbox) == 1


def test_move_takes_away_what_it_copied(store):
    uids = [store.inbox.append(b"%d" % number).uid for number in range(3)]
    archive = store.create("Archive")
    moved = store.inbox.move([uids[2], uids[0], 99], archive)
    assert [old for old, _ in moved.pairs] == [uids[0], uids[2]]
    assert bodies(archive) == [b"0", b"2"]
    assert bodies(store.inbox) == [b"1"]


def test_within_one_folder(store):
    uid = store.inbox.append(b"x").uid
    assert store.inbox.copy([uid], store.inbox).pairs == ((uid, uid + 1),)
    assert bodies(store.inbox) == [b"x", b"x"]
    moved = store.inbox.move([uid], store.inbox)
    assert [old for old, _ in moved.pairs] == [uid]
    assert bodies(store.inbox) == [b"x", b"x"]


def test_nothing_to_copy_is_no_error(store):
    assert store.inbox.copy([5], store.create("a")).pairs == ()
    assert store.inbox.move([], store.folder("a")).pairs == ()


def test_between_stores(store, other):
    uid = store.inbox.append(b"x" * (3 << 20), flags=["\\Flagged"], sender="").uid
    store.inbox.move([uid], other.inbox)
    assert len(store.inbox) == 0
    (message,) = other.inbox
    assert message.bytes() == b"x" * (3 << 20)
    assert (message.flags, message.sender) == ({"\\Flagged", "\\Recent"}, "")


def test_a_failed_commit_leaves_source_and_destination_as_they_were(store, other, monkeypatch):
    uids = [store.inbox.append(b"%d" % number).uid for number in range(3)]
    commit = other.driver.commit

    def prefix(changes, **rest):
        """Behave as a format that commits a prefix: two are stored, the third finds the disk full."""
        if len(changes) < 3:
            return commit(changes, **rest)
        full = mailstore.Outcome("failed", error=StorageFull("no space left"))
        return [*commit(changes[:2], **rest), full]

    monkeypatch.setattr(other.driver, "commit", prefix)
    with pytest.raises(StorageFull):
        store.inbox.move(uids, other.inbox)
    assert len(other.inbox) == 0
    assert bodies(store.inbox) == [b"0", b"1", b"2"]


def test_crosswise_copies_in_two_threads_do_not_deadlock(store, other):
    mine, theirs = store.inbox.append(b"1").uid, other.inbox.append(b"2").uid
    ways = [(store.inbox, mine, other.inbox), (other.inbox, theirs, store.inbox)]
    threads = [
        threading.Thread(target=lambda a, uid, b: [a.copy([uid], b) for _ in range(200)], args=way, daemon=True)
        for way in ways
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert (len(store.inbox), len(other.inbox)) == (201, 201)


def test_renaming_inbox_moves_its_messages(store):
    store.inbox.append(b"x")
    store.rename("INBOX", "old")
    assert len(store.inbox) == 0
    assert bodies(store.folder("old")) == [b"x"]


@pytest.mark.parametrize("location", ["maildir:{}", "sqlite:{}"])
def test_copy_passes_over_what_another_program_expunges_meanwhile(tmp_path, location):
    place = location.format(tmp_path / "store")
    with mailstore.open_store(place, create=True) as store, mailstore.open_store(place) as rival:
        uids = [store.inbox.append(body).uid for body in (b"a", b"b", b"c")]
        archive = store.create("Archive")
        clone = store.clone
        gone = iter(uids[:2])

        def late(folder, chosen):
            if (uid := next(gone, None)) is not None:
                rival.inbox.expunge([uid], only_deleted=False)
            return clone(folder, chosen)

        store.clone = late
        assert store.inbox.copy(uids, archive).pairs == ((uids[2], 1),)
        assert bodies(archive) == [b"c"]
