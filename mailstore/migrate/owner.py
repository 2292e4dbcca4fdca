"""Whom the mail of an account belongs to once it has been migrated."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field

from mailstore.errors import NoSuchUser, UsageError
from mailstore.system import account

USER, KEEP = "user", "keep"
_HIGHEST = 2**32 - 2
"""The next one means "leave it as it is" to the system."""
_NUMBERS = re.compile(r"([0-9]{1,10}):([0-9]{1,10})")


@dataclass(frozen=True, slots=True)
class Owner:
    """A user that a process becomes.

    Attributes:
        uid: number of the user.
        gid: number of the group.
        name: of the system's account; '' where only numbers were said, and no other groups are had.
    """

    uid: int
    gid: int
    name: str = ""
    groups: list[int] = field(default_factory=list, compare=False)

    def become(self) -> None:
        """Become it, for good: as ``mailstore.system.account.become``; what XDG variables said of another goes too.

        Raises:
            PermissionError: this process may not.
        """
        for variable in [name for name in os.environ if name.startswith("XDG_")]:
            del os.environ[variable]
        if self.name:
            account.become(self.name)
        else:
            account.become_ids(self.uid, self.gid)

    def may_read(self, path: str) -> bool:
        """Tell whether it may read a file, or list and enter a directory; for root to ask. True where none is there."""
        with account.Acting(self.uid, self.gid, self.groups):
            try:
                mode = os.R_OK | (os.X_OK if os.path.isdir(path) else 0)
                return os.access(path, mode, effective_ids=True) or _is_missing(path)
            except OSError:
                return False


def _is_missing(path: str) -> bool:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    return False


def owner_of(user: str, said: str) -> Owner | None:
    """Return whom the mail of ``user`` is to belong to; None: whoever runs this.

    Args:
        user: a name or address; what stands before its last ``@`` is the system's account.
        said: ``user``, ``keep``, the name of a system's account, or ``UID:GID``; '' is ``user`` for root and ``keep``
            for anybody else.

    Raises:
        NoSuchUser: the system has no such account.
        UsageError: ``said`` makes no sense; or it is another user, and this process is not root's.
    """
    root = os.geteuid() == 0
    if said == KEEP or (not said and not root):
        return None
    numbers = _NUMBERS.fullmatch(said)
    if numbers is not None:
        owner = Owner(int(numbers[1]), int(numbers[2]))
        if max(owner.uid, owner.gid) > _HIGHEST:
            raise UsageError(f"{said}: a number of a user or group is {_HIGHEST} at most")
    else:
        owner = _named(user.rpartition("@")[0] or user if said in ("", USER) else said, said in ("", USER))
    if owner.uid == os.geteuid() and (not root or owner.gid == os.getegid()):
        return None
    if not root:
        raise UsageError(f"only root can give mail to another user ({said})")
    return owner


def numbered(uid: int, gid: int) -> Owner:
    """Return the user of that number, with the groups of the system's account where there is one."""
    import pwd  # late: nobody but root needs it

    try:
        return _named(pwd.getpwuid(uid).pw_name, own=False)
    except KeyError:
        return Owner(uid, gid)


def _named(name: str, own: bool) -> Owner:
    import pwd  # late: nobody but root needs it

    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        hint = "; say with --owner whom the mail is to belong to" if own else ""
        raise NoSuchUser(f"there is no user {name!r} here{hint}", user=name) from None
    return Owner(entry.pw_uid, entry.pw_gid, name, os.getgrouplist(name, entry.pw_gid))
