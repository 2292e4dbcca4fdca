"""What lies in a folder, told from its file names: how many messages, how large, how many of them deleted.

The problem. Making the sums of an account anew means a look at every message, and an account may have a hundred
thousand. A stat for each costs many times what listing the directories costs.

The solution. Names say the size (``,S=``); the names of a directory are put together into one text and read by one
regular expression. Only what it does not find is looked at by itself, and only what says no size is asked for its stat.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from typing import NamedTuple

from mailstore.formats import maildirname
from mailstore.formats.maildirname import parse_info, split_name
from mailstore.model.flags import DELETED

_ORDINARY = re.compile(r"^[^.,\n][^,:;!\n]*+,S=([0-9]{1,18})(?:,W=[0-9]++)?+(?::2,([A-Za-z]*+))?+$", re.MULTILINE)


class Counted(NamedTuple):
    r"""What lies in a directory; ``deleted_…`` is how much of it is flagged ``\Deleted``."""

    messages: int = 0
    size: int = 0
    deleted_messages: int = 0
    deleted_size: int = 0

    def __add__(self, other: Counted) -> Counted:  # type: ignore[override]
        """Return both together."""
        return Counted(*(one + another for one, another in zip(self, other, strict=True)))


def count_folder(directory: str, style: str) -> Counted:
    """Count the messages of a folder, new ones included; a directory that is gone holds none.

    Raises:
        OSError: it cannot be read.
    """
    return count_directory(f"{directory}/new", style) + count_directory(f"{directory}/cur", style)


def count_directory(path: str, style: str) -> Counted:
    """Count the messages of ``new`` or ``cur``.

    Raises:
        OSError: it cannot be read.
    """
    try:
        names = os.listdir(path)
    except (FileNotFoundError, NotADirectoryError):
        return Counted()
    return count_names(path, names, style)


def count_names(path: str, names: Sequence[str], style: str) -> Counted:
    """Count the messages of these names in ``path``; one that is gone meanwhile and says no size is passed over."""
    text = "\n".join(names)
    if text.count("\n") >= len(names):  # a name that holds a line end
        return sum((_count_one(path, name) for name in names if _is_message(name, style)), Counted())
    found = _ORDINARY.findall(text)
    deleted = [int(size) for size, flags in found if "T" in flags] if "T" in text else []
    counted = Counted(len(found), sum([int(size) for size, _ in found]), len(deleted), sum(deleted))
    if len(found) < len(names):
        for name in names:
            if _ORDINARY.fullmatch(name) is None and _is_message(name, style):
                counted += _count_one(path, name)
    return counted


def _is_message(name: str, style: str) -> bool:
    """Tell whether the programs of that style count the file: of hidden ones Courier none, Dovecot and Exim most."""
    if name[0] != ".":
        return True
    return style == "exim" or (style == "dovecot" and name[:2] != "..")


def _count_one(path: str, name: str) -> Counted:
    base, info = split_name(name)
    size = maildirname.size_of(base)
    if size is None:
        size = file_size(f"{path}/{name}")
        if size is None:
            return Counted()
    return Counted(1, size, 1, size) if parse_info(info).flags & DELETED else Counted(1, size)


def file_size(path: str) -> int | None:
    """Return the bytes of a message that says no size in its name; None: it is gone, or no message."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return None if stat.S_ISDIR(found.st_mode) else found.st_size
