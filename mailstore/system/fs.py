"""Every write to a file system: the only place where mailstore makes, fills, renames or removes files.

The problem. Mail must survive a crash after any system call. That can only be shown by stopping at every one of them,
so every call that changes something goes through one table, ``calls``, which a test replaces by one that fails or
"kills" the process at the n-th call. Functions here look the table up when they are called; they raise OSError as
the system does, and ``errors`` turns it into mailstore's own tree at the edge of a driver.

What is durable when is said at each function; ``docs/durability.md`` tells how drivers put them together, and
``mailstore.system.barrier`` chooses between syncing single files and a whole file system.

Paths are ``str`` with undecodable bytes surrogate-escaped, as ``os.fsdecode`` gives them.
"""

from __future__ import annotations

import errno
import os
import stat

from mailstore.system.calls import Calls as Calls
from mailstore.system.calls import at_work, suppress
from mailstore.system.calls import write_all as write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from mailstore.errors import StoreError

TEMPORARY = ".mailstore-"
"""Every temporary file and directory of ours begins so: scans pass over it, ``recover`` removes it after 36 hours."""

_CREATE = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
# A FIFO somebody put in the way must not hang us: O_NONBLOCK changes nothing for regular files.
_SOURCE = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NOATIME = getattr(os, "O_NOATIME", 0)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_DENIED = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_IN_THE_WAY = frozenset(
    {errno.EEXIST, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTEMPTY}
)


calls = at_work
"""The table at work: always this one object."""


class _Replaced:
    """The context manager behind ``replaced``."""

    __slots__ = ("_before", "_table")

    def __init__(self, table: Calls) -> None:
        self._table, self._before = table, Calls()

    def __enter__(self) -> Calls:
        self._before.become(calls)
        calls.become(self._table)
        return self._table

    def __exit__(self, *_: object) -> None:
        calls.become(self._before)


def replaced(table: Calls) -> _Replaced:
    """Put ``table`` in the place of the system's calls for a block (tests)."""
    return _Replaced(table)


# --- errors ----------------------------------------------------------------------------------------------------------


def shown(path: str) -> str:
    """Return ``path`` fit for one line of text: controls and undecodable bytes are escaped."""
    return path if path.isprintable() else repr(path)[1:-1]


def translate(error: OSError, path: str, denied: type[StoreError] | None = None) -> StoreError:
    """Return the member of mailstore's error tree for ``error`` on ``path``.

    ENOSPC, EDQUOT and EFBIG are StorageFull; EROFS, EACCES and EPERM are ``denied``, None: ReadOnlyStore; where
    ``denied`` is CannotCreate, so is whatever stands in the way (EEXIST, ENOTDIR, ENAMETOOLONG and the like). Others
    are StorageFailure.
    """
    from mailstore.errors import CannotCreate, ReadOnlyStore, StorageFailure, StorageFull  # late: a failure has time

    number = error.errno or 0
    reason = os.strerror(number) if number else str(error)
    if number in _FULL:
        full = f"{shown(path)}: {reason}; free some space and try again"
        return StorageFull(full, path=path, quota=number == errno.EDQUOT)
    if number in _DENIED or (denied is CannotCreate and number in _IN_THE_WAY):
        return (denied or ReadOnlyStore)(f"{shown(path)}: {reason}", path=path)
    return StorageFailure(f"{shown(path)}: {reason}", path=path)


class _Errors:
    """The context manager behind ``errors``; a class because generators cost four times as much."""

    __slots__ = ("_denied", "_path")

    def __init__(self, path: str, denied: type[StoreError] | None) -> None:
        self._path = path
        self._denied = denied

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, OSError):
            raise translate(error, self._path, self._denied) from error


def errors(path: str, denied: type[StoreError] | None = None) -> _Errors:
    """Turn an OSError of the block into the error tree, naming ``path``; ``denied`` as in ``translate``."""
    return _Errors(path, denied)


# --- opening ---------------------------------------------------------------------------------------------------------


def is_there(path: str, *, follow: bool = False) -> bool:
    """Tell whether anything has this name; with ``follow`` whether a link leads to something.

    Raises:
        StorageFailure: it cannot be found out: no right to search a directory, a file server that does not answer.
            Who takes that for "not there" refuses a user's mail for good.
    """
    from mailstore.errors import StorageFailure  # late: as in translate

    try:
        os.stat(path, follow_symlinks=follow)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return False
        raise translate(error, path, StorageFailure) from error
    return True


def open_source(path: str, *, nofollow: bool = False) -> int:
    """Open for reading without leaving a trace (O_NOATIME where allowed); never hangs on a FIFO.

    The caller checks with fstat that it is a regular file. ``nofollow`` refuses a final symlink (ELOOP).
    """
    flags = _SOURCE | os.O_NOFOLLOW if nofollow else _SOURCE
    try:
        return os.open(path, flags | _NOATIME)
    except PermissionError:  # O_NOATIME is for the owner alone
        return os.open(path, flags)


def open_update(path: str, *, nofollow: bool = True, append: bool = False) -> int:
    """Open an existing file for reading and writing; with ``append`` every write goes to its end."""
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    return calls.open(path, flags | (os.O_NOFOLLOW if nofollow else 0) | (os.O_APPEND if append else 0))


def open_directory(path: str) -> int:
    """Open a directory, to sync it or its file system or to name files relative to it."""
    return calls.open(path, _DIRECTORY)


def close(fd: int) -> None:
    """Close a descriptor that was written to; an error may be the first news of a failed write (NFS)."""
    calls.close(fd)


def create(path: str, mode: int = 0o600, dir_fd: int | None = None) -> int:
    """Make a file that was not there, open for reading and writing; FileExistsError also for a dangling symlink."""
    return calls.open(path, _CREATE, mode) if dir_fd is None else calls.open(path, _CREATE, mode, dir_fd=dir_fd)


def temporary_beside(path: str, mode: int = 0o600) -> tuple[int, str]:
    """Make a hidden temporary file in ``path``'s directory; returns (descriptor, its path)."""
    while True:
        name = os.path.join(os.path.dirname(path), f"{TEMPORARY}{os.getpid()}-{os.urandom(8).hex()}")
        with suppress(FileExistsError):
            return create(name, mode), name


def try_room(path: str, size: int) -> int:
    """Return the error number of making a file of ``size`` bytes beside ``path``; 0 where there is room for it."""
    try:
        fd, temporary = temporary_beside(path)
        try:
            write_all(fd, b"\0" * size)
        finally:
            calls.close(fd)
            calls.unlink(temporary)
    except OSError as error:
        return error.errno or 0
    return 0


# --- writing ---------------------------------------------------------------------------------------------------------


def pwrite_all(fd: int, data: bytes, offset: int) -> None:
    """Write all of ``data`` at ``offset``, over any number of short writes."""
    done = calls.pwrite(fd, data, offset)
    if done < len(data):
        view = memoryview(data)
        while done < len(data):
            done += calls.pwrite(fd, view[done:], offset + done)


def copy_body(fd: int, chunks: Iterable[bytes]) -> int:
    """Write ``chunks`` in order at the file position; returns how many bytes that was."""
    size = 0
    for chunk in chunks:
        write_all(fd, chunk)
        size += len(chunk)
    return size


def create_file(
    path: str, data: bytes, mtime: int, mode: int = 0o600, *, dir_fd: int | None = None, sync: bool = False
) -> None:
    """Make the file ``path`` holding ``data`` with ``mtime`` (seconds); where that fails nothing is left behind.

    The hot path of every conversion into a Maildir: four system calls and as little else as can be. Not durable
    unless ``sync``.
    """
    table = calls
    fd = table.open(path, _CREATE, mode) if dir_fd is None else table.open(path, _CREATE, mode, dir_fd=dir_fd)
    try:
        try:
            done = table.write(fd, data)
            if done < len(data):
                write_all(fd, memoryview(data)[done:])
            table.utime(fd, (mtime, mtime))
            if sync:
                table.fsync(fd)
        finally:
            table.close(fd)
    except OSError:
        with suppress(OSError):
            table.unlink(path, dir_fd=dir_fd)
        raise


def truncate(fd: int, size: int) -> None:
    """Cut the open file to ``size`` bytes (or fill it up with NULs)."""
    calls.ftruncate(fd, size)


def set_times(path_or_fd: str | int, seconds: int) -> None:
    """Set atime and mtime to ``seconds`` since 1970; never follows a symlink."""
    if isinstance(path_or_fd, int):
        calls.utime(path_or_fd, (seconds, seconds))
    else:
        calls.utime(path_or_fd, (seconds, seconds), follow_symlinks=False)


def touch(path_or_fd: str | int) -> None:
    """Set atime and mtime to the file system's present; never follows a symlink."""
    if isinstance(path_or_fd, int):
        calls.utime(path_or_fd)
    else:
        calls.utime(path_or_fd, follow_symlinks=False)


def give(fd: int, owner: int, group: int) -> None:
    """Give the open file another owner and group (root alone may)."""
    calls.fchown(fd, owner, group)


def inherit(fd: int, directory: str) -> None:
    """Give the open file the owner and group of ``directory``, where that is allowed.

    What root writes into a user's directory would else be closed to the user's own programs.
    """
    owner, have = os.stat(directory), os.fstat(fd)
    if (owner.st_uid, owner.st_gid) != (have.st_uid, have.st_gid):
        with suppress(PermissionError):
            give(fd, owner.st_uid, owner.st_gid)


def imitate(fd: int, like: os.stat_result) -> None:
    """Give the open file the permissions, and where allowed the owner and group, of ``like``.

    Where the group cannot be kept, its permissions are not granted to the other group either.
    """
    have = os.fstat(fd)
    mode = stat.S_IMODE(like.st_mode)
    if (have.st_uid, have.st_gid) != (like.st_uid, like.st_gid):
        try:
            calls.fchown(fd, like.st_uid, like.st_gid)
        except PermissionError:
            try:
                calls.fchown(fd, -1, like.st_gid)
            except PermissionError:
                mode &= ~0o070
    calls.fchmod(fd, mode)


# --- durability ------------------------------------------------------------------------------------------------------


def sync_file(fd: int) -> None:
    """Return when the file's contents and metadata are on the disk."""
    calls.fsync(fd)


def sync_data(fd: int) -> None:
    """Return when the file's contents and size are on the disk; its times may not be."""
    calls.fdatasync(fd)


def sync_directory(path: str) -> None:
    """Return when the names in directory ``path`` are on the disk."""
    fd = open_directory(path)
    try:
        calls.fsync(fd)
    finally:
        calls.close(fd)


def sync_filesystem(fd: int) -> None:
    """Return when everything written so far to the file system of ``fd`` is on the disk, contents and names.

    Write errors are reported where they happened after ``fd`` was opened (Linux 5.8): open it before the first write.
    """
    calls.syncfs(fd)


# --- names -----------------------------------------------------------------------------------------------------------


def rename(source: str, target: str) -> None:
    """Rename over whatever file is at ``target``. Durable after the directories are synced."""
    calls.rename(source, target)


def rename_noreplace(source: str, target: str) -> None:
    """Rename, or raise FileExistsError where ``target`` exists. Durable after the directories are synced.

    Where the file system cannot do that in one step, a file is linked and unlinked (two names for a moment) and a
    directory is renamed after a look (it never replaces one that holds anything: rename(2) refuses that).
    """
    try:
        calls.rename_noreplace(source, target)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
        if stat.S_ISDIR(os.lstat(source).st_mode):
            if os.path.lexists(target):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), source, None, target) from error
            calls.rename(source, target)
        else:
            calls.link(source, target, follow_symlinks=False)
            calls.unlink(source)


def link(source: str, target: str) -> None:
    """Give a file a second name; FileExistsError where ``target`` exists."""
    calls.link(source, target, follow_symlinks=False)


def unlink(path: str, missing_ok: bool = False) -> None:
    """Remove a name."""
    try:
        calls.unlink(path)
    except FileNotFoundError:
        if not missing_ok:
            raise


def mkdir(path: str, mode: int = 0o700) -> None:
    """Make a directory."""
    calls.mkdir(path, mode)


def make_directories(path: str, mode: int = 0o700) -> None:
    """Make a directory and those above it that are missing, each durable; it may be there already."""
    with suppress(FileNotFoundError, NotADirectoryError):
        os.stat(path)  # a path that is too long fails before its first half is made
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        if (parent := os.path.dirname(path)) == path:
            break
        path = parent
    for path in reversed(missing):
        with suppress(FileExistsError):
            calls.mkdir(path, mode)
            sync_directory(os.path.dirname(path))
        if not os.path.isdir(path):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)


def rmdir(path: str) -> None:
    """Remove an empty directory."""
    calls.rmdir(path)


def remove_tree(path: str, *, dir_fd: int | None = None) -> None:
    """Remove a directory with all that is in it; symlinks are removed, never followed. May be called twice."""
    try:
        fd = calls.open(path, _DIRECTORY | os.O_NOFOLLOW, dir_fd=dir_fd)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENOTDIR):
            raise
        with suppress(FileNotFoundError):
            calls.unlink(path, dir_fd=dir_fd)
        return
    try:
        with os.scandir(fd) as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for name, is_directory in found:
            if is_directory:
                remove_tree(name, dir_fd=fd)
            else:
                with suppress(FileNotFoundError):
                    calls.unlink(name, dir_fd=fd)
    finally:
        calls.close(fd)
    with suppress(FileNotFoundError):
        calls.rmdir(path, dir_fd=dir_fd)


def publish(fd: int, temporary: str, path: str) -> None:
    """Sync and close ``fd``, rename ``temporary`` over ``path``, sync the directory: all old or all new, durable.

    Where it fails before the rename, ``temporary`` is removed and ``path`` is as it was.
    """
    try:
        try:
            calls.fsync(fd)
        finally:
            calls.close(fd)
        calls.rename(temporary, path)
    except OSError:
        with suppress(OSError):
            calls.unlink(temporary)
        raise
    sync_directory(os.path.dirname(path) or ".")


def replace_file(path: str, data: bytes, mode: int | None = None, *, inherits: bool = False) -> None:
    """Make ``data`` the contents of the small file ``path``: all old or all new, durable on return.

    ``mode``: permissions; None keeps those, owner and group of the file that is there, else 0600. ``inherits``: where
    none is kept, owner and group are those of the directory. A symlink at ``path`` is replaced, not followed.
    """
    like = None
    if mode is None:
        with suppress(FileNotFoundError):
            like = os.lstat(path)
    fd, temporary = temporary_beside(path, 0o600 if mode is None else mode)
    try:
        if like is not None and stat.S_ISREG(like.st_mode):
            imitate(fd, like)
        elif inherits:
            inherit(fd, os.path.dirname(path))
        write_all(fd, data)
    except OSError:
        calls.close(fd)
        with suppress(OSError):
            calls.unlink(temporary)
        raise
    publish(fd, temporary, path)
