"""Many processes on one mailbox: 10,000 deliveries while others read, convert, flag and expunge.

Eight writers of ours, ``mstore deliver``, procmail, maildrop, Dovecot's LDA and mutt deliver to one mbox and to one
Maildir, eight writers of ours to one SQLite database. At the end every message that was acknowledged is there once,
byte for byte, unless the ledger says that it was expunged; no lock and no temporary file is left, and nobody hangs.

All mail programs take the dotlock before the kernel's lock, as procmail and maildrop do. With Debian's Dovecot, which
does it the other way round, they wait for each other until one gives up: no fault of ours, and none we can mend.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from storm.kit import token_of
from support.peers import UTC, need

from mailstore import open_store

NOBODY = 65534
WRITERS = 8
TIMES = 5 if os.environ.get("MAILSTORE_TESTING") == "thorough" else 1
LIMIT = 270 * TIMES
"""Seconds after which somebody hangs."""

HERE = Path(__file__).parent
MSTORE = HERE.parents[1] / "cli" / "mstore"
KEYWORD = "storm"
LDA = "/usr/lib/dovecot/dovecot-lda"

PROCMAIL = """\
LOCKSLEEP=1
LOCKTIMEOUT=1024
LOGFILE={directory}/procmail.log
:0:
{box}
"""
MAILDROP = """\
LOCKSLEEP=1
LOCKTIMEOUT=600
to "{box}"
"""
DOVECOT = """\
mail_location = {location}
first_valid_uid = 0
first_valid_gid = 0
ssl = no
log_path = {directory}/dovecot.log
base_dir = {directory}/run
state_dir = {directory}/run
mbox_write_locks = dotlock fcntl
mbox_lock_timeout = 5 mins
postmaster_address = postmaster@example.org
namespace inbox {{
 inbox = yes
 separator = /
}}
"""
MUTT = """\
set record="{box}" copy=yes sendmail=/bin/true folder="{directory}" from=ann@example.org use_envelope_from=no
set mbox_type={kind} charset=utf-8 send_charset=utf-8 allow_8bit=yes
"""


class Share(NamedTuple):
    """How many messages everybody delivers."""

    ours: int
    """Each of the eight writers."""
    mstore: int = 0
    procmail: int = 0
    maildrop: int = 0
    dovecot: int = 0
    mutt: int = 0

    @property
    def total(self) -> int:
        return WRITERS * self.ours + sum(self[1:])


SHARES = {
    "mbox": Share(120, 28, 30, 30, 30, 10),
    "maildir": Share(500, 136, 60, 60, 60, 60),
    "sqlite": Share(567),
}
BOXES = {"mbox": "box", "maildir": "Maildir", "sqlite": "mail.db"}


def test_there_are_ten_thousand() -> None:
    assert sum(share.total for share in SHARES.values()) == 10_000


class Storm:
    """The processes at work on one mailbox. All run as one user."""

    def __init__(self, form: str, directory: Path) -> None:
        self.form, self.directory = form, directory
        self.home = directory / "home"
        self.box = self.home / BOXES[form]
        self.location = f"{form}:{self.box}"
        self.target = f"sqlite:{directory}/copy/mail.db"
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def prepare(self) -> None:
        """Make an empty mailbox, and what the mail programs are told."""
        for name in (self.home, self.directory / "copy", self.directory / "out", self.directory / "work"):
            name.mkdir()
        open_store(self.location, create=True).close()
        place = f"{self.box}/" if self.form == "maildir" else str(self.box)
        texts = {"procmailrc": PROCMAIL, "mailfilter": MAILDROP, "dovecot.conf": DOVECOT, "muttrc": MUTT}
        index = f":INDEX={self.directory}/work/index" if self.form == "mbox" else ""
        where = f"mbox:{self.directory}/work/mail:INBOX={self.box}{index}"
        for name, text in texts.items():
            file = self.directory / "work" / name
            file.write_text(
                text.format(
                    box=place if name != "muttrc" else self.box,
                    directory=self.directory / "work",
                    location=where if self.form == "mbox" else f"maildir:{self.box}",
                    kind={"mbox": "mbox", "maildir": "Maildir"}.get(self.form, "mbox"),
                )
            )
            file.chmod(0o600)
        if os.getuid() == 0:
            for path in (self.directory, *self.directory.rglob("*")):
                os.chown(path, NOBODY, NOBODY, follow_symlinks=False)

    def start(self, name: str, *arguments: str | Path | int) -> None:
        """Start one of the actors."""
        command = [*as_nobody(), sys.executable, HERE / "actors.py", *arguments]
        root = HERE.parents[1]
        environment = {
            **UTC, "HOME": str(self.home), "USER": "nobody", "LOGNAME": "nobody", "TERM": "vt100",
            "PYTHONPATH": os.pathsep.join(map(str, (root, root / "cli", root / "tests"))),
        }  # fmt: skip
        with open(self.out(name), "wb") as out, open(self.errors(name), "wb") as errors:
            self.running[name] = subprocess.Popen(
                list(map(str, command)), stdin=subprocess.DEVNULL, stdout=out, stderr=errors, cwd=self.home,
                env=environment,
            )  # fmt: skip

    def out(self, name: str) -> Path:
        return self.directory / "out" / f"{name}.out"

    def errors(self, name: str) -> Path:
        return self.directory / "out" / f"{name}.err"

    def lines(self, name: str) -> list[list[str]]:
        """Return what an actor acknowledged, in words."""
        return [line.split(" ") for line in self.out(name).read_text().splitlines()]

    def said(self, first: str, *names: str) -> list[str]:
        """Return the last words of the lines that begin with ``first``."""
        return [words[-1] for name in names for words in self.lines(name) if " ".join(words[:-1]) == first]

    def deliver(self, share: Share) -> list[str]:
        """Start all who deliver; returns their names."""
        work = self.directory / "work"
        commands: dict[str, list[str | Path]] = {
            "mstore": [sys.executable, MSTORE, "deliver", "-f", "ann@example.org", self.location],
            "procmail": ["procmail", "-f", "ann@example.org", work / "procmailrc"],
            "maildrop": ["maildrop", "-f", "ann@example.org", work / "mailfilter"],
            "dovecot": [LDA, "-c", work / "dovecot.conf", "-f", "ann@example.org"],
            "mutt": ["mutt", "-n", "-F", work / "muttrc", "-s", "{token}", "joe@example.org"],
        }
        names = [f"writer{number}" for number in range(WRITERS)]
        for name in names:
            self.start(name, "write", self.location, self.directory, name, share.ours * TIMES)
        for name, command in commands.items():
            if count := getattr(share, name) * TIMES:
                self.start(name, "run", self.location, self.directory, name, count, *command)
                names.append(name)
        return names

    def disturb(self) -> list[str]:
        """Start all who read, convert and change; returns their names."""
        self.start("reader", "read", self.location, self.directory)
        self.start("converter", "carry", self.location, self.directory, self.target)
        self.start("changer", "change", self.location, self.directory)
        return ["reader", "converter", "changer"]

    def wait(self, names: list[str], deadline: float) -> None:
        """Wait until processes end well.

        Raises:
            AssertionError: one failed, or hangs; all stacks are shown.
        """
        while any(self.running[name].poll() is None for name in names):
            bad = [name for name, process in self.running.items() if process.poll()]
            assert not bad, self.report(bad)
            if time.monotonic() > deadline:
                hanging = [name for name, process in self.running.items() if process.poll() is None]
                for name in hanging:
                    self.running[name].send_signal(signal.SIGUSR1)
                time.sleep(1)
                pytest.fail(f"these hang: {hanging}\n{self.report(hanging)}")
            time.sleep(0.05)
        bad = [name for name in names if self.running[name].returncode]
        assert not bad, self.report(bad)

    def report(self, names: list[str]) -> str:
        return "\n".join(
            f"--- {name}: {self.running[name].poll()}\n{self.out(name).read_text()[-300:]}\n"
            f"{self.errors(name).read_text(errors='replace')[-4000:]}"
            for name in names
        )

    def end(self) -> None:
        for process in self.running.values():
            if process.poll() is None:
                process.kill()
            process.wait()

    def left(self) -> list[str]:
        """Return what lies about that is no mailbox and no index of one: locks, temporary files."""
        known = {self.box, *(self.home / f"{self.box.name}{end}" for end in ("-wal", "-shm"))}
        index = f".mailstore-index.{self.box.name}"
        found = [path for path in self.home.iterdir() if path not in known and not path.name.startswith(index)]
        if self.form == "maildir":
            found += [*(self.box / "tmp").iterdir(), *self.box.glob("*.lock"), *self.box.glob(".mailstore-*")]
        return [str(path.relative_to(self.home)) for path in found]

    def complaints(self) -> list[str]:
        """Return what Dovecot did not like.

        Where others took messages out of an mbox and the file has grown all the same, it looks for the next one where
        its index has it, complains, and reads everything: no torn file, and it happens with nobody else at work too.
        Where that comes in the middle of a delivery it answers 75, and the mail is delivered again.
        """
        log = self.directory / "work" / "dovecot.log"
        lines = re.findall(r".*(?:Error|Warning|Fatal|Panic).*", log.read_text() if log.exists() else "")
        usual = ("Next message unexpectedly corrupted in mbox file", "Message body offset lookup failed")
        return [line for line in lines if not any(text in line for text in usual)]


def as_nobody() -> tuple[str, ...]:
    """Return what to put before a command: Dovecot serves no root, and all are to be one user.

    What our interpreter reads may be closed to others.
    """
    if os.getuid() != 0:
        return ()
    need("setpriv")
    user = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    reading = (*user, "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    allowed = subprocess.run([*reading, "true"], capture_output=True, check=False).returncode == 0
    return reading if allowed else user


@pytest.fixture
def directory() -> Iterator[Path]:
    """Return a place that everybody can reach; in memory where that can be: quick syncs make more races."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="mailstore-storm-", dir=memory) as name:
        os.chmod(name, 0o755)
        yield Path(name)


def found(location: str) -> tuple[list[str], dict[str, frozenset[str]]]:
    """Return the tokens there are, in order of UIDs, with the flags of each."""
    with open_store(location) as store:
        tokens, flags = [], {}
        for message in store.inbox:
            token = token_of(message.bytes())
            assert token is not None, message.bytes()
            tokens.append(token)
            flags[token] = frozenset(message.flags | message.keywords)
        return tokens, flags


@pytest.mark.interop
@pytest.mark.timeout(LIMIT + 60)
@pytest.mark.parametrize("form", SHARES)
def test_nothing_is_lost_and_nothing_doubled(form: str, directory: Path) -> None:
    if form != "sqlite":
        need("procmail", "maildrop", LDA, "mutt")
    storm = Storm(form, directory)
    storm.prepare()
    deadline = time.monotonic() + LIMIT
    try:
        delivering = storm.deliver(SHARES[form])
        disturbing = storm.disturb()
        storm.wait(delivering, deadline)
        (directory / "stop").touch()
        storm.wait(disturbing, deadline)
    finally:
        storm.end()

    delivered = storm.said("delivered", *delivering)
    assert len(delivered) == len(set(delivered)) == SHARES[form].total * TIMES
    ledger = {what: set(storm.said(f"after {what}", "changer")) for what in ("flag", "expunge")}
    for what, tokens in ledger.items():
        assert tokens
        assert tokens == set(storm.said(f"before {what}", "changer"))
    assert ledger["expunge"] == {token for token in delivered if re.fullmatch(r"writer.*3", token)}

    tokens, flags = found(storm.location)
    assert {token: count for token, count in Counter(tokens).items() if count > 1} == {}
    assert set(tokens) == set(delivered) - ledger["expunge"]
    marked = {token for token, have in flags.items() if have & {KEYWORD, "\\Flagged"}}
    assert marked == ledger["flag"] == {token for token in delivered if re.fullmatch(r"writer.*5", token)}
    assert all(have >= {KEYWORD, "\\Flagged"} for token, have in flags.items() if token in marked)

    copied, _ = found(storm.target)
    assert {token: count for token, count in Counter(copied).items() if count > 1} == {}
    assert set(tokens) <= set(copied) <= set(delivered)
    for name in disturbing:
        assert sum(words[0] == "round" for words in storm.lines(name)) >= 2, f"{name} had no turn before the last"
    assert storm.left() == []
    assert storm.complaints() == []
