"""Locations with places to fill in: ``maildir:/home/{user}/Maildir``.

``{user}`` is the user as named, ``{name}`` what stands before its last ``@``, ``{domain}`` what stands behind it,
``{home}`` the home directory of the system's user ``{name}``. They are the variables ``%u``, ``%n``, ``%d``, ``%h`` of
a delivery, and are filled in by the same code: a name that could lead elsewhere is refused there.
"""

from __future__ import annotations

import re

from mailstore.delivery.target import expand
from mailstore.errors import UsageError

VARIABLES = {"user": "%u", "name": "%n", "domain": "%d", "home": "%h"}
"""What may stand in braces, and what a delivery calls it."""
_PLACE = re.compile(r"\{([^{}]*)\}")


def is_template(location: str) -> bool:
    """Tell whether a location has a place to fill in."""
    return any(name in VARIABLES for name in _PLACE.findall(location))


def fill(template: str, user: str) -> str:
    """Return a template filled in for one user.

    Raises:
        NoSuchUser: a name that could lead elsewhere, one without a domain where ``{domain}`` stands, or one that the
            system does not know where ``{home}`` stands.
        UsageError: there is something else in braces.
    """
    return expand(delivery_template(template), user)


def delivery_template(template: str) -> str:
    """Return a template as a delivery spells it.

    Raises:
        UsageError: there is something else in braces.
    """
    pieces = _PLACE.split(template.replace("%", "%%"))
    for at in range(1, len(pieces), 2):
        if pieces[at] not in VARIABLES:
            known = ", ".join(f"{{{name}}}" for name in VARIABLES)
            raise UsageError(f"{template}: there is no {{{pieces[at]}}}; there are {known}")
        pieces[at] = VARIABLES[pieces[at]]
    return "".join(pieces)
