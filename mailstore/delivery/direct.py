"""The ordinary delivery: into INBOX, without opening a store.

Into a Maildir, a delivery that needs no UID is one file in ``new`` and touches nothing else; the next reader numbers
it. Other formats have a module for it. Whatever is less plain (a layout, a folder, a store that is to be made) is left
to the store.
"""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailstore.delivery.incoming import Incoming
    from mailstore.system.drop import Drop

_WAYS = {"mbox": "mailstore.drivers.mbox.direct"}
"""By format, the module whose ``deliver`` takes the ordinary message; see there for its arguments."""
_MAPPING = {"sqlite": "mailstore.drivers.sql.direct"}
"""The same of formats that map files into memory."""


def straight(incoming: Incoming, location: str, lock_timeout: float) -> bool:
    """Deliver into INBOX where that can be done without the store, and maps no file; durable where it returns True.

    False: nothing was written, and ``incoming`` is as it was.

    Raises: as ``mailstore.delivery.deliver``.
    """
    root = maildir_at(location)
    if root is not None:
        into_maildir(incoming, root)
        return True
    return _by(_WAYS, incoming, location, lock_timeout)


def straight_mapping(incoming: Incoming, location: str, lock_timeout: float) -> bool:
    """The same for formats that do map files."""
    return _by(_MAPPING, incoming, location, lock_timeout)


def _by(ways: dict[str, str], incoming: Incoming, location: str, lock_timeout: float) -> bool:
    found = plain(location)
    if found is None or found[0] not in ways:
        return False
    form, path, options = found
    deliver = __import__(ways[form], fromlist=["deliver"]).deliver
    return bool(deliver(path, options, incoming.whole, incoming.sender, lock_timeout))


def plain(location: str) -> tuple[str, str, dict[str, str]] | None:
    """Return format, absolute path and options of a location that names all of them beyond doubt, or None."""
    form, colon, rest = location.partition(":")
    path, question, text = rest.partition("?")
    if not colon or not path or path.startswith("//") or not {":", "?", "%", "\0"}.isdisjoint(path + text):
        return None
    options = {}
    for pair in text.split("&") if question else ():
        name, equals, value = pair.partition("=")
        if not equals or not name.isascii() or not name.isalpha() or not name.islower() or value.startswith("~"):
            return None
        options[name] = value
    return form, os.path.abspath(os.path.expanduser(path)), options


def maildir_at(location: str) -> str | None:
    """Return the absolute path of the Maildir that ``location`` names beyond doubt, or None.

    It is there and holds ``cur``, ``new`` and ``tmp`` as real directories; the location has no options, and the quota
    no rules that only the store knows.
    """
    path = location.removeprefix("maildir:")
    if not path or ":" in path or "?" in path or "\0" in path or path.startswith("//"):
        return None
    path = os.path.abspath(os.path.expanduser(path))
    try:
        whole = all(stat.S_ISDIR(os.lstat(f"{path}/{name}").st_mode) for name in ("cur", "new", "tmp"))
    except OSError:
        return None
    if not whole:
        return None
    from mailstore.system import drop  # late: other formats do without

    if any(os.path.lexists(f"{path}/{name}") for name in (drop.RULES, drop.OWN, drop.MARK)):
        from mailstore.delivery import room  # late: most Maildirs have no quota

        return path if room.is_simple(path) else None
    return path


def into_maildir(incoming: Incoming, root: str) -> None:
    """Deliver into INBOX of the Maildir at ``root``; durable on return. The file has the root's permissions.

    Raises:
        QuotaExceeded, MessageTooLarge: there is no room for it.
        StorageFull, StorageFailure, ReadOnlyStore: nothing that could be lost was acknowledged; what is visible all the
            same is whole.
    """
    from mailstore.system.drop import SUMS, Drop  # late: other formats do without

    drop, summed = None, False
    try:
        drop = Drop(root, os.stat(root).st_mode & 0o666 | 0o600)
        drop.write(incoming.head())
        for piece in incoming.rest():
            drop.write(piece)
        if os.path.lexists(f"{root}/{SUMS}"):
            from mailstore.delivery import room  # late: most Maildirs have no quota

            summed = room.check(root, drop.size)
        drop.publish()
        if summed:
            room.enter(root, drop.size)
    except BaseException as error:
        _discard(drop)
        if isinstance(error, OSError):
            from mailstore.system import fs  # late: a failure may take its time

            raise fs.translate(error, f"{root}/new") from error
        raise


def _discard(drop: Drop | None) -> None:
    """Remove what was written; what cannot be removed now goes with the next ``recover`` after 36 hours."""
    try:
        if drop is not None:
            drop.discard()
    except OSError:
        return
