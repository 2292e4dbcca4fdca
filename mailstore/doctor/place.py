"""Where a store lies: file system, permissions of its directory, and who can make a dotlock in it."""

from __future__ import annotations

import os
import stat

from mailstore.doctor.kernel import Named, look, user_name
from mailstore.doctor.report import Place
from mailstore.system import fs

_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "glusterfs", "afs"})


def is_nfs(place: Place) -> bool:
    """Whether it is NFS, where flock(2) is mapped to fcntl locks (Linux 2.6.12)."""
    return place.filesystem in ("nfs", "nfs4")


def inspect_place(path: str, directory: str) -> Place:
    """Look at the store at ``path``, whose dotlock would be made in ``directory``.

    Raises:
        OSError: not even the directory can be looked at.
    """
    above = os.stat(directory)
    try:
        found: os.stat_result | None = os.stat(path)
    except OSError:
        found = None
    named = look(path) or look(directory)
    owner = found.st_uid if found is not None else _future_owner(path)
    mount = named.mount if named else None
    return Place(
        path=path,
        exists=found is not None,
        filesystem=mount.filesystem if mount else "",
        device=mount.source if mount else "",
        owner=user_name(owner),
        directory=directory,
        mode=stat.filemode(above.st_mode),
        directory_owner=user_name(above.st_uid),
        group=group_name(above.st_gid),
        dotlock=_who_makes_it(above, owner),
        notes=tuple(_notes(path, found, named)),
    )


def _future_owner(path: str) -> int:
    """Return who will own a mailbox that is not there yet: in a spool the user it is called after, else who asks."""
    import pwd

    try:
        return pwd.getpwnam(os.path.basename(path)).pw_uid
    except (KeyError, ValueError):
        return os.geteuid()


def group_name(gid: int) -> str:
    """Return the name of a group, or the number where there is none."""
    import grp

    try:
        return grp.getgrgid(gid).gr_name
    except (KeyError, OverflowError):
        return str(gid)


def _who_makes_it(directory: os.stat_result, owner: int) -> str:
    """Tell who may create files in a directory: ``owner`` (of the mailbox), ``group``, ``root``."""
    if owner == 0 or _may_write(directory, owner):
        return "owner"
    return "group" if directory.st_mode & stat.S_IWGRP else "root"


def _may_write(directory: os.stat_result, uid: int) -> bool:
    import pwd

    if uid == directory.st_uid:
        return bool(directory.st_mode & stat.S_IWUSR)
    try:
        user = pwd.getpwuid(uid)
        groups = os.getgrouplist(user.pw_name, user.pw_gid)
    except (KeyError, OverflowError):
        groups = []
    return bool(directory.st_mode & (stat.S_IWGRP if directory.st_gid in groups else stat.S_IWOTH))


def _notes(path: str, found: os.stat_result | None, named: Named | None) -> list[str]:
    notes = []
    if os.path.islink(path):
        target = fs.shown(os.path.realpath(path))
        notes.append(f"a symbolic link to {target}: programs given that name make another dotlock")
    if found is not None and stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
        notes.append(f"a file of {found.st_nlink} names: a dotlock guards one of them; Postfix refuses such a mailbox")
    if named is None or named.mount is None:
        return notes
    mount = named.mount
    kind = mount.filesystem
    local = {"nolock", "local_lock=all", "local_lock=posix", "local_lock=flock", "nobrl"} & mount.options
    if local:
        notes.append(f"mounted with {min(local)}: kernel locks do not reach other hosts")
    elif kind in ("nfs", "nfs4"):
        notes.append("NFS: flock is mapped to fcntl, and both go to the lock service of the server")
    elif kind in _NETWORK or kind.startswith("fuse."):
        notes.append(f"{kind}: whether kernel locks reach other hosts depends on its server")
    return notes
