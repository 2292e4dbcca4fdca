"""What mail clients see of a server that is a command on a pipe: an IMAP client, a POP3 client, and mbsync."""

from __future__ import annotations

import imaplib
import poplib
import re
import shlex
import socket
import subprocess
from pathlib import Path
from typing import NamedTuple, Protocol

from support.peers import need, run


class Server(Protocol):
    """Something that serves one user's mail."""

    def service(self, protocol: str) -> list[str]:
        """Return the command that talks ``imap`` or ``pop3`` on its standard input and output, already logged in."""
        ...


class _Piped(poplib.POP3):
    """poplib over a process."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        super().__init__("pipe", timeout=60)

    def _create_socket(self, timeout: float) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(self._command, stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL)
        ours.settimeout(timeout)
        return ours


def pop3_uidls(server: Server) -> list[str]:
    """Return the unique ids that a POP3 client is told, in the order of the messages."""
    client = _Piped(server.service("pop3"))
    try:
        return [line.decode().split(" ", 1)[1] for line in client.uidl()[1]]
    finally:
        client.quit()
        client.process.wait(60)


class SeenFolder(NamedTuple):
    """What an IMAP client caches of a folder."""

    uidvalidity: int
    uidnext: int
    messages: dict[int, frozenset[str]]
    r"""Flags and keywords, without ``\Recent``, by UID."""


class Seen(NamedTuple):
    """What an IMAP client sees."""

    folders: dict[str, SeenFolder]
    subscribed: list[str]


def imap_view(server: Server) -> Seen:
    """Look at all folders and subscriptions."""
    client = imaplib.IMAP4_stream(f"exec {shlex.join(server.service('imap'))} 2>/dev/null")
    try:
        folders = {name: _look(client, name) for name in _names(client.list()[1])}
        return Seen(folders, sorted(_names(client.lsub()[1])))
    finally:
        client.logout()


def _names(lines: list[bytes | tuple[bytes, bytes] | None]) -> list[str]:
    text = [line.decode() for line in lines if isinstance(line, bytes)]
    text = [line for line in text if not re.match(r"\([^)]*\\(?:Noselect|NonExistent)", line, re.IGNORECASE)]
    return [line.rpartition(' "')[2].rstrip('"') if line.endswith('"') else line.rsplit(" ", 1)[1] for line in text]


def _look(client: imaplib.IMAP4_stream, name: str) -> SeenFolder:
    status = client.status(f'"{name}"', "(UIDVALIDITY UIDNEXT)")[1][0].decode()
    numbers = {key: int(value) for key, value in re.findall(r"(\w+) (\d+)", status.rpartition("(")[2])}
    client.select(f'"{name}"', readonly=True)
    messages = {}
    for line in client.fetch("1:*", "(UID FLAGS)")[1]:
        if line is not None:
            text = line.decode()
            flags = re.search(r"FLAGS \(([^)]*)\)", text)[1].split()
            messages[int(re.search(r"UID (\d+)", text)[1])] = frozenset(flags) - {"\\Recent"}
    return SeenFolder(numbers["UIDVALIDITY"], numbers["UIDNEXT"], messages)


class Mbsync:
    """mbsync, with its copy of a user's mail in ``directory``."""

    def __init__(self, directory: Path) -> None:
        need("mbsync")
        self._directory = directory
        self._near = directory / "near"
        self._near.mkdir(parents=True)

    def sync(self, server: Server) -> dict[str, bytes | int]:
        """Synchronise both ways; return what the copy and its state hold then: names, contents, inodes."""
        config = self._directory / "mbsyncrc"
        command = shlex.join(server.service("imap"))
        config.write_text(
            f'IMAPStore far\nTunnel "{command}"\n\n'
            f"MaildirStore near\nPath {self._near}/\nInbox {self._near}/INBOX\nSubFolders Verbatim\n\n"
            "Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSync All\nSyncState *\n"
        )
        run(["mbsync", "-c", config, "-a"], home=self._directory)
        return self.copy()

    def copy(self) -> dict[str, bytes | int]:
        """Return the copy: each message's inode, the contents of each state file."""
        files = [path for path in self._near.rglob("*") if path.is_file()]
        return {
            str(path.relative_to(self._near)): path.read_bytes() if path.name.startswith(".") else path.stat().st_ino
            for path in files
        }
