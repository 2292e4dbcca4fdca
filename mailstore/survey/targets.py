"""Which accounts a survey looks at: locations with shell wildcards, templates, databases of many accounts.

A template is what a delivery agent takes (``maildir:/srv/mail/%d/%n``); here it is read the other way round: what is on
the disk says which users there are. A path that exists is taken as it is, whatever characters are in it.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from mailstore import registry
from mailstore.errors import MailstoreError, NoSuchStore, StorageFailure, UsageError
from mailstore.spi import Location
from mailstore.system import fs

_FORMAT = re.compile(r"([a-z][a-z0-9+_-]+):(?!//)")
_OPTIONS = re.compile(r"\?[a-z][a-z0-9_-]*=[^?]*\Z|:[A-Z][A-Z0-9]*=.*\Z")
_MAGIC = re.compile(r"[*?[]")
_EXTENSION = re.compile(r"\.[A-Za-z0-9]+\Z")
_WILD = re.compile(r"%(.?)|\*|\?|\[(?:\]|[!^]\])?[^\]/]*\]", re.DOTALL)


class Target(NamedTuple):
    """An account to look at."""

    location: str
    name: str
    """For people: what the wildcards or variables stand for here, or a database's account; else the location."""
    domain: str = ""
    """Behind the ``@`` of the name or what ``%d`` stands for; '' where there is none."""
    error: MailstoreError | None = None
    """Why it cannot be looked at, known before it is opened."""


def find_targets(patterns: Iterable[str]) -> list[Target]:
    """Return the accounts that the patterns name, each once, in the order of the patterns and then by path.

    Args:
        patterns: locations; their paths may hold the shell's wildcards ``*``, ``?``, ``[…]`` or the variables ``%u``
            (user), ``%n`` (before its ``@``), ``%d`` (domain), ``%h`` (home directory of each of the system's users).

    Raises:
        UsageError: no pattern, or a template with another variable.
    """
    found: dict[str, Target] = {}
    for pattern in patterns:
        for target in _expand(pattern):
            found.setdefault(target.location, target)
    if not found:
        raise UsageError("name at least one location")
    return list(found.values())


def _expand(pattern: str) -> Iterator[Target]:
    for target in look_up(pattern):
        if target.error is None:
            yield from _accounts(target.location, target.name, target.domain)
        else:
            yield target


def look_up(pattern: str) -> Iterator[Target]:
    """Yield what a pattern names on the disk, by path. Nothing is opened: a database is one target.

    Where the pattern has no wildcard and no variable, or is the path of something that is there, it is the one target,
    without a name.
    """
    prefix, path, options = _parts(pattern)
    wild = "%" in path or _MAGIC.search(path) is not None
    if not wild or os.path.lexists(os.path.expanduser(path)) or "://" in pattern:
        yield Target(pattern, "")
        return
    closed: dict[str, MailstoreError] = {}
    matches = [match for one in _homes(path) for match in _matches(one, closed)]
    if not matches and not closed:
        yield Target(pattern, pattern, "", NoSuchStore(f"{pattern}: nothing there matches", path=path))
    for found, name, domain in matches:
        yield Target(f"{prefix}{found}{options}", name, domain)
    for found, error in closed.items():
        yield Target(f"{prefix}{found}{options}", found, "", error)


def _parts(pattern: str) -> tuple[str, str, str]:
    """Divide a pattern into format, path and options."""
    match = _FORMAT.match(pattern)
    prefix = match[0] if match is not None and registry.find_format(match[1]) is not None else ""
    path = pattern[len(prefix) :]
    options = _OPTIONS.search(path)
    return (prefix, path[: options.start()], options[0]) if options and prefix else (prefix, path, "")


def _homes(path: str) -> Iterator[tuple[str, str]]:
    """Yield (path, user), with ``%h`` put in for each user of the system; or the path as it is and ''."""
    if "%h" not in path:
        yield path, ""
        return
    import pwd

    for entry in sorted(pwd.getpwall()):
        if os.path.isabs(entry.pw_dir):
            home = entry.pw_dir.replace("%", "%%")
            yield path.replace("%h", home).replace("%u", entry.pw_name).replace("%n", entry.pw_name), entry.pw_name


def _matches(one: tuple[str, str], closed: dict[str, MailstoreError]) -> list[tuple[str, str, str]]:
    """Return (path, name, domain) of what is there and fits, by path; into ``closed`` goes what cannot be looked at."""
    pattern, user = os.path.expanduser(one[0]), one[1]
    wildcards, expression = _translate(pattern)
    found = []
    for path in sorted(_glob(wildcards, closed)):
        match = expression.fullmatch(path)
        if match is not None:
            found.append((path, *_name(match, user)))
    return found


def _glob(pattern: str, closed: dict[str, MailstoreError]) -> Iterator[str]:
    """Yield the paths that fit the shell's pattern, as ``glob`` does; it passes over without a word what is closed."""
    paths = [""]
    for number, component in enumerate(pattern.split("/")):
        if not _MAGIC.search(component):
            paths = [f"{path}/{component}" if number else component for path in paths]
            continue
        found = []
        for path in paths:
            try:
                names = os.listdir(path or ("/" if number else "."))
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                closed[path] = fs.translate(error, path, StorageFailure)
                continue
            fitting = (name for name in fnmatch.filter(names, component) if name[0] != "." or component[0] == ".")
            found += [f"{path}/{name}" if number else name for name in fitting]
        paths = found
    for path in paths:
        try:
            if fs.is_there(path):
                yield path
        except MailstoreError as error:
            closed[path] = error


def _translate(pattern: str) -> tuple[str, re.Pattern[str]]:
    """Return the pattern for the shell's matching, and the expression that tells what each wildcard stands for.

    A component with wildcards is one group, without its extension: ``j*.db`` stands for ``joe``.

    Raises:
        UsageError: a variable that there is not.
    """
    wildcards, expressions, seen = [], [], set[str]()
    for component in pattern.split("/"):
        extension = _EXTENSION.search(component)
        ending = extension[0] if extension and _MAGIC.search(component) and "%" not in component else ""
        glob, expression = _component(component.removesuffix(ending), pattern, seen)
        wildcards.append(glob + ending)
        expressions.append((f"({expression})" if _MAGIC.search(component) else expression) + re.escape(ending))
    return "/".join(wildcards), re.compile("/".join(expressions), re.DOTALL)


def _component(text: str, pattern: str, seen: set[str]) -> tuple[str, str]:
    wildcards, expression, at = "", "", 0
    for match in _WILD.finditer(text):
        wildcards += text[at : match.start()]
        expression += re.escape(text[at : match.start()])
        at, letter = match.end(), match[1]
        if letter == "%":
            wildcards, expression = wildcards + "%", expression + "%"
        elif letter is None:
            wildcards, expression = wildcards + match[0], expression + ("[^/]" if match[0] != "*" else "[^/]*")
        elif letter not in "und" or not letter:
            raise UsageError(f"{pattern}: there is no %{letter}; there are %u, %n, %d, %h and %%")
        else:
            wildcards += "*"
            expression += f"(?P={letter})" if letter in seen else f"(?P<{letter}>[^/]+)"
            seen.add(letter)
    return wildcards + text[at:], expression + re.escape(text[at:])


def _name(match: re.Match[str], user: str) -> tuple[str, str]:
    """Return the name and domain of an account by what its path shows."""
    said = match.groupdict()
    name = said.get("u") or said.get("n") or user
    domain = said.get("d") or name.rpartition("@")[2] * ("@" in name)
    if not name:
        return "/".join(part for part in match.groups() if part) or match[0], domain
    return (name if "@" in name or not domain else f"{name}@{domain}"), domain


def _accounts(text: str, name: str, domain: str) -> Iterator[Target]:
    """Yield the account at a location, or each account of a database."""
    try:
        location = registry.parse_location(text)
        every = registry.accounts(location)
    except MailstoreError as error:
        yield Target(text, name or text, domain, error)
        return
    except OSError as error:
        yield Target(text, name or text, domain, StorageFailure(f"{text}: {error.strerror}", path=text))
        return
    for one in every:
        account = one.options.get("account", "") if one is not location else ""
        called = account or name or location.options.get("account") or text
        yield Target(_text(one), called, domain or called.rpartition("@")[2] * ("@" in called and "/" not in called))


def _text(location: Location) -> str:
    """Return a location as text that ``parse_location`` reads, whatever characters an account's name has."""
    from urllib.parse import quote

    options = {key: quote(value, safe="@/,+ =") if _odd(value) else value for key, value in location.options.items()}
    return str(replace(location, options=options))


def _odd(value: str) -> bool:
    return any(one in value for one in "%&?#:")
