"""Section 9 of the contract: stores, processes, threads."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from mailstore import INBOX, Arrival, Expunge, NoSuchMessage, NoSuchStore, ReadOnlyStore, Store
from mailstore.testing import child
from mailstore.testing.contract.base import Contract
from mailstore.testing.contract.uids import uids
from mailstore.testing.harness import Harness
from mailstore.testing.marks import clause, needs
from mailstore.testing.observe import bodies, listing, tree
from mailstore.testing.samples import BODIES, RESERVED

ONE, TWO = BODIES["ordinary"], BODIES["crlf"]
WRITERS, EACH = 4, 50


def furnished(harness: Harness, store: Store) -> None:
    """Fill a store with some of everything it keeps."""
    saved = 1_600_000_000 if harness.capabilities.saved_date else None
    for number, body in enumerate([*BODIES.values(), *RESERVED.values()]):
        flags = number & harness.capabilities.flags & 31
        store.inbox.append(body, flags=flags, internal_date=number * 1_000_000, saved_date=saved)
    store.inbox.expunge(uids(store.inbox)[3:6], only_deleted=False)
    if harness.capabilities.folders:
        store.create("A/B").append(ONE, saved_date=saved)
        store.create("Entwürfe").append(TWO, saved_date=saved)
    if harness.capabilities.subscriptions:
        store.subscribe("Absent")
    if harness.capabilities.keywords != 0:
        store.inbox.add_flags(uids(store.inbox)[:2], ["Work", "$Junk"])


class StoreContract(Contract):
    """Section 9: stores, processes, threads."""

    @clause("9.1")
    @needs("persistent")
    def test_no_such_store(self, harness: Harness) -> None:
        """Nothing is made by opening what is not there."""
        for readonly in (False, True):
            with pytest.raises(NoSuchStore):
                harness.open(readonly=readonly)
        assert list(harness.directory.glob("store*")) == []

    @clause("9.2")
    def test_create_opens_what_is_there(self, harness: Harness, store: Store) -> None:
        """Creating twice loses nothing."""
        store.inbox.append(ONE)
        state = store.inbox.state()
        again = harness.create() if harness.capabilities.persistent else store
        assert (bodies(again.inbox), again.inbox.state()[:2]) == ([ONE], state[:2])

    @clause("9.3")
    @needs("persistent")
    def test_readonly(self, harness: Harness, store: Store) -> None:
        """Everything can be read, nothing written, and no trace is left."""
        furnished(harness, store)
        store.close()
        before, written = tree(harness.directory), harness.in_child("describe")
        before = tree(harness.directory)
        readonly = harness.open(readonly=True)
        assert not readonly.capabilities.writable
        assert json.loads(json.dumps(child.describe(readonly))) == written
        readonly.usage()
        readonly.folders()
        calls: list[Callable[[], object]] = [
            lambda: readonly.inbox.append(ONE),
            lambda: readonly.stage([Arrival(ONE)]),
            lambda: readonly.inbox.add_flags([1], ["\\Flagged"]),
            lambda: readonly.inbox.expunge([1], only_deleted=False),
            lambda: readonly.commit([Expunge(INBOX, (1,))]),
            lambda: readonly.inbox.copy([1], readonly.inbox),
            lambda: readonly.create("New"),
            lambda: readonly.delete("A/B"),
            lambda: readonly.rename("A", "B"),
            lambda: readonly.subscribe("A"),
        ]
        for call in calls:
            with pytest.raises(ReadOnlyStore):
                call()
        assert json.loads(json.dumps(child.describe(readonly))) == written
        readonly.close()
        assert tree(harness.directory) == before

    @clause("9.4")
    def test_usage(self, harness: Harness, store: Store) -> None:
        """Messages and bytes of all folders together."""
        assert store.usage() == (0, 0)
        sent = [*BODIES.values()]
        for body in sent:
            store.inbox.append(body)
        if harness.capabilities.folders:
            store.create("A/B").append(ONE)
            sent.append(ONE)
        expected = (len(sent), sum(len(store.canonical(body)) for body in sent))
        assert store.usage() == expected
        assert harness.reopen(store).usage() == expected

    @clause("9.5")
    @needs("persistent")
    def test_another_process(self, harness: Harness, store: Store) -> None:
        """A new interpreter sees what this one sees, while this one has the store open, and after."""
        furnished(harness, store)
        here = json.loads(json.dumps(child.describe(store)))
        assert harness.in_child("describe") == here
        store.close()
        assert harness.in_child("describe") == here
        assert json.loads(json.dumps(child.describe(harness.open()))) == here

    @clause("9.6")
    @needs("persistent")
    def test_many_processes(self, harness: Harness, store: Store) -> None:
        """Four processes append fifty messages each while this one lists, and changes flags."""
        first = store.inbox.append(ONE).uid
        writers = [harness.start_child("append", "INBOX", str(EACH), f"w{number}") for number in range(WRITERS)]
        known: dict[int, bytes] = {}
        while any(writer.poll() is None for writer in writers):
            found = {uid: seen.body for uid, seen in listing(store.inbox).items()}
            assert {uid: found.get(uid) for uid in known} == known
            known = found
            with suppress(subprocess.TimeoutExpired):
                writers[0].wait(0.1)
            store.inbox.add_flags([first], ["\\Seen"])
            store.inbox.remove_flags([first], ["\\Seen"])
        answers = [harness.answer(writer) for writer in writers]
        given = [uid for answer in answers for uid in answer]
        assert len(set(given)) == WRITERS * EACH
        assert all(answer == sorted(answer) for answer in answers)
        expected = {
            uid: child.numbered(f"w{number}", place)
            for number, answer in enumerate(answers)
            for place, uid in enumerate(answer)
        }
        for opened in harness.now_and_reopened(store):
            found = {uid: seen.body for uid, seen in listing(opened.inbox).items()}
            assert found == {first: ONE, **expected}
            assert opened.inbox.state().uidnext > max(found)

    @clause("9.7")
    def test_many_threads(self, harness: Harness, store: Store) -> None:
        """Four threads share a store."""

        def work(number: int) -> dict[int, bytes]:
            sent = [child.numbered(f"t{number}", place) for place in range(15)]
            given = {store.inbox.append(body).uid: body for body in sent}
            assert given.items() <= {uid: seen.body for uid, seen in listing(store.inbox).items()}.items()
            return given

        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(work, range(4)))
        expected = {uid: body for answer in answers for uid, body in answer.items()}
        assert len(expected) == 60
        for opened in harness.now_and_reopened(store):
            assert {uid: seen.body for uid, seen in listing(opened.inbox).items()} == expected

    @clause("9.8")
    def test_close_twice(self, store: Store) -> None:
        """The second time does nothing."""
        store.inbox.append(ONE)
        store.close()
        store.close()

    @clause("9.9")
    def test_no_such_message(self, store: Store) -> None:
        """A message that is gone, asked for in every way."""
        uid = store.inbox.append(ONE).uid
        store.inbox.append(TWO)
        message = store.inbox.get(uid)
        store.inbox.expunge([uid], only_deleted=False)
        for call in (
            lambda: store.inbox.get(uid),
            lambda: store.inbox.open(uid),
            lambda: store.inbox.get(77),
            message.bytes,
            message.header,
        ):
            with pytest.raises(NoSuchMessage):
                call()
