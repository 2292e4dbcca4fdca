"""Where folders lie on disk, and how their names are spelled: Maildir++ (``.A.B`` in the root) and ``fs`` (``A/B``).

Read, and never written to, are mbsync's ``legacy`` (``A/.B/.C``) and what Dovecot's mail_location can say besides:
INBOX elsewhere (``INBOX=``), the records elsewhere (``CONTROL=``), the messages of ``A/B`` in ``A/B/NAME``
(``DIRNAME=NAME``).

The problem. Directory names come from many programs: modified UTF-7, UTF-8, bytes that are neither, names that our own
escape would spell otherwise, two names that read the same. A folder that is there must be listed and reachable, and
a name must never lead out of the root.

The solution. A folder's directory is spelled in one canonical way, from which nothing but itself can be read. What a
scan finds is read leniently; the scan remembers which directory each path came from, and where two directories read
the same, the canonical one has the path and the others get a number: ``A (2)``. Links to directories are not followed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from mailstore.errors import InvalidFolderName
from mailstore.formats import escape, mutf7
from mailstore.model.names import INBOX, FolderPath
from mailstore.system import fs

SUBDIRECTORIES = ("tmp", "new", "cur")
NAME_FILE = "mailstore-name"
"""In a folder whose directory name was cut: its full name, as the directory would be called."""

_MOST_LEVELS = 100
RESERVED = re.compile(
    r"(?:cur|new|tmp|subscriptions|quotawarn|maildir(?:folder|size|filter.*)|(?:dovecot|mailstore)[-.].*|courier(?:imap|pop).*"
    r"|shared-(?:maildirs|folders))\Z"
)
_RUN = re.compile(r"&[A-Za-z0-9+,]+-")


LEGACY = "legacy"
"""mbsync's ``SubFolders Legacy``: a dot before every level but the first."""


class Place(NamedTuple):
    """A folder found."""

    path: FolderPath
    directory: str
    """Relative to the root; '' is the root itself."""


def is_maildir(path: str) -> bool:
    """Tell whether ``path`` holds ``cur`` or ``new`` as real directories."""
    return any(_is_directory(os.path.join(path, name)) for name in ("cur", "new"))


def _is_directory(path: str) -> bool:
    with suppress(OSError):
        return os.path.isdir(path) and not os.path.islink(path)
    return False


def guess_names(spellings: Iterable[str]) -> str:
    """Return ``utf8`` or ``mutf7`` for a store whose directories are spelled so (os.fsdecode'd).

    Bytes of 80 and more mean UTF-8, unless another name holds a run of modified UTF-7; plain ASCII is modified UTF-7.
    """
    high = odd = runs = False
    for name in spellings:
        if not name.isascii():
            high = True
        elif not mutf7.is_mutf7(name):
            odd = True
        elif _RUN.search(name):
            runs = True
    return "utf8" if (high or odd) and not runs else "mutf7"


class Spelling:
    """Spells components of a folder path on disk."""

    def __init__(self, layout: str, names: str) -> None:
        self.layout = layout
        self.names = names

    def component(self, name: str) -> str:
        """Return the canonical spelling of one component.

        Raises:
            InvalidFolderName: it holds a lone surrogate.
        """
        if self.layout == "++":
            text = escape.escape(name, anywhere=".", leading="~")
        elif RESERVED.match(name):
            text = escape.escape_first(name)
        else:
            text = escape.escape(name, leading=".~")
        try:
            return mutf7.encode(text) if self.names == "mutf7" else os.fsdecode(text.encode("utf-8"))
        except UnicodeEncodeError as error:
            raise InvalidFolderName(
                f"{name!r} holds a lone surrogate: no file name can spell it", folder=name
            ) from error

    def read(self, spelled: str) -> str:
        """Return the component that a spelling found on disk stands for; understands more than ``component`` writes."""
        text = spelled
        if not spelled.isascii():
            try:
                text = os.fsencode(spelled).decode("utf-8")
            except UnicodeDecodeError:
                # shown, and reachable by the scan; text without surrogates can be stored anywhere
                text = "".join(c if not 0xDC80 <= ord(c) <= 0xDCFF else f"^{ord(c) - 0xDC00:02x}" for c in spelled)
        elif self.names == "mutf7":
            with suppress(ValueError):
                text = mutf7.decode(spelled)
        return escape.unescape(text) or spelled

    def parts(self, path: FolderPath) -> tuple[str, ...]:
        """Return the spelling of each component."""
        return tuple(self.component(name) for name in path)

    def full(self, path: FolderPath) -> str:
        """Return the whole directory name of ``path``, however long: ``.A.B`` or ``A/B``."""
        parts = self.parts(path)
        if self.layout == "++":
            return "." + ".".join(parts)
        return ("/." if self.layout == LEGACY else "/").join(parts)

    def directory(self, path: FolderPath) -> str:
        """Return the directory of ``path`` relative to the root, cut where a file system needs it; INBOX is ''."""
        if path.is_inbox:
            return ""
        return "/".join(os.fsdecode(escape.shorten(os.fsencode(part))) for part in self.full(path).split("/"))

    def name_file(self, path: FolderPath) -> str | None:
        """Return what NAME_FILE must hold in the directory of ``path``; None where none is needed."""
        if path.is_inbox:
            return None
        full = self.full(path) if self.layout == "++" else self.component(path[-1])
        return full if len(os.fsencode(full)) > escape.LIMIT else None


class Elsewhere(NamedTuple):
    """What of a Dovecot store does not lie in the folders' own directories; '' is nothing."""

    control: str = ""
    """Absolute path below which the records are, in the folders' layout (``CONTROL=``)."""
    dirname: str = ""
    """The directory in a folder's directory that holds its messages (``DIRNAME=``, ``FULLDIRNAME=``)."""
    dirname_in_control: bool = False
    """It also holds the records (``FULLDIRNAME=``)."""


class Layout:
    """The folders of one root.

    Args:
        root: absolute path.
        spelling: how its names are spelled.
        inbox: the directory of INBOX relative to the root: '' or, in trees that mbsync makes, its name; absolute where
            it is not in the root.
        elsewhere: what lies elsewhere.
    """

    def __init__(self, root: str, spelling: Spelling, inbox: str = "", elsewhere: Elsewhere | None = None) -> None:
        self.root = root
        self.spelling = spelling
        self.inbox = inbox
        self._elsewhere = elsewhere or Elsewhere()
        self._places: dict[FolderPath, Place] = {}

    def directory(self, path: FolderPath) -> str:
        """Return where ``path`` would be made, relative to the root."""
        return self.inbox if path.is_inbox else self.spelling.directory(path)

    def absolute(self, directory: str) -> str:
        """Return the absolute path of a directory relative to the root."""
        return os.path.join(self.root, directory) if directory else self.root

    def records(self, directory: str) -> str:
        """Return where the records of the folder in ``directory`` are, absolute."""
        control, name, both = self._elsewhere
        if not control:
            return self.absolute(directory)
        if directory == self.inbox:
            directory = ".INBOX" if self.spelling.layout == "++" else "INBOX"
        elif name:
            directory = directory.removesuffix(f"/{name}")
        return os.path.join(control, directory, name if both else "").rstrip("/")

    @property
    def records_root(self) -> str:
        """Where the records of the store as a whole are."""
        return self._elsewhere.control or self.root

    def find(self, path: FolderPath) -> str | None:
        """Return the directory that holds the messages of ``path``, relative to the root, or None."""
        directory = self.directory(path)
        if path.is_inbox or self._is_ours(path, directory):
            return directory
        place = self._places.get(path)
        if place is None or not is_maildir(self.absolute(place.directory)):
            place = self.scan().get(path)
        return None if place is None else place.directory

    def _is_ours(self, path: FolderPath, directory: str) -> bool:
        """Tell whether the canonical directory is there and means this path: nothing on the way is a link."""
        at = self.root
        for part in directory.split("/"):
            at = os.path.join(at, part)
            if not _is_directory(at):
                return False
        if not is_maildir(at):
            return False
        return self.spelling.name_file(path) == self._long_name(at)

    def _long_name(self, absolute: str) -> str | None:
        """Return the full name kept in a directory whose name was cut."""
        if not escape.is_shortened(os.path.basename(absolute)):
            return None
        try:
            fd = fs.open_source(os.path.join(absolute, NAME_FILE), nofollow=True)
            try:
                name = os.fsdecode(os.read(fd, 1 << 20).rstrip(b"\n"))
            finally:
                os.close(fd)
        except OSError:
            return None
        return name if os.fsdecode(escape.shorten(os.fsencode(name))) == os.path.basename(absolute) else None

    def scan(self) -> dict[FolderPath, Place]:
        """Look at the whole tree; INBOX is always in it."""
        found = [Place(INBOX, self.inbox)]
        canonical: list[Place] = []
        others: list[Place] = []
        entries = self._scan_flat() if self.spelling.layout == "++" else self._scan_tree("", ())
        for parts, directory in entries:
            if directory == self.inbox:
                continue
            path = FolderPath(self.spelling.read(part) for part in parts)
            right = not path.is_inbox and self.spelling.directory(path) == directory
            (canonical if right else others).append(Place(path, directory))
        places = {place.path: place for place in found + sorted(canonical)}
        for place in sorted(others, key=lambda place: place.directory):
            path, number = place.path, 2
            while path in places:
                path = FolderPath((*place.path[:-1], f"{place.path[-1]} ({number})"))
                number += 1
            places[path] = Place(path, place.directory)
        self._places = places
        return places

    def _scan_flat(self) -> Iterator[tuple[list[str], str]]:
        for entry in _directories(self.root):
            if entry[0] == "." and len(entry) > 1 and is_maildir(os.path.join(self.root, entry)):
                name = self._long_name(os.path.join(self.root, entry)) or entry
                # empty levels ('..a', '.a..b') belong to the level before them: no component is empty
                if name.startswith("..") and name.strip("."):  # mbsync's spelling of what lies below INBOX
                    name = f".{INBOX}{name[1:]}"
                parts = re.findall(r"\.*[^.]+(?:\.+\Z)?", name[1:])
                parts = [parts[0], *(part[1:] for part in parts[1:])] if parts else [name]
                yield parts, entry

    def _scan_tree(self, directory: str, above: tuple[str, ...]) -> Iterator[tuple[list[str], str]]:
        if len(above) >= _MOST_LEVELS:
            return
        absolute, inner = self.absolute(directory), self._elsewhere.dirname
        for entry in _directories(absolute):
            if RESERVED.match(entry) or entry.startswith(".mailstore-") or entry in (".", "..", inner):
                continue
            below = os.path.join(directory, entry)
            parts = (*above, self._long_name(os.path.join(absolute, entry)) or entry)
            if self.spelling.layout == LEGACY:
                parts = (*above, entry.removeprefix("."))
                if entry.startswith(".") and not above:
                    if self.inbox:
                        continue
                    parts = (str(INBOX), *parts)
                elif above and not entry.startswith("."):
                    continue
            if is_maildir(os.path.join(absolute, entry, inner)):
                yield list(parts), os.path.join(below, inner) if inner else below
            yield from self._scan_tree(below, parts)


def _directories(path: str) -> list[str]:
    """Return the names of real directories in ``path``, sorted."""
    try:
        with os.scandir(path) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []


def links_to_directories(root: str) -> list[str]:
    """Return the names in ``root`` that are links to directories: they are not followed, and that should be told."""
    try:
        with os.scandir(root) as entries:
            return sorted(entry.name for entry in entries if entry.is_symlink() and entry.is_dir())
    except OSError:
        return []
