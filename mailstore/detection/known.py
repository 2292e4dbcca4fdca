"""What lies beside mail and is none: indexes, records, other servers' stores. Known by names, so that it can be named.

Sources: the programs' documentation and sources; SPECS of the mail world. Nothing of this is ever read as mail.
"""

from __future__ import annotations

import os
import re
from collections.abc import Set as AbstractSet

_FILES = (
    (r"dovecot(?:\.list)?\.index.*|dovecot\.mailbox\.log.*|dovecot\.map\.index.*", "Dovecot's index"),
    (r"dovecot-uidlist", "Dovecot's UIDs of a Maildir"),
    (r"dovecot-keywords", "Dovecot's keywords of a Maildir"),
    (r"dovecot-uidvalidity.*", "Dovecot's last UIDVALIDITY"),
    (r"\.?subscriptions", "Dovecot's subscriptions"),
    (r"courierimapuiddb", "Courier's UIDs"),
    (r"courierimapkeywords", "Courier's keywords"),
    (r"courierimapsubscribed", "Courier's subscriptions"),
    (r"courierpop3dsizelist", "Courier's POP3 unique ids"),
    (r"courierimap(?:acl|hieracl).*", "Courier's access rights"),
    (r"maildirsize", "the sums of a Maildir's quota"),
    (r"\.mailboxlist|\.mlbxlsttmp", "c-client's subscriptions"),
    (r"\.mbsyncstate.*|\.isyncuidmap\.db", "mbsync's state"),
    (r"\.uidvalidity", "mbsync's UIDVALIDITY"),
    (r"\.mh_sequences|\.mh_profile", "MH's sequences or profile"),
    (r".*\.msf", "Thunderbird's index of a folder"),
    (r"popstate\.dat", "Thunderbird's POP3 unique ids"),
    (r"msgFilterRules\.dat|filterlog\.html|panacea\.dat|global-messages-db\.sqlite", "Thunderbird's own"),
    (r"mailstore\.index|\.mailstore-.*|mailstore-.*", "mailstore's own"),
    (r".*\.mstore-journal(?:\.lock)?", "the journal of a conversion"),
    (r"cyrus\.(?:header|index|cache|squat|annotations)", "Cyrus IMAP's index"),
    (r".*\.(?:pst|ost)", "Outlook's mail: convert it with readpst first"),
    (r".*\.dbx", "Outlook Express' mail: convert it with undbx or readdbx first"),
)
_FILE = re.compile("|".join(f"(?P<n{number}>{pattern})" for number, (pattern, _) in enumerate(_FILES)), re.IGNORECASE)

NOT_ENTERED = frozenset({".git", ".hg", ".svn", "node_modules", "__pycache__", ".cache", ".venv", "venv"})
"""Names of directories in which nobody keeps mail, and which hold thousands of files."""


def file(name: str) -> str | None:
    """Say what a file or directory of this name is that is known and is no mail; None where the name says nothing."""
    match = _FILE.fullmatch(name)
    if match is None:
        return None
    return next(what for number, (_, what) in enumerate(_FILES) if match[f"n{number}"] is not None)


def lock(path: str) -> str | None:
    """Say so where a file is the lock of the one beside it; None where it may be mail."""
    stem, suffix = os.path.splitext(path)
    return "the lock of a mailbox" if suffix == ".lock" and os.path.lexists(stem) else None


def directory(name: str, names: AbstractSet[str]) -> str | None:
    """Say what a directory of these names is that is known and cannot be read here; None where it may be mail."""
    if names & {"cyrus.header", "cyrus.index"}:
        return "a mailbox of Cyrus IMAP (files 1., 2. and so on): read it through the server, over IMAP"
    if "dbox-Mails" in names or "dovecot.map.index" in names or {"mailboxes", "storage"} <= names:
        return "Dovecot's dbox: let Dovecot write it as a Maildir first (doveadm backup maildir:PATH)"
    if name in (".notmuch", "xapian", ".mu") or names & {"iamglass", "iamchert"}:
        return "a search index (notmuch, mu)"
    if {"active", "deferred", "incoming"} <= names or {"input", "msglog"} <= names:
        return "the queue of a mail server: mail on its way, not delivered yet"
    if not names & {"cur", "new"} and "dovecot-uidlist" in names:
        return "Dovecot's records of a Maildir that is elsewhere (CONTROL=)"
    if name == ".imap" or (names and all(one.startswith(("dovecot.index", "dovecot.list.index")) for one in names)):
        return "Dovecot's indexes of mail that is elsewhere (INDEX=)"
    return None
