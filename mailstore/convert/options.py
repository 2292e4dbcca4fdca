"""What the caller of a conversion wants."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

from mailstore.convert.mapping import FolderMapping, route
from mailstore.convert.pace import Pace
from mailstore.errors import NoSuchFolder
from mailstore.model.changes import FolderInfo
from mailstore.model.names import FolderPath
from mailstore.search import Search


@dataclass(frozen=True, slots=True)
class Options:
    """How to convert.

    Attributes:
        folders: exactly these folders (one that the source does not have is NoSuchFolder); empty is every folder.
        include: shell patterns on the folder's name in its one-string form (``*`` goes over ``/``, case counts); a
            folder is taken when one matches, or when there are none.
        exclude: the same; a folder that one matches is left out, whatever else says otherwise.
        search: copy no other messages; None is all. What was copied before is followed whether it is chosen or not.
        limit: copy no more than so many messages in one run, the first that are to be copied; 0 is any number.
        mapping: how the folders are called in the destination. The options above mean the source's names.
        allow_loss: names of losses to accept (mailstore.convert.LOSSES).
        delete: delete in the destination what was deleted in the source, as far as that is no more than a sensible
            share of a folder (see mailstore.convert.removing).
        force_delete: delete it however much it is; implies ``delete``.
        verify: re-read from the destination what was copied, and compare.
        journal: path of the journal; None is beside the destination (see mailstore.convert.journal).
        rejected: directory for the bytes of messages that could not be stored; None is beside the destination
            (``PATH.rejected``). It is made only when there is something to put in.
        pop3_uidl: whose POP3 unique ids the users of the source have seen, where it does not record them: a name of
            mailstore.convert.UIDL_SERVERS, or a format like Dovecot's ``pop3_uidl_format``; '' carries recorded ones
            only.
        processes: how many processes may work; 0 is one for each CPU, four at most. 1 never forks.
        pace: how fast it may go; one process works then. None: as fast as it can.
    """

    folders: tuple[FolderPath, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    search: Search | None = None
    limit: int = 0
    mapping: FolderMapping = field(default_factory=FolderMapping)
    allow_loss: frozenset[str] = frozenset()
    delete: bool = False
    force_delete: bool = False
    verify: bool = True
    journal: str | None = None
    rejected: str | None = None
    pop3_uidl: str = ""
    processes: int = 0
    pace: Pace | None = None

    @property
    def deletes(self) -> bool:
        """Whether to delete anything: ``delete`` or ``force_delete``."""
        return self.delete or self.force_delete

    @property
    def workers(self) -> int:
        """How many processes to use: ``processes`` with 0 resolved; 1 at a pace."""
        if self.pace is not None:
            return 1
        return self.processes or min(4, len(os.sched_getaffinity(0)))

    def select(self, infos: list[FolderInfo]) -> list[FolderInfo]:
        """Return those of ``infos`` that are wanted, in their order.

        Raises:
            NoSuchFolder: one of ``folders`` is not among them.
        """
        missing = set(self.folders) - {info.path for info in infos}
        if missing:
            name = str(min(missing))
            raise NoSuchFolder(f"the source has no folder {name}", folder=name)
        return [info for info in infos if self.wants(info.path)]

    def needs_folders(self, infos: list[FolderInfo]) -> bool:
        """Tell whether a destination made for what is wanted of ``infos`` is to hold folders besides INBOX.

        Raises:
            NoSuchFolder: one of ``folders`` is not among them.
        """
        self.select(infos)
        return any(not one.target.path.is_inbox for one in route(infos, (), self.mapping, self.wants).routes)

    def wants(self, path: FolderPath) -> bool:
        """Tell whether a folder of the source is wanted."""
        name = str(path)
        if self.folders and path not in self.folders:
            return False
        if self.include and not any(fnmatchcase(name, pattern) for pattern in self.include):
            return False
        return not any(fnmatchcase(name, pattern) for pattern in self.exclude)


class Progress(NamedTuple):
    """How far a conversion has come; the figures only grow within a phase."""

    phase: Literal["copy", "verify"]
    folder: FolderPath
    messages: int
    """Of all folders so far."""
    size: int
    """Bytes of these messages."""


ProgressCallback = Callable[[Progress], None]
"""Called in the caller's thread about once a megabyte. Starting threads in it stops the use of more processes."""
