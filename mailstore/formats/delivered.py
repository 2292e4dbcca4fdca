"""What a delivery does to a header block: the From_ line goes, Return-Path and Delivered-To come, forged fields go.

Sources: RFC 5321 section 4.4 (Return-Path: the final delivery adds one and may remove those that are there), Postfix'
local(8) and pipe(8) (Delivered-To, the leading From_ line, ``MAILER-DAEMON`` for the null sender), Dovecot's LDA
(fields in which a store keeps metadata are removed from mail that comes in).

Pure functions over bytes that take any bytes and raise nothing. Loading this loads nothing else: a delivery starts a
process for each mail.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NULL_SENDER = "MAILER-DAEMON"
"""How a From_ line, and Postfix' pipe(8), spell the null sender."""


def split_from_line(head: bytes) -> tuple[bytes, bytes]:
    """Return the From_ line that ``head`` begins with, without its line end, and the rest; or ``b""`` and ``head``."""
    if not head.startswith(b"From "):
        return b"", head
    line, _, rest = head.partition(b"\n")
    return line.removesuffix(b"\r"), rest


def sender_of(from_line: bytes) -> str | None:
    """Return the envelope sender that a From_ line names: '' is the null sender, None where it names nobody.

    A quoted local part may hold spaces.
    """
    words, quoted, escaped = from_line.removeprefix(b"From ").lstrip(b" "), False, False
    for at, byte in enumerate(words):
        if escaped:
            escaped = False
        elif byte == 0x5C:
            escaped = quoted
        elif byte == 0x22:
            quoted = not quoted
        elif byte == 0x20 and not quoted:
            words = words[:at]
            break
    return address(words.decode("utf-8", "surrogateescape")) if words else None


def address(text: str) -> str:
    """Return an envelope address as it is stored: no angle brackets, no controls, '' for every spelling of ``<>``."""
    text = text.strip()
    if text.startswith("<") and text.endswith(">"):
        text = text[1:-1]
    if not text.isprintable():
        text = "".join(one for one in text if one >= " " and one != "\x7f")
    return "" if text.upper() == NULL_SENDER else text


def return_path(head: bytes) -> str | None:
    """Return the sender in the first ``Return-Path`` of a header block, or None where there is none."""
    for name, lines in _fields(head):
        if name == "return-path":
            value = b"".join(lines).partition(b":")[2]
            return address(value.decode("utf-8", "surrogateescape"))
    return None


def stamp(head: bytes, *, sender: str | None, recipient: str | None, drop: frozenset[str] = frozenset()) -> bytes:
    """Return the header block ``head`` as a delivery stores it.

    Args:
        head: the header block with the empty line that ends it, or without one where the message has none.
        sender: goes into ``Return-Path`` and replaces those there are; '' is ``<>``, None leaves them alone.
        recipient: goes into ``Delivered-To``, unless the same one is there; None adds none.
        drop: lower-case names of fields that go, with their continuation lines.
    """
    newline = b"\r\n" if head[: head.find(b"\n") + 1].endswith(b"\r\n") else b"\n"
    gone = drop if sender is None else drop | {"return-path"}
    may_hold = _finder(head)
    added = []
    if sender is not None:
        added.append(b"Return-Path: <" + _encoded(sender) + b">" + newline)
    if recipient is not None:
        value = _encoded(recipient)
        if value and not (may_hold("delivered-to") and _names(head, value)):
            added.append(b"Delivered-To: " + value + newline)
    if not any(map(may_hold, gone)):
        return b"".join(added) + head
    kept = [line for name, lines in _fields(head) if name not in gone for line in lines]
    return b"".join(added + kept)


def _finder(head: bytes) -> Callable[[str], bool]:
    """Return what tells whether a field of that lower-case name may be in ``head``; where it says no, none is.

    Most mail has none of the fields that go, and this is found without looking at every line.
    """
    lines = b"\n" + head.lower() if b"\n" in head else b""
    return lambda name: not lines or b"\n" + name.encode("latin-1", "replace") in lines


def _encoded(text: str) -> bytes:
    return address(text).encode("utf-8", "surrogateescape")


def _names(head: bytes, value: bytes) -> bool:
    """Tell whether a Delivered-To of ``head`` has that value."""
    return any(
        name == "delivered-to" and b"".join(lines).partition(b":")[2].strip() == value for name, lines in _fields(head)
    )


def _fields(head: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Yield (lower-case name, lines) of every field; what is no field has the name ``''``. No line is left out.

    Behind the empty line that ends the block nothing is a field.
    """
    name, lines, over = "", list[bytes](), False
    for line in head.splitlines(keepends=True) if b"\n" not in head else _lines(head):
        if not over and line[:1] in (b" ", b"\t") and lines:
            lines.append(line)
            continue
        if lines:
            yield name, lines
        over = over or line in (b"\n", b"\r\n", b"\r")
        word, colon, _ = line.partition(b":")
        word = word.rstrip(b" \t")
        name = word.decode("latin-1").lower() if colon and word and not over and b" " not in word else ""
        lines = [line]
    if lines:
        yield name, lines


def _lines(head: bytes) -> list[bytes]:
    """Return the lines of ``head`` with their line ends; a bare CR ends none."""
    lines = [line + b"\n" for line in head.split(b"\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines
