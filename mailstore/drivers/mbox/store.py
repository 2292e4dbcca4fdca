"""An mbox store: mailstore.spi.Driver."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from itertools import groupby

from mailstore.drivers.mbox import journal, subscriptions
from mailstore.drivers.mbox.changing import Changer
from mailstore.drivers.mbox.folder import MboxFolder
from mailstore.drivers.mbox.fresh import MboxFresh
from mailstore.drivers.mbox.hold import hold
from mailstore.drivers.mbox.intent import Intent
from mailstore.drivers.mbox.kept import RULES, Kept
from mailstore.drivers.mbox.layout import Layout, Tree
from mailstore.drivers.mbox.locking import forget_note, locked, unwritten
from mailstore.drivers.mbox.quota import MboxQuota
from mailstore.drivers.mbox.reading import Options
from mailstore.drivers.mbox.staging import StagedMessage, stage
from mailstore.drivers.mbox.sync import Folder
from mailstore.drivers.mbox.watching import watch_points
from mailstore.drivers.sidecar import Index
from mailstore.errors import (
    FolderExists,
    InvalidFolderName,
    MailstoreError,
    NoSuchFolder,
    ReadOnlyStore,
    StorageFailure,
    StorageFull,
    Unsupported,
)
from mailstore.formats.mbox import metadata
from mailstore.model.caps import Capabilities
from mailstore.model.changes import (
    Change,
    FolderInfo,
    Footprint,
    Omission,
    Outcome,
    Recovery,
    Staged,
    StoreDelta,
    Usage,
)
from mailstore.model.flags import SYSTEM_FLAGS
from mailstore.model.info import Arrival
from mailstore.model.names import INBOX, FolderPath
from mailstore.spi import Guard, Hold, Settings, WatchPoint
from mailstore.system import clock, fs
from mailstore.system.lockrules import LockRules


class MboxDriver(MboxQuota):
    """See mailstore.spi.Driver."""

    keys_travel = False

    def __init__(
        self, layout: Layout, options: Options, settings: Settings, index: Index, *, packed: bool, rules: LockRules
    ) -> None:
        self._layout = layout
        self._options = options
        self._settings = settings
        self._index = index
        self._rules = rules
        self._folders: dict[FolderPath, Folder] = {}
        self._frozen = "is a packed file" if packed else layout.frozen
        self._writable = not settings.readonly and not self._frozen
        self.parallel_fresh = True
        tree = layout.kind != "file"
        super().__init__(Kept(layout.root, tree=tree), settings.quota, writable=self._writable)
        self.capabilities = Capabilities(
            format=layout.format,
            writable=self._writable,
            flags=SYSTEM_FLAGS,
            keywords=None,
            saved_date=False,
            modseqs=index.persistent,
            folders=tree,
            mail_and_children=layout.kind not in ("file", "plain"),
            folder_ids=False,
            subscriptions=tree,
            special_use=False,
            reserved_headers=metadata.NAMES,
            batch="prefix",
            foreign_writers=True,
            quota="exact",
            native=(frozenset({"fresh", "hold", "shard"}) if not self._frozen else frozenset({"shard"}))
            - settings.mask,
        )

    @property
    def evidence(self) -> tuple[str, ...]:
        """See Driver.evidence."""
        facts = self._layout.facts
        tree = self._scan()
        for path, place in tree.folders.items():
            if path not in tree.virtual and os.path.exists(place.file):
                facts += self._facts(path)
        facts += [f"{one.where}: not read: {one.reason}" for one in tree.skipped]
        return (*facts, self._index.trouble) if self._index.trouble else tuple(facts)

    def _facts(self, path: FolderPath) -> list[str]:
        try:
            folder = self._open(path)
            folder.look()
        except MailstoreError as error:
            return [f"{path}: {error}"]
        reading = folder.reading
        if reading is None or reading.opening is None:
            return [f"{path}: empty"]
        source = f", unpacked from {reading.source.packed}" if reading.source.packed else ""
        said = ", as the location says" if self._options.dialect is not None else ""
        facts = [f"{path}: dialect {reading.dialect.name}{said}{source}"]
        facts += [f"{path}: {fact}" for fact in reading.evidence.reasons(reading.opening)]
        if folder.hidden["expunged"]:
            facts.append(f"{path}: {folder.hidden['expunged']} messages that Thunderbird deleted are left out")
        if folder.hidden["pseudo"]:
            facts.append(f"{path}: c-client's pseudo message is left out")
        return facts

    def omissions(self) -> list[Omission]:
        """See Omitting.omissions."""
        tree = self._scan()
        found = list(tree.skipped)
        for path in tree.folders:
            if path not in tree.virtual:
                with suppress(MailstoreError):  # the listing of the folder says what is wrong
                    count = self._maybe(path).expunged()
                    if count:
                        found.append(Omission(str(path), "deleted in Thunderbird, not compacted away yet", count))
        return found

    def hold(self, paths: Sequence[FolderPath]) -> AbstractContextManager[Hold]:
        """See Holding."""
        return hold([self._maybe(path).path for path in paths], self._rules)

    # --- folders

    def changes(self, since: str | None) -> StoreDelta:
        """See Driver.changes."""
        tree = self._layout.scan()
        subscribed = subscriptions.read(self._layout)[1]
        parents = {FolderPath(path[:depth]) for path in tree.folders for depth in range(1, len(path))}
        infos = []
        for path in sorted({*tree.folders, *parents, *subscribed}, key=_inbox_first):
            place = tree.folders.get(path)
            selectable = place is not None and path not in tree.virtual
            name = self._name(place.file) if selectable and place is not None else ""
            infos.append(FolderInfo(name, path, selectable=selectable, subscribed=path in subscribed))
        token = str(hash(tuple(infos)))
        if since == token:
            return StoreDelta(token, full=False, folders=(), gone=())
        return StoreDelta(token, full=True, folders=tuple(infos), gone=())

    def create(self, path: FolderPath) -> FolderInfo:
        """See Driver.create."""
        self._write()
        self._tree("folders")
        if path.is_inbox or (path in self._scan().folders and path not in self._scan().virtual):
            raise FolderExists(f"folder {path} exists already", folder=str(path))
        place = self._layout.place(path)
        with fs.errors(place.file):
            self._make_parents(path)
            if self._layout.kind == "plain" and os.path.isdir(place.file):
                raise FolderExists(
                    f"folder {path} has folders below it; in layout=plain it cannot hold messages too", folder=str(path)
                )
            os.close(fs.create(place.file))
            fs.sync_directory(os.path.dirname(place.file))
        self._index.remove(self._name(place.file))
        self._folders.pop(path, None)
        return FolderInfo(self._name(place.file), path, subscribed=path in subscriptions.read(self._layout)[1])

    def _make_parents(self, path: FolderPath) -> None:
        """Make the directories that a folder's file lies in."""
        if self._layout.kind == "file":
            return
        file = self._layout.place(path).file
        fs.make_directories(self._layout.root)
        directories = [os.path.dirname(file)]
        while len(directories[-1]) > len(self._layout.root) and not path.is_inbox:
            directories.append(os.path.dirname(directories[-1]))
        for component, directory in zip(path, reversed(directories), strict=False):
            if os.path.isfile(directory):
                raise InvalidFolderName(
                    f"{fs.shown(directory)} holds messages; in layout=plain it cannot have folders below it",
                    folder=str(path),
                )
            fs.make_directories(directory)
            if not path.is_inbox:
                self._layout.remember(directory, component)

    def rename(self, old: FolderPath, new: FolderPath) -> None:
        """See Driver.rename."""
        self._write()
        self._tree("folders")
        if old.is_inbox or new.is_inbox or new.is_below(old):
            raise InvalidFolderName(f"folder {old} cannot become {new}", folder=str(new))
        folders = self._scan().folders
        moving = [path for path in folders if path == old or path.is_below(old)]
        if not moving:
            raise NoSuchFolder(f"no folder {old}", folder=str(old))
        if any(path == new or path.is_below(new) for path in folders):
            raise FolderExists(f"folder {new} exists already", folder=str(new))
        source = self._layout.place(old)
        for path in moving:
            self._forget(path)
        with fs.errors(source.file):
            self._make_parents(new)
            target = self._layout.place(new)
            steps = [(source.file, target.file)]
            if source.children != source.file:
                steps.append((source.children, target.children))
            steps = [step for step in steps if os.path.lexists(step[0])]
            names = [(self._name(folders[path].file), self._moved_name(path, old, new)) for path in moving]
            files = [folders[path].file for path in moving]
            with self._tallied(), unwritten(files, self._rules):
                Intent(self._layout.root, steps, names).run(self._index)

    def _moved_name(self, path: FolderPath, old: FolderPath, new: FolderPath) -> str:
        place, source, target = self._layout.place(path), self._layout.place(old), self._layout.place(new)
        if path == old:
            return self._name(target.file)
        return self._name(target.children + place.file[len(source.children) :])

    def delete(self, path: FolderPath) -> None:
        """See Driver.delete."""
        self._write()
        if path.is_inbox:
            raise InvalidFolderName("INBOX cannot be deleted", folder="INBOX")
        folder = self._open(path)
        with self._tallied(), locked(folder):
            fs.unlink(folder.path)
            fs.sync_directory(os.path.dirname(folder.path))
        self._index.remove(folder.name)
        self._forget(path)
        if self._layout.kind == "plain":
            self._drop_empty(os.path.dirname(folder.path))

    def _drop_empty(self, directory: str) -> None:
        """Remove directories that hold no folder any more: in layout=plain they would go on as virtual parents."""
        while directory != self._layout.root:
            try:
                fs.rmdir(directory)
            except OSError:
                return
            directory = os.path.dirname(directory)

    def subscribe(self, path: FolderPath, subscribed: bool) -> None:
        """See Driver.subscribe."""
        self._write()
        self._tree("subscriptions")
        version, have = subscriptions.read(self._layout)
        wanted = have | {path} if subscribed else have - {path}
        if wanted != have:
            subscriptions.write(self._layout, version, wanted)

    def folder(self, path: FolderPath) -> MboxFolder:
        """See Driver.folder."""
        folder = self._open(path)
        return MboxFolder(folder, path, lambda: path.is_inbox or os.path.exists(folder.path))

    def watch_points(self) -> list[WatchPoint]:
        """See Watchable.watch_points."""
        return watch_points(self._layout)

    def look_together(self) -> AbstractContextManager[set[FolderPath]]:
        """See Watchable.look_together: a look makes what it found lasting by itself."""
        return nullcontext(set())

    def folder_tokens(self) -> None:
        """See Watchable.folder_tokens: each folder must be asked."""

    def usage(self) -> Usage:
        """See Driver.usage."""
        messages = size = 0
        tree = self._scan()
        for path in tree.folders:
            if path not in tree.virtual:
                state = self.folder(path).state()
                messages += state.messages
                size += state.size or 0
        return Usage(messages, size)

    def footprint(self) -> Footprint:
        """See Measuring.footprint: the files' blocks; nothing is shared."""
        tree = self._scan()
        blocks = 0
        for path, place in tree.folders.items():
            if path not in tree.virtual:
                with suppress(OSError):
                    blocks += os.stat(place.file).st_blocks
        return Footprint(blocks * 512, 0)

    def canonical(self, body: bytes) -> bytes:
        """Every byte is kept."""
        return body

    # --- messages

    def stage(self, arrivals: Sequence[Arrival]) -> list[Staged]:
        """See Driver.stage."""
        self._write()
        staged: list[Staged] = []
        try:
            staged.extend(stage(arrival, None) for arrival in arrivals)
        except BaseException:
            self.discard(staged)
            raise
        return staged

    def discard(self, staged: Sequence[Staged]) -> None:
        """See Driver.discard."""
        for one in staged:
            assert isinstance(one, StagedMessage)
            one.discard()

    def commit(self, changes: Sequence[Change], *, guard: Guard | None = None, need_uids: bool = True) -> list[Outcome]:
        """See Driver.commit."""
        self._write()
        for change in changes:
            self._open(change.folder)
        if guard is not None and self._layout.kind != "file":
            with self._kept.locked(self._settings.lock_timeout):
                return self._commit(changes, guard, need_uids=need_uids)
        return self._commit(changes, guard, need_uids=need_uids)

    def _commit(self, changes: Sequence[Change], guard: Guard | None, *, need_uids: bool) -> list[Outcome]:
        changer = Changer(self._elsewhere, need_uids=need_uids)
        outcomes: list[Outcome] = []
        pending = guard
        for path, group in groupby(changes, key=lambda change: change.folder):
            run = list(group)
            try:
                with locked(self._open(path)) as held:
                    if pending is not None:
                        pending(changes)
                        pending = None
                    with self._tallied_changes(path, held.folder, run):
                        changer.carry_out(held, run, outcomes)
            except MailstoreError as error:
                if not any(outcome.status in ("done", "known") for outcome in outcomes):
                    raise
                failed = Outcome("failed", error=error)
                outcomes += [failed] * (len(changes) - len(outcomes))
                break
        return outcomes

    def _elsewhere(self, folder: Folder, key: bytes) -> tuple[int, int] | None:
        """Return UIDVALIDITY and UID of a key that is stored in another folder of those that were looked at."""
        for other in self._folders.values():
            if other is not folder and other.looked and (uid := other.keys().get(key)) is not None:
                return other.index.uidvalidity, uid
        return None

    def resolve(self, keys: Sequence[bytes]) -> dict[bytes, tuple[FolderPath, int]]:
        """See Driver.resolve."""
        wanted, found = set(keys), {}
        tree = self._scan()
        for path in tree.folders:
            if path in tree.virtual:
                continue
            have = self._open(path).keys()
            found.update({key: (path, have[key]) for key in wanted & have.keys()})
        return found

    def fresh(self, path: FolderPath) -> MboxFresh | None:
        """See FreshFolders.fresh."""
        self._write()
        place = self._layout.place(path)
        if os.path.exists(place.file) and (os.path.getsize(place.file) or self._open(path).look().uidnext > 1):
            return None
        if len(path) > 1 or not path.is_inbox:
            self._tree("folders")
        with fs.errors(place.file):
            self._make_parents(path)
        if os.path.isdir(place.file):
            return None
        return MboxFresh(
            place.file,
            self._options.dialect,
            lambda: self._maybe(path),
            path,
            self._tallied,
        )

    def recover(self) -> Recovery:
        """See Driver.recover."""
        finished = undone = removed = 0
        if not self._writable:
            return Recovery()
        if self._layout.kind != "file":
            finished += Intent.recover(self._layout.root, self._index)
        for path, place in self._scan().folders.items():
            if journal.is_pending(place.file) and os.path.exists(place.file):
                # Where there is no room to finish it readers read the copy, and writers say so.
                with suppress(StorageFull, StorageFailure), locked(self._maybe(path)) as held:
                    finished += held.recovered[0]
                    undone += held.recovered[1]
        for directory in {os.path.dirname(place.file) for place in self._scan().folders.values()}:
            removed += _clean(directory)
        return Recovery(finished, undone, removed)

    def close(self) -> None:
        """See Driver.close."""
        for folder in self._folders.values():
            folder.close()
            if self._writable:
                forget_note(folder)
        self._folders.clear()
        self._index.close()

    # --- within

    def _quota_folders(self) -> dict[FolderPath, Folder]:
        tree = self._scan()
        return {path: self._maybe(path) for path in tree.folders if path not in tree.virtual}

    def _write(self) -> None:
        if not self._writable:
            why = "was opened read-only" if self._settings.readonly else f"{self._frozen}, which is read-only"
            raise ReadOnlyStore(f"{fs.shown(self._layout.root)} {why}", path=self._layout.root)

    def _tree(self, capability: str) -> None:
        if self._layout.kind == "file":
            raise Unsupported(
                f"{fs.shown(self._layout.root)} is one mbox file: it holds INBOX alone; give a directory for a tree",
                capability=capability,
            )

    def _scan(self) -> Tree:
        return self._layout.scan()

    def _name(self, file: str) -> str:
        """Return what the index calls a folder: its file, relative to the root."""
        if self._layout.kind == "file" or file == self._layout.inbox:
            return "INBOX"
        return os.path.relpath(file, self._layout.root)

    def _forget(self, path: FolderPath) -> None:
        folder = self._folders.pop(path, None)
        if folder is not None:
            folder.close()

    def _open(self, path: FolderPath) -> Folder:
        folder = self._folders.get(path)
        if folder is not None and (path.is_inbox or os.path.exists(folder.path)):
            return folder
        if not path.is_inbox:
            tree = self._scan()
            if path not in tree.folders or path in tree.virtual:
                raise NoSuchFolder(f"no folder {path}", folder=str(path))
        return self._maybe(path)

    def _maybe(self, path: FolderPath) -> Folder:
        """Return the folder at ``path``, be its file there or not."""
        file = self._layout.place(path).file
        folder = self._folders.get(path)
        if folder is None or folder.path != file:
            self._folders[path] = folder = Folder(file, self._name(file), self._index, self._options, self._rules)
        return folder


KEPT_FILES = (RULES, ".mailstore-name.", ".mailstore-intent", ".mailstore-index", *journal.NAMES)
"""How the names of our hidden files begin that are no leftovers."""


def _inbox_first(path: FolderPath) -> tuple[bool, FolderPath]:
    return (path != INBOX, path)


def _clean(directory: str) -> int:
    """Remove temporary files of ours that a crash left more than 36 hours ago."""
    removed = 0
    try:
        names = [name for name in os.listdir(directory) if name.startswith(fs.TEMPORARY)]
    except OSError:
        return 0
    for name in names:
        path = os.path.join(directory, name)
        try:
            status = os.lstat(path)
            if max(status.st_mtime, status.st_ctime) < clock.now() - 36 * 3600 and not name.startswith(KEPT_FILES):
                fs.unlink(path)
                removed += 1
        except OSError:
            continue
    return removed
