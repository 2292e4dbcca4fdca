"""What can be computed from a body alone, piece by piece: digest, sizes, whole bytes."""

from __future__ import annotations

from mailstore.model.info import Body, body_chunks


def digest_of(body: Body) -> bytes:
    """Return the SHA-256 of the exact bytes."""
    import hashlib  # late: a delivery does without

    if isinstance(body, bytes):
        return hashlib.sha256(body).digest()
    digest = hashlib.sha256()
    for chunk in body_chunks(body):
        digest.update(chunk)
    return digest.digest()


def crlf_size_of(body: Body) -> int:
    """Return the bytes there would be with every bare LF sent as CRLF (IMAP RFC822.SIZE)."""
    if isinstance(body, bytes):
        # most bodies have no CR, and that is found forty times as fast as there are no CRLFs
        return len(body) + body.count(b"\n") - (body.count(b"\r\n") if b"\r" in body else 0)
    total, last = 0, b""
    for chunk in body_chunks(body):
        total += len(chunk) + chunk.count(b"\n") - chunk.count(b"\r\n")
        if last == b"\r" and chunk[:1] == b"\n":
            total -= 1
        last = chunk[-1:]
    return total
