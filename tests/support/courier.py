"""Courier's IMAP and POP3 servers on one Maildir."""

from __future__ import annotations

from pathlib import Path

from support.peers import UTC, refuse

_PLACE = Path("/usr/local/lib/mailstore-peers/courier")
"""Where .ci/run unpacks them: their packages cannot be installed beside Dovecot."""
_PROGRAMS = {"imap": _PLACE / "usr/bin/imapd", "pop3": _PLACE / "usr/lib/courier/courier/courierpop3d"}


class Courier:
    """A user's mail as Courier sees it.

    Args:
        maildir: the account's Maildir++.
    """

    def __init__(self, maildir: Path) -> None:
        if not all(program.exists() for program in _PROGRAMS.values()):
            refuse("courier-imap and courier-pop are not unpacked (.ci/run does it)")
        self.maildir = maildir

    def service(self, protocol: str) -> list[str]:
        """Return the command that talks ``imap`` or ``pop3`` on its standard input and output, already logged in."""
        environment = {
            **UTC,
            "HOME": str(self.maildir.parent),
            "AUTHENTICATED": "joe",
            "AUTHADDR": "joe",
            "IMAP_CAPABILITY": "IMAP4rev1 UIDPLUS CHILDREN NAMESPACE KEYWORDS",
            "IMAP_KEYWORDS": "1",
        }
        words = [f"{name}={value}" for name, value in environment.items()]
        return ["env", "-i", *words, str(_PROGRAMS[protocol]), str(self.maildir)]
