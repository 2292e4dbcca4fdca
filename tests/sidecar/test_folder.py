from __future__ import annotations

import gc
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mailstore.drivers.sidecar import Changed, Entry, FolderIndex, Found, folder
from mailstore.model.changes import Token
from mailstore.system import clock

NONE: frozenset[str] = frozenset()


def found(key: str, uid: int = 0, flags: int = 0, *, size: int | None = None, extra: str = "") -> Found:
    return Found(key, uid, flags, NONE, size=size, extra=extra)


def scan(
    index: FolderIndex, *messages: Found, uidvalidity: int = 0, uidnext: int = 0, complete: bool = True
) -> Changed:
    return index.reconcile(messages, uidvalidity=uidvalidity, uidnext=uidnext, stamp="s", complete=complete)


def uids(index: FolderIndex) -> dict[str, int]:
    return {key: entry.uid for key, entry in index.entries.items()}


@pytest.fixture(autouse=True)
def steady_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "source", lambda: 1_700_000_000_000_000_000)


NOW = 1_700_000_000_000_000


class TestFirstScan:
    def test_recorded(self) -> None:
        index = FolderIndex()
        changed = scan(index, found("a", 3), found("b", 7), uidvalidity=42, uidnext=10)
        assert changed == Changed(added=tuple(index.entries.values()))
        assert index.entries["b"] == Entry(7, "b", True, NOW, 0, NONE)
        assert (index.uidvalidity, index.uidnext, index.highest_modseq) == (42, 10, NOW)

    def test_not_recorded(self) -> None:
        index = FolderIndex()
        scan(index, found("b"), found("a"))
        assert uids(index) == {"b": 1, "a": 2}
        assert not index.entries["a"].recorded
        assert (index.uidvalidity, index.uidnext) == (1_700_000_000, 3)

    def test_not_recorded_but_uidnext_is(self) -> None:
        index = FolderIndex()
        scan(index, found("a"), uidvalidity=42, uidnext=10)
        assert (uids(index), index.uidnext) == ({"a": 10}, 11)

    def test_mixed_and_out_of_order(self) -> None:
        index = FolderIndex()
        scan(index, found("x"), found("b", 9), found("a", 4), found("y"), uidvalidity=42)
        assert list(uids(index).items()) == [("a", 4), ("b", 9), ("x", 10), ("y", 11)]
        assert [entry.recorded for entry in index.entries.values()] == [True, True, False, False]

    def test_two_claim_one_uid(self) -> None:
        index = FolderIndex()
        scan(index, found("a", 4), found("b", 4), uidvalidity=42)
        assert uids(index) == {"a": 4, "b": 5}
        assert not index.entries["b"].recorded
        before = dict(index.entries)
        assert scan(index, found("a", 4), found("b", 4), uidvalidity=42) == Changed()
        assert index.entries == before

    def test_empty(self) -> None:
        index = FolderIndex()
        assert scan(index, uidvalidity=42, uidnext=5) == Changed()
        assert (index.uidvalidity, index.uidnext, index.highest_modseq) == (42, 5, 0)

    def test_one_key_twice(self) -> None:
        with pytest.raises(ValueError, match="same key"):
            scan(FolderIndex(), found("a", 1), found("a", 2))
        index = FolderIndex()
        scan(index, found("a", 1), found("b", 2))
        with pytest.raises(ValueError, match="same key"):
            scan(index, found("a", 1), found("b", 2), found("b", 2))

    def test_the_collector_is_left_as_it_was(self) -> None:
        assert gc.isenabled()
        scan(FolderIndex(), found("a"))
        assert gc.isenabled()


class TestLaterScans:
    def index(self) -> FolderIndex:
        index = FolderIndex()
        scan(index, found("a", 1), found("b", 2), found("c", 3), uidvalidity=42)
        index.pending.clear()
        return index

    def test_nothing_changed(self) -> None:
        index = self.index()
        assert scan(index, found("c", 3), found("a", 1), found("b", 2), uidvalidity=42) == Changed()
        assert not index.pending
        assert index.highest_modseq == NOW

    def test_flags_and_keywords(self) -> None:
        index = self.index()
        token = index.token()
        changed = scan(index, found("a", 1, 1), found("b", 2), Found("c", 3, 0, frozenset({"$Junk"})), uidvalidity=42)
        assert [entry.uid for entry in changed.updated] == [1, 3]
        assert index.changed_since(token.modseq) == list(changed.updated)
        assert index.highest_modseq == NOW + 1
        assert index.covers(token)

    def test_facts_are_no_change_for_clients(self) -> None:
        index = self.index()
        changed = scan(index, found("a", 1, size=5, extra="x"), found("b", 2), found("c", 3), uidvalidity=42)
        assert changed == Changed()
        assert (index.entries["a"].size, index.entries["a"].extra, index.entries["a"].modseq) == (5, "x", NOW)
        assert index.pending
        index.pending.clear()
        scan(index, found("a", 1, extra="x"), found("b", 2), found("c", 3), uidvalidity=42)
        assert index.entries["a"].size == 5, "what a scan did not look at is kept"
        assert not index.pending

    def test_gone_and_new(self) -> None:
        index = self.index()
        changed = scan(index, found("b", 2), found("d"), uidvalidity=42)
        assert changed.vanished == (1, 3)
        assert [(entry.uid, entry.recorded) for entry in changed.added] == [(4, False)]
        assert index.vanished_since(NOW) == (1, 3)
        assert index.vanished_since(NOW + 1) == ()
        assert uids(index) == {"b": 2, "d": 4}

    def test_a_uid_is_not_used_again(self) -> None:
        index = self.index()
        scan(index, uidvalidity=42)
        scan(index, found("x"), uidvalidity=42)
        assert uids(index) == {"x": 4}

    def test_part_of_a_folder(self) -> None:
        index = self.index()
        changed = scan(index, found("b", 2, 1), found("d", 9), uidvalidity=42, complete=False)
        assert (len(changed.added), len(changed.updated), changed.vanished) == (1, 1, ())
        assert list(uids(index)) == ["a", "b", "c", "d"]

    def test_a_uid_gets_recorded(self) -> None:
        index = FolderIndex()
        scan(index, found("a"), found("b"), uidvalidity=42)
        assert scan(index, found("a", 1), found("b", 2), uidvalidity=42) == Changed()
        assert index.entries["a"].recorded

    def test_the_record_disagrees_with_a_provisional_uid(self) -> None:
        index = FolderIndex()
        scan(index, found("a"), found("b"), found("c"), uidvalidity=42)
        changed = scan(index, found("a"), found("b", 9), found("c"), uidvalidity=42)
        assert (changed.vanished, [entry.uid for entry in changed.added]) == ((2,), [9])
        assert list(uids(index).items()) == [("a", 1), ("c", 3), ("b", 9)]
        assert index.vanished_since(NOW) == (2,)

    def test_another_takes_a_provisional_uid(self) -> None:
        index = FolderIndex()
        scan(index, found("a"), found("b"), uidvalidity=42)
        scan(index, found("x", 1), found("a"), found("b"), uidvalidity=42)
        assert uids(index) == {"x": 1, "b": 2, "a": 3}
        assert index.vanished_since(NOW) == (), "UID 1 is in use"
        assert [entry.uid for entry in index.changed_since(NOW)] == [1, 3]

    def test_two_swap_their_uids(self) -> None:
        index = self.index()
        scan(index, found("a", 2), found("b", 1), found("c", 3), uidvalidity=42)
        assert list(uids(index).items()) == [("b", 1), ("a", 2), ("c", 3)]
        assert index.find(1) == index.entries["b"]

    def test_a_lost_record_keeps_the_uids(self) -> None:
        index = self.index()
        assert scan(index, found("a"), found("b"), found("c")) == Changed()
        assert (uids(index), index.uidvalidity) == ({"a": 1, "b": 2, "c": 3}, 42)
        assert not index.entries["a"].recorded

    def test_a_file_comes_back(self) -> None:
        index = self.index()
        scan(index, found("a", 1), found("c", 3), uidvalidity=42)
        scan(index, found("a", 1), found("b", 2), found("c", 3), uidvalidity=42)
        assert list(uids(index).items()) == [("a", 1), ("b", 2), ("c", 3)]
        assert index.vanished_since(NOW) == ()
        assert [entry.uid for entry in index.changed_since(NOW)] == [2]

    def test_another_uidvalidity_starts_anew(self) -> None:
        index = self.index()
        token = index.token()
        changed = scan(index, found("a", 1), uidvalidity=43, uidnext=2)
        assert changed.anew
        assert [entry.uid for entry in changed.added] == [1]
        assert (uids(index), index.uidvalidity, index.uidnext) == ({"a": 1}, 43, 2)
        assert not index.covers(token)
        assert index.highest_modseq > NOW

    def test_an_old_uidvalidity_comes_back(self) -> None:
        index = self.index()
        token = index.token()
        scan(index, uidvalidity=43)
        scan(index, uidvalidity=42)
        assert not index.covers(token)

    def test_the_clock_goes_back(self, monkeypatch: pytest.MonkeyPatch) -> None:
        index = self.index()
        monkeypatch.setattr(clock, "source", lambda: 0)
        scan(index, found("a", 1, 1), found("b", 2), found("c", 3), uidvalidity=42)
        assert index.highest_modseq == NOW + 1


class TestOwnChanges:
    def test_put_and_drop(self) -> None:
        index = FolderIndex()
        assert index.number() == 1_700_000_000
        for uid, key in ((5, "a"), (6, "b")):
            index.put(Entry(uid, key, True, index.advance(), 0, NONE))
        assert index.uidnext == 7
        index.put(index.entries["a"]._replace(flags=1, modseq=index.advance()))
        assert list(uids(index).items()) == [("a", 5), ("b", 6)]
        assert index.find(5) == index.entries["a"]
        assert index.drop(["b", "none"], index.advance()) == (6,)
        assert index.find(6) is None
        assert index.vanished_since(NOW) == (6,)
        index.put(Entry(2, "early", True, index.advance(), 0, NONE))
        assert list(uids(index)) == ["early", "a"]
        assert index.uidnext == 7

    def test_adopt(self) -> None:
        index = FolderIndex()
        assert index.adopt(77, 100, 5)
        assert (index.uidvalidity, index.uidnext, index.highest_modseq) == (77, 100, 5)
        assert index.adopt(77, 50, NOW * 2)
        assert (index.uidnext, index.highest_modseq) == (100, NOW * 2)
        assert not index.adopt(78, 1, 0)
        assert index.uidvalidity == 77
        assert index.advance() == NOW * 2 + 1

    def test_adopt_raises_the_counters_of_the_same_folder(self) -> None:
        index = FolderIndex()
        scan(index, found("a"), uidvalidity=42)
        assert index.adopt(42, 500, 0)
        assert index.uidnext == 500
        assert not index.adopt(43, 1, 0)

    def test_a_new_uidvalidity_is_greater_than_the_old(self) -> None:
        index = FolderIndex(least_uidvalidity=1_800_000_000)
        assert index.number() == 1_800_000_000
        index.start_anew(0)
        assert index.number() == 1_800_000_001

    def test_covers(self) -> None:
        index = FolderIndex("epoch")
        scan(index, found("a", 1), uidvalidity=42)
        assert index.covers(index.token())
        assert index.covers(Token("epoch", 42, 0))
        assert not index.covers(Token("other", 42, 0))
        assert not index.covers(Token("epoch", 41, 0))
        assert not index.covers(Token("epoch", 42, NOW + 1)), "from a time that was undone"
        assert FolderIndex().epoch != FolderIndex().epoch

    def test_old_tombstones_are_forgotten(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(folder, "MOST_TOMBSTONES", 3)
        index = FolderIndex("epoch")
        scan(index, *(found(f"k{n}", n) for n in range(1, 8)), uidvalidity=42)
        start = index.token()
        index.drop(["k1"], index.advance())
        middle = index.token()
        index.drop(["k2", "k3"], index.advance())
        assert index.vanished_since(start.modseq) == (1, 2, 3)
        assert index.covers(start)
        index.drop(["k4"], index.advance())
        assert not index.covers(start)
        assert index.covers(middle)
        assert index.vanished_since(middle.modseq) == (2, 3, 4)


class Message(NamedTuple):
    key: str
    uid: int
    flags: int


def lists_of_messages() -> st.SearchStrategy[list[Message]]:
    message = st.builds(Message, st.sampled_from("abcdefgh"), st.integers(0, 9), st.integers(0, 1))
    return st.lists(message, max_size=8, unique_by=lambda one: one.key)


class Client(RuleBasedStateMachine):
    """A naive IMAP client that follows a folder by tokens only must end with what the folder holds."""

    def __init__(self) -> None:
        super().__init__()
        self.index = FolderIndex()
        self.known: dict[int, tuple[str, int]] = {}
        self.token: Token | None = None
        self.ever: dict[tuple[int, int], str] = {}
        self.last_modseq = 0
        self.last_uidnext = (0, 0)

    @rule(messages=lists_of_messages(), uidvalidity=st.sampled_from([0, 0, 0, 0, 5, 6]), complete=st.booleans())
    def scan(self, messages: list[Message], uidvalidity: int, complete: bool) -> None:
        before = dict(self.index.entries)
        old = self.index.uidvalidity
        scanned = [Found(one.key, one.uid, one.flags, NONE) for one in messages]
        changed = self.index.reconcile(scanned, uidvalidity=uidvalidity, uidnext=0, stamp="", complete=complete)
        anew = uidvalidity not in (0, old)
        expected = {one.key: one.flags for one in messages}
        if not complete and not anew:
            expected = {key: entry.flags for key, entry in before.items()} | expected
        assert {key: entry.flags for key, entry in self.index.entries.items()} == expected
        self.check_uids(messages, {} if anew else before, complete)
        now = {entry.uid: (entry.key, entry.flags) for entry in self.index.entries.values()}
        was = {} if anew else {entry.uid: (entry.key, entry.flags) for entry in before.values()}
        touched = {entry.uid for entry in (*changed.added, *changed.updated)}
        assert touched == {uid for uid in now if was.get(uid) != now[uid]}
        assert {uid for uid in was if uid not in now} <= set(changed.vanished)

    def check_uids(self, messages: list[Message], before: dict[str, Entry], complete: bool) -> None:
        """The rule, said naively: who has what is recorded for it, then who claims it, then what each had."""
        recorded = {one.key: one.uid for one in messages}
        if not complete:
            recorded |= {key: entry.uid for key, entry in before.items() if entry.recorded and key not in recorded}
        expected: dict[str, int] = {}
        for key, uid in recorded.items():
            if uid and key in before and before[key].uid == uid:
                expected[key] = uid
        for key, uid in recorded.items():
            if uid and key not in expected and uid not in expected.values():
                expected[key] = uid
        for key, entry in before.items():
            if key in self.index.entries and key not in expected and entry.uid not in expected.values():
                expected[key] = entry.uid
        for key, entry in self.index.entries.items():
            assert entry.uid == expected.get(key, entry.uid)
            assert key in expected or entry.uid > max([0, *expected.values()])
            assert entry.recorded == (entry.uid == recorded.get(key))

    @rule(key=st.sampled_from("abcdefgh"))
    def expunge(self, key: str) -> None:
        if key in self.index.entries:
            self.index.drop([key], self.index.advance())

    @rule(key=st.sampled_from("ijk"))
    def append(self, key: str) -> None:
        if key not in self.index.entries:
            self.index.number()
            self.index.put(Entry(self.index.uidnext, key, True, self.index.advance(), 0, NONE))

    @rule()
    def follow(self) -> None:
        if self.token is None or not self.index.covers(self.token):
            self.known = {}
            since = 0
        else:
            since = self.token.modseq
            for uid in self.index.vanished_since(since):
                self.known.pop(uid, None)
        for entry in self.index.changed_since(since):
            self.known[entry.uid] = (entry.key, entry.flags)
        self.token = self.index.token()
        assert self.known == {entry.uid: (entry.key, entry.flags) for entry in self.index.entries.values()}

    @invariant()
    def order_and_counters(self) -> None:
        given = [entry.uid for entry in self.index.entries.values()]
        assert given == sorted(set(given))
        assert all(uid < self.index.uidnext for uid in given)
        assert self.index.highest_modseq >= self.last_modseq
        assert all(entry.modseq <= self.index.highest_modseq for entry in self.index.entries.values())
        if self.last_uidnext[0] == self.index.uidvalidity:
            assert self.index.uidnext >= self.last_uidnext[1]
        self.last_modseq = self.index.highest_modseq
        self.last_uidnext = (self.index.uidvalidity, self.index.uidnext)
        for entry in self.index.entries.values():
            assert self.index.find(entry.uid) == entry


TestClient = Client.TestCase
TestClient.settings = settings(
    max_examples=100, stateful_step_count=15, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@given(st.lists(lists_of_messages(), min_size=1, max_size=3))
def test_a_second_look_changes_nothing(scans: list[list[Message]]) -> None:
    index = FolderIndex()
    for messages in scans:
        scanned = [Found(one.key, one.uid, one.flags, NONE) for one in messages]
        index.reconcile(scanned, uidvalidity=5, uidnext=0, stamp="")
    index.pending.clear()
    before = dict(index.entries)
    assert index.reconcile(scanned, uidvalidity=5, uidnext=0, stamp="") == Changed()
    assert (index.entries, bool(index.pending)) == (before, False)
