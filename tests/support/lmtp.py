"""Runs ``mstore lmtp`` as its users do, in a directory that the user it becomes may write to."""

import os
import pwd
import shutil
import signal
import smtplib
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep

from support.mstore import COMMAND

USER = "nobody"
WAIT = 60


class Serving:
    """A server that runs.

    Attributes:
        path: its UNIX socket.
        process: itself.
        log: what it says.
    """

    def __init__(self, path: Path, process: subprocess.Popen[bytes], log: Path) -> None:
        self.path = path
        self.process = process
        self.log = log

    def client(self) -> smtplib.LMTP:
        """Return a client that said LHLO."""
        client = smtplib.LMTP(str(self.path), local_hostname="client.example.org")
        client.ehlo()
        return client

    def socket(self) -> socket.socket:
        """Return a bare connection that read the greeting."""
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(WAIT)
        sock.connect(str(self.path))
        assert sock.recv(1000).startswith(b"220 ")
        return sock

    def send(self, message: bytes, *recipients: str, sender: str = "ann@example.org") -> list[tuple[int, bytes]]:
        """Send one message in a connection of its own; returns the reply for each recipient that was accepted."""
        with self.client() as client:
            return transact(client, message, *recipients, sender=sender)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(WAIT)


def transact(
    client: smtplib.LMTP, message: bytes, *recipients: str, sender: str = "ann@example.org"
) -> list[tuple[int, bytes]]:
    """Send one message; returns the replies after it. Recipients that are refused are left out."""
    assert client.mail(sender)[0] == 250
    accepted = [one for one in recipients if client.rcpt(one)[0] == 250]
    assert client.docmd("DATA")[0] == 354
    wire = (b"\r\n" + message.replace(b"\n", b"\r\n")).replace(b"\r\n.", b"\r\n..")[2:]
    client.send(wire + b".\r\n")
    return [client.getreply() for _ in accepted]


@contextmanager
def place() -> Iterator[Path]:
    """Give a directory that whoever runs the server may write to, and others may look into."""
    root = Path(tempfile.mkdtemp(prefix="mailstore-lmtp-"))
    try:
        give(root)
        root.chmod(0o755)
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


def give(path: Path) -> None:
    """Give what is at ``path``, and below, to the user whom root's server becomes."""
    if os.geteuid() == 0:
        entry = pwd.getpwnam(USER)
        for one in (path, *path.rglob("*")):
            os.chown(one, entry.pw_uid, entry.pw_gid, follow_symlinks=False)


@contextmanager
def serving(root: Path, location: str, *options: str, env: dict[str, str] | None = None) -> Iterator[Serving]:
    """Run a server on ``root/socket``; killed at the end where it still runs. Fails on a traceback in its log."""
    path, log = root / "socket", root / "log"
    user = ["--user", USER] if os.geteuid() == 0 else []
    command = [*COMMAND, "lmtp", "--listen", f"unix:{path}", "--socket-mode", "666", "--hostname", "mx.example.org"]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [*command, *user, *options, location],
            stderr=errors,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(env or {})},
        )
    try:
        while "mstore: ready" not in log.read_text():
            assert process.poll() is None, log.read_text()
            sleep(0.01)
        yield Serving(path, process, log)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        assert "Traceback" not in log.read_text(), log.read_text()
