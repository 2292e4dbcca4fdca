"""Delivery in volume: ``mstore lmtp`` over one socket, beside the field's agents with one process a mail.

Three thousand mails of 4 KB, one recipient each. Ours: 32 connections, every 250 a durable mail, the client's work
included in the time (in C where there is a compiler). Theirs: two processes at a time, one for each processor; whether
they sync is said in the name.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import delivery
from benchmarks.measure import Bar, Case, Contender, Run
from benchmarks.tools import python

COUNT = 3000
CONNECTIONS = 32
TEMPLATES = {
    "Maildir": "maildir:{}/%n",
    "SQLite": "sqlite:{}/%n.db",
    "SQLite accounts": "sqlite:{}/all.db?account=%n",
    "mbox": "mbox:{}/%n.mbox",
}


def _ours(template: str, boxes: int, load: Sequence[str]) -> Callable[[Path], Sequence[str]]:
    def make(place: Path) -> Sequence[str]:
        script = python("probes/lmtp_server.py")
        return [*script, template.format(place), str(COUNT), str(CONNECTIONS), str(boxes), str(place), *load]

    return make


def _theirs(*command: str, setup: Callable[[Path], None]) -> Callable[[Path], Sequence[str]]:
    def make(place: Path) -> Sequence[str]:
        message = place / "message"
        message.write_bytes(delivery.MESSAGE)
        setup(place)
        script = python("probes/two_at_once.py")
        return [*script, str(COUNT), str(message), *(word.replace("{}", str(place)) for word in command)]

    return make


def _answered(_: Path, run: Run) -> int:
    return int(run.output.split()[0])


def _peers(peers: dict[str, str]) -> list[Contender]:
    found = []
    if "maildrop" in peers:
        make = _theirs("maildrop", "{}/filter", setup=delivery.filter_file)
        found.append(Contender("maildrop, Maildir", make, kept=delivery.arrived))
    if "procmail" in peers:
        make = _theirs("procmail", "{}/rc", setup=delivery.procmailrc)
        found.append(Contender("procmail, Maildir", make, kept=delivery.arrived))
    if os.path.exists(delivery.LDA) and (os.getuid() or shutil.which("setpriv")):
        make = _theirs(*delivery.lda_command(), setup=delivery.dovecot)
        found.append(Contender("dovecot-lda, Maildir (synced)", make, kept=delivery.arrived))
    return found


def lmtp(floors: dict[str, str], peers: dict[str, str]) -> Case:
    """Deliveries over one socket, into one mailbox and spread over 32, for each format."""
    contenders, bars = [], []
    load = [floors["lmtp_load"]] if "lmtp_load" in floors else python("probes/lmtp_load.py")
    others = _peers(peers)
    for form, template in TEMPLATES.items():
        for boxes in (32,) if form == "SQLite accounts" else (1, 32):
            name = f"mstore lmtp, {form}, {boxes} mailbox{'es' * (boxes > 1)} (synced)"
            contenders.append(Contender(name, _ours(template, boxes, load), internal=True, kept=_answered))
            if form == "mbox":
                continue
            bars.append(Bar(name, "at least 1,000 mails/s", seconds=COUNT / 1000))
            bars += [Bar(name, f"at least 3 x as fast as {one.name}", one.name, 1 / 3) for one in others]
    title = f"{COUNT:,} deliveries of 4 KB: one LMTP socket, or one process each (two at a time)"
    return Case("lmtp", title, [*contenders, *others], bars, COUNT)
