"""Dovecot's spelling of where mail is: the settings that follow the path in ``mail_location``.

``maildir:~/Maildir:LAYOUT=fs:INBOX=/var/mail/joe:UTF-8``: words in capitals, most with a value. Some say what is read,
and become options of a location of ours; others say where Dovecot keeps its indexes, which nobody else reads; the rest
would change what is read in a way that we do not follow, and is refused. Source: Dovecot's mailbox-list.c.
"""

from __future__ import annotations

import re

_WORD = re.compile(r":([A-Z][A-Z0-9]*)=([^:]*)\Z")
_BARE = re.compile(r":(UTF-8|NO-NOSELECT|KEEP-NOSELECT|ITERINDEX|NOALT|NO-FIXUP)\Z")
_OPTIONS = {
    "INBOX": "inbox",
    "LAYOUT": "layout",
    "SUBSCRIPTIONS": "subscriptions",
    "CONTROL": "control",
    "DIRNAME": "dirname",
    "FULLDIRNAME": "fulldirname",
}
_INDEXES = frozenset({"INDEX", "INDEXPVT", "INDEXCACHE", "VOLATILEDIR", "LISTINDEX"})
_REFUSED = {
    "ALT": "a second place of messages, in dbox alone",
    "MAILBOXDIR": "folders below another directory, in dbox alone",
    "BROKENCHAR": "a spelling of folder names that are no UTF-7; such names are read as they are",
}


def split(text: str) -> tuple[str, dict[str, str]]:
    """Return (path, options of ours) of a path with Dovecot's settings behind it.

    Raises:
        ValueError: a setting is not known, or would change what is read.
    """
    options: dict[str, str] = {}
    while match := _WORD.search(text) or _BARE.search(text):
        name, value = match[1], match[2] if match.lastindex == 2 else None
        text = text[: match.start()]
        if name in _OPTIONS:
            assert value is not None
            options.setdefault(_OPTIONS[name], _layout(value) if name == "LAYOUT" else value)
        elif name == "UTF-8":
            options.setdefault("names", "utf8")
        elif value is not None and name not in _INDEXES:
            raise ValueError(f"{name}= is not followed: {_REFUSED.get(name, 'not a setting of Dovecot that is known')}")
    return text, options


def _layout(value: str) -> str:
    if value.lower() == "index":
        raise ValueError("LAYOUT=index is not followed: the folders' names are in Dovecot's index alone; use doveadm")
    return "++" if value.lower() == "maildir++" else value
