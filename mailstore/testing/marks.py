"""What a test of the contract says about itself: its clauses, what it needs, whether it runs with shortcuts masked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

from mailstore.model.caps import NATIVE_SHORTCUTS, Capabilities

_Test = TypeVar("_Test", bound=Callable[..., Any])
_FIELDS = frozenset(field.name for field in fields(Capabilities))
_NATIVE = "native:"


def clause(*numbers: str) -> Callable[[_Test], _Test]:
    """Say which clauses of ``docs/contract.md`` a test proves."""

    def mark(test: _Test) -> _Test:
        vars(test)["clauses"] = numbers
        return test

    return mark


def needs(*names: str) -> Callable[[_Test], _Test]:
    """Skip a test where the capabilities say that the store cannot do it: the only reason for a skip there is.

    Args:
        names: fields of Capabilities that must be true or unlimited, or ``native:fresh`` for a native shortcut.
    """
    for name in names:
        known = name.removeprefix(_NATIVE) in NATIVE_SHORTCUTS if name.startswith(_NATIVE) else name in _FIELDS
        if not known:
            raise ValueError(f"{name} is no field of Capabilities and no native shortcut")

    def mark(test: _Test) -> _Test:
        vars(test)["needs"] = names
        return test

    return mark


def both_ways(test: _Test) -> _Test:
    """Run a test with the native shortcuts at work and once more with all of them masked."""
    vars(test)["both_ways"] = True
    return test


def clauses_of(test: object) -> tuple[str, ...]:
    """Return the clauses that ``test`` cites."""
    numbers: tuple[str, ...] = getattr(test, "clauses", ())
    return numbers


def runs_both_ways(test: object) -> bool:
    """Whether ``test`` runs with native shortcuts masked too."""
    return getattr(test, "both_ways", False)


def missing(test: object, capabilities: Capabilities) -> str | None:
    """Return what ``test`` needs and ``capabilities`` denies, in words for the reason of a skip, or None."""
    for name in getattr(test, "needs", ()):
        if name.startswith(_NATIVE):
            if name.removeprefix(_NATIVE) not in capabilities.native:
                return f"Capabilities.native of {capabilities.format} has no {name.removeprefix(_NATIVE)}"
        elif getattr(capabilities, name) in (False, 0):
            return f"Capabilities.{name} of {capabilities.format} is {getattr(capabilities, name)}"
    return None
