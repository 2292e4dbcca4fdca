"""The one table from errors to exit codes (sysexits.h, and SPECS of the mail world: 75 alone means 'try again').

An error that is temporary is 75 whatever its class; every other is looked up by its class, then by its bases.
"""

from __future__ import annotations

import mailstore

OK = 0
FAILED = 1
"""Something asked for was not done, or stores differ; stderr and the report say what."""
USAGE = 64
DATA = 65
NO_INPUT = 66
NO_USER = 67
UNAVAILABLE = 69
SOFTWARE = 70
CANNOT_CREATE = 73
TEMPORARY = 75
INTERRUPTED = 130
"""128 + SIGINT, as shells report it."""
BROKEN_PIPE = 141
"""128 + SIGPIPE: the reader of stdout went away."""

MEANING = {
    OK: "done, wholly",
    FAILED: "something was lost, failed or differs, or would be lost and was refused",
    USAGE: "the command line makes no sense: an unknown option, format or flag, an impossible folder name",
    DATA: "what is there is no mail store, or a damaged one",
    NO_INPUT: "no such store, folder, message or file",
    NO_USER: "nobody of that name gets mail here",
    UNAVAILABLE: "the format cannot hold or do that",
    SOFTWARE: "a defect of mstore itself",
    CANNOT_CREATE: "it cannot be created or written: it exists already, permission, read-only",
    TEMPORARY: "try again later: locked, no space left, over quota, an I/O error",
    INTERRUPTED: "interrupted: from the keyboard, or by a signal that a command heeds",
    BROKEN_PIPE: "the reader of standard output went away",
}
"""Every exit code that mstore uses."""

BY_ERROR: dict[type[mailstore.MailstoreError], int] = {
    mailstore.UsageError: USAGE,
    mailstore.AmbiguousLocation: USAGE,
    mailstore.InvalidFolderName: USAGE,
    mailstore.NotAStore: DATA,
    mailstore.CorruptStore: DATA,
    mailstore.UidValidityChanged: DATA,
    mailstore.MessageTooLarge: DATA,
    mailstore.NoSuchStore: NO_INPUT,
    mailstore.NoSuchFolder: NO_INPUT,
    mailstore.NoSuchMessage: NO_INPUT,
    mailstore.UnreadableMessage: NO_INPUT,
    mailstore.NoSuchUser: NO_USER,
    mailstore.Unsupported: UNAVAILABLE,
    mailstore.CannotCreate: CANNOT_CREATE,
    mailstore.ReadOnlyStore: CANNOT_CREATE,
    mailstore.FolderExists: CANNOT_CREATE,
    mailstore.PreconditionFailed: FAILED,
    mailstore.LossRefused: FAILED,
}


def of_error(error: mailstore.MailstoreError | OSError) -> int:
    """Return the exit code for an error of the library or of the operating system."""
    if isinstance(error, OSError):
        return NO_INPUT if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError) else TEMPORARY
    if error.temporary:
        return TEMPORARY
    return next((BY_ERROR[kind] for kind in type(error).__mro__ if kind in BY_ERROR), SOFTWARE)
