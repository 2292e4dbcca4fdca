"""Folders as directories: create, rename, delete, recover.

A folder is filled out of sight and appears by one rename; it goes by one rename into the root's ``tmp`` and is emptied
there. What takes several renames goes through mailstore.drivers.maildir.journal.
"""

from __future__ import annotations

import os
from contextlib import suppress

from mailstore.drivers.maildir import journal
from mailstore.drivers.maildir.account import Account
from mailstore.drivers.maildir.layout import NAME_FILE, SUBDIRECTORIES, Place
from mailstore.drivers.maildir.records import Records
from mailstore.drivers.maildir.staging import LEFTOVER, remove_leftovers
from mailstore.drivers.maildir.uidvalidity import raise_uidvalidity
from mailstore.errors import FolderExists, InvalidFolderName, MailstoreError, NoSuchFolder
from mailstore.model.changes import Recovery
from mailstore.model.names import FolderPath
from mailstore.system import clock, fs, locks

FOLDER_MARK = "maildirfolder"
_HIDDEN = fs.TEMPORARY + "folder-"
_GONE = fs.TEMPORARY + "gone-"


def _unique(prefix: str) -> str:
    return f"{prefix}{os.getpid()}-{os.urandom(8).hex()}"


def make_hidden(account: Account) -> str:
    """Make an empty folder where nobody looks, in the root's tmp; returns its path."""
    account.make_subdirectories(os.path.dirname(account.tmp))
    path = os.path.join(account.tmp, _unique(_HIDDEN))
    fs.mkdir(path, account.directory_mode)
    for name in SUBDIRECTORIES:
        fs.mkdir(f"{path}/{name}", account.directory_mode)
    return path


def write_marks(account: Account, path: FolderPath, directory: str) -> None:
    """Write what marks a folder's directory: ``maildirfolder`` (Maildir++, never in the root), a long name."""
    spelling = account.layout.spelling
    if spelling.layout == "++" and not path.is_inbox:
        with suppress(FileExistsError):
            fs.close(fs.create(os.path.join(directory, FOLDER_MARK), account.mode))
    name = spelling.name_file(path)
    if name is not None:
        fs.replace_file(os.path.join(directory, NAME_FILE), os.fsencode(name) + b"\n", account.mode)


def publish_hidden(account: Account, path: FolderPath, hidden: str) -> str:
    """Rename a hidden folder to its place, durable on return; returns the place relative to the root.

    Raises:
        FolderExists: something is there.
    """
    name = account.layout.directory(path)
    target = account.layout.absolute(name)
    _make_parents(account, path)
    write_marks(account, path, hidden)
    fs.sync_directory(hidden)
    try:
        if account.layout.spelling.layout == "fs":
            _clear_husk(target)
        fs.rename_noreplace(hidden, target)
    except FileExistsError:
        if account.layout.find(path) is not None or account.layout.spelling.layout == "++":
            raise FolderExists(f"folder {path} exists already", folder=str(path)) from None
        _move_into(account, hidden, name)
    fs.sync_directory(os.path.dirname(target))
    return name


def _move_into(account: Account, hidden: str, name: str) -> None:
    """Move the parts of a hidden folder into a directory that holds folders already; ``cur`` and ``new`` last."""
    target = account.layout.absolute(name)
    parts = sorted(os.listdir(hidden), key=lambda part: (part in ("new", "cur"), part))
    inside = os.path.relpath(hidden, account.root)
    with locks.uidlist_lock(account.root, account.lock_timeout):
        free = [part for part in parts if not os.path.lexists(os.path.join(target, part)) or part in SUBDIRECTORIES]
        journal.carry_out(account.root, [(f"{inside}/{part}", f"{name}/{part}") for part in free])
    fs.remove_tree(hidden)


def _make_parents(account: Account, path: FolderPath) -> None:
    """Make the directories above a folder of the ``fs`` layout, with their long names."""
    spelling = account.layout.spelling
    if spelling.layout != "fs":
        return
    for depth in range(1, len(path)):
        above = FolderPath(path[:depth])
        name = spelling.directory(above) if not above.is_inbox else spelling.component(path[0])
        directory = account.layout.absolute(name)
        if not os.path.isdir(directory):
            fs.make_directories(directory, account.directory_mode)
        if (long := spelling.name_file(above)) is not None and not os.path.exists(f"{directory}/{NAME_FILE}"):
            fs.replace_file(f"{directory}/{NAME_FILE}", os.fsencode(long) + b"\n", account.mode)


def _clear_husk(directory: str) -> None:
    """Remove a directory in which nothing is left but the directories and names of former parents.

    A folder is left alone, also one that holds no mail: its empty ``cur``, ``new`` and ``tmp`` are no husks.
    """
    try:
        with os.scandir(directory) as entries:
            found = list(entries)
    except OSError:
        return
    if any(entry.name in SUBDIRECTORIES for entry in found):
        return
    for entry in found:
        if entry.is_dir(follow_symlinks=False):
            _clear_husk(entry.path)
    with suppress(OSError):
        if set(os.listdir(directory)) <= {NAME_FILE}:
            fs.unlink(os.path.join(directory, NAME_FILE), missing_ok=True)
            fs.rmdir(directory)


def create(account: Account, path: FolderPath) -> Records:
    """Make a folder; returns its records.

    Raises:
        FolderExists: it is there.
    """
    if path.is_inbox or account.layout.find(path) is not None:
        raise FolderExists(f"folder {path} exists already", folder=str(path))
    name = account.layout.directory(path)  # a name that cannot be spelled fails before anything is made
    hidden = make_hidden(account)
    try:
        records = Records(account.root, hidden, account.family)
        records.load()
        records.rewrite(())
        publish_hidden(account, path, hidden)
    except BaseException:
        with suppress(OSError):
            fs.remove_tree(hidden)
        raise
    account.index.remove(name)
    return records


def rename(account: Account, old: FolderPath, new: FolderPath) -> None:
    """See Driver.rename."""
    if old.is_inbox or new.is_inbox or new.is_below(old):
        raise InvalidFolderName(f"folder {old} cannot become {new}", folder=str(new))
    with locks.uidlist_lock(account.root, account.lock_timeout):
        places = account.layout.scan()
        moving = [place for place in places.values() if place.path == old or place.path.is_below(old)]
        if not moving:
            raise NoSuchFolder(f"no folder {old}", folder=str(old))
        if any(path == new or path.is_below(new) for path in places):
            raise FolderExists(f"folder {new} exists already", folder=str(new))
        if account.layout.spelling.layout == "++":
            pairs = [(place.directory, account.layout.directory(place.path.moved(old, new))) for place in moving]
            _write_long_names(account, moving, old, new)
        else:
            pairs = [_subtree(account, moving[0], old, new)]
        taken = [target for _, target in pairs if os.path.lexists(account.layout.absolute(target))]
        if taken:
            raise FolderExists(f"{fs.shown(account.layout.absolute(taken[0]))} is in the way", folder=str(new))
        journal.carry_out(account.root, pairs)
    moved = {place.path: _renamed(place, pairs) for place in moving}
    for place in moving:
        account.index.rename(place.directory, moved[place.path])
    account.ledger.renamed(
        {path: (path.moved(old, new), account.layout.absolute(name)) for path, name in moved.items()}
    )


def _renamed(place: Place, pairs: list[journal.Pair]) -> str:
    for source, target in pairs:
        if place.directory == source:
            return target
        if place.directory.startswith(source + "/"):
            return target + place.directory[len(source) :]
    return place.directory


def _write_long_names(account: Account, moving: list[Place], old: FolderPath, new: FolderPath) -> None:
    for place in moving:
        write_marks(account, place.path.moved(old, new), account.layout.absolute(place.directory))


def _subtree(account: Account, place: Place, old: FolderPath, new: FolderPath) -> journal.Pair:
    """Return the one rename that moves a subtree of the ``fs`` layout."""
    source = "/".join(place.directory.split("/")[: len(old)])
    target = account.layout.directory(new)
    _make_parents(account, new)
    _clear_husk(account.layout.absolute(target))
    if (name := account.layout.spelling.name_file(new)) is not None:
        fs.replace_file(
            os.path.join(account.layout.absolute(source), NAME_FILE), os.fsencode(name) + b"\n", account.mode
        )
    return source, target


def delete(account: Account, path: FolderPath) -> None:
    """See Driver.delete."""
    if path.is_inbox:
        raise InvalidFolderName("INBOX cannot be deleted", folder="INBOX")
    with locks.uidlist_lock(account.root, account.lock_timeout):
        name = account.layout.find(path)
        if name is None:
            raise NoSuchFolder(f"no folder {path}", folder=str(path))
        directory = account.layout.absolute(name)
        records = Records(account.root, directory, account.family)
        records.load()
        raise_uidvalidity(account.root, records.uidvalidity)
        gone = os.path.join(account.tmp, _unique(_GONE))
        kept = _below(account, directory)
        inside = os.path.relpath(gone, account.root)
        if kept:
            fs.mkdir(gone)
            parts = [part for part in os.listdir(directory) if part not in kept]
            parts.sort(key=lambda part: (part not in ("new", "cur"), part))
            journal.carry_out(account.root, [(f"{name}/{part}", f"{inside}/{part}") for part in parts])
        else:
            journal.carry_out(account.root, [(name, inside)])
    account.index.remove(name)
    account.ledger.removed(path, gone)
    with suppress(OSError):  # it is gone already; what cannot be removed now is left to ``recover``
        fs.remove_tree(gone)


def _below(account: Account, directory: str) -> set[str]:
    """Return what stays in a directory of the ``fs`` layout when its folder goes: folders below, its own long name."""
    if account.layout.spelling.layout == "++":
        return set()
    with os.scandir(directory) as entries:
        below = {e.name for e in entries if e.is_dir(follow_symlinks=False) and e.name not in SUBDIRECTORIES}
    below = {name for name in below if not name.startswith(("courierimapkeywords", fs.TEMPORARY))}
    return below | {NAME_FILE} if below else below


def recover(account: Account) -> Recovery:
    """See Driver.recover."""
    with fs.errors(account.root):
        finished = journal.finish(account.root, account.lock_timeout)
    removed = 0
    for place in account.layout.scan().values():
        directory = account.layout.absolute(place.directory)
        with suppress(OSError, MailstoreError):
            removed += remove_leftovers(os.path.join(directory, "tmp"))
            removed += _remove_temporaries(directory)
    return Recovery(finished=finished, removed=removed)


def _remove_temporaries(directory: str) -> int:
    """Remove our temporary files that a crash left beside the files they were to become."""
    removed, present = 0, clock.now()
    with os.scandir(directory) as entries:
        names = [entry.name for entry in entries if entry.name.startswith(fs.TEMPORARY)]
    for name in names:
        path = os.path.join(directory, name)
        with suppress(OSError):
            found = os.lstat(path)
            if present - max(found.st_mtime, found.st_ctime) >= LEFTOVER and not os.path.isdir(path):
                fs.unlink(path)
                removed += 1
    return removed
