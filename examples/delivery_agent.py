#!/usr/bin/env python3
r"""A mail delivery agent: puts the message on standard input into its recipient's store.

Postfix, in master.cf (a pipe transport), or on one line as ``mailbox_command``:

    mailstore unix - n n - - pipe flags=F user=vmail
        argv=/usr/local/bin/delivery_agent.py --sender ${sender} --id ${queue_id} maildir:/home/${user}/Maildir

Two rules make a delivery safe. *The exit code is the receipt*: 0 only when the message is on disk, 75 whenever trying
again may help, and that is everything but a message that can never fit; a Python program that dies of an exception
ends with 1, at which Postfix sends the mail back. *A delivery may come twice*: where our 0 is lost, the MTA tries
again, so its own name for the delivery becomes an idempotency key, and the second time changes nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from typing import NoReturn

from mailstore import MessageTooLarge, open_store

EX_DATAERR = 65
EX_TEMPFAIL = 75


class Parser(argparse.ArgumentParser):
    """A command line that cannot be read is a wrong configuration: somebody will mend it, the mail must wait."""

    def error(self, message: str) -> NoReturn:
        """Leave with 75 instead of 2."""
        self.exit(EX_TEMPFAIL, f"{self.prog}: {message}\n")


def deliver(location: str, folder: str, message: bytes, sender: str | None, identity: str | None) -> bool:
    """Deliver one message, durably; returns False where an earlier attempt had done so.

    Args:
        location: the store; it is made where there is none.
        folder: the folder; it is made where there is none.
        message: the message, with or without the From_ line that some MTAs put before it.
        sender: envelope sender, '' for the null sender, None to take it from the From_ line or leave it unknown.
        identity: the MTA's name for this delivery, the same at each attempt.
    """
    if message.startswith(b"From "):
        line, _, message = message.partition(b"\n")
        words = line.decode("utf-8", "surrogateescape").split(" ")
        sender = words[1] if sender is None and len(words) > 1 else sender
    key = None
    if identity is not None:
        key = hashlib.sha256(f"{identity}\0{location}\0{folder}".encode("utf-8", "surrogateescape")).digest()[:16]
    with open_store(location, create=True, lock_timeout=30) as store:
        return not store.folder(folder, create=True).append(message, sender=sender, key=key).known


def main(arguments: list[str] | None = None) -> int:
    """Read the message and deliver it; returns the exit code."""
    parser = Parser(description="Deliver the message on standard input.")
    parser.add_argument("location")
    parser.add_argument("-f", "--folder", default="INBOX")
    parser.add_argument("--sender", help="envelope sender; empty for the null sender")
    parser.add_argument("--id", help="the MTA's name for this delivery, such as Postfix's queue id")
    given = parser.parse_args(arguments)
    try:
        deliver(given.location, given.folder, sys.stdin.buffer.read(), given.sender, given.id)
    except MessageTooLarge as error:
        print(error, file=sys.stderr)
        return EX_DATAERR
    except Exception as error:  # noqa: BLE001 -- whatever it is, the mail must wait in the queue rather than bounce
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return EX_TEMPFAIL
    return 0


if __name__ == "__main__":
    sys.exit(main())
