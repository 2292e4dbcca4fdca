"""Any sequence of operations, done to a store and to the reference model in memory, must look the same on both.

UIDs and modseqs differ between stores, so messages are named by their place in the listing, and moments by a number
that stands for each store's own modseq and token of that moment.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mailstore import (
    Folder,
    FolderInfo,
    FolderPath,
    MailstoreError,
    QuotaRules,
    Store,
    Token,
    open_store,
)
from mailstore.model.caps import Capabilities
from mailstore.model.flags import RECENT
from mailstore.model.quota import STYLES, QuotaStyle
from mailstore.quota import total
from mailstore.spi import QuotaKeeping
from mailstore.testing.harness import Harness
from mailstore.testing.observe import Seen, listing
from mailstore.testing.samples import BODIES, RESERVED

NAMES = ("INBOX", "A", "A/B", "A/B/C", "Z", "odd.n\u00e4me", "INBOX/sub")
NO_SPACE_IN_LINES = [body for body in (*BODIES.values(), *RESERVED.values()) if len(body) < 1000]
FLAGS = ("\\Seen", "\\Answered", "\\Flagged", "\\Draft", "\\Deleted")
WORDS = ("Work", "WORK", "$Forwarded", "Later", "$junk")

FOREIGN = b"Subject: foreign "

names = st.sampled_from(("INBOX", "A", *NAMES))
places = st.lists(st.integers(0, 5), min_size=1, max_size=4, unique=True)
flag_sets = st.lists(st.sampled_from(FLAGS + WORDS), max_size=4, unique=True)
arrivals = st.fixed_dictionaries(
    {
        "body": st.sampled_from(NO_SPACE_IN_LINES),
        "flags": flag_sets,
        "internal_date": st.integers(0, 4_000_000_000),
        "sender": st.sampled_from((None, "", "a@example.org")),
        "uidl": st.sampled_from((None, "u1")),
    }
)


class Moment(NamedTuple):
    """A point in the history of a folder of both stores."""

    name: str
    model: Token
    store: Token
    shown: dict[int, Seen]
    """What the store under test listed then, by UID."""


class StoreMachine(RuleBasedStateMachine):
    """Subclass it with ``harness_class`` set, or let ``EverythingContract`` do so.

    Attributes:
        harness_class: how to make a store.
        mask: native shortcuts to do without.
    """

    harness_class: ClassVar[type[Harness]]
    mask: ClassVar[frozenset[str]] = frozenset()

    def __init__(self) -> None:
        super().__init__()
        self.scratch = tempfile.TemporaryDirectory(prefix="mailstore-machine-")
        self.harness = self.harness_class(Path(self.scratch.name), self.mask)
        self.capabilities: Capabilities = self.harness.capabilities
        self.store = self.harness.create()
        self.model = open_store("memory:")
        self.moments: list[Moment] = []
        self.keys = 0
        self.delivered = 0
        self.uidnext: dict[tuple[str, int], int] = {}

    def teardown(self) -> None:
        """Close and remove everything."""
        with self.harness.closing():
            self.model.close()
        self.scratch.cleanup()

    # -- what both stores do

    def both(self, call: Callable[[Store], Any]) -> Any:
        """Do something to both stores; what comes back, or the class of the error, must be equal."""
        outcomes = []
        for store in (self.model, self.store):
            try:
                outcomes.append(call(store))
            except MailstoreError as error:
                outcomes.append(type(error))
        assert outcomes[0] == outcomes[1], f"model: {outcomes[0]}, store: {outcomes[1]}"
        return outcomes[1]

    def name(self, name: str) -> str:
        """Return a folder name that the format can have."""
        return name if self.capabilities.folders else "INBOX"

    def kept(self, arrival: dict[str, Any]) -> dict[str, Any]:
        """Return an arrival without what the format declares that it does not keep, and its body as it will read."""
        arrival = {**arrival, "body": self.store.canonical(arrival["body"])}
        for field in ("sender", "uidl"):
            if not getattr(self.capabilities, field):
                arrival[field] = None
        if self.capabilities.keywords == 0:
            arrival["flags"] = [flag for flag in arrival["flags"] if flag in FLAGS]
        return arrival

    def recent(self, name: str) -> set[int]:
        r"""Return the places of messages that are ``\Recent`` in either store; to lose that may be a change or none."""
        return {
            place
            for store in (self.model, self.store)
            if has(self.model, name) and has(store, name)
            for place, row in enumerate(store.folder(name).rows(0))
            if row.flags & RECENT
        }

    def words(self, flags: list[str]) -> list[str]:
        """Return the flags and keywords that the format keeps."""
        return [flag for flag in flags if flag in FLAGS or self.capabilities.keywords != 0]

    @initialize(beginning=st.lists(st.tuples(st.sampled_from(("INBOX", "A", "A/B")), arrivals), max_size=8))
    def begin(self, beginning: list[tuple[str, dict[str, Any]]]) -> None:
        """Begin with a store that holds something."""
        if self.capabilities.folders:
            for name in ("A", "A/B"):
                self.create(name)
        for name, arrival in beginning:
            self.append(name, arrival)
        self.remember("INBOX")

    @initialize(style=st.sampled_from(STYLES))
    def keep_sums(self, style: QuotaStyle) -> None:
        """Keep a quota that nothing reaches."""
        if isinstance(self.store.driver, QuotaKeeping):
            self.store.quota.set_rules(QuotaRules(style=style, storage=1 << 40))

    # -- messages

    @rule(name=names, arrival=arrivals)
    def append(self, name: str, arrival: dict[str, Any]) -> None:
        """Append one message."""
        name, arrival = self.name(name), self.kept(arrival)
        self.both(lambda store: len(uids(store, name)) if store.folder(name).append(**arrival).uid else 0)

    @rule(name=names, arrival=arrivals, again=st.booleans())
    @precondition(lambda self: self.capabilities.idempotency)
    def append_with_key(self, name: str, arrival: dict[str, Any], again: bool) -> None:
        """Append with a new idempotency key, and maybe again with the same."""
        name, arrival = self.name(name), self.kept(arrival)
        self.keys += 1
        key = self.keys.to_bytes(16, "big")
        for _ in range(1 + again):
            self.both(lambda store: store.folder(name).append(**arrival, key=key).known)

    @rule(
        name=names,
        at=places,
        flags=flag_sets,
        mode=st.sampled_from(("add_flags", "remove_flags", "set_flags")),
        moment=st.none() | st.integers(0, 5),
    )
    def change_flags(self, name: str, at: list[int], flags: list[str], mode: str, moment: int | None) -> None:
        """Change flags, maybe only where nothing changed since a moment."""
        name, since = self.name(name), self.find_moment(self.name(name), moment)
        recent = self.recent(name)

        def change(store: Store) -> tuple[set[int], list[int]]:
            folder, here = store.folder(name), uids(store, name)
            limit = None if since is None else (since.model if store is self.model else since.store).modseq
            result = getattr(folder, mode)(pick(here, at), self.words(flags), unchanged_since=limit)
            return set(ranks(here, result.changed)) - recent, ranks(here, result.refused)

        self.both(change)

    @rule(name=names, at=places, only_deleted=st.booleans())
    def expunge(self, name: str, at: list[int], only_deleted: bool) -> None:
        """Expunge some messages."""
        name = self.name(name)

        def expunge(store: Store) -> list[int]:
            here = uids(store, name)
            return ranks(here, store.folder(name).expunge(pick(here, at), only_deleted=only_deleted))

        self.both(expunge)

    @rule(name=names, at=places, to=names, move=st.booleans())
    def transfer(self, name: str, at: list[int], to: str, move: bool) -> None:
        """Copy or move messages, within a folder by copy alone."""
        name, to = self.name(name), self.name(to)

        def transfer(store: Store) -> list[int]:
            folder, destination, here = store.folder(name), store.folder(to), uids(store, name)
            result = (folder.move if move and name != to else folder.copy)(pick(here, at), destination)
            assert [uid for _, uid in result.pairs] == uids(store, to)[len(uids(store, to)) - len(result.pairs) :]
            return ranks(here, [uid for uid, _ in result.pairs])

        self.both(transfer)

    # -- folders

    @rule(name=names)
    @precondition(lambda self: self.capabilities.folders)
    def create(self, name: str) -> None:
        """Make a folder."""
        self.both(lambda store: str(store.create(name).path))

    @rule(name=names)
    @precondition(lambda self: self.capabilities.folders)
    def delete(self, name: str) -> None:
        """Delete a folder."""
        self.both(lambda store: store.delete(name))

    @rule(old=names, new=names)
    @precondition(lambda self: self.capabilities.folders)
    def rename(self, old: str, new: str) -> None:
        """Rename a folder with all below it, or move INBOX's messages."""
        self.both(lambda store: store.rename(old, new))

    @rule(name=names, on=st.booleans())
    @precondition(lambda self: self.capabilities.subscriptions and self.capabilities.folders)
    def subscribe(self, name: str, on: bool) -> None:
        """Set or clear a subscription."""
        self.both(lambda store: (store.subscribe if on else store.unsubscribe)(name))

    # -- time, crashes, others

    @rule(name=names)
    def remember(self, name: str) -> None:
        """Take a token of this moment from both stores."""
        name = self.name(name)
        if has(self.model, name):
            shown = listing(self.store.folder(name))
            model, store = self.model.folder(name).changes().token, self.store.folder(name).changes().token
            self.moments = [Moment(name, model, store, shown), *self.moments][:8]

    @rule(name=names, moment=st.integers(0, 5))
    def catch_up(self, name: str, moment: int) -> None:
        """What changed since a moment turns what was shown then into what is there now."""
        since = self.find_moment(self.name(name), moment)
        if since is not None:
            folder = self.store.folder(since.name)
            now = listing(folder)
            delta = folder.changes(since.store)
            changed = {row.uid for batch in delta.batches for row in batch}
            shown = {} if delta.full else {uid: seen for uid, seen in since.shown.items() if uid not in delta.vanished}
            shown |= {uid: now[uid] for uid in changed}
            assert shown == now

    @rule()
    @precondition(lambda self: self.capabilities.persistent)
    def reopen(self) -> None:
        """Close and open again."""
        self.store = self.harness.reopen(self.store)

    @rule()
    @precondition(lambda self: self.capabilities.persistent)
    def crash(self) -> None:
        """Abandon the store without closing it, and open it again."""
        self.store = self.harness.open()

    @rule(name=names, at=st.integers(0, 7), remove=st.booleans())
    @precondition(lambda self: self.capabilities.foreign_writers and self.delivered)
    def foreign_change(self, name: str, at: int, remove: bool) -> None:
        """Another program reads or removes a message that was delivered by one."""
        name = self.name(name)
        if not has(self.model, name):
            return
        bodies = [seen.body for seen in listing(self.model.folder(name)).values()]
        if at < len(bodies) and bodies[at].startswith(FOREIGN) and bodies.count(bodies[at]) == 1:
            (self.harness.foreign_remove if remove else self.harness.foreign_seen)(FolderPath.parse(name), bodies[at])
            self.store.quota.recalculate()
            folder, chosen = self.model.folder(name), pick(uids(self.model, name), [at])
            if remove:
                folder.expunge(chosen, only_deleted=False)
            else:
                folder.add_flags(chosen, ["\\Seen"])

    @rule(name=names)
    @precondition(lambda self: self.capabilities.foreign_writers)
    def foreign_append(self, name: str) -> None:
        """Another program delivers a message."""
        name = self.name(name)
        if has(self.model, name):
            self.delivered += 1
            body = FOREIGN + b"%d\n\nbody\n" % self.delivered
            self.harness.foreign_append(FolderPath.parse(name), body)
            self.store.quota.recalculate()  # others may not enter what they do
            (seen,) = list(listing(self.store.folder(name)).values())[-1:]
            self.model.folder(name).append(body, internal_date=seen.internal_date, sender=seen.sender)

    # -- what must hold at all times

    @invariant()
    def same_folders(self) -> None:
        """Both list the same folders and subscriptions."""
        assert [folder_facts(info) for info in self.store.folders()] == [
            folder_facts(info) for info in self.model.folders()
        ]

    @invariant()
    def same_messages(self) -> None:
        """Both list the same messages in the same order, and no UID was given twice."""
        for info in self.model.folders():
            if not info.selectable:
                continue
            found = listing(self.store.folder(info.path))
            assert [self.comparable(seen) for seen in found.values()] == [
                self.comparable(seen) for seen in listing(self.model.folder(info.path)).values()
            ]
            assert list(found) == sorted(found)
            state = self.store.folder(info.path).state()
            assert state.messages == len(found)
            life = (str(info.path), state.uidvalidity)
            assert state.uidnext >= max(self.uidnext.get(life, 0), *found, 1)
            self.uidnext[life] = max(state.uidnext, *(uid + 1 for uid in found), 1)

    @invariant()
    def right_sums(self) -> None:
        """The sums of the quota are what a look at every message gives."""
        rules = self.store.quota.rules() or QuotaRules()
        assert self.store.quota.usage() == total(rules, self.store.quota.count())

    def comparable(self, seen: Seen) -> Seen:
        """Return a message without what has no equal in the other store: the moment it was saved."""
        return seen._replace(saved_date=None, keywords=frozenset(word.lower() for word in seen.keywords))

    def find_moment(self, name: str, moment: int | None) -> Moment | None:
        """Return a remembered moment of a folder that has lived on under its name since, or None."""
        if moment is None or not has(self.model, name):
            return None
        life = self.model.folder(name).state().uidvalidity
        found = [since for since in self.moments if (since.name, since.model.uidvalidity) == (name, life)]
        return found[moment % len(found)] if found else None


def folder_facts(info: FolderInfo) -> tuple[str, bool, bool]:
    """Return what both stores must say of a folder."""
    return str(info.path), info.selectable, info.subscribed


def has(store: Store, name: str) -> bool:
    """Whether the folder is there and holds messages."""
    return any(str(info.path) == name and info.selectable for info in store.folders())


def uids(store: Store, name: str) -> list[int]:
    """Return the UIDs of a folder."""
    folder: Folder = store.folder(name)
    return [row.uid for row in folder.rows(0)]


def pick(here: list[int], at: list[int]) -> list[int]:
    """Return the UIDs at some places of a listing, as far as there are that many."""
    return [here[place] for place in at if place < len(here)]


def ranks(here: list[int], chosen: list[int] | tuple[int, ...]) -> list[int]:
    """Return the places of UIDs in a listing."""
    return [here.index(uid) for uid in chosen]
