"""Doing something as another user, in a child process."""

from __future__ import annotations

import os
import pickle
import shutil
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from support.peers import refuse

NOBODY, DAEMON = 65534, 1

_Result = TypeVar("_Result")


@contextmanager
def shared_directory(mode: int, owner: int = 0, group: int = 0) -> Iterator[Path]:
    """Make a directory that every user can reach; skips where we are not root."""
    if os.getuid() != 0:
        refuse("playing other users needs root")
    base = Path(tempfile.mkdtemp(prefix="mailstore-test-"))
    try:
        base.chmod(0o755)
        directory = base / "spool"
        directory.mkdir()
        os.chown(directory, owner, group)
        directory.chmod(mode)
        (base / "home").mkdir()
        os.chown(base / "home", NOBODY, NOBODY)
        yield directory
    finally:
        shutil.rmtree(base)


def as_user(user: int, home: Path, action: Callable[[], _Result]) -> _Result:
    """Return what ``action`` returns, or raise what it raises, as user ``user`` without other groups."""
    # The interpreter's own files may be closed to that user: what is loaded late is loaded now.
    import random  # noqa: F401
    import subprocess  # noqa: F401

    import apsw  # noqa: F401

    import mailstore.system.lockhelpers  # noqa: F401

    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads: the child only calls action
        child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            os.environ.update(HOME=str(home), XDG_STATE_HOME=str(home / "state"))
            answer: tuple[str, object] = ("returned", action())
        except Exception as error:  # noqa: BLE001 - the parent raises it
            traceback.print_exc()
            answer = ("raised", (type(error), str(error)))
        with open(writing, "wb") as file:
            pickle.dump(answer, file)
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as file:
        how, what = pickle.load(file)
    os.waitpid(child, 0)
    if how == "raised":
        kind, text = what
        error = kind.__new__(kind)
        error.args = (text,)
        raise error
    return what  # type: ignore[no-any-return]
