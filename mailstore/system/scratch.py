"""Temporary files and directories outside all stores, made through the table of system calls like everything else.

Python's ``tempfile`` writes past that table, so that no test can let it fail, and loads ten modules for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from mailstore.system import fs

_USUAL = ("/tmp", "/var/tmp", "/usr/tmp")  # noqa: S108 - what is made there has a random name and is ours alone

_LARGE = (_USUAL[1], _USUAL[0], _USUAL[2])


def default_directory() -> str:
    """Return where temporary files belong: what TMPDIR, TEMP or TMP names, else the system's directory for them.

    Raises:
        FileNotFoundError: none of them can be written to.
    """
    return _first(_USUAL)


def large_directory() -> str:
    """Return where temporary files belong that may be large: ``/tmp`` may lie in memory, ``/var/tmp`` does not.

    Raises:
        FileNotFoundError: as ``default_directory``.
    """
    return _first(_LARGE)


def _first(usual: tuple[str, ...]) -> str:
    named = [os.environ[name] for name in ("TMPDIR", "TEMP", "TMP") if os.environ.get(name)]
    for directory in (*named, *usual):
        if os.path.isdir(directory) and os.access(directory, os.W_OK | os.X_OK):
            return os.path.abspath(directory)
    raise FileNotFoundError(
        f"no directory for temporary files: none of {', '.join([*named, *usual])} can be written to"
    )


@contextmanager
def directory() -> Iterator[str]:
    """Give the path of an empty directory that nobody else may look into; it is removed with all in it."""
    while True:
        path = os.path.join(default_directory(), f"mailstore-{os.urandom(8).hex()}")
        with suppress(FileExistsError):
            fs.mkdir(path)
            break
    try:
        yield path
    finally:
        fs.remove_tree(path)
