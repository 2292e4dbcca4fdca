"""Dovecot with a configuration of its own, driven by ``doveadm``."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from support.peers import UTC, need, run

NOBODY = 65534


class Seen(NamedTuple):
    """What Dovecot says of a message."""

    uid: int
    flags: frozenset[str]
    date: int
    text: bytes


class Dovecot:
    """A user's mail as Dovecot sees it.

    Args:
        directory: for configuration and state, reachable by all; everything in it is given to ``nobody`` when we
            are root.
        location: Dovecot's ``mail_location``.
        prefix: of the names of all folders but INBOX, with the separator at its end; ``/`` is it where there is none.
        settings: further lines of its configuration.
    """

    def __init__(self, directory: Path, location: str, prefix: str = "", *settings: str) -> None:
        need("doveadm")
        self.directory = directory
        self.user = NOBODY if os.getuid() == 0 else None
        self.config = directory / "dovecot.conf"
        self.config.write_text(
            f"mail_location = {location}\n"
            "first_valid_uid = 0\nfirst_valid_gid = 0\nssl = no\nlog_path = /dev/stderr\n"
            f"base_dir = {directory}/run\nstate_dir = {directory}/run\n"
            "mbox_write_locks = fcntl\nmbox_lazy_writes = no\n"
            f"namespace inbox {{\n inbox = yes\n prefix = {prefix}\n separator = {prefix[-1:] or '/'}\n}}\n"
            + "".join(f"{line}\n" for line in settings)
        )
        self.own()

    def own(self) -> None:
        """Give every file to the user Dovecot runs as."""
        if self.user is None:
            return
        for path in (self.directory, *self.directory.rglob("*")):
            os.chown(path, self.user, self.user, follow_symlinks=False)

    def doveadm(self, *arguments: str, data: bytes = b"") -> bytes:
        """Run one doveadm command and return what it printed."""
        return run(["doveadm", "-c", self.config, *arguments], data=data, home=self.directory, user=self.user)

    def service(self, protocol: str) -> list[str]:
        """Return the command that talks ``imap`` or ``pop3`` on its standard input and output, already logged in."""
        need("setpriv")
        user = [] if self.user is None else [f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups"]
        environment = [f"{name}={value}" for name, value in {**UTC, "HOME": str(self.directory), "USER": "joe"}.items()]
        asked = [f"/usr/lib/dovecot/{protocol}", "-c", str(self.config)]
        need(asked[0])
        if protocol == "pop3":  # the greeting is the login process's, which is not there
            asked = ["sh", "-c", "printf '+OK\\r\\n'; exec \"$@\"", "sh", *asked]
        return ["setpriv", *user, "env", "-i", *environment, *asked]

    def save(self, text: bytes, folder: str = "INBOX") -> None:
        """Store a message the way Dovecot does."""
        self.doveadm("save", "-m", folder, data=text)

    def flag(self, folder: str, uid: int, *flags: str) -> None:
        """Replace the flags and keywords of a message."""
        self.doveadm("flags", "replace", " ".join(flags), "mailbox", folder, "uid", str(uid))

    def uids(self, folder: str = "INBOX") -> list[int]:
        """Return the UIDs of a folder."""
        out = self.doveadm("-f", "tab", "fetch", "uid", "mailbox", folder, "all")
        return [int(line) for line in out.decode().split()[1:]]

    def status(self, folder: str = "INBOX") -> dict[str, int]:
        """Return messages, uidnext, uidvalidity, unseen."""
        out = self.doveadm("-f", "flow", "mailbox", "status", "messages uidnext uidvalidity unseen", folder).decode()
        return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", out)}

    def folders(self) -> list[str]:
        """Return the names of all folders."""
        return sorted(self.doveadm("mailbox", "list").decode().split("\n")[:-1])

    def subscribed(self) -> list[str]:
        """Return the names subscribed to."""
        return sorted(self.doveadm("mailbox", "list", "-s").decode().split("\n")[:-1])

    def look(self, folder: str = "INBOX") -> list[Seen]:
        r"""Return every message: UID, flags (without ``\Recent``), date received, its bytes."""
        seen = []
        for uid in self.uids(folder):
            where = ["mailbox", folder, "uid", str(uid)]
            facts = self.doveadm("-f", "tab", "fetch", "flags date.received.unixtime size.physical", *where)
            flags, date, size = facts.decode().split("\n")[1].split("\t")
            text = self.doveadm("fetch", "text", *where).removeprefix(b"text:\n")
            if len(text) > int(size):  # doveadm ends every field with a line end
                text = text.removesuffix(b"\n")
            seen.append(Seen(uid, frozenset(flags.split()) - {"\\Recent"}, int(date), text))
        return seen
