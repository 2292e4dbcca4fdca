"""Which mail a location names, however it is spelled: symlinks, options that only say how to read it."""

from __future__ import annotations

import os

from mailstore.errors import UsageError
from mailstore.spi import Location


def pair_identity(source: Location, destination: Location) -> str:
    """Return what a journal calls the copying of ``source`` to the destination that it lies with.

    The destination's path is left out, so that it can be moved together with its journal; an account of a database,
    or an INBOX that lies elsewhere, is not.
    """
    place = store_identity(source)
    return f"{place} -> {_naming(destination)}" if _naming(destination) else place


def store_identity(location: Location) -> str:
    """Return what a journal calls a store: its format, where it really is, and which mail there is meant."""
    return f"{location.format}:{_real(location.path)}{_naming(location)}"


def check_apart(source: Location, destination: Location) -> None:
    """Refuse to copy a store into itself.

    Raises:
        UsageError: both name the same mail, or the destination lies in the source.
    """
    if source.path and source == destination:
        raise UsageError(f"{source} is both source and destination")
    theirs, ours = _files(source), _files(destination)
    accounts = [location.options.get("account", "") for location in (source, destination)]
    if theirs & ours and accounts[0] == accounts[1]:
        raise UsageError(f"{min(theirs & ours)} is both source and destination")
    for place in ours - theirs:
        if any(place.startswith(other.rstrip("/") + "/") for other in theirs):
            raise UsageError(f"{place} lies in the source, which is not to be changed")


def _naming(location: Location) -> str:
    """Return the options that say which mail is meant: an account, or other files."""
    named = {
        name: _real(value) for name, value in sorted(location.options.items()) if name == "account" or _is_path(value)
    }
    return "".join(f"?{name}={value}" for name, value in named.items())


def _files(location: Location) -> set[str]:
    """Return the files and directories that a location names, symlinks resolved."""
    return {_real(path) for path in (location.path, *location.options.values()) if _is_path(path)}


def _is_path(text: str) -> bool:
    return os.path.isabs(os.path.expanduser(text))


def _real(path: str) -> str:
    return os.path.realpath(os.path.expanduser(path)) if _is_path(path) else path
