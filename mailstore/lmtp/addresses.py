"""Arguments of MAIL and RCPT: paths and parameters (RFC 5321 section 4.1.2, RFC 6531)."""

from __future__ import annotations

import re

_PATH = re.compile(rb' *<((?:"(?:[^"\\]|\\.)*"|[^<>"])*)>(?: +(.*))?\Z', re.DOTALL)
_ROUTE = re.compile(r"@[^:]*:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~]+))?\Z")

LONGEST = 1000
"""Characters of an address; RFC 5321 allows 256, UTF-8 and odd systems have more."""


class BadArgument(Exception):
    """The argument of MAIL or RCPT cannot be read; ``enhanced`` says how, as RFC 3463 has it."""

    def __init__(self, code: int, enhanced: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.enhanced = enhanced


def parse_argument(argument: bytes) -> tuple[str, dict[str, str]]:
    """Read ``<path> NAME=value …``: returns the address ('' is the null path) and the parameters, names in capitals.

    A source route is dropped, as RFC 5321 asks. The address stays as it was written, quotes included.

    Raises:
        BadArgument: 501 with 5.5.4 (no path), 5.1.3 (an address that is none), or a parameter that is none.
    """
    match = _PATH.match(argument)
    if match is None:
        raise BadArgument(501, "5.5.4", "an address in angle brackets is wanted")
    try:
        address = match[1].decode("utf-8")
    except UnicodeDecodeError:
        raise BadArgument(501, "5.1.3", "the address is no UTF-8") from None
    address = _ROUTE.sub("", address, count=1) if address.startswith("@") else address
    if len(address) > LONGEST or _CONTROL.search(address):
        raise BadArgument(501, "5.1.3", "bad address syntax")
    parameters: dict[str, str] = {}
    for word in (match[2] or b"").decode("utf-8", "replace").split():
        found = _PARAMETER.match(word)
        if found is None or found[1].upper() in parameters:
            raise BadArgument(501, "5.5.4", "bad parameter syntax")
        parameters[found[1].upper()] = found[2] or ""
    return address, parameters
