"""What a delivery does when its mailbox fills up: runs a command, and puts a warning into the mailbox.

The mail is stored before any of it, and nothing here can fail the delivery: what goes wrong is a line of
``store.quota.problems``. The warning passes every limit, and comes at most once in the rules' ``warning_interval``,
whatever the thresholds, as Courier's ``quotawarnmsg`` does.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence

from mailstore.errors import MailstoreError
from mailstore.formats import headers
from mailstore.model.changes import Append
from mailstore.model.flags import RECENT
from mailstore.model.info import Arrival, Meta
from mailstore.model.names import INBOX
from mailstore.model.quota import NO_RULES
from mailstore.quota.crossing import Crossing
from mailstore.store import Store
from mailstore.system import clock, commands

TIMEOUT = 30.0
"""Seconds after which a command is killed; and all that one change runs, one after another, gets no more together.

The mail is stored by then: an MTA that gave up waiting would deliver it again.
"""
_TOGETHER = 1.0
"""Seconds: commands that follow each other so closely belong to one change."""
NOTE = "warned"
"""The note with the store that says when the last warning went in, in seconds since 1970."""


class QuotaWarning:
    """What to do; one for any number of stores.

    Attributes:
        command: a program and its arguments, called for each crossing; empty is none. It finds in its environment:
            MAILSTORE_QUOTA_EVENT (``over`` or ``under``), MAILSTORE_QUOTA_RESOURCE (``STORAGE`` or ``MESSAGE``),
            MAILSTORE_QUOTA_PERCENT (the threshold), MAILSTORE_QUOTA_USAGE and MAILSTORE_QUOTA_LIMIT (bytes or
            messages), MAILSTORE_QUOTA_LOCATION, and MAILSTORE_QUOTA_RECIPIENT ('' where that is not known).
        message: header fields, an empty line and a text, put into INBOX with Date and Message-ID when a threshold is
            reached; empty is none.
        background: do not wait for the command: a server has others to serve.
    """

    def __init__(self, command: Sequence[str] = (), message: bytes = b"", *, background: bool = False) -> None:
        self.command = tuple(command)
        self.message = message
        self.background = background

    def attend(self, store: Store, recipient: str | None = None) -> None:
        """Warn whenever a change through ``store`` crosses a threshold."""
        allowance = _Allowance()
        store.quota.on_crossing(lambda crossing: self._warn(store, crossing, recipient or "", allowance))

    def _warn(self, store: Store, crossing: Crossing, recipient: str, allowance: _Allowance) -> None:
        if self.message and crossing.over:
            try:
                self._put(store)
            except MailstoreError as error:
                store.quota.trouble(f"no warning was put into the mailbox: {error}")
        if not self.command:
            return
        said = environment(store, crossing, recipient)

        def run(seconds: float) -> None:
            if trouble := commands.run(self.command, said, seconds):
                store.quota.trouble(trouble)

        if self.background:
            threading.Thread(target=run, args=(TIMEOUT,), name="mailstore-warning", daemon=True).start()
        elif (left := allowance.left()) > 0:
            run(left)
            allowance.used()
        else:
            store.quota.trouble(f"{self.command[0]}: not run for {crossing.percent} %: those before took too long")

    def _put(self, store: Store) -> None:
        now = clock.now()
        with store.lock, store.quota.unenforced():
            rules = store.quota.rules() or NO_RULES
            last = store.quota.note(NOTE)
            if last.isdecimal() and len(last) < 20 and 0 <= now - int(last) < rules.warning_interval:
                return
            store.quota.set_note(NOTE, str(now))
            (staged,) = store.stage([Arrival(stamped(self.message, now), Meta(RECENT))])
            try:
                (outcome,) = store.commit([Append(INBOX, staged)], need_uids=False)
            finally:
                store.discard([staged])
            if outcome.error is not None:
                raise outcome.error


class _Allowance:
    """The time that the commands of one change may take together."""

    def __init__(self) -> None:
        self._end = self._last = float("-inf")

    def left(self) -> float:
        """Return the seconds left for the next command."""
        now = clock.monotonic()
        if now - self._last > _TOGETHER:
            self._end = now + TIMEOUT
        self._last = now
        return self._end - now

    def used(self) -> None:
        """A command has ended."""
        self._last = clock.monotonic()


def environment(store: Store, crossing: Crossing, recipient: str) -> dict[str, str]:
    """Return the variables that a command gets."""
    said = {
        "EVENT": "over" if crossing.over else "under",
        "RESOURCE": crossing.resource,
        "PERCENT": crossing.percent,
        "USAGE": crossing.usage,
        "LIMIT": crossing.limit,
        "LOCATION": store.location,
        "RECIPIENT": recipient,
    }
    return {f"MAILSTORE_QUOTA_{name}": str(value) for name, value in said.items()}


def stamped(template: bytes, now: int) -> bytes:
    """Return a message from a template: with LF line ends, and Date and Message-ID of its own."""
    from email.utils import formatdate, make_msgid  # late: few deliveries warn

    text = template.replace(b"\r\n", b"\n")
    if next(headers.fields(headers.header_of(text)), None) is None:
        text = b"\n" + text
    host = os.uname().nodename or "localhost"
    return f"Date: {formatdate(now, localtime=True)}\nMessage-ID: {make_msgid('quota', host)}\n".encode() + text
