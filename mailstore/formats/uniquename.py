"""Unique names for messages in a Maildir (https://cr.yp.to/proto/maildir.html), with Dovecot's size fields.

``1763900000.M123456P4711R9f3c21aa.host,S=1234,W=1260``: seconds, microseconds, process, random part, host. Loading
this loads nothing else: a delivery starts a process for each mail.
"""

from __future__ import annotations

_SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")


def host_part(host: str) -> str:
    r"""Return a host name as it may stand in a base: what is unsafe as octal, ``/`` is ``\057``, ``:`` is ``\072``."""
    if not _SAFE.issuperset(host):
        host = "".join(
            one if one in _SAFE else "".join(f"\\{byte:03o}" for byte in one.encode("utf-8", "surrogateescape"))
            for one in host
        )
    return host[:64] or "localhost"


def base_name(microseconds: int, process: int, random: str, host: str) -> str:
    """Return a base without size fields; ``microseconds`` since 1970 UTC, ``host`` as ``host_part`` gives it.

    Names with growing microseconds sort in the order in which they were given.
    """
    seconds, micro = divmod(microseconds, 1_000_000)
    return f"{seconds}.M{micro:06d}P{process}R{random}.{host}"


def with_sizes(base: str, size: int, crlf_size: int) -> str:
    """Return ``base`` with its size as stored and its size with CRLF line ends, both in bytes."""
    return f"{base},S={size},W={crlf_size}"
