"""A small scanner for header blocks: bytes in, bytes out, nothing decoded, nothing raised, whatever the bytes are.

Lines end in LF, CRLF, or, in a message that has no LF up to there, in a bare CR (old Macintosh files).
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing would be the only thing to load, and a delivery starts a process for each mail
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailstore.model.info import Body


def header_end(data: bytes) -> int:
    """Return the offset just past the empty line that ends the header block, or ``len(data)`` where there is none.

    A message that begins with an empty line has an empty header block.
    """
    if data[:1] == b"\n":
        return 1
    if data[:2] == b"\r\n":
        return 2
    bare, dressed = data.find(b"\n\n"), data.find(b"\n\r\n")
    ends = [end for end in (bare + 2 if bare >= 0 else -1, dressed + 3 if dressed >= 0 else -1) if end > 0]
    end = min(ends, default=len(data))
    mac = -1 if 0 <= data.find(b"\n", 0, end) < data.find(b"\r\r", 0, end) else data.find(b"\r\r", 0, end)
    if mac >= 0 and data[mac + 2 : mac + 3] != b"\n":
        return mac + 2
    return end


def header_of(body: Body) -> bytes:
    """Return a body's header block with the empty line that ends it, reading no more of a Blob than it must.

    A message without an empty line is all header.
    """
    if isinstance(body, bytes):
        return body[: header_end(body)]
    have, step = b"", 16 << 10
    while len(have) < body.size:
        have += body.read_at(len(have), step)
        end = header_end(have)
        # an end at the very edge of what was read may only look like one (a CR whose LF comes next)
        if end < len(have) - 4 or len(have) >= body.size:
            return have[:end]
        step = len(have)
    return have


def fields(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (name, value) of each field of a header block in order, continuation lines unfolded, values stripped.

    Lines that are no fields (a From_ line, garbage) are passed over with their continuations.
    """
    if b"\n" not in block:
        block = block.replace(b"\r", b"\n")
    name, pieces = b"", list[bytes]()
    for line in block.split(b"\n"):
        if line[:1] in (b" ", b"\t"):
            pieces.append(line.strip())
            continue
        if name:
            yield name, b" ".join(filter(None, pieces))
        name, colon, value = line.partition(b":")
        name = name.rstrip(b" \t") if colon and name[:5] != b"From " else b""
        pieces = [value.strip()]
    if name:
        yield name, b" ".join(filter(None, pieces))


def first(block: bytes, name: bytes) -> bytes | None:
    """Return the value of the first field called ``name`` (any case), or None."""
    wanted = name.lower()
    return next((value for field, value in fields(block) if field.lower() == wanted), None)
