"""What mail programs print about their locks: pure text to values."""

from __future__ import annotations

import re

from mailstore.doctor.report import DOTLOCK, FCNTL, FLOCK

_TIME = re.compile(r"(\d+)\s*([a-z]*)")
_UNITS = (("ms", 0.001), ("mi", 60.0), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86400.0), ("w", 604800.0))
_WORDS = {
    "dotlock": DOTLOCK,
    "dotlock_try": DOTLOCK,
    "dotlocking": DOTLOCK,
    "fcntl": FCNTL,
    "lockf": FCNTL,
    "flock": FLOCK,
}


def seconds(text: str) -> float | None:
    """Read a time as mail programs print it: ``500s``, ``5 mins``, ``30m``, ``1h30m``; without a unit it is seconds."""
    parts = _TIME.findall(text.strip().lower())
    if not parts:
        return None
    total = 0.0
    for number, unit in parts:
        factor = next((factor for start, factor in _UNITS if unit.startswith(start)), None) if unit else 1.0
        if factor is None:
            return None
        total += int(number) * factor
    return total


def methods(text: str) -> tuple[str, ...]:
    """Read names of locks in their order, separated by anything: ``fcntl, dotlock``, ``dotlocking, fcntl()``."""
    found = [_WORDS[word] for word in re.findall(r"[a-z_]+", text.lower()) if word in _WORDS]
    return tuple(dict.fromkeys(found))


def settings(text: str) -> dict[str, str]:
    """Read ``name = value`` lines (postconf, doveconf); a block ``name { a = yes }`` of Dovecot 2.4 becomes ``a``.

    A name that comes again, as ``location`` in Dovecot's namespaces, keeps its first value. Names in a block are
    those of the block and its own: ``namespace inbox/location``.
    """
    found: dict[str, str] = {}
    blocks: list[str] = []
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("#"):
            continue
        if line.endswith("{"):
            blocks.append(line[:-1].strip())
        elif line == "}":
            del blocks[-1:]
        else:
            name, equals, value = line.partition("=")
            name, value = name.strip(), value.strip()
            if not equals or not name:
                continue
            found.setdefault("/".join([*blocks, name]), value)
            if blocks and value == "yes":  # a list of Dovecot 2.4, in its order
                block = "/".join(blocks)
                found[block] = f"{found.get(block, '')} {name}".strip()
    return found


def compile_options(text: str) -> dict[str, bool]:
    """Read the ``+NAME`` and ``-NAME`` of ``mutt -v`` and ``neomutt -v``; names in lower case."""
    _, _, tail = text.partition("Compile options:")
    return {name.lower(): sign == "+" for sign, name in re.findall(r"(?<!\S)([+-])(\w+)", tail)}


def transports(text: str) -> dict[str, dict[str, str]]:
    """Read ``exim -bP transports``: option and value of each; a set flag is ``yes``, one that is not ``no``."""
    found: dict[str, dict[str, str]] = {}
    options: dict[str, str] = {}
    for line in text.splitlines():
        if line.endswith(" transport:") and "=" not in line:
            options = found.setdefault(line.removesuffix(" transport:"), {})
            continue
        name, equals, value = line.strip().partition("=")
        name = name.strip().lstrip("*")
        if equals:
            options[name] = value.strip()
        elif name.startswith("no_"):
            options[name[3:]] = "no"
        elif name:
            options[name] = "yes"
    return found


def strategies(text: str) -> tuple[str, ...]:
    """Read the line ``Locking strategies:`` of ``procmail -v``."""
    match = re.search(r"^Locking strategies:(.*)$", text, re.MULTILINE)
    return methods(match[1]) if match else ()


def locking_block(text: str) -> dict[str, str] | None:
    """Read ``locking { type kernel; }`` from a configuration of GNU Mailutils; None where it has none."""
    bare = re.sub(r"/\*.*?\*/|#[^\n]*|//[^\n]*", " ", text, flags=re.DOTALL)
    match = re.search(r"\blocking\s*\{([^{}]*)\}", bare)
    if match is None:
        return None
    pairs = (statement.split(None, 1) for statement in match[1].split(";"))
    return {pair[0]: pair[1].strip().strip("\"'") for pair in pairs if len(pair) == 2}


def version(text: str) -> str:
    """Return the first version number in what a program says of itself; empty where there is none."""
    match = re.search(r"\bv?(\d+\.\d+[\w.+~-]*|20\d{6})", text)
    return match[1].rstrip(".,") if match else ""
