r"""Which file holds which folder.

Three shapes of store:

- *file*: one file, INBOX alone.
- *sbd* (Thunderbird; our default for new trees): folder ``A`` is the file ``A``, its children lie in ``A.sbd/``.
- *plain* (Dovecot, Pine, mutt): folder ``A/B`` is the file ``A/B``; a folder holds either messages or folders.

Two more are read only, in modules of their own: ``nested`` and ``thunderbird``.

Names: what a file name cannot spell is written ``^xx`` (``mailstore.formats.escape``), and so is what would hide the
file (a leading dot, a leading ``~``) or make it look like something else (``.sbd``, ``.msf``, ``.lock``). Names are
UTF-8 in sbd trees and modified UTF-7 in plain ones (Dovecot) unless what is there shows otherwise. A name of more than
``LONGEST`` bytes is shortened, and a hidden file beside has it whole.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from typing import NamedTuple

from mailstore.drivers.mbox import inplace
from mailstore.drivers.mbox.source import packed_beginning
from mailstore.errors import InvalidFolderName, StoreError
from mailstore.formats import escape, mutf7
from mailstore.formats.mbox.opening import read_opening
from mailstore.model.changes import Omission
from mailstore.model.names import INBOX, FolderPath
from mailstore.system import fs
from mailstore.system.packed import compression

LONGEST = 200
"""Bytes of a file name; it leaves room for ``.lock`` and ``.sbd``."""

DEEPEST = 100
"""Directories below each other that are looked into."""
TOO_DEEP = f"more than {DEEPEST} directories deep"
NESTED = "nested"
"""The kind that ``nested.NestedLayout`` reads."""

SUBSCRIPTIONS = ".subscriptions"
_SUFFIXES = (".sbd", ".msf", ".lock")
_FULL_NAME = ".mailstore-name."
"""Holds a whole name; its own name ends in ``.lock``, which Dovecot passes over."""
_INBOXES = ("inbox", "INBOX", "Inbox", "mbox")
SKIPPED = frozenset({"popstate.dat", "msgFilterRules.dat", "filterlog.html", "dovecot-uidlist", "dovecot-keywords"})
"""Files that are never mail."""

_DOVECOTS = ("dovecot.index", "dovecot.list.index", "dovecot.mailbox.log", "dovecot-uidvalidity")
"""How the names of Dovecot's other files begin."""

_HEAD = 8192
_NO_FROM = "it does not begin with a From_ line"


class Place(NamedTuple):
    """A folder on disk."""

    file: str
    """Path of its mbox file; it need not exist."""
    children: str
    """Path of the directory of its children; it need not exist."""


@dataclass
class Tree:
    """What a scan of a tree found.

    Attributes:
        folders: where each folder is; those without messages of their own (only children) have no ``file`` there.
        skipped: what is not read, by path; never touched. Damaged is what is mail or may be.
    """

    folders: dict[FolderPath, Place] = field(default_factory=dict)
    skipped: list[Omission] = field(default_factory=list)
    virtual: set[FolderPath] = field(default_factory=set)

    def skip(self, path: str, reason: str, *, mail: bool = False) -> None:
        """Note that what lies at ``path`` is not read; ``mail``: though it is mail, or nobody could look."""
        self.skipped.append(Omission(fs.shown(path), reason, damaged=mail))

    def look_into(self, directory: str) -> list[os.DirEntry[str]]:
        """Return what is in a directory, by name; one that cannot be read is noted, and nothing is in it."""
        try:
            with os.scandir(directory) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self.skip(directory, os.strerror(error.errno or 0), mail=True)
            return []


class Layout:
    """The names of one store's folders.

    Attributes:
        kind: ``file``, ``sbd`` or ``plain``; a subclass may have one of its own.
        root: the directory (of ``file``: the file).
        inbox: the path of INBOX's file.
        subscriptions: the path of the file of subscriptions.
        format: the name of the format.
        frozen: why nothing can be written ('is a Thunderbird profile'), or ''.
    """

    format = "mbox"
    frozen = ""

    def __init__(self, root: str, kind: str, inbox: str | None = None, *, utf7: bool = False) -> None:
        self.root = root
        self.kind = kind
        self.utf7 = utf7
        self.inbox = inbox or (root if kind == "file" else self._find_inbox())
        self.subscriptions = os.path.join(root, SUBSCRIPTIONS)
        self._known: dict[FolderPath, Place] = {}

    def _find_inbox(self) -> str:
        for name in _INBOXES[:3]:
            path = os.path.join(self.root, name)
            if os.path.isfile(path):
                return path
        return os.path.join(self.root, _INBOXES[0])

    @property
    def facts(self) -> list[str]:
        """What is to be said of the store as a whole, one fact a line."""
        if self.kind == "file":
            return [f"one file, INBOX alone: {fs.shown(self.root)}"]
        return [f"a tree of mbox files, layout {self.kind}", f"INBOX is {fs.shown(self.inbox)}"]

    # --- names

    def spell(self, component: str) -> str:
        """Return the file name of one component of a folder's path.

        Raises:
            InvalidFolderName: it holds what no file name can.
        """
        name = escape.escape(component, leading=".~")
        for suffix in _SUFFIXES:
            if name.lower().endswith(suffix):
                name = f"{name[: -len(suffix)]}^2e{name[1 - len(suffix) :]}"
        if name in SKIPPED:
            name = escape.escape_first(component)
        try:
            raw = (mutf7.encode(name) if self.utf7 else name).encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as error:
            raise InvalidFolderName(f"folder name {component!r} holds a lone surrogate", folder=component) from error
        return os.fsdecode(escape.shorten(raw, LONGEST))

    def read(self, directory: str, name: str) -> str:
        """Return the component that a file name spells."""
        if escape.is_shortened(name):
            try:
                with open(os.path.join(directory, f"{_FULL_NAME}{name[-32:]}.lock"), encoding="utf-8") as file:
                    full = file.read()
                if self.spell(full) == name:
                    return full
            except (OSError, UnicodeDecodeError):
                pass
        text = name
        if self.utf7:
            try:
                text = mutf7.decode(name)
            except ValueError:
                return name
        component = escape.unescape(text)
        return component if self.spell(component) == name else name

    def remember(self, directory: str, component: str) -> None:
        """Keep the whole of a shortened name beside its file, durable on return."""
        name = self.spell(component)
        if escape.is_shortened(name) and self.read(directory, name) != component:
            fs.replace_file(os.path.join(directory, f"{_FULL_NAME}{name[-32:]}.lock"), component.encode())

    def place(self, path: FolderPath) -> Place:
        """Return where a folder is, or would be."""
        if path in self._known:
            return self._known[path]
        if path.is_inbox:
            return Place(self.inbox, os.path.join(self.root, "INBOX.sbd" if self.kind == "sbd" else "INBOX"))
        directory = self.root
        for component in path[:-1]:
            directory = os.path.join(directory, self.spell(component) + (".sbd" if self.kind == "sbd" else ""))
        file = os.path.join(directory, self.spell(path[-1]))
        return Place(file, f"{file}.sbd" if self.kind == "sbd" else file)

    # --- scanning

    def scan(self) -> Tree:
        """Find the folders there are; INBOX is always among them."""
        tree = Tree()
        self._known = {}
        tree.folders[INBOX] = self.place(INBOX)
        if self.kind != "file" and os.path.isdir(self.root):
            self._scan(self.root, (), tree)
        self._known = {path: place for path, place in tree.folders.items() if not path.is_inbox}
        return tree

    def _scan(self, directory: str, above: tuple[str, ...], tree: Tree) -> None:
        for entry in tree.look_into(directory):
            name = entry.name
            if name.startswith(".") and not name.startswith((fs.TEMPORARY, SUBSCRIPTIONS)) and is_mail(entry):
                tree.skip(entry.path, "a hidden file, though it is mail", mail=True)
            if name.startswith(".") or self._passes_over(entry):
                continue
            if entry.is_dir(follow_symlinks=False):
                self._scan_directory(directory, name, above, tree)
            elif entry.path in (self.inbox, self.subscriptions):
                continue
            elif (why := why_not(entry)) is not None:
                tree.skip(entry.path, why.reason, mail=why.closed)
            else:
                path = FolderPath((*above, self.read(directory, name)))
                if path in tree.folders and path not in tree.virtual:
                    tree.skip(entry.path, "another file has the same folder name", mail=True)
                    continue
                tree.virtual.discard(path)
                children = f"{entry.path}.sbd" if self.kind == "sbd" else entry.path
                tree.folders[path] = Place(entry.path, children)

    def _passes_over(self, entry: os.DirEntry[str]) -> bool:
        """Tell whether a name is never mail, so that nothing need be said of it."""
        name = entry.name
        return name in SKIPPED or name.startswith(_DOVECOTS) or name.lower().endswith((".msf", ".lock"))

    def _scan_directory(self, directory: str, name: str, above: tuple[str, ...], tree: Tree) -> None:
        inner = os.path.join(directory, name)
        if all(os.path.isdir(os.path.join(inner, part)) for part in ("cur", "new")):
            tree.skip(inner, "a Maildir among mbox files: a store of its own", mail=True)
            return
        if self.kind == "sbd" and not name.endswith(".sbd"):
            tree.skip(inner, "a directory that is not called .sbd")
            return
        if len(above) >= DEEPEST:
            tree.skip(inner, TOO_DEEP, mail=True)
            return
        base = name[:-4] if self.kind == "sbd" else name
        components = (*above, self.read(directory, base))
        path = FolderPath(components)
        before = len(tree.folders)
        if path not in tree.folders:
            tree.folders[path] = Place(os.path.join(directory, base), inner)
            tree.virtual.add(path)
        self._scan(inner, components, tree)
        if path in tree.virtual and len(tree.folders) == before + 1:
            del tree.folders[path]
            tree.virtual.discard(path)


def is_mail(entry: os.DirEntry[str]) -> bool:
    """Tell whether a hidden file holds mail."""
    return entry.is_file(follow_symlinks=False) and entry.stat().st_size > 0 and why_not(entry) is None


class WhyNot(NamedTuple):
    """Why a directory entry is not read."""

    reason: str
    closed: bool = False
    """Nobody could look."""


def why_not(entry: os.DirEntry[str]) -> WhyNot | None:
    """Say why a directory entry is no mbox, or None where it is one (an empty file is)."""
    try:
        if not stat.S_ISREG(entry.stat().st_mode):
            return WhyNot("not a regular file")
        fd = fs.open_source(entry.path)
        try:
            is_mbox = _is_mbox(entry.path, fd) or _becomes_mbox(entry.path, fd) or _is_mbox(entry.path, fd)
            return None if is_mbox else WhyNot(_NO_FROM)
        finally:
            os.close(fd)
    except OSError as error:
        return WhyNot(os.strerror(error.errno or 0), closed=True)


def _is_mbox(path: str, fd: int) -> bool:
    head = os.pread(fd, _HEAD, 0)
    if compression(head) is not None:
        try:
            head = packed_beginning(path, _HEAD)[1]
        except StoreError:
            return True  # reading it tells what is wrong
    return _begins_mbox(head)


def _begins_mbox(head: bytes) -> bool:
    return not head.strip(b"\r\n") or read_opening(head) is not None


def _becomes_mbox(path: str, fd: int) -> bool:
    """Tell whether a file is one by the contents that it is being given: an empty one grows before they come.

    Where it is not, they may have come meanwhile.
    """
    copy = inplace.pending(path, fd)
    if copy is None:
        return False
    try:
        return _begins_mbox(copy.read_at(0, _HEAD))
    finally:
        copy.close()


def find_kind(root: str) -> tuple[str, bool]:
    """Tell how a tree on disk is laid out: (``sbd``, ``plain`` or ``nested``, some name is not all ASCII)."""
    plain = sbd = wide = nested = False
    for directory, names, files in os.walk(root):
        names[:] = [name for name in names if not name.startswith(".")][:1000]
        sbd = sbd or any(name.endswith(".sbd") for name in names)
        plain = plain or any(not name.endswith(".sbd") for name in names)
        nested = nested or (directory != root and f"{os.path.basename(directory)}.mbox" in files)
        wide = wide or any(not name.isascii() for name in (*names, *files))
        if directory.count(os.sep) - root.count(os.sep) > 3:
            names.clear()
    if nested and not sbd:
        return NESTED, wide
    return ("plain" if plain and not sbd else "sbd"), wide
