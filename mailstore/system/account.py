"""Becoming another user of the system, for good, before anything of that user's is touched."""

from __future__ import annotations

import os
import sys


def become(name: str) -> str:
    """Give up root for the user ``name``, with all groups and for good; returns the home directory.

    HOME and USER of the environment are set, the working directory is ``/``, new files are private (umask 077). A
    process that is that user already keeps its identity.

    Raises:
        KeyError: the system knows no such user.
        PermissionError: this process is somebody else and not root; or some part of root was left.
    """
    import pwd  # late: deliveries of a user's own process need none

    entry = pwd.getpwnam(name)
    if os.geteuid() == 0 and entry.pw_uid != 0:
        os.initgroups(name, entry.pw_gid)
        os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
        os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
    if set(os.getresuid()) != {entry.pw_uid}:
        raise PermissionError(1, f"this process cannot become {name}")
    os.environ.update(HOME=entry.pw_dir, USER=name, LOGNAME=name)
    os.chdir("/")
    os.umask(0o077)
    return entry.pw_dir


def can_load(name: str) -> bool:
    """Tell whether the user ``name`` may read the directories that code is loaded from; for root to ask.

    Raises:
        KeyError: the system knows no such user.
    """
    import pwd  # late, as above

    entry = pwd.getpwnam(name)
    if os.geteuid() != 0 or entry.pw_uid == 0:
        return True
    code = _code()  # while we still see it
    with Acting(entry.pw_uid, entry.pw_gid, os.getgrouplist(name, entry.pw_gid)):
        return all(os.access(path, os.R_OK | os.X_OK, effective_ids=True) for path in code)


def _code() -> list[str]:
    """Return the directories that code is loaded from."""
    return [os.path.dirname(__file__), *filter(os.path.isdir, sys.path)]


def become_ids(user: int, group: int) -> None:
    """Give up root for a user and group by their numbers, without any other group, for good; as ``become`` otherwise.

    HOME, USER and LOGNAME are removed from the environment.

    Raises:
        PermissionError: this process is somebody else and not root; or some part of root was left.
    """
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(group, group, group)
        os.setresuid(user, user, user)
    if set(os.getresuid()) != {user}:
        raise PermissionError(1, f"this process cannot become the user {user}")
    for name in ("HOME", "USER", "LOGNAME"):
        os.environ.pop(name, None)
    os.chdir("/")
    os.umask(0o077)


class Acting:
    """Act as another user for a block, for root to ask what that user may do; a context manager.

    Args:
        user: number of the user.
        group: number of the group.
        groups: all of the groups.
    """

    def __init__(self, user: int, group: int, groups: list[int]) -> None:
        self._user, self._group, self._groups = user, group, groups

    def __enter__(self) -> None:
        self._before = os.getgroups(), os.getegid()
        os.setgroups(self._groups)
        os.setegid(self._group)
        os.seteuid(self._user)

    def __exit__(self, *_: object) -> None:
        os.seteuid(0)
        groups, group = self._before
        os.setegid(group)
        os.setgroups(groups)
