"""The processes of the storm: ``actors.py ROLE LOCATION DIRECTORY [ARGUMENTS]``.

What is acknowledged, one line by one write, goes to standard output; whoever has no count of messages of its own works
until there is a file ``stop`` in the directory. SIGUSR1 makes a process say where it is.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from storm.kit import message, token_of

from mailstore import Store, open_store
from mailstore.convert import Options, convert
from mailstore.delivery import deliver
from mailstore.errors import MessageChanged, NoSuchMessage
from mailstore.model.info import BODY, Row, body_chunks

PATIENCE = 240.0
"""Seconds that a process waits for a lock: longer than the storm may last."""
KEYWORD = "storm"


def say(*words: object) -> None:
    os.write(1, " ".join(map(str, words)).encode() + b"\n")


def rounds(directory: Path) -> Iterator[int]:
    """Yield 1, 2 … until the storm is over; one more after that, when all is quiet.

    Who lists a large mbox keeps it locked for most of that time: a pause as long as two rounds lets others have a turn.
    """
    number, over = 1, directory / "stop"
    while not over.exists():
        begin = time.monotonic()
        yield number
        number += 1
        end = time.monotonic() + max(0.2, 2 * (time.monotonic() - begin))
        while time.monotonic() < end and not over.exists():
            time.sleep(0.1)
    yield number


def write(location: str, _: Path, name: str, count: str) -> None:
    """Deliver messages, one after the other, each durable and acknowledged."""
    for number in range(int(count)):
        token = f"{name}-{number}"
        deliver(message(token), location, sender="ann@example.org", lock_timeout=PATIENCE)
        say("delivered", token)


def run(location: str, directory: Path, name: str, count: str, *command: str) -> None:
    """The same by a process for each message; one that does not say it is done is tried again.

    Mutt exits with 0 where it could not save its copy for want of a lock, and says so.
    """
    for number in range(int(count)):
        token = f"{name}-{number}"
        data, words = message(token), [word.replace("{token}", token) for word in command]
        if name == "mutt":
            data = data.partition(b"\n\n")[2]  # it writes the header itself
        while True:
            done = subprocess.run(words, input=data, cwd=directory, capture_output=True, check=False)
            said = done.stdout + done.stderr
            if done.returncode == 0 and b"Fcc to" not in said:
                break
            os.write(2, said)
            say("later", token)
        say("delivered", token)


def whole(row: Row) -> str | None:
    """Return the token of a message; None where it went, or moved, while it was read.

    Raises:
        AssertionError: it is torn.
    """
    if row.error is not None:
        assert isinstance(row.error, (MessageChanged, NoSuchMessage)), row.error
        return None
    assert row.body is not None
    raw = b"".join(body_chunks(row.body))
    token = token_of(raw)
    assert token is not None, (row.uid, raw)
    return token


def listed(store: Store) -> dict[int, str]:
    """Return the messages there are, by UID; again and again until none moves meanwhile."""
    while True:
        try:
            seen = {row.uid: whole(row) for row in store.inbox.rows(BODY)}
        except MessageChanged:
            continue
        if None not in seen.values():
            return {uid: token for uid, token in seen.items() if token is not None}


def read(location: str, directory: Path) -> None:
    """List and read everything: no message is torn, none is there twice, and none changes a UID that was recorded."""
    known: dict[str, int] = {}
    for number in rounds(directory):
        with open_store(location, readonly=True, lock_timeout=PATIENCE) as store:
            seen: set[str] = set()
            try:
                for row in store.inbox.rows(BODY):
                    if (token := whole(row)) is None:
                        continue
                    assert token not in seen, (token, row.uid)
                    seen.add(token)
                    if row.recorded:
                        assert known.setdefault(token, row.uid) == row.uid, (token, known[token], row.uid)
            except MessageChanged:
                pass
        say("round", number, len(seen))


def carry(location: str, directory: Path, target: str) -> None:
    """Convert into another store, again and again."""
    for number in rounds(directory):
        with (
            open_store(location, readonly=True, lock_timeout=PATIENCE) as source,
            open_store(target, create=True) as destination,
        ):
            report = convert(source, destination, Options(verify=False, processes=1))
        moved = {"MessageChanged", "NoSuchMessage"}
        assert {problem.error for problem in report.problems} <= moved, report.problems
        say("round", number, report.copied)


def change(location: str, directory: Path) -> None:
    """Set flags on some messages of ours and expunge others, saying before and after which."""
    with open_store(location, lock_timeout=PATIENCE) as store:
        for number in rounds(directory):
            chosen: dict[str, list[int]] = {"flag": [], "expunge": []}
            tokens = listed(store)
            marked = {row.uid for row in store.inbox.rows(0) if KEYWORD in row.keywords}
            for uid, token in tokens.items():
                name, _, place = token.partition("-")
                if name.startswith("writer") and int(place) % 10 == 3:
                    chosen["expunge"].append(uid)
                elif name.startswith("writer") and int(place) % 10 == 5 and uid not in marked:
                    chosen["flag"].append(uid)
            for what, uids in chosen.items():
                for uid in uids:
                    say("before", what, tokens[uid])
                if what == "flag":
                    store.inbox.add_flags(uids, ["\\Flagged", KEYWORD])
                else:
                    gone = store.inbox.expunge(uids, only_deleted=False)
                    assert sorted(gone) == uids, (gone, uids)
                for uid in uids:
                    say("after", what, tokens[uid])
            say("round", number, len(tokens))


ROLES: dict[str, Callable[..., None]] = {
    "write": write,
    "run": run,
    "read": read,
    "carry": carry,
    "change": change,
}


if __name__ == "__main__":
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    role, where, place, *rest = sys.argv[1:]
    ROLES[role](where, Path(place), *rest)
