"""A Takeout's mail as a store: mailstore.spi.Driver."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence

from mailstore.drivers.mbox.takeout.folder import Contents, TakeoutFolder
from mailstore.drivers.mbox.takeout.index import Messages
from mailstore.drivers.readonly import Refusing
from mailstore.errors import NoSuchFolder
from mailstore.formats.gmail.names import OPENED, UNREAD, find_language, kinds_of
from mailstore.formats.gmail.placing import Placed, Places
from mailstore.model.caps import Capabilities
from mailstore.model.changes import FolderInfo, Omission, StoreDelta, Usage
from mailstore.model.names import INBOX, FolderPath
from mailstore.spi import Location
from mailstore.system import fs


class _Look:
    """What is in the files, and where it belongs."""

    def __init__(self, files: Sequence[str], options: Mapping[str, str]) -> None:
        self.messages = messages = Messages(files)
        sets = Counter(messages.sets)
        self.counts: Counter[str] = Counter()
        for number, labels in enumerate(messages.labels):
            self.counts.update(dict.fromkeys(labels, sets[number]))
        self.language = options.get("language") or find_language(self.counts)
        self.places = Places(self.language, options.get("labels", "folders"), self.counts)
        self.placed: list[Placed] = [self.places.place(labels) for labels in messages.labels]
        self.folders: dict[FolderPath, array[int]] = {INBOX: array("L")}
        for number, of in enumerate(messages.sets):
            for path in self.placed[of].folders:
                folder = self.folders.get(path)
                if folder is None:
                    folder = self.folders[path] = array("L")
                folder.append(number)


class TakeoutDriver(Refusing):
    """See mailstore.spi.Driver.

    Args:
        location: of the store.
        files: Takeout's mbox files.
        left_out: what else lies there.
    """

    def __init__(self, location: Location, files: Sequence[str], left_out: Sequence[Omission]) -> None:
        super().__init__(location.path, location.format)
        self.capabilities = Capabilities(
            format=location.format,
            writable=False,
            saved_date=False,
            sender=False,
            uidl=False,
            uids=False,
            modseqs=False,
            folder_ids=False,
            subscriptions=False,
            idempotency=False,
            batch="prefix",
        )
        self._options = location.options
        self._files = files
        self._left_out = left_out
        self._known: _Look | None = None

    def _look(self) -> _Look:
        """Return what is there now; the files are read when somebody first asks, and again if they are others."""
        known = self._known
        if known is None or not known.messages.is_current():
            if known is not None:
                known.messages.close()
            with fs.errors(self.root):
                known = self._known = _Look(self._files, self._options)
        return known

    def changes(self, since: str | None) -> StoreDelta:
        """See Driver.changes."""
        look = self._look()
        parents = {FolderPath(path[:depth]) for path in look.folders for depth in range(1, len(path))}
        infos = tuple(
            FolderInfo(
                str(path) if path in look.folders else "",
                path,
                selectable=path in look.folders,
                special_use=look.places.uses.get(path),
            )
            for path in sorted({*look.folders, *parents}, key=lambda path: (not path.is_inbox, path))
        )
        token = str(look.messages.changed)
        if token == since:
            return StoreDelta(token, full=False, folders=(), gone=())
        return StoreDelta(token, full=True, folders=infos, gone=())

    def folder(self, path: FolderPath) -> TakeoutFolder:
        """See Driver.folder."""
        self._contents(path)
        return TakeoutFolder(path, self._contents)

    def usage(self) -> Usage:
        """See Driver.usage: a message counts in each of its folders."""
        look = self._look()
        folders = look.folders.values()
        sizes = look.messages.sizes
        return Usage(sum(map(len, folders)), sum(sizes[number] for numbers in folders for number in numbers))

    def _contents(self, path: FolderPath) -> Contents:
        look = self._look()
        numbers = look.folders.get(path)
        if numbers is None:
            raise NoSuchFolder(f"no folder {path}", folder=str(path))
        return Contents(look.messages, look.placed, numbers)

    @property
    def evidence(self) -> tuple[str, ...]:
        """See Driver.evidence."""
        look = self._look()
        facts = [f"Google Takeout's mail in {fs.shown(file)}" for file in self._files]
        facts.append(f"{len(look.messages)} messages with {len(look.counts)} labels; {self._spoken(look)}")
        return (*facts, *look.messages.evidence, *(f"{one.where}: left out: {one.reason}" for one in self.omissions()))

    def _spoken(self, look: _Look) -> str:
        how = "as the location says" if "language" in self._options else "as most of them show"
        return f"Gmail's own are {look.language}, {how}" if look.language else "none of them is Gmail's own"

    def omissions(self) -> list[Omission]:
        """See Omitting.omissions."""
        look = self._look()
        found = list(self._left_out)
        if look.messages.doubled:
            why = "stand in more than one of the files, with the same bytes and labels; each is shown once"
            found.append(Omission(fs.shown(self.root), why, look.messages.doubled))
        kinds = kinds_of(look.counts, look.language)[0]
        if look.counts and not kinds & {UNREAD, OPENED}:
            why = (
                "no message is labelled as opened or unread in a language that mailstore knows: all count as read, and "
                f"such labels are {'folders' if self._options.get('labels') != 'keywords' else 'keywords'}; language= "
                "says which it is"
            )
            found.append(Omission(fs.shown(self.root), why))
        return found

    def close(self) -> None:
        """See Driver.close."""
        if self._known is not None:
            self._known.messages.close()
            self._known = None
