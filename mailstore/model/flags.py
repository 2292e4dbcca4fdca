"""System flags as bits of an int, and keywords by the IMAP rules.

Flags travel as plain ints because a listing makes one per message. Keywords are IMAP atoms compared
without regard to case (RFC 9051 section 2.3.2); the spelling seen first is kept, well-known ones have one spelling.
"""

from __future__ import annotations

TYPE_CHECKING = False  # loading this loads nothing: a delivery starts a process for each mail
if TYPE_CHECKING:
    from collections.abc import Iterable

SEEN = 1
ANSWERED = 2
FLAGGED = 4
DRAFT = 8
DELETED = 16
RECENT = 32
"""Set by the store alone: no session has been told of the message yet (Maildir ``new/``, mbox without ``O``)."""

SYSTEM_FLAGS = SEEN | ANSWERED | FLAGGED | DRAFT | DELETED
"""The five flags a client can set."""

NO_KEYWORDS: frozenset[str] = frozenset()

FLAG_NAMES: dict[int, str] = {
    SEEN: "\\Seen",
    ANSWERED: "\\Answered",
    FLAGGED: "\\Flagged",
    DRAFT: "\\Draft",
    DELETED: "\\Deleted",
    RECENT: "\\Recent",
}

_BITS = {name.lower(): bit for bit, name in FLAG_NAMES.items()}
_WELL_KNOWN = {
    keyword.lower(): keyword
    for keyword in (
        "$Forwarded",
        "$MDNSent",
        "$Junk",
        "$NotJunk",
        "$Phishing",
        "$Important",
        "$SubmitPending",
        "$Submitted",
    )
}
# RFC 9051 flag-keyword = atom: no controls, space, ( ) { % * " \ ]
_NO_ATOM = frozenset(map(chr, (*range(0x21), 0x7F, *b'(){%*"\\]')))


def flag_names(flags: int) -> tuple[str, ...]:
    """Return the IMAP names of the bits in ``flags``, in the order of their bits."""
    return tuple(name for bit, name in FLAG_NAMES.items() if flags & bit)


def is_keyword(text: str) -> bool:
    r"""Tell whether ``text`` can be an IMAP keyword: an atom that does not begin with a backslash."""
    return text != "" and _NO_ATOM.isdisjoint(text)


def canonical_keyword(keyword: str) -> str:
    """Return the well-known spelling of ``keyword``, or itself.

    Raises:
        UsageError: it is no IMAP atom.
    """
    if not is_keyword(keyword):
        from mailstore.errors import UsageError

        raise UsageError(f'{keyword!r} is no keyword: an IMAP atom has no spaces, controls or any of (){{%*"\\]')
    return _WELL_KNOWN.get(keyword.lower(), keyword)


def parse_flags(names: Iterable[str]) -> tuple[int, frozenset[str]]:
    r"""Sort IMAP names into (flag bits, keywords); ``\Seen`` and its like in any case, the rest are keywords.

    Raises:
        UsageError: a name beginning with a backslash that is no system flag, or a keyword that is no atom.
    """
    flags, keywords = 0, []
    for name in names:
        if name.startswith("\\"):
            bit = _BITS.get(name.lower())
            if bit is None or bit == RECENT:
                from mailstore.errors import UsageError

                raise UsageError(
                    f"{name} is no flag that can be set; the flags are {', '.join(flag_names(SYSTEM_FLAGS))}"
                )
            flags |= bit
        else:
            keywords.append(canonical_keyword(name))
    return flags, unite_keywords(NO_KEYWORDS, keywords)


def unite_keywords(have: frozenset[str], add: Iterable[str]) -> frozenset[str]:
    """Return ``have`` with ``add``, keeping the spelling that was there first."""
    spelling = {keyword.lower(): keyword for keyword in have}
    for keyword in add:
        spelling.setdefault(keyword.lower(), keyword)
    return frozenset(spelling.values())


def subtract_keywords(have: frozenset[str], remove: Iterable[str]) -> frozenset[str]:
    """Return ``have`` without those in ``remove``, whatever their case."""
    gone = {keyword.lower() for keyword in remove}
    return frozenset(keyword for keyword in have if keyword.lower() not in gone)


def same_keywords(one: frozenset[str], other: frozenset[str]) -> bool:
    """Tell whether both hold the same keywords, whatever their case."""
    return one == other or {k.lower() for k in one} == {k.lower() for k in other}
