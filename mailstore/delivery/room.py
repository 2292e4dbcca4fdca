"""Whether there is room for a message in a Maildir, without opening a store.

The problem. A delivery starts a process for each mail, and most Maildirs with a quota have room: loading what can tell
the rest would cost more than the delivery.

The solution. ``maildirsize`` is read, and where the message fits beyond doubt nothing else is asked; a line is added
when it is delivered. Only where it may be too much, or the sums cannot be believed, the store is opened and decides:
it makes them anew, and knows how to refuse. A Maildir with more rules than limits of bytes and messages is left to
the store altogether.
"""

from __future__ import annotations

import os

from mailstore.formats.maildirsize import MOST
from mailstore.system import maildirsize as files

_STYLES = frozenset({b"", b'style = "courier"', b'style = "exim"', b'style = "dovecot"'})
"""Rules that say no more than whose way to count holds: a message that arrives in INBOX counts in all of them."""


def is_simple(root: str) -> bool:
    """Tell whether the quota of the Maildir at ``root``, if any, is all in its ``maildirsize``."""
    for name in (files.OWN, files.MARK):
        try:
            os.lstat(f"{root}/{name}")
        except OSError:
            continue
        return False
    try:
        fd = os.open(f"{root}/{files.RULES}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        return os.read(fd, 100).rstrip(b"\n") in _STYLES
    except OSError:  # a directory
        return False
    finally:
        os.close(fd)


def check(root: str, size: int) -> bool:
    """Return whether the Maildir has sums, into which ``enter`` is to put the message.

    Raises:
        QuotaExceeded, MessageTooLarge: there is no room for ``size`` bytes in one message.
    """
    try:
        found = files.read(f"{root}/{files.NAME}")
        if found is None:
            return False
        if found[0].fits(size, 1):
            return True
    except OSError as error:
        _tell(f"{root}/{files.NAME}: {error.strerror}")
    _ask_store(root, size)
    return True


def _ask_store(root: str, size: int) -> None:
    """Let the store decide; where it cannot tell, there is room.

    Raises:
        QuotaExceeded, MessageTooLarge: there is none.
    """
    from mailstore import MailstoreError, MessageTooLarge, QuotaExceeded, open_store  # late: the library

    try:
        with open_store(f"maildir:{root}", index="memory") as store:
            store.quota.check(size)
            for problem in store.quota.problems:
                _tell(problem)
    except (QuotaExceeded, MessageTooLarge):
        raise
    except MailstoreError as error:
        _tell(f"{root}: a message of {size} bytes was let in, as nobody knows what is there: {error}")


def enter(root: str, size: int) -> None:
    """Enter a message that was delivered. What goes wrong is told to the log ``mailstore.quota``: the mail is there."""
    try:
        if files.append(f"{root}/{files.NAME}", size, 1) >= MOST:
            from mailstore import open_store  # late: as above

            with open_store(f"maildir:{root}", index="memory") as store:
                store.quota.recalculate()
    except Exception as error:  # noqa: BLE001 - a delivery that is durable is acknowledged, whatever happens to the sums
        _tell(f"{root}/{files.NAME}: a message of {size} bytes was not entered: {error}")


def _tell(text: str) -> None:
    import logging  # late: seldom

    logging.getLogger("mailstore.quota").warning("%s", text)
