"""Rows of a listing: what the names say, and what only the files can tell.

The problem. A listing with flags alone must not touch a single file; one with bodies must open each once and no more.
And what lies in ``cur`` may be anything: a FIFO that would block, a link that leads nowhere or in circles, a directory,
a file we may not read, one that is renamed or removed just now.

The solution. Every file is opened without following links and without blocking, and must be a regular file. One that
is not there any more under its name is searched for by its base. What cannot be read becomes a row with its error.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from mailstore.drivers.maildir.popids import uidl_of
from mailstore.drivers.maildir.view import View
from mailstore.drivers.sidecar import Entry
from mailstore.errors import MailstoreError, NoSuchMessage, UnreadableMessage
from mailstore.formats import maildirname, uidlist
from mailstore.formats.headers import header_end
from mailstore.model.flags import RECENT
from mailstore.model.info import (
    BODY,
    CHUNK,
    CRLF_SIZE,
    DIGEST,
    HEADER,
    INTERNAL_DATE,
    SAVED_DATE,
    SENDER,
    SIZE,
    UIDL,
    Body,
    Row,
)
from mailstore.model.measure import crlf_size_of, digest_of
from mailstore.system import fs
from mailstore.system.spool import FileBlob

_BATCH_BYTES = 1 << 20
_BATCH_ROWS = 1000
_HEADER_PIECE = 8192
_MOST_SECONDS = 1 << 62  # dates beyond it are damage (the capabilities' bound)
_STATUS = INTERNAL_DATE | SAVED_DATE | SIZE
_FIELDS = SENDER | UIDL | SAVED_DATE | INTERNAL_DATE
FILES = INTERNAL_DATE | SAVED_DATE | SIZE | CRLF_SIZE | DIGEST | HEADER | BODY
_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW
_NEW = "n"
_TRIES = 5


class _Facts(NamedTuple):
    """What the file told."""

    seconds: int | None = None
    changed: int | None = None
    size: int | None = None
    crlf_size: int | None = None
    digest: bytes | None = None
    header: bytes | None = None
    body: Body | None = None


def batches(view: View, entries: Iterable[Entry], want: int, *, keep_gone: bool) -> Iterator[list[Row]]:
    """Yield rows for ``entries`` in order, about 1 MB of bodies or 1000 rows at a time.

    ``keep_gone``: whether a message that is gone is a row with NoSuchMessage, or is left out.
    """
    if want:
        with fs.errors(view.directory):
            view.records.load()
    if not want & FILES and not (want & _FIELDS and view.records.fields):
        yield from _plain(entries)
        return
    read = None
    if want & BODY and not want & HEADER:
        read = _body_reader(view, want)
    elif not want & ~_STATUS:
        read = _status_reader(view, want)
    batch: list[Row] = []
    size = 0
    for entry in entries:
        row = read(entry) if read is not None else None
        if row is None:
            row = read_row(view, entry, want)
        if row.error is not None and not keep_gone and isinstance(row.error, NoSuchMessage):
            continue
        batch.append(row)
        if want & BODY and row.body is not None:
            size += row.size or 0
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_ROWS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _plain(entries: Iterable[Entry]) -> Iterator[list[Row]]:
    """Yield rows that the index alone can fill: no system call, and no call of ours for a message."""
    make, rest = tuple.__new__, iter(entries)
    nothing = (*(None,) * (len(Row._fields) - 7), ())
    while some := list(islice(rest, _BATCH_ROWS)):
        yield [make(Row, (entry[:6] if entry[11][0] != _NEW else _recent(entry)) + nothing) for entry in some]


def _recent(entry: Entry) -> tuple[object, ...]:
    return (*entry[:4], entry[4] | RECENT, entry[5])


def _body_reader(view: View, want: int) -> Callable[[Entry], Row | None]:
    """Return what reads an ordinary message with its body: open, fstat, read, close, and little else.

    It returns None for whatever is out of the ordinary, which is left to ``read_row``.
    """
    prefix, flags = view.directory + "/", _OPEN | view.account.noatime
    fields, meaning, make = view.records.fields, view.meaning, tuple.__new__
    dated, saved_wanted = want & INTERNAL_DATE, want & SAVED_DATE
    crlf_wanted, digest_wanted = want & CRLF_SIZE, want & DIGEST

    def read(entry: Entry) -> Row | None:
        uid, key, recorded, modseq, bits, keywords, _, saved, _, _, _, name = entry
        if key in fields:
            return None
        try:
            fd = os.open(prefix + name, flags)
        except OSError:
            return None
        try:
            found = os.fstat(fd)
            size = found.st_size
            if size > CHUNK or not stat.S_ISREG(found.st_mode):
                return None
            body = os.read(fd, size + 1)
        except OSError:
            return None
        finally:
            os.close(fd)
        if len(body) != size or (f",S={size}," not in key and maildirname.size_of(key) not in (None, size)):
            return None
        crlf_size = (maildirname.crlf_size_of(key) or crlf_size_of(body)) if crlf_wanted else None
        return make(Row, (
            uid, key, recorded, modseq, bits | RECENT if name[0] == _NEW else bits, keywords,
            found[stat.ST_MTIME] if dated else None,
            (saved if saved is not None else found[stat.ST_CTIME]) if saved_wanted else None,
            None, None, size, crlf_size, digest_of(body) if digest_wanted else None, None, body, None,
            meaning(name[len(key) + 5 :])[2],
        ))  # fmt: skip

    return read


def _status_reader(view: View, want: int) -> Callable[[Entry], Row | None]:
    """Return what looks at an ordinary message by one lstat: its dates and size, and little else.

    It returns None for whatever is out of the ordinary, which is left to ``read_row``.
    """
    prefix = view.directory + "/"
    fields, meaning, make = view.records.fields, view.meaning, tuple.__new__
    dated, saved_wanted = want & INTERNAL_DATE, want & SAVED_DATE

    def read(entry: Entry) -> Row | None:
        uid, key, recorded, modseq, bits, keywords, _, saved, _, _, _, name = entry
        if key in fields:
            return None
        try:
            found = os.lstat(prefix + name)
        except OSError:
            return None
        size = found.st_size
        named = f",S={size}," in key or maildirname.size_of(key) in (None, size)
        if not named or not stat.S_ISREG(found.st_mode):
            return None
        return make(Row, (
            uid, key, recorded, modseq, bits | RECENT if name[0] == _NEW else bits, keywords,
            found[stat.ST_MTIME] if dated else None,
            (saved if saved is not None else found[stat.ST_CTIME]) if saved_wanted else None,
            None, None, size, None, None, None, None, None, meaning(name[len(key) + 5 :])[2],
        ))  # fmt: skip

    return read


def read_row(view: View, entry: Entry, want: int) -> Row:
    """Return one row, with its error where the file cannot be read."""
    flags = entry.flags | RECENT if entry.extra[:1] == _NEW else entry.flags
    notes = view.meaning(_info(entry))[2] if want else ()
    error: MailstoreError | None = None
    facts = _Facts()
    try:
        facts, wrong = _read(view, entry, want)
        if wrong:
            notes = (*notes, wrong)
    except MailstoreError as failed:
        error = failed
    seconds, saved = facts.seconds, entry.saved_date if entry.saved_date is not None else facts.changed
    sender = uidl = None
    if want & _FIELDS and (fields := view.records.fields.get(entry.key)):
        parsed = uidlist.parse_fields(fields)
        if "E" in parsed:
            sender = uidlist.unquote(parsed["E"])[1:-1]
        uidl = uidl_of(fields, entry.key)
        seconds = _number(parsed.get("T"), seconds)
        saved = _number(parsed.get("D"), saved)
    return Row(
        entry.uid, entry.key, entry.recorded, entry.modseq, flags, entry.keywords,
        seconds if want & INTERNAL_DATE else None, saved if want & SAVED_DATE else None,
        sender if want & SENDER else None, uidl if want & UIDL else None,
        facts.size, facts.crlf_size, facts.digest, facts.header, facts.body, error, notes,
    )  # fmt: skip


def _info(entry: Entry) -> str:
    return entry.extra[len(entry.key) + 5 :]


def _number(text: str | None, otherwise: int | None) -> int | None:
    try:
        number = otherwise if text is None else int(text[:20])
    except ValueError:
        return otherwise
    return number if number is None or abs(number) <= _MOST_SECONDS else otherwise


def _read(view: View, entry: Entry, want: int) -> tuple[_Facts, str]:
    """Look at the file as far as ``want`` needs; returns the facts and what was wrong with its name."""
    if want & (DIGEST | HEADER | BODY) or (want & CRLF_SIZE and _named_crlf_size(view, entry, want) is None):
        found, facts = _contents(view, entry, want)
    elif want & FILES:  # a size too: the name's may be wrong
        found, facts = _status(view, entry), _Facts()
    else:
        return _Facts(), ""
    wrong = _check_size(view, entry, found.st_size)
    if want & CRLF_SIZE and facts.crlf_size is None:
        crlf_size = _named_crlf_size(view, entry, want)
        if crlf_size is None:
            found, facts = _contents(view, entry, want)
        else:
            facts = facts._replace(crlf_size=crlf_size)
    return facts._replace(
        seconds=found.st_mtime_ns // 1_000_000_000, changed=found.st_ctime_ns // 1_000_000_000, size=found.st_size
    ), wrong


def _named_crlf_size(view: View, entry: Entry, want: int) -> int | None:
    """Return what ``,W=`` says, unless the ``,S=`` beside it lies."""
    return maildirname.crlf_size_of(entry.key) if want & CRLF_SIZE and entry.key not in view.sizes else None


def _check_size(view: View, entry: Entry, size: int) -> str:
    """Note a wrong ``,S=`` in our own view; returns what to say about it."""
    named = maildirname.size_of(entry.key)
    if named is None or named == size:
        view.sizes.pop(entry.key, None)
        return ""
    view.sizes[entry.key] = size
    return f"the file name says ,S={named}, the file has {size} bytes"


def _status(view: View, entry: Entry) -> os.stat_result:
    name: str | None = entry.extra
    for _ in range(_TRIES):
        if name is None:
            break
        try:
            found = os.lstat(f"{view.directory}/{name}")
        except FileNotFoundError:
            name = view.locate(entry, name)
            continue
        except OSError as error:
            raise unreadable(view, entry, error.strerror or str(error)) from error
        _check_regular(view, entry, found)
        return found
    raise gone(view, entry)


def file_size(view: View, entry: Entry) -> int:
    """Return the size of a message's file without opening it.

    Raises: as ``open_message``.
    """
    return _status(view, entry).st_size


def open_message(view: View, entry: Entry) -> tuple[int, os.stat_result]:
    """Open a message's file for reading, wherever it was renamed to.

    Raises:
        NoSuchMessage: no file of its base is there.
        UnreadableMessage: it is there and is no regular file, or may not be read.
    """
    name: str | None = entry.extra
    for _ in range(_TRIES):
        if name is None:
            break
        try:
            fd = _open(view, f"{view.directory}/{name}")
        except FileNotFoundError:
            name = view.locate(entry, name)
            continue
        except OSError as error:
            raise unreadable(view, entry, _why(error, f"{view.directory}/{name}")) from error
        found = os.fstat(fd)
        try:
            _check_regular(view, entry, found)
        except UnreadableMessage:
            os.close(fd)
            raise
        return fd, found
    raise gone(view, entry)


def _open(view: View, path: str) -> int:
    try:
        return os.open(path, _OPEN | view.account.noatime)
    except PermissionError:
        if not view.account.noatime:
            raise
        fd = os.open(path, _OPEN)
        view.account.noatime = 0  # O_NOATIME is for the owner alone: do not try in vain again
        return fd


def _why(error: OSError, path: str) -> str:
    if os.path.islink(path):
        return "a symbolic link, which is not followed"
    return error.strerror or str(error)


def _check_regular(view: View, entry: Entry, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = {
            stat.S_IFDIR: "a directory",
            stat.S_IFIFO: "a FIFO",
            stat.S_IFSOCK: "a socket",
            stat.S_IFLNK: "a symbolic link, which is not followed",
        }.get(stat.S_IFMT(found.st_mode), "a device")
        raise unreadable(view, entry, f"{kind}, not a file")


def _contents(view: View, entry: Entry, want: int) -> tuple[os.stat_result, _Facts]:
    """Open the file once and take from it what is wanted."""
    fd, found = open_message(view, entry)
    keep = False
    try:
        size = found.st_size
        if not want & (BODY | DIGEST | CRLF_SIZE):
            return found, _Facts(header=read_header(fd, size))
        body: Body
        if size <= CHUNK:
            body = _whole(fd, size)
            found = found if len(body) == size else os.fstat(fd)
        else:
            body = FileBlob(fd, 0, size, own=bool(want & BODY))
            keep = bool(want & BODY)
        return found, _Facts(
            crlf_size=crlf_size_of(body) if want & CRLF_SIZE else None,
            digest=digest_of(body) if want & DIGEST else None,
            header=_header(body) if want & HEADER else None,
            body=body if want & BODY else None,
        )
    except OSError as error:
        raise unreadable(view, entry, error.strerror or str(error)) from error
    finally:
        if not keep:
            os.close(fd)


def _whole(fd: int, size: int) -> bytes:
    """Read a file of ``size`` bytes; a file that somebody is still changing gives what is there."""
    data = os.read(fd, size + 1)
    if len(data) == size:
        return data
    while piece := os.read(fd, CHUNK):
        data += piece
    return data


def _header(body: Body) -> bytes:
    if isinstance(body, bytes):
        return body[: header_end(body)]
    return _find_header(body.read_at, body.size)


def read_header(fd: int, size: int) -> bytes:
    """Read the header block without the body, a piece at a time."""
    return _find_header(lambda offset, length: os.pread(fd, length, offset), size)


def _find_header(read_at: Callable[[int, int], bytes], size: int) -> bytes:
    data, piece = b"", _HEADER_PIECE
    while True:
        more = read_at(len(data), piece)
        data += more
        end = header_end(data)
        if end < len(data) or not more or len(data) >= size:
            return data[:end]
        piece *= 2


def gone(view: View, entry: Entry) -> NoSuchMessage:
    """Return the error for a message without a file."""
    return NoSuchMessage(
        f"folder {view.path} has no message {entry.uid} any more ({fs.shown(entry.key)})",
        folder=str(view.path),
        uid=entry.uid,
        key=entry.key,
    )


def unreadable(view: View, entry: Entry, why: str) -> UnreadableMessage:
    """Return the error for a file that cannot be read."""
    name = fs.shown(f"{view.directory}/{entry.extra}")
    return UnreadableMessage(f"{name}: {why}", folder=str(view.path), uid=entry.uid, key=entry.key)


def strange_rows(view: View) -> list[Row]:
    """Return a row for each directory that lies among the messages: no message, but somebody should know."""
    rows = []
    for name in view.strange:
        error = UnreadableMessage(
            f"{fs.shown(f'{view.directory}/{name}')}: a directory, not a message", folder=str(view.path), key=name
        )
        rows.append(Row(0, name, False, 0, 0, frozenset(), error=error))
    return rows
