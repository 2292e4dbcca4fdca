"""Loading code before root becomes a user who may not read it.

The problem. Much is loaded late, when it is needed, since a delivery starts a process for each mail. An interpreter
below ``/root`` or ``/opt/admin`` is closed to the user that a delivery by root becomes: the mail would wait for ever,
or a full disk be told as "no module of that name".

The solution. Whoever may not read the code gets all of it loaded before, at the price of a slow start; for any other
user nothing changes.
"""

from __future__ import annotations

from mailstore.system import account


def load_for(user: str, location: str) -> None:
    """Load all that a delivery to ``location`` may need, if the system user ``user`` could not do so.

    Raises:
        KeyError: the system knows no such user.
    """
    if account.can_load(user):
        return
    from mailstore.delivery import stored as stored  # both use the library, which is loaded with them
    from mailstore.delivery import target as target
    from mailstore.registry import load_wholly

    load_wholly(location)
