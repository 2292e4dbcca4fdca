"""From a recipient to the mailbox that takes its mail."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from mailstore.delivery.target import expand, sub_address
from mailstore.errors import UsageError
from mailstore.registry import load_wholly


class Mailbox(NamedTuple):
    """Where a recipient's mail goes."""

    location: str
    folder: str
    """Name of the folder; where it is not there and is not to be made, INBOX takes the mail."""


@dataclass(frozen=True, slots=True)
class Mailboxes:
    """The rule by which recipients have mailboxes.

    Attributes:
        template: of their locations (see mailstore.delivery.expand).
        folder: where mail goes in them.
        sub_address: whether ``user+folder@domain`` names a folder of user@domain.
        separator: what stands between the two.
    """

    template: str
    folder: str = "INBOX"
    sub_address: bool = False
    separator: str = "+"

    def __post_init__(self) -> None:
        if not self.template:
            raise UsageError("the location is empty")
        expand(self.template, "user@example.org", home="/")  # says what is wrong with it before any mail comes
        load_wholly(self.template)

    def split(self, recipient: str) -> tuple[str, str]:
        """Return the user and the folder that an address, as RCPT named it, is for."""
        user, folder = unquoted(recipient), None
        if self.sub_address:
            user, folder = sub_address(user, self.separator)
        return user, folder or self.folder

    def find(self, recipient: str) -> Mailbox:
        """Return the mailbox of an address as RCPT named it; whether it exists is another question.

        Raises:
            NoSuchUser: an address that no mailbox can have, or an account that the system does not know.
        """
        user, folder = self.split(recipient)
        return Mailbox(self.location(user), folder)

    def location(self, user: str) -> str:
        """Return where a user's mail is. May ask the system for the home directory, which may take its time.

        Raises:
            NoSuchUser: as for ``find``.
        """
        return expand(self.template, user)


def unquoted(address: str) -> str:
    """Return the address with the quotes taken off a quoted local part: ``"joe"@example.org`` is joe@example.org."""
    local, at, domain = address.rpartition("@")
    if not at:
        local, domain = address, ""
    if len(local) >= 2 and local.startswith('"') and local.endswith('"'):
        local = re.sub(r"\\(.)", r"\1", local[1:-1])
    return f"{local}{at}{domain}"
