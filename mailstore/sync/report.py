"""What a synchronisation did, for people and as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field

from mailstore.convert.report import Loss, Problem, one_line
from mailstore.errors import MailstoreError
from mailstore.model.names import FolderPath


@dataclass(frozen=True, slots=True)
class Conflict:
    """Something that both sides changed, and what was decided.

    Attributes:
        folder: where.
        what: ``deleted-and-changed``, ``moved-apart``, ``marks``, ``renamed-apart``, ``special-use``.
        reason: one line for people, with the decision.
        digest: SHA-256 of the message in hexadecimal; empty where the folder is meant.
    """

    folder: str
    what: str
    reason: str
    digest: str = ""

    def to_dict(self) -> dict[str, object]:
        """Return it as plain values for JSON."""
        return {"folder": self.folder, "what": self.what, "reason": self.reason, "digest": self.digest}


@dataclass(slots=True)
class Done:
    """What was done, or is to be done, in a folder of one store; numbers of messages."""

    copied: int = 0
    moved: int = 0
    """Into this folder, from another one."""
    flagged: int = 0
    """Got or lost flags or keywords."""
    deleted: int = 0
    size: int = 0
    """Bytes of the messages copied; 0 in a plan."""

    def __bool__(self) -> bool:
        return bool(self.copied or self.moved or self.flagged or self.deleted)

    def to_dict(self) -> dict[str, object]:
        """Return it as plain values for JSON."""
        return {
            "copied": self.copied,
            "moved": self.moved,
            "flagged": self.flagged,
            "deleted": self.deleted,
            "bytes": self.size,
        }


@dataclass(slots=True)
class FolderSync:
    """What became of one folder."""

    folder: FolderPath
    done: tuple[Done, Done] = field(default_factory=lambda: (Done(), Done()))
    """In the first store, and in the second."""
    actions: list[str] = field(default_factory=list)
    """What was done to the folder itself, as ``created in SECOND``."""

    def to_dict(self) -> dict[str, object]:
        """Return it as plain values for JSON."""
        first, second = self.done
        return {
            "folder": str(self.folder),
            "first": first.to_dict(),
            "second": second.to_dict(),
            "actions": list(self.actions),
        }


@dataclass(slots=True)
class SyncReport:
    """What a synchronisation did.

    Attributes:
        first: the location of one store.
        second: the other's.
        planned: nothing was done; this is what would be.
        folders: one entry for each folder looked at, INBOX first, then by name.
        conflicts: what both sides changed, and how it was decided.
        losses: what the first cannot hold of the second, and what the second cannot hold of the first; all allowed.
        problems: whatever could not be carried, or was held back.
        verified: everything carried was read again and is as it should be; None where it was not asked for.
        journal: path of the journal; empty where none is kept.
        seconds: how long it took.
    """

    first: str
    second: str
    planned: bool = False
    folders: list[FolderSync] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    losses: tuple[list[Loss], list[Loss]] = field(default_factory=lambda: ([], []))
    problems: list[Problem] = field(default_factory=list)
    verified: bool | None = None
    journal: str = ""
    seconds: float = 0.0

    @property
    def changed(self) -> bool:
        """Anything was done, or is to be done, in either store."""
        return any(folder.actions or any(folder.done) for folder in self.folders)

    @property
    def ok(self) -> bool:
        """All was carried, but for allowed losses: exit status 0. Conflicts are decided, not failures."""
        return not self.problems and self.verified is not False

    def add_problem(
        self, folder: FolderPath | None, error: str, reason: str, uid: int = 0, key: str = "", place: str = ""
    ) -> None:
        """Add a Problem; ``place`` is where the message was set aside."""
        name = "" if folder is None else str(folder)
        self.problems.append(Problem(name, 0, one_line(reason), error, uid, key, place))

    def add_error(self, folder: FolderPath | None, error: MailstoreError) -> None:
        """Add what went wrong with a folder as a whole."""
        self.add_problem(folder, type(error).__name__, str(error))

    def to_dict(self) -> dict[str, object]:
        """Return the report as plain values for JSON (schema in docs/sync.md)."""
        return {
            "first": self.first,
            "second": self.second,
            "dry_run": self.planned,
            "folders": [folder.to_dict() for folder in self.folders],
            "conflicts": [conflict.to_dict() for conflict in self.conflicts],
            "losses": {
                "first": [loss.to_dict() for loss in self.losses[0]],
                "second": [loss.to_dict() for loss in self.losses[1]],
            },
            "problems": [problem.to_dict() for problem in self.problems],
            "verified": self.verified,
            "journal": self.journal,
            "seconds": round(self.seconds, 3),
        }
