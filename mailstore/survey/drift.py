"""Are the sums that an account keeps right? A look that deliveries meanwhile do not fool.

The problem. In a Maildir a delivery first adds its file and then its line to ``maildirsize``; another program may do so
between our reading of the sums and our counting. What looks like drift may be a message on its way.

The solution. Sums that were changed while we counted are read and counted again; a difference counts as drift only
where it is the same twice in a row, half a second apart, with sums that nobody touched.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from mailstore.model.changes import Usage
from mailstore.model.quota import NO_RULES
from mailstore.quota.account import total
from mailstore.store import Store
from mailstore.system import clock

State = Literal["right", "drift", "moving", "no sums"]
_MOST_LOOKS = 10
_PAUSE = 0.5
"""Seconds between two looks: longer than a delivery takes from its file to its line."""


class Drift(NamedTuple):
    """What a comparison found."""

    state: State
    kept: Usage | None
    counted: Usage


def drift_of(store: Store) -> Drift:
    """Compare the sums kept with the store with a count of its messages; writes nothing.

    ``moving``: it changed at every look, so that nothing can be said.
    """
    rules = store.quota.rules() or NO_RULES
    doubt: tuple[Usage, Usage] | None = None
    for number in range(_MOST_LOOKS):
        if number:
            clock.sleep(_PAUSE)
        kept = store.quota.recorded()
        counted = total(rules, store.quota.count())
        if kept is None:
            return Drift("no sums", None, counted)
        if kept == counted:
            return Drift("right", kept, counted)
        if (kept, counted) == doubt:
            return Drift("drift", kept, counted)
        doubt = (kept, counted) if store.quota.recorded() == kept else None
    return Drift("moving", kept, counted)
