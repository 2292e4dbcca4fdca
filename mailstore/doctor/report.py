"""What was found out about the locks of a mail store: plain frozen values, for people and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass

FCNTL, FLOCK, DOTLOCK, CCLIENT = "fcntl", "flock", "dotlock", "c-client"
"""The ways to lock an mbox: two kernel locks, the file ``mbox.lock``, and c-client's file ``/tmp/.DEVICE.INODE``."""


@dataclass(frozen=True, slots=True)
class StaleRule:
    """When a program takes another's dotlock for a leftover, and removes it.

    Attributes:
        dead_pid: at once, when the lock names a process that is dead; ``any`` believes a pid from any host, ``host``
            only one of this host.
        age: after so many seconds without a change; None: never for its age.
        clock: what counts as a change: ``mtime``, ``ctime``, or the ``newest`` of both.
        living_pid: a lock that names a living process of this host is never broken for its age.
        mailbox: the mailbox must have been unchanged as long.
        kernel: the mailbox's kernel lock must be free.
        largest: a lock file with more bytes is never broken.
    """

    dead_pid: str = ""
    age: float | None = None
    clock: str = "mtime"
    living_pid: bool = False
    mailbox: bool = False
    kernel: bool = False
    largest: int | None = None


@dataclass(frozen=True, slots=True)
class Program:
    """A mail program that is installed, and how it locks an mbox.

    Attributes:
        key: one word that names it.
        name: for people.
        path: where it is.
        version: as it says itself; empty where it does not.
        role: ``delivers``, ``serves``, ``reads`` (a user's mail program), or ``helper`` (locks for others).
        write: its locks in the order in which it takes them, to change a mailbox; empty: it takes none.
        read: the same to read one; None: it does not read mailboxes.
        basis: ``configured`` (its configuration was read), ``compiled`` (it says how it was built), ``default`` (its
            documentation).
        source: the command or file that told, or why none did.
        keeps: it keeps the locks that it has while it waits for the next; else it releases all and begins anew.
        gives_up: seconds that it waits for one lock; None: without end; 0: it does not wait.
        makes: with whose rights it makes a dotlock: ``user``, ``root``, or ``group:NAME`` (set-group-id).
        without: what it does where it may not make one: ``goes on`` without it, or ``fails``.
        breaks: when it removes a dotlock of others; None: never by itself.
        uses_mbox: false where its configuration gives it no mbox to deal with.
        notes: what else there is to say.
    """

    key: str
    name: str
    path: str
    version: str
    role: str
    write: tuple[str, ...]
    read: tuple[str, ...] | None
    basis: str
    source: str
    keeps: bool = True
    gives_up: float | None = None
    makes: str = "user"
    without: str = "fails"
    breaks: StaleRule | None = None
    uses_mbox: bool = True
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Process:
    """A process that has a file open or locked; ``since`` is its start, in seconds since 1970, None if unknown."""

    pid: int
    program: str
    user: str
    since: float | None


@dataclass(frozen=True, slots=True)
class KernelLock:
    """A lock that the kernel knows, on one of the store's files.

    Attributes:
        path: the file.
        kind: ``fcntl`` (of a process), ``fcntl-ofd`` (of an open file; both exclude each other), ``flock``, ``lease``.
        mode: ``read`` (shared) or ``write`` (exclusive).
        waiting: it is not held but waited for.
        first: first byte locked.
        last: last byte locked; None: to the end of the file, however it grows.
        meaning: what the byte range stands for, where the format says so (SQLite).
        processes: who has it; several share one open file. Empty where this user may not see who.
    """

    path: str
    kind: str
    mode: str
    waiting: bool
    first: int
    last: int | None
    meaning: str
    processes: tuple[Process, ...]


@dataclass(frozen=True, slots=True)
class Breaker:
    """When a program would remove a dotlock: ``seconds`` from now (0: now); None: never, as things are."""

    program: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class LockFile:
    """A file that is a lock by being there.

    Attributes:
        path: the lock file.
        guards: the file it locks.
        says: its contents, None where this user may not read them or it is no regular file.
        pid: the process it names; None if none.
        host: the host it names; None if none.
        process: that process, where it is one of this host and lives.
        dead: the process it names is of this host and does not live.
        user: who owns the lock file.
        since: when it was made or last touched, in seconds since 1970: it has been held at least that long.
        age: seconds since then, by this host's clock.
        stale: mailstore would break it now: a leftover.
        breakers: when each installed program would.
    """

    path: str
    guards: str
    says: str | None
    pid: int | None
    host: str | None
    process: Process | None
    dead: bool
    user: str
    since: float
    age: float
    stale: bool
    breakers: tuple[Breaker, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where the store lies, as far as it matters to locks.

    Attributes:
        path: the file or directory.
        exists: whether it is there.
        filesystem: its type (``ext4``, ``nfs4``); empty where the system does not tell.
        device: what is mounted there.
        owner: user who owns the store; where it is not there yet, the user it is called after, or else who asks.
        directory: where a dotlock would be made.
        mode: its permissions, as ``drwxrwsr-x``.
        directory_owner: its user.
        group: its group.
        dotlock: who can make a dotlock in it: ``owner`` (of the store), ``group`` (a program that runs with the
            directory's group), or ``root``.
        notes: what else matters: a network file system, a symbolic link.
    """

    path: str
    exists: bool
    filesystem: str
    device: str
    owner: str
    directory: str
    mode: str
    directory_owner: str
    group: str
    dotlock: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Conflict:
    """Programs that do not get along.

    Attributes:
        kind: ``no-common-lock`` (two writers that do not exclude each other: mail can be lost), ``no-dotlock`` (a
            program that needs one cannot make it here), ``unlocked-read`` (a reader that may see half a change),
            ``opposite-order`` (two that can wait for each other).
        programs: their names, one or two.
        explanation: one line for people.
    """

    kind: str
    programs: tuple[str, ...]
    explanation: str


@dataclass(frozen=True, slots=True)
class Advice:
    """Which preset to take.

    Attributes:
        preset: its name; empty where the format needs none.
        location: the location to write it in.
        reasons: why, one line each.
    """

    preset: str
    location: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LockReport:
    """How a mail store is locked here, and by whom now.

    Attributes:
        location: the store looked at.
        format: its format.
        taken: at the moment of the look, in seconds since 1970.
        place: where it lies.
        protocol: how this format is locked, one line each.
        programs: the mail programs installed.
        locks: kernel locks on its files.
        lock_files: lock files beside or in it.
        conflicts: worst first.
        advice: which preset to take.
        unseen: what this user or system did not let us see.
    """

    location: str
    format: str
    taken: float
    place: Place
    protocol: tuple[str, ...]
    programs: tuple[Program, ...]
    locks: tuple[KernelLock, ...]
    lock_files: tuple[LockFile, ...]
    conflicts: tuple[Conflict, ...]
    advice: Advice
    unseen: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether there is neither a conflict nor a stale lock."""
        return not self.conflicts and not any(lock.stale for lock in self.lock_files)

    def to_dict(self) -> dict[str, object]:
        """Return it as plain values for JSON, with ``ok``."""
        values: dict[str, object] = asdict(self)
        values["ok"] = self.ok
        return values
