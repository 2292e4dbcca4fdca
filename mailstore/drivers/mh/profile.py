"""What nmh's profile and context say of a mail directory: where its sequences are, and what they are called.

The profile is the file that the location names; else ``.mh_profile`` in the mail directory or the one above it (the
home directory), where its ``Path`` leads to the mail directory.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass

from mailstore.errors import LocationError
from mailstore.formats import mh
from mailstore.system import fs

PROFILE = ".mh_profile"
_LARGEST = 64 << 20  # bytes of a file of sequences or marks, a profile, a context; what lies beyond is not looked at


@dataclass(slots=True)
class Profile:
    """What holds for the folders of one mail directory.

    Attributes:
        file: the profile; '' for none.
        sequences: the name of the file of public sequences; '' where all are private.
        unseen: the sequences of unread messages.
        previous: sequences that only remember the last command.
        context: the path of the context.
    """

    file: str = ""
    sequences: str = mh.SEQUENCES
    unseen: tuple[str, ...] = (mh.UNSEEN,)
    previous: tuple[str, ...] = ()
    context: str = ""


def read_small(path: str) -> bytes:
    """Return the beginning of a small regular file; b'' where there is none that can be read. Follows no link."""
    with suppress(OSError):
        fd = fs.open_source(path, nofollow=True)
        try:
            if os.path.isfile(path):
                return os.pread(fd, _LARGEST, 0)
        finally:
            os.close(fd)
    return b""


def find_profile(root: str, named: str) -> Profile:
    """Return the profile of the mail directory ``root``; ``named``: the file that the location names, or ''.

    Raises:
        LocationError: that file cannot be read.
    """
    if named:
        if not os.path.isfile(named):
            raise LocationError(f"profile={fs.shown(named)}: there is no such file", location=root)
        return _read(root, named)
    for directory in (root, os.path.dirname(root)):
        file = os.path.join(directory, PROFILE)
        path = mh.parse_profile(read_small(file)).get("path")
        if path is not None and os.path.realpath(os.path.join(directory, path)) == os.path.realpath(root):
            return _read(root, file)
    return Profile(context=os.path.join(root, "context"))


def _read(root: str, file: str) -> Profile:
    found = mh.parse_profile(read_small(file))
    sequences = found.get("mh-sequences", mh.SEQUENCES)
    return Profile(
        file=file,
        # the name of a file in each folder, never a path; empty or *private*: there are private ones alone
        sequences=sequences if sequences not in ("", "*private*", ".", "..") and "/" not in sequences else "",
        unseen=tuple(found.get("unseen-sequence", "").split()) or (mh.UNSEEN,),
        previous=tuple(found.get("previous-sequence", "").split()),
        context=os.path.join(root, found.get("context") or "context"),
    )
