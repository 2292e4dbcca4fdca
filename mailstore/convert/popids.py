"""POP3 unique ids of messages for which the source records none: what its server has made of what it does record.

The problem. A POP3 client that leaves mail on the server knows messages by their unique ids (UIDL), and downloads all
of them again when the next server gives others. Most servers do not record an id, they make one each time: from UID and
UIDVALIDITY, from a file name, or they reuse a header field. What they made can be made again only while it is known
which server it was.

The solution. ``Options.pop3_uidl`` names it; the ids that it gave become recorded ones, which the destination's server
gives from now on. An id that the source does record is what its server gives, and stands. POP3 knows INBOX alone, so
no other folder's messages get one. A UID that is recorded nowhere was never shown to anybody, and gives no id.

Sources: Dovecot's pop3-commands.c and its documentation on migration, Courier's pop3dserver.c, c-client's ipop3d.c.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from mailstore.errors import UsageError
from mailstore.formats import headers
from mailstore.model.caps import Capabilities
from mailstore.model.info import HEADER, UIDL, Row
from mailstore.model.names import FolderPath
from mailstore.spi import FolderDriver

UIDL_SERVERS: dict[str, str] = {
    "dovecot": "%08Xu%08Xv",
    "courier": "UID%u-%v",
    "cyrus": "%v.%u",
    "uw": "%08Xv%08Xu",
    "x-uidl": "",
    "none": "",
}
"""Names of servers, and the Dovecot format of the ids that they give where nothing else is set up.

``x-uidl`` are those that reuse the message's field X-UIDL (qpopper, Dovecot with pop3_reuse_xuidl); ``none`` forgets
the ids that are recorded as well.
"""

_VARIABLE = re.compile(r"%(0?)([0-9]{0,3})([XLUM]*)(.)", re.DOTALL)
_PERMITTED = re.compile(r"[!-~]{1,70}\Z")
"""RFC 1939."""
NO_ID = "the POP3 server's unique id cannot be told: a client will download it again"
"""The note of a message that gets none."""


class PopIds:
    """Gives the messages of a source their POP3 unique ids.

    Args:
        wanted: the name of a server, a format, or '' for what is recorded and no more. A format is one of Dovecot's
            ``pop3_uidl_format``: ``%u`` UID, ``%v`` UIDVALIDITY, ``%f`` the message's file name up to its flags, with
            ``X`` (hexadecimal), a width (``%08Xu``), ``L`` and ``U`` (case) and ``M`` (MD5) before them.
        source: what the source tells.

    Attributes:
        want: fields of a row that are needed.

    Raises:
        UsageError: ``wanted`` is neither, or asks for what the source does not tell.
    """

    def __init__(self, wanted: str, source: Capabilities) -> None:
        self._wanted = wanted
        self._text = UIDL_SERVERS.get(wanted, wanted)
        self.want = UIDL | (HEADER if wanted == "x-uidl" else 0) if wanted else 0
        if self._text:
            _check(self._text, source)

    @property
    def note(self) -> str:
        """What is to be noted of a message that gets no id; '' where nobody expects one."""
        return "" if self._wanted in ("", "none") else NO_ID

    def stamper(self, path: FolderPath, folder: FolderDriver) -> Callable[[Row], Row] | None:
        """Return what gives a row of ``path`` its id, in place of None; None where every row is as it should be."""
        if not self._wanted or not path.is_inbox:
            return None
        if self._wanted == "none":
            return lambda row: row._replace(uidl=None)
        validity = folder.state().uidvalidity
        return lambda row: row if row.uidl is not None else row._replace(uidl=self._made(row, validity))

    def _made(self, row: Row, validity: int) -> str | None:
        uidl = _expanded(self._text, row, validity) if self._text else _field(row)
        return uidl if uidl is not None and _PERMITTED.match(uidl) is not None else None


RECORDED = PopIds("", Capabilities(""))
"""Carries what is recorded and no more."""


def _check(text: str, source: Capabilities) -> None:
    if "%" not in text:
        names = ", ".join(UIDL_SERVERS)
        raise UsageError(f"pop3_uidl={text!r}: one of {names}, or a format such as %08Xu%08Xv")
    if "%" in _VARIABLE.sub("", text):
        raise UsageError(f"pop3_uidl={text!r}: nothing follows its last %; a literal one is %%")
    for match in _VARIABLE.finditer(text):
        if match[4] not in "uvf%":
            raise UsageError(f"pop3_uidl={text!r}: {match[0]} is not known here; there are %u, %v and %f")
    if not any(match[4] in "uf" for match in _VARIABLE.finditer(text)):
        raise UsageError(f"pop3_uidl={text!r} would give all messages the same id: it needs %u or %f")
    for match in _VARIABLE.finditer(text):
        if match[4] == "f" and not source.file_names:
            raise UsageError(
                f"pop3_uidl={text!r}: the source has no file for each message, which {match[0]} stands for"
            )


def _expanded(text: str, row: Row, validity: int) -> str | None:
    if re.search("%[^%]*?[uv]", text) and not (row.recorded and validity):
        return None
    known = {"u": str(row.uid), "v": str(validity), "f": row.key, "%": "%"}
    return _VARIABLE.sub(lambda match: _modified(known[match[4]], match), text)


def _modified(value: str, match: re.Match[str]) -> str:
    zero, width, modifiers = match[1], int(match[2] or 0), match[3]
    if "X" in modifiers:
        value = f"{int(value):x}" if value.isdecimal() else value
    if "M" in modifiers:
        import hashlib  # late: few conversions need it

        value = hashlib.md5(value.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
    if "L" in modifiers:
        value = value.lower()
    if "U" in modifiers:
        value = value.upper()
    if width:
        value = value.rjust(width, "0") if zero else value[:width]
    return value


def _field(row: Row) -> str | None:
    block = row.header if row.header is not None else None if row.body is None else headers.header_of(row.body)
    value = None if block is None else headers.first(block, b"X-UIDL")
    return None if value is None else value.decode("ascii", "replace")
