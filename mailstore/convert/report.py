"""What a conversion did, for people and as JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from mailstore.errors import MailstoreError
from mailstore.model.changes import Omission
from mailstore.model.names import FolderPath


@dataclass(frozen=True, slots=True)
class Loss:
    """Something that the source has and the destination cannot hold.

    Attributes:
        name: what ``allow_loss`` calls it.
        explanation: one line for people.
        count: how many messages (or folders) it meets.
        examples: up to three of them.
    """

    name: str
    explanation: str
    count: int
    examples: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Return it as plain values for JSON."""
        return {
            "name": self.name,
            "explanation": self.explanation,
            "count": self.count,
            "examples": list(self.examples),
        }


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that did not arrive as it was.

    Attributes:
        folder: its name; empty where the store as a whole is meant.
        position: of the message in the source's folder, counted from 1; 0 where the folder as a whole is meant.
        reason: one line for people.
        error: name of the error's class in mailstore.errors, or what differs (``digest``, ``flags`` …).
        uid: the source's UID where it is recorded, else 0.
        key: the source driver's own name of the message.
        set_aside: path of the file that holds the message's bytes; empty where there are none.
    """

    folder: str
    position: int
    reason: str
    error: str = ""
    uid: int = 0
    key: str = ""
    set_aside: str = ""

    def to_dict(self) -> dict[str, object]:
        """Return it as plain values for JSON."""
        return {
            "folder": self.folder,
            "position": self.position,
            "reason": self.reason,
            "error": self.error,
            "uid": self.uid,
            "key": self.key,
            "set_aside": self.set_aside,
        }


COUNTS = ("found", "copied", "moved", "skipped", "failed", "filtered", "updated", "deleted", "kept")
"""What is counted of messages; the first is the sum of the five that follow."""


@dataclass(slots=True)
class FolderReport:
    """What became of one folder."""

    folder: FolderPath
    """In the source."""
    target: FolderPath
    """In the destination."""
    copied: int = 0
    skipped: int = 0
    """Already there by an earlier run, or given up with an allowed loss."""
    failed: int = 0
    filtered: int = 0
    """Not chosen by the search, or beyond the limit."""
    moved: int = 0
    """Moved within the destination, as they were in the source; they are neither copied nor skipped."""
    updated: int = 0
    """Those whose flags or keywords were changed, of the ones skipped or moved."""
    deleted: int = 0
    """Deleted in the destination since the source has them no more."""
    kept: int = 0
    """In the destination still though the source has them no more."""
    renamed_from: FolderPath | None = None
    """What the destination's folder was called before."""
    removed: bool = False
    """The destination's folder was deleted since the source has it no more."""
    size: int = 0
    """Bytes of the messages copied."""
    uids_kept: bool | None = None
    """Every message copied has the UID, and the folder the UIDVALIDITY, that the source records; None: none copied."""

    @property
    def found(self) -> int:
        """Messages that the source has."""
        return self.copied + self.moved + self.skipped + self.failed + self.filtered

    def counts(self) -> dict[str, int]:
        """Return all COUNTS."""
        return {name: getattr(self, name) for name in COUNTS}

    def to_dict(self) -> dict[str, object]:
        """Return it as plain values for JSON."""
        return {
            "folder": str(self.folder),
            "target": str(self.target),
            "renamed_from": None if self.renamed_from is None else str(self.renamed_from),
            "removed": self.removed,
            "messages": self.counts(),
            "bytes": self.size,
            "uids": None if self.uids_kept is None else "kept" if self.uids_kept else "new",
        }


@dataclass(slots=True)
class Report:
    """What a conversion did.

    Attributes:
        source: its location.
        destination: its location.
        folders: one report for each folder that can hold messages, in the order they were copied.
        losses: the declared losses, all of them allowed.
        problems: whatever did not arrive, or not as it was.
        verified: all that was copied, now and by earlier runs, was compared in the destination and nothing differs;
            None where no comparison was asked for.
        notes: what was odd and how it was read, with the number of messages.
        left_out: what lies in the source's place and was not taken for mail; what is damaged is a problem besides.
        journal: path of the journal; empty where none is kept.
        seconds: how long it took.
    """

    source: str
    destination: str
    folders: list[FolderReport] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    verified: bool | None = None
    notes: Counter[str] = field(default_factory=Counter)
    left_out: list[Omission] = field(default_factory=list)
    journal: str = ""
    seconds: float = 0.0

    @property
    def found(self) -> int:
        """Messages in the selected folders of the source."""
        return sum(folder.found for folder in self.folders)

    @property
    def copied(self) -> int:
        """Messages that this run stored."""
        return sum(folder.copied for folder in self.folders)

    @property
    def skipped(self) -> int:
        """Messages that an earlier run had stored, or given up with an allowed loss."""
        return sum(folder.skipped for folder in self.folders)

    @property
    def failed(self) -> int:
        """Messages that did not arrive."""
        return sum(folder.failed for folder in self.folders)

    @property
    def moved(self) -> int:
        """Messages that were moved within the destination."""
        return sum(folder.moved for folder in self.folders)

    @property
    def updated(self) -> int:
        """Messages whose flags or keywords were changed."""
        return sum(folder.updated for folder in self.folders)

    @property
    def deleted(self) -> int:
        """Messages deleted in the destination."""
        return sum(folder.deleted for folder in self.folders)

    @property
    def kept(self) -> int:
        """Messages that stay in the destination though the source has them no more."""
        return sum(folder.kept for folder in self.folders)

    def counts(self) -> dict[str, int]:
        """Return all COUNTS."""
        return {name: getattr(self, name) for name in COUNTS}

    @property
    def renamed(self) -> int:
        """Folders that were renamed in the destination."""
        return sum(folder.renamed_from is not None for folder in self.folders)

    @property
    def removed(self) -> int:
        """Folders that were deleted in the destination."""
        return sum(folder.removed for folder in self.folders)

    @property
    def filtered(self) -> int:
        """Messages that the search did not choose, or that are beyond the limit."""
        return sum(folder.filtered for folder in self.folders)

    @property
    def size(self) -> int:
        """Bytes of the messages copied."""
        return sum(folder.size for folder in self.folders)

    @property
    def ok(self) -> bool:
        """All that was found arrived, and nothing that was compared differs: exit status 0."""
        return not self.failed and not self.problems and self.verified is not False

    def add_problem(
        self,
        folder: FolderPath,
        error: str,
        reason: str,
        position: int = 0,
        uid: int = 0,
        key: str = "",
        place: str = "",
    ) -> None:
        """Add a Problem; ``place`` is where the message was set aside."""
        self.problems.append(Problem(str(folder), position, one_line(reason), error, uid, key, place))

    def add_error(self, folder: FolderPath, error: MailstoreError) -> None:
        """Add what went wrong with a folder as a whole."""
        self.add_problem(folder, type(error).__name__, str(error))

    def add_omissions(self, omissions: list[Omission]) -> None:
        """Add what the source leaves out."""
        self.left_out += omissions
        self.problems += damages(omissions)

    def to_dict(self) -> dict[str, object]:
        """Return the report as plain values for JSON (schema in docs/convert.md)."""
        return {
            "source": self.source,
            "destination": self.destination,
            "folders": [folder.to_dict() for folder in self.folders],
            "messages": self.counts(),
            "bytes": self.size,
            "losses": [loss.to_dict() for loss in self.losses],
            "problems": [problem.to_dict() for problem in self.problems],
            "verified": self.verified,
            "notes": [{"note": note, "messages": count} for note, count in sorted(self.notes.items())],
            "left_out": [omission_dict(one) for one in self.left_out],
            "journal": self.journal,
            "seconds": round(self.seconds, 3),
        }


def omission_dict(omission: Omission) -> dict[str, object]:
    """Return an omission as plain values for JSON."""
    return {
        "where": omission.where,
        "reason": one_line(omission.reason),
        "messages": omission.messages,
        "damaged": omission.damaged,
    }


def damages(omissions: list[Omission]) -> list[Problem]:
    """Return the problems among what is left out."""
    return [
        Problem("", 0, one_line(f"{where}: {reason}"), "CorruptStore") for where, reason, _, bad in omissions if bad
    ]


def one_line(text: str) -> str:
    """Return ``text`` without line breaks and controls."""
    return "".join(character if character.isprintable() else " " for character in text)
