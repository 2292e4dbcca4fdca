"""A migration in a storm: new mail, changing flags, and a kill every few seconds. At its end nothing may be missing.

Accounts lie in Maildirs and mboxes and go into Maildirs, databases and mboxes. While ``mstore convert --accounts`` is
run again and again, and killed at random with all its processes or one of them, mail arrives, and flags and keywords
are set and taken away. Then the storm ends, one last run is left alone, and ``mstore verify`` must find each account
the same.

    python tests/storm/migration.py --accounts 200 --messages 100000 --kill-every 3 --kills 60
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mailstore import Arrival, Meta, open_store
from mailstore.convert import verify_stores

MSTORE = (sys.executable, "-c", "from mailstore_cli.main import run; run()")
FOLDERS = ("INBOX", "Sent", "Lists/python")
KEYWORDS = ("$Forwarded", "Work", "later")


@dataclass
class Storm:
    """What is done, and how hard."""

    base: Path
    accounts: int
    messages: int
    seed: int

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.delivered = 0
        self.changed = 0
        self.kills: Counter[str] = Counter()
        for name in ("old", "new"):
            (self.base / name).mkdir(parents=True)

    def places(self, number: int) -> tuple[str, str]:
        """Return source and destination of an account: each pair of formats in turn."""
        kinds = [("maildir", "sqlite"), ("mbox", "maildir"), ("maildir", "mbox"), ("maildir", "maildir")][number % 4]
        return f"{kinds[0]}:{self.base}/old/u{number}", f"{kinds[1]}:{self.base}/new/u{number}"

    def fill(self) -> None:
        """Make the accounts; the first is ten times the others, as in life."""
        weights = [10 if number == 0 else 1 for number in range(self.accounts)]
        lines = ["user\tsource\tdestination"]
        for number, weight in enumerate(weights):
            source, destination = self.places(number)
            lines.append(f"u{number}\t{source}\t{destination}")
            count = self.messages * weight // sum(weights)
            if source.startswith("mbox:"):
                os.mkdir(source.removeprefix("mbox:"))
            with open_store(source, create=True, folders=True) as store:
                for at, name in enumerate(FOLDERS):
                    share = count // 3 + (count % 3 if not at else 0)
                    arrivals = [Arrival(self.body(), self.meta()) for _ in range(share)]
                    store.folder(name, create=True).append_many(arrivals)
        (self.base / "accounts.tsv").write_text("\n".join(lines) + "\n")

    def body(self) -> bytes:
        """Return a message; every tenth is like others, to the byte."""
        token = "same" if self.random.random() < 0.1 else f"{self.random.getrandbits(64):x}"
        text = f"line of {token}\n".encode() * self.random.randrange(1, 120)
        return f"From: ann@example.org\nSubject: {token}\nMessage-ID: <{token}@x>\n\n".encode() + text

    def meta(self) -> Meta:
        """Return flags and keywords at random."""
        chosen = frozenset(word for word in KEYWORDS if self.random.random() < 0.2)
        return Meta(self.random.randrange(32), chosen, 1_600_000_000 + self.random.randrange(10**8))

    def run(self, *more: str, jobs: int = 2) -> subprocess.Popen[bytes]:
        """Start the migration, in a group of processes of its own."""
        words = ["convert", "--accounts", f"{self.base}/accounts.tsv", "x:{user}", "y:{user}", "--owner", "keep"]
        words += ["--journal", f"{self.base}/journals", "--report", f"{self.base}/report.json", "-q", "-j", str(jobs)]
        return subprocess.Popen(
            [*MSTORE, *words, *more], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kill the migration with all its processes, or one of its accounts."""
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        try:
            accounts = [int(word) for word in children.read_text().split()]
        except OSError:
            accounts = []
        with suppress(ProcessLookupError):  # it may have ended a moment ago
            if accounts and self.random.random() < 0.5:
                self.kills["an account"] += 1
                os.kill(self.random.choice(accounts), signal.SIGKILL)
            elif self.random.random() < 0.3:
                self.kills["the parent"] += 1
                process.kill()
            else:
                self.kills["all"] += 1
                os.killpg(process.pid, signal.SIGKILL)

    def settle(self, process: subprocess.Popen[bytes]) -> None:
        """Let a run come to an end; those whose parent was killed end when they find it gone."""
        ended(process)

    def weather(self) -> None:
        """Deliver and change flags in one account."""
        number = self.random.randrange(self.accounts)
        source, _ = self.places(number)
        with open_store(source, lock_timeout=30) as store:
            fresh = [Arrival(self.body()) for _ in range(self.random.randrange(1, 4))]
            store.inbox.append_many(fresh)
            self.delivered += len(fresh)
            folder = store.folder(self.random.choice(FOLDERS))
            uids = [row.uid for row in folder.rows(0)]
            if not uids:
                return
            chosen = self.random.sample(uids, min(len(uids), 5))
            folder.add_flags(chosen[:2], ["\\Seen", self.random.choice(KEYWORDS)])
            folder.remove_flags(chosen[2:], ["\\Flagged", "Work"])
            self.changed += 1

    def check(self) -> list[str]:
        """Return what ``mstore verify`` finds: nothing, it is hoped."""
        wrong = []
        for number in range(self.accounts):
            source, destination = self.places(number)
            with open_store(source, readonly=True) as old, open_store(destination, readonly=True) as new:
                wrong += [f"u{number}: {difference}" for difference in verify_stores(old, new).differences]
        return wrong


def ended(process: subprocess.Popen[bytes]) -> str:
    """Wait for the end of a run that was not killed as a whole; returns what it said."""
    _, said = process.communicate()
    return f"exit code {process.returncode}: {said.decode()[-2000:]}"


def by_the_clock(storm: Storm, every: float) -> Callable[[], bool]:
    """Return what tells when to kill: every so many seconds, about."""
    due = time.monotonic() + storm.random.uniform(0, 2 * every)

    def now() -> bool:
        nonlocal due
        if time.monotonic() < due:
            return False
        due = time.monotonic() + storm.random.uniform(0, 2 * every)
        return True

    return now


def by_the_journals(storm: Storm, step: int) -> Callable[[], bool]:
    """Return what tells when to kill: when so many bytes, about, were written to the journals since the last time."""
    due = storm.random.randrange(2 * step)

    def now() -> bool:
        nonlocal due
        written = sum(entry.stat().st_size for entry in storm.base.glob("journals/*.journal"))
        if written < due:
            return False
        due = written + storm.random.randrange(2 * step)
        return True

    return now


def raise_storm(storm: Storm, when: Callable[[], bool], kills: int, runs: int = 1000) -> None:
    """Run the migration again and again, with weather all the time, until it was killed ``kills`` times."""
    process = storm.run()
    while storm.kills.total() < kills and runs:
        storm.weather()
        if process.poll() is not None:
            ended(process)
            process = storm.run()
            runs -= 1
        if when():
            storm.kill(process)
    storm.settle(process)


def main() -> int:
    """Make the accounts, raise the storm, let it end, and tell what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=12)
    parser.add_argument("--messages", type=int, default=600)
    parser.add_argument("--kill-every", type=float, default=1.0, help="seconds between two kills, about")
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="storm-") as base:
        storm = Storm(Path(base), arguments.accounts, arguments.messages, arguments.seed)
        begun = time.monotonic()
        storm.fill()
        print(f"filled in {time.monotonic() - begun:.0f} s", flush=True)
        begun = time.monotonic()
        raise_storm(storm, by_the_clock(storm, arguments.kill_every), arguments.kills)
        print(
            f"storm of {time.monotonic() - begun:.0f} s: {dict(storm.kills)} killed, {storm.delivered} messages "
            f"delivered, {storm.changed} changes of flags",
            flush=True,
        )
        begun = time.monotonic()
        last = storm.run()
        said = ended(last)
        report = json.loads((storm.base / "report.json").read_text())
        print(
            f"last run in {time.monotonic() - begun:.0f} s: {said} {report['accounts']} {report['messages']}",
            flush=True,
        )
        begun = time.monotonic()
        wrong = storm.check()
        print(f"verified in {time.monotonic() - begun:.0f} s: {len(wrong)} differences in {storm.accounts} accounts")
        print(*wrong[:20], sep="\n")
    return 1 if wrong or last.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
