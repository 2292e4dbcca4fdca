"""The programs of this machine: where they are, and what they say when they are asked about themselves.

Programs are looked for in the system's own directories, never in the user's PATH, and run without a shell, in a clean
environment, with nothing on standard input and a limit of time. Root runs only programs that none but root can have
put there.
"""

from __future__ import annotations

import grp
import os
import stat
import subprocess
from typing import NamedTuple, Protocol

DIRECTORIES = (
    "/usr/bin",
    "/usr/sbin",
    "/bin",
    "/sbin",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/usr/lib/dovecot",
    "/usr/libexec/dovecot",
    "/usr/lib/postfix/sbin",
    "/usr/libexec/postfix",
    "/usr/libexec",
    "/usr/lib/courier/bin",
    "/var/qmail/bin",
    "/usr/lib/mailutils",
    "/opt/local/bin",
)
_SECONDS = 10
_LARGEST = 1 << 20
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/nonexistent", "TERM": "dumb"}


class Answer(NamedTuple):
    """What a program said: standard output and error, and its exit code."""

    text: str
    errors: str
    code: int

    @property
    def both(self) -> str:
        """Everything it said."""
        return self.text + self.errors


class Machine(Protocol):
    """What the probes ask of the machine; tests play one."""

    def find(self, *names: str) -> str | None:
        """Return the path of the first of these programs that is installed."""
        ...

    def ask(self, path: str, *arguments: str) -> Answer | None:
        """Run a program and return what it says; None where it could not be run, or took too long."""
        ...

    def group(self, path: str) -> str | None:
        """Return the group that a program runs as because it is set-group-id, None where it is not."""
        ...

    def read(self, path: str) -> str | None:
        """Return the text of a configuration file, None where it is not there or not for this user."""
        ...


class Here:
    """This machine."""

    def find(self, *names: str) -> str | None:
        """Look in ``DIRECTORIES``, or at the path itself where it is absolute."""
        for name in names:
            for directory in DIRECTORIES if "/" not in name else ("",):
                path = os.path.join(directory, name)
                if os.path.isfile(path) and os.access(path, os.X_OK):
                    return path
        return None

    def ask(self, path: str, *arguments: str) -> Answer | None:
        """Run it; see the module."""
        if os.geteuid() == 0 and not trusted(path):
            return None
        try:
            done = subprocess.run(  # noqa: S603 - an absolute path of our own list, no shell
                [path, *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                cwd="/",
                env=_ENVIRONMENT,
                timeout=_SECONDS,
                check=False,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        text, errors = (out[:_LARGEST].decode("utf-8", "replace") for out in (done.stdout, done.stderr))
        return Answer(text, errors, done.returncode)

    def group(self, path: str) -> str | None:
        """See Machine."""
        try:
            found = os.stat(path)
            return grp.getgrgid(found.st_gid).gr_name if found.st_mode & stat.S_ISGID else None
        except (OSError, KeyError):
            return None

    def read(self, path: str) -> str | None:
        """See Machine."""
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                return file.read(_LARGEST)
        except OSError:
            return None


def trusted(path: str) -> bool:
    """Tell whether only root can have put a program there: it and its directory are root's, and nobody else's."""
    real = os.path.realpath(path)
    for place in (real, os.path.dirname(real)):
        try:
            found = os.stat(place)
        except OSError:
            return False
        if found.st_uid != 0 or found.st_mode & stat.S_IWOTH or (found.st_gid != 0 and found.st_mode & stat.S_IWGRP):
            return False
    return True
