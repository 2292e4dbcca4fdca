"""Sockets to listen on: TCP, UNIX, and those that systemd hands over.

The problem. A UNIX socket leaves its file when its server dies, and the next start fails; but a file that is in the way
may be anything: another server's socket in use, a symbolic link somebody planted, a mailbox. And between making a
socket and setting its permissions others could connect.

The solution. A file in the way is removed only where it is itself a socket and nobody answers on it. The socket is made
with its final permissions, given its owner, and only then listened on; until then every connection is refused.
"""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress

from mailstore.errors import CannotCreate, UsageError

BACKLOG = 128
_FIRST_INHERITED = 3


def listen(address: str, *, mode: int = 0o600, owner: int = -1, group: int = -1) -> list[socket.socket]:
    """Listen on ``HOST:PORT``, ``[IPv6]:PORT`` or ``unix:PATH``; a host may have several addresses.

    Args:
        address: where.
        mode: permissions of a UNIX socket; whoever may write to it may connect.
        owner: of a UNIX socket; -1 leaves it.
        group: of a UNIX socket; -1 leaves it.

    Raises:
        UsageError: the address cannot be understood.
        CannotCreate: it is in use, or may not be used.
    """
    try:
        if address.startswith("unix:"):
            return [_listen_unix(os.path.abspath(address[5:]), mode, owner, group)]
        return _listen_tcp(address)
    except OSError as error:
        raise CannotCreate(f"cannot listen on {address}: {error.strerror or error}", path=address) from error


def _listen_tcp(address: str) -> list[socket.socket]:
    host, colon, port = address.rpartition(":")
    if not colon or not port.isascii() or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"{address!r}: HOST:PORT or unix:PATH is wanted")
    host = host.removeprefix("[").removesuffix("]")
    found = socket.getaddrinfo(host or None, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    try:
        for family, kind, protocol, _, where in dict.fromkeys(found):
            sock = socket.socket(family, kind, protocol)
            sockets.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(where)
            sock.listen(BACKLOG)
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _listen_unix(path: str, mode: int, owner: int, group: int) -> socket.socket:
    _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX)
    try:
        before = os.umask(0o777 & ~mode)
        try:
            sock.bind(path)
        finally:
            os.umask(before)
        if (owner, group) != (-1, -1):
            os.chown(path, owner, group, follow_symlinks=False)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _remove_stale(path: str) -> None:
    """Remove the socket of a server that is gone.

    Raises:
        CannotCreate: what is there is no socket, or somebody answers.
        OSError: it cannot be told, or not be removed.
    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise CannotCreate(f"{path} is in the way, and is no socket", path=path)
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(5)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise CannotCreate(f"{path}: another server listens there", path=path)


def remove(sock: socket.socket) -> None:
    """Remove the file of a UNIX socket that we listen on, where it is still ours and may be removed."""
    with suppress(OSError):
        path = sock.getsockname() if sock.family == socket.AF_UNIX else ""
        if path and stat.S_ISSOCK(os.lstat(path).st_mode):
            os.unlink(path)


def inherited() -> list[socket.socket]:
    """Return the listening sockets that the service manager hands over (sd_listen_fds(3)); none without one.

    Raises:
        UsageError: what it hands over are no stream sockets.
    """
    if os.environ.pop("LISTEN_PID", "") != str(os.getpid()):
        return []
    count = int(os.environ.pop("LISTEN_FDS", "0"))
    os.environ.pop("LISTEN_FDNAMES", None)
    sockets = []
    for fd in range(_FIRST_INHERITED, _FIRST_INHERITED + count):
        os.set_inheritable(fd, False)
        try:
            sock = socket.socket(fileno=fd)
        except OSError as error:
            raise UsageError(f"descriptor {fd} of the service manager is no socket: {error.strerror}") from error
        if sock.type != socket.SOCK_STREAM:
            raise UsageError(f"descriptor {fd} of the service manager is no stream socket")
        sockets.append(sock)
    return sockets
