"""How folder names that a file system or a layout cannot spell are written on disk.

``^xx`` (two lower-case hex digits below 80) stands for one ASCII character that may not appear: ``/``, controls, and
whatever the layout reserves (the ``.`` of Maildir++). ``^`` itself is escaped only where what follows would read as an
escape, so ordinary names look like themselves. This is Dovecot's ``storage_escape_char=^`` in effect.

A name of more bytes than a file system takes is cut and ends in ``^~`` and 32 hex digits of its digest; the full name
is kept by the driver in a file beside it. ``^~`` never comes out of ``escape`` as an escape, and a name that looks
shortened without such a file is just that name.
"""

from __future__ import annotations

import re

LIMIT = 255
"""Bytes in a file name that every common file system takes (NAME_MAX)."""

_ESCAPE = re.compile(r"\^([0-7][0-9a-f])")
_ALWAYS = r"[\x00-\x1f\x7f/]|\^(?=[0-7][0-9a-f])"
_SHORTENED = re.compile(r"\^~[0-9a-f]{32}\Z")


def _hex(match: re.Match[str]) -> str:
    return f"^{ord(match[0]):02x}"


def escape(component: str, anywhere: str = "", leading: str = "") -> str:
    r"""Return ``component`` with every character that cannot be spelled written ``^xx``.

    Args:
        component: one component of a folder's path.
        anywhere: ASCII characters that are escaped wherever they stand, besides ``/``, NUL and the controls.
        leading: ASCII characters that are escaped at the beginning only.
    """
    pattern = _ALWAYS
    if anywhere:
        pattern += f"|[{re.escape(anywhere)}]"
    if leading:
        pattern += rf"|\A[{re.escape(leading)}]"
    return re.sub(pattern, _hex, component)


def escape_first(component: str) -> str:
    """Return ``component`` with its first character, an ASCII one, written ``^xx``: for reserved words like ``cur``."""
    return f"^{ord(component[0]):02x}" + escape(component[1:])


def unescape(name: str) -> str:
    """Return ``name`` with every ``^xx`` read; what is no escape stands for itself."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), name) if "^" in name else name


def shorten(name: bytes, limit: int = LIMIT) -> bytes:
    """Return ``name`` if it has at most ``limit`` bytes, else its beginning and a digest of the whole, ``limit`` long.

    The cut keeps UTF-8 and modified UTF-7 runs whole where it can (it never splits a UTF-8 character).
    """
    if len(name) <= limit:
        return name
    import hashlib  # late: hardly any name is that long

    tail = b"^~" + hashlib.sha256(name).hexdigest()[:32].encode()
    head = name[: limit - len(tail)].decode("utf-8", "ignore").encode()
    run = head.rfind(b"&")
    if run >= 0 and b"-" not in head[run:]:
        head = head[:run]
    return head + tail


def is_shortened(name: str) -> bool:
    """Tell whether ``name`` has the form that ``shorten`` gives; the file beside it decides."""
    return _SHORTENED.search(name) is not None
