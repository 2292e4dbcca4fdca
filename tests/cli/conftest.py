"""The command line in this process (fast, for breadth) and as a process of its own (for streams and signals)."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from click.testing import CliRunner

from mailstore import open_store
from mailstore_cli.main import mstore as group

_names = count(1)

MESSAGES = {
    "plain": (
        b"From: Alice Example <alice@example.org>\r\nSubject: Hello there\r\nMessage-ID: <1@example.org>\r\n\r\nHi\r\n"
    ),
    "encoded": (
        b"From: =?utf-8?q?J=C3=BCrgen_M=C3=BCller?= <juergen@example.org>\n"
        b"Subject: =?utf-8?b?UsOpcG9uc2U=?=\nMessage-ID: <2@example.org>\n\nBody\n"
    ),
    "hostile": b'From: "Evil\x1b]0;owned\x07" <e@example.org>\nSubject: red \x1b[31m\xe2\x80\xaetxt\n\nx\n',
}


@dataclass
class Ran:
    """What a command did."""

    exit_code: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        return self.stdout.decode()

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def objects(self) -> list[dict]:
        return [json.loads(line) for line in self.lines]

    @property
    def object(self) -> dict:
        (value,) = self.objects
        return value


@pytest.fixture(autouse=True)
def _state(tmp_path_factory, monkeypatch):
    """Whatever a command keeps in the user's state directory goes elsewhere."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))


@pytest.fixture
def mstore():
    """Run a command in this process."""

    def run(*args, stdin=b""):
        result = CliRunner().invoke(group, [str(arg) for arg in args], input=stdin, prog_name="mstore")
        return Ran(result.exit_code, result.stdout_bytes, result.stderr)

    return run


@pytest.fixture(scope="session")
def mstore_command():
    """The command as a list: the interpreter at hand, so that no installed script is needed."""
    return [sys.executable, "-c", "from mailstore_cli.main import run; run()"]


@pytest.fixture
def process(mstore_command, tmp_path):
    """Run a command as a process of its own."""

    def run(*args, stdin=b"", env=None, **options):
        done = subprocess.run(
            [*mstore_command, *(str(arg) for arg in args)],
            input=stdin,
            capture_output=True,
            env={**os.environ, **(env or {})},
            timeout=60,
            check=False,
            **options,
        )
        return Ran(done.returncode, done.stdout, done.stderr.decode())

    return run


def fill(location: str) -> None:
    """Put the same mail into any store: three messages in INBOX, one in Archive/2024."""
    with open_store(location, create=True) as store:
        inbox = store.inbox
        inbox.append(MESSAGES["plain"], flags=["\\Seen", "$Forwarded", "Work"], internal_date=1700000000)
        inbox.append(MESSAGES["encoded"], flags=["\\Answered", "\\Flagged"], internal_date=1700000060)
        inbox.append(MESSAGES["hostile"], internal_date=1700000120)
        store.create("Archive/2024").append(MESSAGES["plain"], flags=["\\Deleted"], internal_date=1600000000)


@pytest.fixture
def memory():
    """A filled store in this process's memory."""
    location = f"memory:cli{next(_names)}"
    fill(location)
    return location


@pytest.fixture(params=["mbox", "maildir", "sqlite"])
def on_disk(request, tmp_path: Path):
    """A filled store on disk, of each format."""
    (tmp_path / "stores").mkdir()
    location = f"{request.param}:{tmp_path / 'stores' / 'mail'}"
    if request.param == "mbox":
        (tmp_path / "stores" / "mail").mkdir()
    fill(location)
    return location


@pytest.fixture(scope="session")
def messages():
    """The messages that ``fill`` uses, by name."""
    return MESSAGES
