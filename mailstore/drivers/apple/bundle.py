"""Bundles: the directories in which Apple Mail keeps a mailbox.

- An export: ``Name.mbox/mbox``, an mbox file, beside a ``table_of_contents``.
- Mail 2 to 4: ``Name.mbox/Messages/1234.emlx`` (``.imapmbox`` of an IMAP account), ``Attachments/``, ``Info.plist``.
- Since Mail 5 (``V2`` to ``V10``): ``Name.mbox/<UUID>/Data/4/3/2/1/Messages/1234567.emlx``.
- Mailboxes in a mailbox are bundles in its bundle.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Container, Iterator
from contextlib import suppress
from typing import NamedTuple

from mailstore.drivers.readonly import is_hidden
from mailstore.formats import emlx

SUFFIXES = (".mbox", ".imapmbox")
MBOX = "mbox"
_NO_MAIL = frozenset({"Attachments"})
_NO_MESSAGES = frozenset({MBOX, "Info.plist", "table_of_contents", "content_index", ".DS_Store"})
_PART = ".emlxpart"
"""How the names of attachments end."""


def is_bundle(name: str) -> bool:
    """Tell whether a directory of this name is a mailbox."""
    return name.endswith(SUFFIXES) and not name.startswith(".")


def name_of(bundle: str) -> str:
    """Return the mailbox's name."""
    stem, _, _ = bundle.rpartition(".")
    return stem if is_bundle(bundle) and stem else bundle


def is_message(name: str) -> bool:
    """Tell whether a file of this name is a message."""
    return name.endswith(emlx.SUFFIX) and not name.startswith(".")


def inside(directory: str, *, deep: bool) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    """Yield (path, entries) of a mailbox's directory and, if ``deep``, of those in it that are no mailboxes.

    Raises:
        OSError: ``directory`` cannot be read; one in it that cannot is raised as well: its messages would be missing.
    """
    waiting = [directory]
    while waiting:
        path = waiting.pop()
        try:
            with os.scandir(path) as found:
                entries = list(found)
        except FileNotFoundError:
            if path == directory:
                raise
            continue
        yield path, entries
        for entry in entries if deep else ():
            passed = entry.name in _NO_MAIL or entry.name.startswith(".") or is_bundle(entry.name)
            if not passed and entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)


class Contents(NamedTuple):
    """What lies in a mailbox's directory besides messages; paths relative to it, by name."""

    bundles: list[str]
    """Mailboxes; not those within these."""
    others: list[str]
    """What is neither a message nor Apple's: files, links, an ``mbox`` that is no file; hidden directories below it."""


def contents(directory: str) -> Contents:
    """Look through a mailbox's directory."""
    bundles, others = [], []
    with suppress(OSError):  # reading the folder says what is wrong
        for path, entries in inside(directory, deep=True):
            for entry in entries:
                if is_bundle(entry.name) and entry.is_dir(follow_symlinks=False):
                    bundles.append(os.path.relpath(entry.path, directory))
                elif is_strange(entry, top=path == directory) or (path != directory and is_hidden(entry)):
                    others.append(os.path.relpath(entry.path, directory))
    return Contents(sorted(bundles), sorted(others))


def is_strange(entry: os.DirEntry[str], *, top: bool) -> bool:
    """Tell whether an entry of a mailbox's directory (``top``), or of one in it, is neither a message nor Apple's."""
    name = entry.name
    if entry.is_dir(follow_symlinks=False):
        return top and name == MBOX
    if name == MBOX:
        return not (top and entry.is_file(follow_symlinks=False))
    return not (is_message(name) or name in _NO_MESSAGES or name.endswith(_PART))


def is_export(directory: str) -> bool:
    """Tell whether a mailbox's directory has the mbox file of an export; a link is none."""
    with suppress(OSError):
        return stat.S_ISREG(os.lstat(os.path.join(directory, MBOX)).st_mode)
    return False


def has_messages(directory: str) -> bool:
    """Tell whether a bundle holds messages in files of their own."""
    with suppress(OSError):
        return any(is_message(entry.name) for _, entries in inside(directory, deep=True) for entry in entries)
    return True  # it cannot be told, and reading it says why


def is_twin(name: str, names: Container[str]) -> bool:
    """Tell whether this is a partial message and the whole one is among ``names``, of its directory."""
    return name.endswith(emlx.PARTIAL) and name[: -len(emlx.PARTIAL)] + emlx.SUFFIX in names


def twins_in(directory: str, *, deep: bool) -> list[str]:
    """Return the names of the partial messages that lie beside the whole ones."""
    found = []
    with suppress(OSError):  # reading the folder says what is wrong
        for _, entries in inside(directory, deep=deep):
            names = {entry.name for entry in entries}
            found += sorted(name for name in names if is_message(name) and is_twin(name, names))
    return found
