"""An open Maildir: mailstore.spi.Driver with the native shortcuts adopt, clone, join, move, fresh and shard."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cached_property
from typing import cast

from mailstore.drivers.maildir import staging, subscriptions, tree
from mailstore.drivers.maildir.account import Account
from mailstore.drivers.maildir.adopt import adopt
from mailstore.drivers.maildir.clone import clone
from mailstore.drivers.maildir.commit import commit, delivery
from mailstore.drivers.maildir.deliver import Steps
from mailstore.drivers.maildir.folder import MaildirFolder
from mailstore.drivers.maildir.footprint import footprint
from mailstore.drivers.maildir.fresh import MaildirFresh
from mailstore.drivers.maildir.hold import hold
from mailstore.drivers.maildir.joint import JointDeliveries
from mailstore.drivers.maildir.keeping import Keeping
from mailstore.drivers.maildir.keys import Keys
from mailstore.drivers.maildir.layout import Place
from mailstore.drivers.maildir.omitting import omissions
from mailstore.drivers.maildir.records import read_file
from mailstore.drivers.maildir.staging import StagedFile
from mailstore.drivers.maildir.takeover import take_over
from mailstore.drivers.maildir.view import View
from mailstore.drivers.maildir.watching import watch_points
from mailstore.errors import CannotCreate, MailstoreError, NoSuchFolder, StoreBusy
from mailstore.formats import courier
from mailstore.model.caps import Capabilities, Joint
from mailstore.model.changes import (
    Append,
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
from mailstore.model.info import Arrival
from mailstore.model.measure import digest_of
from mailstore.model.names import FolderPath
from mailstore.spi import Guard, Hold, WatchPoint
from mailstore.system import fs

_ANY_DATE = (-(1 << 62), 1 << 62)
SPECIAL_USE = "mailstore-special-use"
"""In a folder's directory: its RFC 6154 attribute, one line."""


class MaildirDriver(Keeping):
    """See mailstore.spi.Driver."""

    parallel_fresh = True
    keys_travel = True

    def __init__(self, account: Account, evidence: Sequence[str], mask: frozenset[str]) -> None:
        self._account = account
        self._views: dict[str, View] = {}
        self._folders: dict[str, MaildirFolder] = {}
        self._keys = Keys(self._every_view)
        self.evidence = tuple(evidence)
        dovecot = account.family == "dovecot"
        self.capabilities = Capabilities(
            format="maildir++" if account.layout.spelling.layout == "++" else "maildir",
            writable=not account.readonly,
            file_names=True,
            internal_date=_ANY_DATE if dovecot else (staging.EARLIEST, staging.LATEST),
            saved_date=dovecot,
            sender=dovecot,
            unlocked_sender=False,
            uidl_form="" if dovecot else courier.UIDL.pattern,
            modseqs=account.index.persistent,
            folder_ids=dovecot,
            batch="prefix",
            foreign_writers=True,
            native=frozenset({"adopt", "clone", "hold", "join", "move", "fresh", "shard"}) - mask,
        )

    def omissions(self) -> list[Omission]:
        """See Omitting.omissions."""
        return omissions(self._account.layout)

    # --- folders

    def changes(self, since: str | None) -> StoreDelta:
        """See Driver.changes."""
        infos = None
        with fs.errors(self._account.root):
            with suppress(StoreBusy), self._account.index.batch():
                infos = self._infos()  # what is numbered on the way is stored at once; the ids lie in the UID lists
            infos = self._infos() if infos is None else infos
        token = digest_of(repr(infos).encode("utf-8", "surrogatepass")).hex()[:32]
        if token == since:
            return StoreDelta(token, False, (), ())
        return StoreDelta(token, True, tuple(infos), ())

    def _infos(self) -> list[FolderInfo]:
        places = self._account.layout.scan()
        subscribed = subscriptions.subscribed(self._account)
        parents = {FolderPath(path[:depth]) for path in places for depth in range(1, len(path))}
        infos = []
        for path in sorted({*places, *parents, *subscribed}, key=lambda path: (not path.is_inbox, path)):
            place = places.get(path)
            if place is None:
                infos.append(FolderInfo("", path, selectable=False, subscribed=path in subscribed))
            else:
                directory = self._account.layout.absolute(place.directory)
                use = read_file(os.path.join(directory, SPECIAL_USE)).decode("ascii", "replace").strip() or None
                infos.append(FolderInfo(self._id(place), path, subscribed=path in subscribed, special_use=use))
        return infos

    def _id(self, place: Place) -> str:
        """Return a folder's GUID; where it has none it gets one, and in a read-only store its inode must do."""
        view = self._view(place)
        guid = view.records.peek_guid()
        if not guid and not self._account.readonly and self._account.family == "dovecot":
            with suppress(MailstoreError, OSError):
                view.refresh()
                guid = view.records.guid
        if guid:
            return guid
        try:
            return f"i{os.stat(view.directory).st_ino:x}"
        except FileNotFoundError:
            return f"n{digest_of(os.fsencode(view.name)).hex()[:16]}"

    def create(self, path: FolderPath) -> FolderInfo:
        """See Driver.create."""
        self._write()
        with fs.errors(self._account.root, CannotCreate):
            records = tree.create(self._account, path)
        self._forget()
        subscribed = path in subscriptions.subscribed(self._account)
        place = Place(path, self._account.layout.directory(path))
        return FolderInfo(records.guid or self._id(place), path, subscribed=subscribed)

    def rename(self, old: FolderPath, new: FolderPath) -> None:
        """See Driver.rename."""
        self._write()
        with fs.errors(self._account.root):
            tree.rename(self._account, old, new)
        self._forget()

    def delete(self, path: FolderPath) -> None:
        """See Driver.delete."""
        self._write()
        with fs.errors(self._account.root):
            tree.delete(self._account, path)
        self._forget()

    def subscribe(self, path: FolderPath, subscribed: bool) -> None:
        """See Driver.subscribe."""
        self._write()
        subscriptions.subscribe(self._account, path, subscribed)

    def set_special_use(self, path: FolderPath, special_use: str | None) -> None:
        """See SpecialUse.set_special_use."""
        self._write()
        file = os.path.join(self._find(path).directory, SPECIAL_USE)
        with fs.errors(file):
            if special_use is not None:
                fs.replace_file(file, special_use.encode() + b"\n", self._account.mode)
            elif os.path.lexists(file):
                fs.unlink(file, missing_ok=True)
                fs.sync_directory(os.path.dirname(file))

    def folder(self, path: FolderPath) -> MaildirFolder:
        """See Driver.folder."""
        view = self._find(path)
        found = self._folders.get(view.name)
        if found is None:
            found = self._folders[view.name] = MaildirFolder(view)
        return found

    def watch_points(self) -> list[WatchPoint]:
        """See Watchable.watch_points."""
        with fs.errors(self._account.root):
            return watch_points(self._account)

    def hold(self, paths: Sequence[FolderPath]) -> AbstractContextManager[Hold]:
        """See Holding."""
        return hold([self._find(path).directory for path in paths], self._account.lock_timeout)

    @contextmanager
    def look_together(self) -> Iterator[set[FolderPath]]:
        """See Watchable.look_together: one transaction of the index for all folders."""
        void: set[FolderPath] = set()
        with self._account.index.batch() as outrun:
            yield void
        void.update(view.path for view in self._views.values() if view.indexed in outrun)

    def folder_tokens(self) -> None:
        """See Watchable.folder_tokens: each folder must be asked."""

    def usage(self) -> Usage:
        """See Driver.usage."""
        messages = size = 0
        for view in self._every_view():
            folder = MaildirFolder(view)
            messages += len(view.refresh().entries)
            size += folder.size()
        return Usage(messages, size)

    def take_over(self) -> list[tuple[FolderPath, int]]:
        """See TakingOver.take_over."""
        self._write()
        with fs.errors(self._account.root):
            return take_over(self._account, list(self._every_view()))

    def footprint(self) -> Footprint:
        """See Measuring.footprint."""
        layout = self._account.layout
        with fs.errors(self._account.root):
            return footprint(layout.absolute(place.directory) for place in layout.scan().values())

    def canonical(self, body: bytes) -> bytes:
        """A Maildir keeps every byte."""
        return body

    # --- messages

    def stage(self, arrivals: Sequence[Arrival]) -> list[Staged]:
        """See Driver.stage."""
        return self._stage(arrivals, later=False)

    def _stage(self, arrivals: Sequence[Arrival], *, later: bool) -> list[Staged]:
        self._write()
        with fs.errors(self._account.tmp):
            self._prepare_staging()
            return list(staging.stage(self._account, arrivals, later=later))

    def clone(self, folder: FolderPath, uids: Sequence[int]) -> list[Staged]:
        """See Cloning.clone."""
        self._write()
        view = self._find(folder)
        with fs.errors(self._account.tmp):
            self._prepare_staging()
            return list(clone(view, uids))

    def adopt(self, staged: Staged) -> StagedFile | None:
        """See Adopting.adopt."""
        self._write()
        if not isinstance(staged, StagedFile):
            return None
        with fs.errors(self._account.tmp):
            self._prepare_staging()
            return adopt(self._account, staged)

    def _prepare_staging(self) -> None:
        self._account.anchor()
        self._account.make_subdirectories(os.path.dirname(self._account.tmp))

    def discard(self, staged: Sequence[Staged]) -> None:
        """See Driver.discard."""
        with fs.errors(self._account.tmp):
            staging.discard([cast("StagedFile", one) for one in staged])

    def commit(self, changes: Sequence[Change], *, guard: Guard | None = None, need_uids: bool = True) -> list[Outcome]:
        """See Driver.commit."""
        self._write()
        return commit(self._account, self._find, self._keys, changes, guard, need_uids)

    @cached_property
    def joint(self) -> Joint | None:
        """See Joining.joint: Maildirs of one file system, which take no lock for a delivery."""
        if self._account.readonly:
            return None
        with fs.errors(self._account.root):
            return Joint(("maildir", os.stat(self._account.root).st_dev), writers=2)

    def together(self) -> JointDeliveries:
        """See Joining.together."""
        with fs.errors(self._account.root):
            return JointDeliveries(fs.open_directory(self._account.root))

    def stage_later(self, arrivals: Sequence[Arrival]) -> list[Staged]:
        """Stage without a sync, for ``delivery``."""
        return self._stage(arrivals, later=True)

    def delivery(self, changes: Sequence[Append], guard: Guard | None) -> Steps | None:
        """Return a commit that can pass the barriers together with others, None where it cannot."""
        self._write()
        return delivery(self._account, self._find, changes, guard)

    def resolve(self, keys: Sequence[bytes]) -> dict[bytes, tuple[FolderPath, int]]:
        """See Driver.resolve."""
        if not keys:
            return {}
        self._keys.look_everywhere()
        found = {key: self._keys.find(key) for key in keys}
        return {key: (place[0], place[1]) for key, place in found.items() if place is not None}

    def fresh(self, path: FolderPath) -> MaildirFresh | None:
        """See FreshFolders.fresh."""
        self._write()
        name = self._account.layout.find(path)
        view = None
        if name is not None:
            view = self._view(Place(path, name))
            self._account.make_subdirectories(view.directory)
            known = view.refresh()
            view.records.load()
            if known.entries or known.uidnext > 1 or view.records.uidnext > 1 or view.strange:
                return None
        with fs.errors(self._account.tmp):
            return MaildirFresh(self._account, path, view)

    def recover(self) -> Recovery:
        """See Driver.recover."""
        self._write()
        found = tree.recover(self._account)
        if found.finished:
            self._account.ledger.mend()
        self._forget()
        return found

    def close(self) -> None:
        """See Driver.close."""
        self._account.close()

    # --- within

    def _find(self, path: FolderPath) -> View:
        with fs.errors(self._account.root):
            name = self._account.layout.find(path)
        if name is None:
            raise NoSuchFolder(f"no folder {path}", folder=str(path))
        return self._view(Place(path, name))

    def _view(self, place: Place) -> View:
        view = self._views.get(place.directory)
        if view is None or view.path != place.path:
            view = self._views[place.directory] = View(self._account, place.path, place.directory)
            self._folders.pop(place.directory, None)
        return view

    def _every_view(self) -> Iterable[View]:
        with fs.errors(self._account.root):
            return [self._view(place) for place in self._account.layout.scan().values()]

    def _forget(self) -> None:
        """Drop what is known of folders: directories were made, renamed or removed."""
        self._views.clear()
        self._folders.clear()
        self._keys = Keys(self._every_view)
