"""Random histories of a source, and of a destination whose user goes on with it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random

from mailstore import FolderPath, Store
from mailstore.model.changes import SetFlags
from mailstore.model.flags import DELETED, SYSTEM_FLAGS
from mailstore.model.info import BODY, META, Row, body_chunks

NAMES = ("INBOX", "A", "B", "A/x", "A/y", "C")
SAME = (b"Subject: same\n\nsame\n", b"no header at all", b"Message-ID: <1@x>\n\none\n", b"Message-ID: <1@x>\n\ntwo\n")
KEYWORDS = ("one", "two", "$Forwarded")

Contents = dict[str, Counter[tuple[bytes, int, frozenset[str]]]]


def rows(store: Store, path: FolderPath, want: int = 0) -> list[Row]:
    """Return a folder's messages; bodies are small."""
    return [row for batch in store.folder(path).changes(None, want).batches for row in batch]


def paths(store: Store) -> list[FolderPath]:
    """Return the folders that hold messages."""
    return [info.path for info in store.folders() if info.selectable]


def contents(store: Store) -> Contents:
    """Return each folder's messages with flags and keywords, as a multiset."""
    return {
        str(path): Counter(
            (b"".join(body_chunks(row.body or b"")), row.flags & SYSTEM_FLAGS, row.keywords)
            for row in rows(store, path, BODY | META)
        )
        for path in paths(store)
    }


@dataclass
class SourceUser:
    """Somebody who uses the source."""

    random: Random
    serial: int = 0

    def act(self, store: Store) -> str:
        """Do something; returns what."""
        what = self.random.choice(
            ("append", "append", "append", "flags", "flags", "move", "move", "expunge", "rename", "create", "delete")
        )
        getattr(self, f"_{what}")(store)
        return what

    def _folder(self, store: Store) -> FolderPath:
        return self.random.choice(paths(store))

    def _uids(self, store: Store, path: FolderPath) -> tuple[int, ...]:
        uids = [row.uid for row in rows(store, path)]
        return tuple(sorted(self.random.sample(uids, min(len(uids), self.random.randint(1, 3)))))

    def _append(self, store: Store) -> None:
        folder = store.folder(self._folder(store))
        for _ in range(self.random.randint(1, 4)):
            self.serial += 1
            body = self.random.choice((*SAME, *[f"Subject: {self.serial}\n\n".encode()] * 3))
            folder.append(body, flags=self.random.sample(["\\Seen", "\\Flagged", "one"], self.random.randint(0, 3)))

    def _flags(self, store: Store) -> None:
        path = self._folder(store)
        uids = self._uids(store, path)
        if uids:
            mode = self.random.choice(("add", "remove", "replace"))
            keywords = frozenset(self.random.sample(KEYWORDS, self.random.randint(0, 2)))
            store.commit([SetFlags(path, uids, mode, self.random.randrange(16), keywords)])

    def _move(self, store: Store) -> None:
        path = self._folder(store)
        uids = self._uids(store, path)
        if uids:
            store.folder(path).move(uids, store.folder(self._folder(store)))

    def _expunge(self, store: Store) -> None:
        path = self._folder(store)
        uids = self._uids(store, path)
        if uids:
            store.folder(path).expunge(uids, only_deleted=False)

    def _create(self, store: Store) -> None:
        store.folder(self.random.choice(NAMES), create=True)

    def _rename(self, store: Store) -> None:
        old, new = self._folder(store), FolderPath.parse(self.random.choice((*NAMES, "D", "D/z")))
        taken = {info.path for info in store.folders()}
        if not old.is_inbox and not new.is_inbox and new not in taken and not new.is_below(old):
            store.rename(old, new)

    def _delete(self, store: Store) -> None:
        path = self._folder(store)
        if not path.is_inbox and self.random.random() < 0.5:
            store.delete(path)


@dataclass
class DestinationUser:
    """Somebody who uses the destination already, and whose changes must stay."""

    random: Random
    serial: int = 0
    own: set[bytes] = field(default_factory=set)
    """Messages put there."""
    marked: Counter[bytes] = field(default_factory=Counter)
    """How many messages of a body carry the keyword ``mine``."""
    deleted: set[bytes] = field(default_factory=set)
    """Messages deleted there that were there once."""

    def act(self, store: Store) -> str:
        """Do something; returns what."""
        what = self.random.choice(("append", "mark", "mark", "delete"))
        path = self.random.choice(paths(store))
        found = rows(store, path, BODY)
        if what == "append":
            self.serial += 1
            body = f"Subject: mine {self.serial}\n\n".encode()
            store.folder(path).append(body, flags=["\\Flagged"])
            self.own.add(body)
        elif found:
            row = self.random.choice(found)
            body = bytes(row.body or b"")
            if what == "mark" and "mine" not in row.keywords:
                store.folder(path).add_flags([row.uid], ["mine"])
                self.marked[body] += 1
            elif what == "delete" and body not in SAME and not row.flags & DELETED:
                store.folder(path).expunge([row.uid], only_deleted=False)
                self.deleted.add(body)
                self.own.discard(body)
                del self.marked[body]
        return what

    def check(self, source: Store, destination: Store) -> None:
        """Nothing that was done is undone, and nothing of the source is missing but for that."""
        here = contents(destination)
        everything = sum(here.values(), Counter())
        bodies = Counter(body for body, _, _ in everything.elements())
        assert Counter(body for body, _, words in everything.elements() if "mine" in words) == +self.marked
        for body in self.own:
            assert bodies[body] == 1
        assert not self.deleted & set(bodies)
        for path, messages in contents(source).items():
            there = Counter(body for body, _, _ in here.get(path, Counter()).elements())
            wanted = Counter(body for body, _, _ in messages.elements() if body not in self.deleted)
            assert wanted <= there, (path, wanted - there)
        source_bodies = Counter(body for body, _, _ in sum(contents(source).values(), Counter()).elements())
        doubled = {body for body in bodies if body not in SAME and bodies[body] > max(1, source_bodies[body])}
        assert not doubled
