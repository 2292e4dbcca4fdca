"""The token of a watch: a point in the history of a store and all its folders, as one line of text.

It holds each folder's id, name and subscription, and where its messages stood (epoch, UIDVALIDITY, modseq, UIDNEXT), so
that whoever was away learns of folders that were renamed meanwhile and of what changed in each. Compressed JSON in
base64url; some fifty bytes a folder. The empty text is the token of whoever knows nothing yet: all that is there is
told, as if it came now; a listing that was read beside the watch would be of another moment.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from typing import NamedTuple

from mailstore.errors import InvalidFolderName, UsageError
from mailstore.model.changes import FolderInfo, Token
from mailstore.model.names import INBOX, FolderPath

_VERSION = 1
_MOST = 1 << 28


class Point(NamedTuple):
    """One folder at that point; ``token`` is None where it holds no messages or they were not watched."""

    info: FolderInfo
    token: Token | None
    uidnext: int


def write_token(points: list[Point]) -> str:
    """Return the text that ``read_token`` understands."""
    folders = [
        [
            point.info.id,
            list(point.info.path),
            int(point.info.selectable),
            int(point.info.subscribed),
            *(() if point.token is None else (*point.token, point.uidnext)),
        ]
        for point in points
    ]
    packed = zlib.compress(json.dumps({f"folders {_VERSION}": folders}, separators=(",", ":")).encode())
    return base64.urlsafe_b64encode(packed).decode("ascii").rstrip("=")


def read_token(text: str) -> list[Point]:
    """Return what a token says; '' says that of the store nothing is known but that it has an INBOX.

    Raises:
        UsageError: it is none.
    """
    if not text:
        return [Point(FolderInfo("", INBOX), None, 0)]
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        folders = json.loads(_unpack(packed))[f"folders {_VERSION}"]
        return [_point(*folder) for folder in folders]
    except (ValueError, TypeError, KeyError, binascii.Error, zlib.error, RecursionError, InvalidFolderName) as error:
        raise UsageError(f"{text[:40]!r} is no token of a watch ({error}): watch without it to begin anew") from error


def _unpack(packed: bytes) -> bytes:
    """Decompress, but not without limit; what was cut off fails its checksum."""
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(packed, _MOST)
    if not unpacker.eof:
        raise ValueError("it is cut off")
    return data


def _point(
    identity: str,
    path: list[str],
    selectable: int,
    subscribed: int,
    epoch: str = "",
    uidvalidity: int = 0,
    modseq: int = 0,
    uidnext: int = 0,
) -> Point:
    if not isinstance(identity, str) or not isinstance(epoch, str) or not all(isinstance(part, str) for part in path):
        raise TypeError("no texts")
    if any(type(number) is not int for number in (selectable, subscribed, uidvalidity, modseq, uidnext)):
        raise TypeError("no numbers")
    info = FolderInfo(identity, FolderPath(path), bool(selectable), bool(subscribed))
    return Point(info, Token(epoch, uidvalidity, modseq) if uidnext else None, uidnext)
