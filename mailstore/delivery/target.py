"""Where mail for somebody goes: location templates, and folders in addresses (``joe+lists@example.org``).

User names and addresses come from the other side of the network: none of them gets to say another path than its own.
"""

from __future__ import annotations

import os

SEPARATOR = "+"
"""Between user and folder in an address (RFC 5233; Postfix' recipient_delimiter)."""
_UNSAFE = frozenset("/?:%\\\0")
"""Characters that would be read as something else inside a location."""


def expand(template: str, user: str, *, home: str | None = None) -> str:
    """Return a location template filled in for one user.

    ``%u`` is the user as given, ``%n`` what stands before its last ``@``, ``%d`` what stands behind it, ``%h`` the home
    directory, ``%%`` a percent sign (Dovecot's variables).

    Args:
        template: such as ``maildir:/home/%u/Maildir``.
        user: a name or an address.
        home: for ``%h``; None: that of the system's account ``%n``.

    Raises:
        NoSuchUser: a name that could lead elsewhere (``..``, ``/``, a leading dot, controls, characters that mean
            something in a location), or an account that the system does not know.
        UsageError: the template has another ``%``.
    """
    name, at, domain = user.rpartition("@")
    if not at:
        name, domain = user, ""
    for part in (user, name, *((domain,) if at else ())):
        _check(part, user)
    pieces, rest = [], template
    while True:
        text, percent, rest = rest.partition("%")
        pieces.append(text)
        if not percent:
            return "".join(pieces)
        pieces.append(_value(rest[:1], template, user, name, domain, home))
        rest = rest[1:]


def _value(letter: str, template: str, user: str, name: str, domain: str, home: str | None) -> str:
    if letter == "h":
        return home_of(name) if home is None else home
    values = {"u": user, "n": name, "d": domain, "%": "%"}
    if letter not in values:
        from mailstore.errors import UsageError

        raise UsageError(f"{template}: there is no %{letter}; there are %u, %n, %d, %h and %%")
    if letter == "d" and not domain:
        raise _nobody(f"{user!r} has no domain, and {template} needs one", user)
    return values[letter]


def _check(part: str, user: str) -> None:
    controls = not part.isprintable() and any(one < " " or one == "\x7f" for one in part)
    if not part or part.startswith(".") or not _UNSAFE.isdisjoint(part) or controls:
        raise _nobody(f"{user!r} is no name that a mailbox can have", user)


def home_of(name: str) -> str:
    """Return the home directory of a system account.

    Raises:
        NoSuchUser: there is none of that name.
    """
    import pwd  # late: most deliveries name a location

    try:
        return pwd.getpwnam(name).pw_dir
    except KeyError:
        raise _nobody(f"there is no user {name!r} here", name) from None


def become(user: str, location: str = "") -> None:
    """Become the system user ``user``, or the one before its ``@``, for good (see mailstore.system.account.become).

    What a delivery to ``location`` (a template will do) may load is loaded first where that user cannot read the code.

    Raises:
        NoSuchUser: the system knows no such user.
        UsageError: this process may not become that user.
    """
    from mailstore.delivery import ahead
    from mailstore.system import account

    name = _account(user)
    try:
        ahead.load_for(name, location)
        account.become(name)
    except KeyError:
        raise _nobody(f"there is no user {name!r} here", user) from None
    except PermissionError as error:
        from mailstore.errors import UsageError

        raise UsageError(f"only root can deliver as another user: {error.strerror}") from error


def _account(user: str) -> str:
    """Return the name of a user's account on this system: what stands before the ``@``, where there is one."""
    return user.rpartition("@")[0] or user


def default_location(user: str) -> str:
    """Return where a system user's mail goes when nothing says otherwise.

    That is ``Maildir`` in the home directory where that is there, else the spool ``/var/mail``.

    Raises:
        NoSuchUser: there is none of that name.
    """
    name = _account(user)
    _check(name, user)
    maildir = f"{home_of(name)}/Maildir"
    return f"maildir:{maildir}" if os.path.isdir(maildir) else f"mbox:/var/mail/{name}"


def _nobody(text: str, user: str) -> Exception:
    from mailstore.errors import NoSuchUser

    return NoSuchUser(text, user=user)


def sub_address(recipient: str, separator: str = SEPARATOR) -> tuple[str, str | None]:
    r"""Split an address into the plain address and the folder it asks for, or None where it asks for none.

    The folder is one component: a slash in it is escaped as ``FolderPath.parse`` reads it.

    >>> sub_address("joe+lists@example.org")
    ('joe@example.org', 'lists')
    """
    local, at, domain = recipient.rpartition("@")
    if not at:
        local, domain = recipient, ""
    name, found, detail = local.partition(separator)
    if not found or not name:
        return recipient, None
    folder = detail.replace("\\", "\\\\").replace("/", "\\/")
    return f"{name}{at}{domain}", folder or None
