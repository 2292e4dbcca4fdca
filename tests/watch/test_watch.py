"""A watch in use: own changes, tokens, what the system refuses, what vanishes under it."""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from mailstore import FolderPath, QuotaRules, Store, open_store
from mailstore.system import clock, notify
from mailstore.watch import (
    FlagsChanged,
    FolderCreated,
    FolderDeleted,
    FolderRenamed,
    HistoryLost,
    MessageAppended,
    MessageExpunged,
    MessageMoved,
    QuotaChanged,
    QuotaCrossed,
    Replica,
    SubscriptionChanged,
    Watch,
)

INBOX = FolderPath(("INBOX",))
A, B = FolderPath(("A",)), FolderPath(("B",))
MAIL = b"Subject: x\n\nbody\n"


@pytest.fixture(params=["maildir:{}/M", "sqlite:{}/x.db", "mbox:{}/tree/"])
def store(request: pytest.FixtureRequest, tmp_path: Path):
    with open_store(request.param.format(tmp_path), create=True, folders=True) as opened:
        yield opened


@pytest.fixture
def maildir(tmp_path: Path):
    with open_store(f"maildir:{tmp_path}/M", create=True) as opened:
        yield opened


def heard(watch: Watch, count: int) -> list:
    """Return the next ``count`` events; fewer only after ten seconds."""
    events: list = []
    end = time.monotonic() + 10
    while len(events) < count and time.monotonic() < end:
        events += watch.batch(0.5)
    return events


def test_every_change_of_our_own_is_known_as_such(store: Store) -> None:
    store.subscribe("A")
    with store.watch() as watch:
        store.inbox.append(MAIL)
        store.create("A")
        store.unsubscribe("A")
        events = heard(watch, 3)
        store.inbox.add_flags([1], ["\\Seen"])
        store.inbox.add_flags([1], ["word"])
        events += heard(watch, 1)
        store.inbox.move([1], store.folder("A"))
        events += heard(watch, 1)
        store.folder("A").expunge([1], only_deleted=False)
        events += heard(watch, 1)
        assert {type(event).__name__ for event in events} >= {"MessageAppended", "FlagsChanged", "FolderCreated"}
        assert all(event.own for event in events)
    with store.watch(own=False) as watch:
        store.inbox.append(MAIL)
        store.create("B")
        assert watch.batch(0.3) == []


def test_a_change_of_another_is_never_hidden_behind_our_own(store: Store) -> None:
    with open_store(store.location.__str__()) as other, store.watch(own=False) as watch:
        uid = other.inbox.append(MAIL).uid
        heard(watch, 1)
        store.inbox.add_flags([uid], ["\\Seen"])
        other.inbox.add_flags([uid], ["\\Flagged"])
        store.inbox.add_flags([uid], ["\\Answered"])
        flags = [event for event in heard(watch, 1) if isinstance(event, FlagsChanged)]
        assert [(event.uid, event.flags & 7) for event in flags] == [(uid, 7)]


def test_a_move_is_told_as_one_where_it_is_known(maildir: Store) -> None:
    uid = maildir.inbox.append(MAIL, flags=["\\Seen"]).uid
    maildir.create("A")
    with maildir.watch() as watch:
        root = maildir.location.path
        (name,) = os.listdir(f"{root}/cur")
        os.rename(f"{root}/cur/{name}", f"{root}/.A/cur/{name}")
        (event,) = heard(watch, 1)
        assert isinstance(event, MessageMoved)
        assert (event.source, event.source_uid, event.folder, event.uid) == (INBOX, uid, A, 1)


def test_two_messages_of_one_uid_in_two_mboxes_are_not_one_that_moved(tmp_path: Path) -> None:
    with open_store(f"mbox:{tmp_path}/t/", create=True, folders=True) as store:
        store.create("A")
        with open_store(f"mbox:{tmp_path}/t/") as other, store.watch() as watch:
            uid = other.inbox.append(MAIL).uid
            heard(watch, 1)
            other.inbox.expunge([uid], only_deleted=False)
            other.folder("A").append(b"Subject: another\n\n")
            events = heard(watch, 2)
            assert sorted(type(event).__name__ for event in events) == ["MessageAppended", "MessageExpunged"]


def test_a_token_goes_on_in_another_object(store: Store) -> None:
    store.create("A")
    one, two = store.inbox.append(MAIL).uid, store.inbox.append(MAIL).uid
    with store.watch() as watch:
        token = watch.token
    store.inbox.add_flags([one], ["\\Flagged"])
    store.inbox.expunge([two], only_deleted=False)
    three = store.inbox.append(MAIL).uid
    store.rename("A", "B")
    store.subscribe("B")
    with open_store(str(store.location)) as other, other.watch(since=token) as watch:
        events = watch.batch(10)
        assert MessageExpunged(INBOX, two, other.inbox.state().highest_modseq) in [
            event._replace(modseq=other.inbox.state().highest_modseq) if isinstance(event, MessageExpunged) else event
            for event in events
        ]
        (flags,) = [event for event in events if isinstance(event, FlagsChanged)]
        assert (flags.uid, flags.old_flags, flags.flags & 4) == (one, None, 4)
        assert [event.uid for event in events if isinstance(event, MessageAppended)] == [three]
        renamed = [event for event in events if isinstance(event, FolderRenamed | FolderCreated | FolderDeleted)]
        if other.capabilities.folder_ids:
            assert [(event.old, event.folder) for event in renamed] == [(A, B)]
        else:
            assert [type(event) for event in renamed] == [FolderCreated, FolderDeleted]
        assert SubscriptionChanged(B, True) in events
        assert watch.batch(0.2) == []


def test_in_the_midst_of_a_batch_the_token_is_that_of_its_beginning(maildir: Store) -> None:
    with maildir.watch() as watch:
        for _ in range(3):
            maildir.inbox.append(MAIL)
        first = watch.next(10)
        assert first is not None
        with maildir.watch(since=watch.token) as again:
            assert [event.uid for event in again.batch(10)] == [1, 2, 3]


@pytest.mark.parametrize("later", [0, 5])
def test_a_store_made_anew_is_told_as_it_is(
    maildir: Store, tmp_path: Path, later: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the second in which the old one was made its UIDVALIDITY comes again; later it is another."""
    maildir.inbox.append(MAIL)
    replica = Replica()
    with maildir.watch() as watch:
        replica.apply(MessageAppended(INBOX, 1, 1, 32, frozenset(), ""))
        shutil.rmtree(tmp_path / "M")
        now = time.time_ns()
        monkeypatch.setattr(clock, "source", lambda: now + later * 10**9)
        with open_store(f"maildir:{tmp_path}/M", create=True) as anew:
            anew.inbox.append(MAIL)
            anew.inbox.append(MAIL)
            events = heard(watch, 3)
            while more := watch.batch(1):
                events += more
            for event in events:
                replica.apply(event)
            assert sorted(replica.folders[INBOX]) == [1, 2]
            assert any(isinstance(event, HistoryLost | MessageExpunged) for event in events)
            assert len([event for event in events if isinstance(event, MessageAppended)]) >= 2


def test_without_watches_it_polls_and_says_so(
    maildir: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(*_: object, **__: object) -> notify.Ear:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(notify, "listen", refused)
    with open_store(str(maildir.location)) as other, maildir.watch() as watch:
        assert len(watch.problems) == 1
        assert "it is polled instead" in watch.problems[0]
        assert len(caplog.records) == 1
        other.inbox.append(MAIL)
        other.create("A")
        assert {type(event) for event in heard(watch, 2)} == {MessageAppended, FolderCreated}


def test_polling_on_request_uses_no_inotify(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "listen", None)
    with open_store(str(store.location)) as other, store.watch(polling=True) as watch:
        other.inbox.append(MAIL)
        assert [type(event) for event in heard(watch, 1)] == [MessageAppended]
        assert watch.problems == ()


def test_lost_events_lead_to_a_look_at_everything(maildir: Store) -> None:
    maildir.create("A")
    with open_store(str(maildir.location)) as other, maildir.watch() as watch:
        watch._hints._points.clear()  # deaf to every name from now on
        other.inbox.append(MAIL)
        other.folder("A").append(MAIL)
        assert watch.batch(0.3) == []
        notify._the_hub()._hear(-1, 0x4000, "")  # IN_Q_OVERFLOW
        assert {event.folder for event in heard(watch, 2)} == {INBOX, A}


def test_closing_from_another_thread_ends_the_iteration(store: Store) -> None:
    watch = store.watch()
    threading.Timer(0.2, watch.close).start()
    assert list(watch) == []
    watch.close()
    assert watch.batch() == []


def test_closing_the_store_ends_its_watches(tmp_path: Path) -> None:
    with open_store(f"maildir:{tmp_path}/M", create=True) as store:
        watch = store.watch()
    assert watch.closed
    assert watch.next() is None


def test_a_watch_of_a_folder_follows_it_under_another_name(store: Store) -> None:
    folder = store.create("A")
    with folder.watch() as watch, open_store(str(store.location)) as other:
        other.inbox.append(MAIL)
        other.folder("A").append(MAIL)
        (event,) = heard(watch, 1)
        assert event.folder == A
        other.rename("A", "B")
        if store.capabilities.folder_ids:
            (renamed,) = heard(watch, 1)
            assert (renamed.old, renamed.folder) == (A, B)
            other.folder("B").append(MAIL)
            (event,) = heard(watch, 1)
            assert event.folder == B
        else:
            assert [type(event) for event in heard(watch, 1)] == [FolderDeleted]


def test_the_quota_is_told_of(store: Store) -> None:
    store.quota.set_rules(QuotaRules(messages=4, warnings=(50,), hysteresis=10))
    with store.watch() as watch:
        store.inbox.append(MAIL)
        store.inbox.append(MAIL)
        events = heard(watch, 4)
        changed = [event for event in events if isinstance(event, QuotaChanged)]
        assert changed[-1] == QuotaChanged(2, store.quota.usage().size)
        assert QuotaCrossed("MESSAGE", 50, True, 2, 4) in events
        store.inbox.expunge([1], only_deleted=False)
        events = heard(watch, 3)
        assert QuotaCrossed("MESSAGE", 50, False, 1, 4) in events


def test_a_look_does_not_wake_itself(store: Store) -> None:
    with open_store(str(store.location)) as other, store.watch() as watch:
        other.inbox.append(MAIL)
        heard(watch, 1)
        looks = []
        look = watch._look
        watch._look = lambda marks: looks.append(marks) or look(marks)  # type: ignore[method-assign, func-returns-value]
        watch.batch(0.5)
        assert len(looks) <= 1
