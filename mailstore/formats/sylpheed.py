"""The marks of Sylpheed and Claws Mail: ``.sylpheed_mark`` and ``.claws_mark`` in an MH folder.

Words of 32 bits in the byte order of the machine: the version, 2, then the number and the flags of each message; of two
entries for one number the later stands (Sylpheed appends). Source: both programs' ``procmsg.h`` and ``procmsg.c``.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from mailstore.model.flags import ANSWERED, DELETED, FLAGGED, SEEN

FILES = (".claws_mark", ".sylpheed_mark")
"""Their names; Claws Mail's comes first, since it takes Sylpheed's over."""

_VERSION = 2
_UNREAD = 1 << 1
_FLAGS = ((1 << 2, FLAGGED), (1 << 3, DELETED), (1 << 4, ANSWERED))
_KEYWORDS = ((1 << 5, "$Forwarded"), (1 << 13, "$Junk"))
_LABELS = ("orange", "red", "pink", "skyblue", "blue", "green", "brown")
_LABEL_AT = 7


def parse_marks(data: bytes) -> Mapping[int, int]:
    """Return the flags of each message by its number; none where this is no file of marks. Half an entry is dropped."""
    for order in ("<", ">"):
        if data[:4] == struct.pack(f"{order}I", _VERSION):
            whole = len(data) - (len(data) - 4) % 8
            return dict(struct.iter_unpack(f"{order}II", data[4:whole]))
    return {}


def read_mark(bits: int) -> tuple[int, list[str]]:
    """Return a message's flags and keywords; a colour label is the keyword ``colorlabel-red``."""
    flags = (0 if bits & _UNREAD else SEEN) | sum(flag for mask, flag in _FLAGS if bits & mask)
    keywords = [keyword for mask, keyword in _KEYWORDS if bits & mask]
    label = bits >> _LABEL_AT & 7
    return flags, [*keywords, f"colorlabel-{_LABELS[label - 1]}"] if label else keywords
