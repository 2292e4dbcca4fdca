"""What the options of deliveries name that has to do with quotas: rules, a command, a warning."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from mailstore import QuotaRules, UsageError

if TYPE_CHECKING:
    from mailstore.delivery import QuotaWarning

_MOST = 1 << 20
"""Bytes: no file of rules, and no warning, is longer."""


def read_rules(path: str | None) -> QuotaRules | None:
    """Return the rules in a file; None where none is named.

    Raises:
        UsageError: it cannot be read or understood.
    """
    if path is None:
        return None
    from mailstore.quota import parse_rules

    data = _read(path)
    try:
        return parse_rules(data)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def read_warning(command: str | None, message: str | None, *, background: bool = False) -> QuotaWarning | None:
    """Return what to do at a threshold: a command line, split as a shell would, and the text of a mail; None: nothing.

    Raises:
        UsageError: the command line has quotes that do not close, or the file cannot be read.
    """
    if command is None and message is None:
        return None
    from mailstore.delivery import QuotaWarning

    try:
        words = shlex.split(command or "")
    except ValueError as error:
        raise UsageError(f"--on-warning {command}: {error}") from error
    return QuotaWarning(words, b"" if message is None else _read(message), background=background)


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            data = file.read(_MOST + 1)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    if len(data) > _MOST:
        raise UsageError(f"{path} is too long to be what it should be")
    return data
