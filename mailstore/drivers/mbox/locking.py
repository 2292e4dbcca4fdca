"""Files of folders under their locks: to write, to give them another name, to tidy up beside them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

from mailstore.drivers.mbox import note
from mailstore.drivers.mbox.held import Held
from mailstore.drivers.mbox.sync import Folder
from mailstore.drivers.mbox.writing import Locked
from mailstore.errors import MailstoreError
from mailstore.system import fs
from mailstore.system.lockrules import LockRules


@contextmanager
def locked(folder: Folder) -> Iterator[Locked]:
    """Hold the locks of a folder's file, by the folder's rules, for the block; an absent file is made, empty.

    Raises: as ``mailstore.drivers.mbox.held.Held``.
    """
    with Held(folder.path, folder.rules) as (fd, dotlock), fs.errors(folder.path), folder.beating(dotlock):
        yield Locked(folder, fd, dotlock)


@contextmanager
def unwritten(files: Sequence[str], rules: LockRules) -> Iterator[None]:
    """Keep others from appending to files that get other names meanwhile; a dotlock would keep the old name."""
    kernel = LockRules(rules.kernel, "none", rules.timeout)
    with ExitStack() as stack:
        for file in sorted(files) if kernel.methods else ():
            if os.path.isfile(file):
                stack.enter_context(Held(file, kernel))
        yield


def forget_note(folder: Folder) -> None:
    """Remove the file in which appends were noted, at the end of a session.

    Who is at the mailbox now may have begun an append that the note tells of: then it stays.
    """
    if note.is_kept(folder.path) and os.path.lexists(folder.path):
        rules = LockRules(folder.rules.methods, folder.rules.helper, 0.0)
        with suppress(MailstoreError), Held(folder.path, rules):
            note.forget(folder.path)
