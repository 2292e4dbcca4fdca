"""stdlib_mailbox.py MBOX MAILDIR: the conversion with nothing but Python's own ``mailbox``."""

import mailbox
import sys


def main() -> None:
    """Copy every message."""
    source, destination = sys.argv[1:]
    maildir = mailbox.Maildir(destination, create=True)
    for message in mailbox.mbox(source, create=False):
        maildir.add(mailbox.MaildirMessage(message))
    maildir.flush()


main()
