"""What is wanted of the names, and what it makes of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from mailstore.convert.mapping import spelling
from mailstore.convert.mapping.substitution import Substitution
from mailstore.errors import UsageError
from mailstore.model.changes import FolderInfo
from mailstore.model.names import FolderPath
from mailstore.model.specialuse import guess_special_use
from mailstore.model.usenames import STANDARD


@dataclass(frozen=True, slots=True)
class FolderMapping:
    """How folders are named in the destination; as it stands, as in the source.

    The steps come in this order, each working on what the one before made of a name.

    Attributes:
        names_charset: charset of names that the driver could not read as UTF-8 or, as it is told to, modified UTF-7;
            ``utf-7`` is that of IMAP. Empty: they stay as the driver shows them.
        separator: it begins a new level within a name (``.`` reads ``INBOX.Sent`` as ``INBOX/Sent``); empty: none does.
        strip_prefix: what lies below this folder comes to the top; None: nothing does.
        moves: (old, new): ``old`` is called ``new``, and what lies below it goes along. Of several that fit the
            longest ``old`` counts. What one fits is not given to the next two.
        automap: a folder with a special use, recorded or told from its name in any of some forty languages, is the
            destination's folder for this use; where that has none it gets the English name (``Sent``, ``Drafts``,
            ``Trash``, ``Junk``, ``Archive``). What lies below goes along. What it fits is not given to the next.
        substitutions: in their order, each on what the one before made.
        prefix: everything, INBOX too, lies below this folder; None: at the top.
        join: levels are joined by this into one name; empty: they stay levels.
        collisions: what is done where two folders that hold messages would get one name, or names that differ in case
            or Unicode form alone (where they did not in the source): ``refuse`` all, ``merge`` them, or ``rename``
            all but the first to ``NAME (SOURCE NAME)``.
    """

    names_charset: str = ""
    separator: str = ""
    strip_prefix: FolderPath | None = None
    moves: tuple[tuple[FolderPath, FolderPath], ...] = ()
    automap: bool = False
    substitutions: tuple[Substitution, ...] = ()
    prefix: FolderPath | None = None
    join: str = ""
    collisions: Literal["refuse", "merge", "rename"] = "refuse"

    def __post_init__(self) -> None:
        """Check what can be checked.

        Raises:
            UsageError: an unknown charset; two moves of one folder.
        """
        if self.names_charset:
            spelling.check_charset(self.names_charset)
        old = [old for old, _ in self.moves]
        if len(set(old)) < len(old):
            raise UsageError(f"{max(old, key=old.count)} is mapped twice")

    def apply(self, infos: Sequence[FolderInfo], there: Sequence[FolderInfo]) -> list[FolderInfo]:
        """Return what each of ``infos`` is to be in a destination that has the folders ``there``, in their order.

        Names and special uses change; whether names collide is not looked at.

        Raises:
            UsageError: a name cannot be read or made.
        """
        named = [replace(info, path=self._read(info.path)) for info in infos]
        uses = self._automapped(named, there) if self.automap else {}
        renamed = [replace(info, path=self._place(self._rename(info.path, uses))) for info in named]
        if not self.automap:
            return renamed
        guessed = guess_special_use(named)
        return [replace(new, special_use=old.special_use) for new, old in zip(renamed, guessed, strict=True)]

    def unused(self, infos: Sequence[FolderInfo]) -> list[FolderPath]:
        """Return the folders of ``moves`` that are not there and have nothing below: likely misspelt."""
        paths = [self._read(info.path) for info in infos]
        return [old for old, _ in self.moves if not any(path == old or path.is_below(old) for path in paths)]

    def _read(self, path: FolderPath) -> FolderPath:
        if self.names_charset:
            path = FolderPath(spelling.read_again(component, self.names_charset) for component in path)
        if self.separator:
            path = spelling.split_levels(path, self.separator)
        return path if self.strip_prefix is None else spelling.strip_prefix(path, self.strip_prefix)

    def _automapped(self, named: Sequence[FolderInfo], there: Sequence[FolderInfo]) -> dict[FolderPath, FolderPath]:
        """Return, for each folder with a special use, what it is to be called."""
        theirs: dict[str | None, FolderPath] = {}
        for info in guess_special_use(self._within(there)):
            if info.selectable and not info.path.is_inbox:
                theirs.setdefault(info.special_use, info.path)
        found: dict[FolderPath, FolderPath] = {}
        for info in guess_special_use(named):
            use = info.special_use
            if info.selectable and use is not None and not info.path.is_inbox:
                standard = FolderPath((STANDARD[use],)) if use in STANDARD else info.path
                found.setdefault(info.path, theirs.get(use, standard))
        return found

    def _within(self, there: Sequence[FolderInfo]) -> list[FolderInfo]:
        """Return those folders of the destination that ours will stand among, named as before ``_place``."""
        if self.join:
            return []
        if self.prefix is None:
            return list(there)
        below = [info for info in there if info.path.is_below(self.prefix)]
        return [replace(info, path=spelling.strip_prefix(info.path, self.prefix)) for info in below]

    def _rename(self, path: FolderPath, uses: dict[FolderPath, FolderPath]) -> FolderPath:
        for moves in (dict(self.moves), uses):
            fitting = [old for old in moves if path == old or path.is_below(old)]
            if fitting:
                old = max(fitting, key=len)
                return path.moved(old, moves[old])
        for substitution in self.substitutions:
            path = substitution.apply(path)
        return path

    def _place(self, path: FolderPath) -> FolderPath:
        if self.prefix is not None:
            path = FolderPath((*self.prefix, *path))
        return FolderPath((self.join.join(path),)) if self.join else path
