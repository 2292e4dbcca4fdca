"""The text in which quota rules are kept: TOML, written to be read and edited by people.

style = "courier"
storage = "2G"            # bytes with K, M, G, T (powers of 1024); 0 is no limit
messages = 100000
message_size = "50M"
mailboxes = 500
folder_messages = 100000
grace = "10%"             # or bytes, or "10%+1M"
inclusive = true
warnings = [80, 95]       # percent
hysteresis = 5            # percent
warning_interval = "1d"   # seconds, or with s, m, h, d
groups = ["/srv/mail/example.org/quota.toml"]
members = ["maildir:/srv/mail/example.org/*"]    # in the rules of a group

[folder.Trash]
storage = "+100M"         # or "50%", or "50%+100M"
[folder."Lists/Old"]
ignore = true
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

from mailstore.errors import InvalidFolderName, UsageError
from mailstore.model.names import FolderPath
from mailstore.model.quota import DAY, STYLES, WHOLE, FolderRule, Portion, QuotaRules

MOST = (1 << 63) - 1
"""The greatest limit: what every program that shares a Maildir can read."""
LONGEST = 1 << 40
"""The longest time, in seconds."""
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": DAY, "w": 7 * DAY, "y": 365 * DAY}
_AMOUNT = re.compile(r"(\d{1,19})\s*([KMGT]?)(?:i?B)?", re.IGNORECASE | re.ASCII)
_DURATION = re.compile(r"(\d{1,12})\s*([smhdwy]?)", re.ASCII)
_PORTION = re.compile(r"(?:(\d{1,6})\s*%)?\s*(?:([+-]?)\s*(\d{1,19}\s*[KMGT]?(?:i?B)?))?", re.IGNORECASE | re.ASCII)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def parse_size(text: str) -> int:
    """Return the bytes that ``text`` says: ``500``, ``20M``, ``2 GiB``; K, M, G and T are powers of 1024.

    Raises:
        UsageError: it says something else, or more than 2^63 - 1.
    """
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{text!r} is no size: write bytes, or a number with K, M, G or T, such as 500M")
    size = int(found[1]) * _UNITS[found[2].upper()]
    if size > MOST:
        raise UsageError(f"{text!r} is more than any store holds")
    return size


def parse_duration(text: str) -> int:
    """Return the seconds that ``text`` says: ``90``, ``15m``, ``12h``, ``1d``, ``2w``, ``1y`` (of 365 days).

    Raises:
        UsageError: it says something else.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{text!r} is no time: write seconds, or a number with s, m, h, d, w or y, such as 12h")
    seconds = int(found[1]) * _SECONDS[found[2]]
    if seconds > LONGEST:
        raise UsageError(f"{text!r} is longer than anybody waits")
    return seconds


def parse_portion(text: str) -> Portion:
    """Return what ``50%``, ``+100M``, ``-10M`` or ``50%+100M`` makes of a limit.

    Raises:
        UsageError: it says something else.
    """
    found = _PORTION.fullmatch(text.strip())
    if found is None or not (found[1] or found[3]):
        raise UsageError(f"{text!r} is no part of a limit: write 50%, +100M or 50%+100M")
    if found[3] and not found[2]:
        raise UsageError(f"{text!r} is no part of a limit: write +{found[3]} for what comes on top of it")
    extra = parse_size(found[3]) if found[3] else 0
    return Portion(int(found[1]) if found[1] else 100, -extra if found[2] == "-" else extra)


def format_size(size: int) -> str:
    """Return ``size`` bytes as ``parse_size`` reads them, exactly: ``1536`` is ``1536``, ``2048`` is ``2K``."""
    unit = max((name for name in _UNITS if size and size % _UNITS[name] == 0), key=_UNITS.__getitem__, default="")
    return f"{size // _UNITS[unit]}{unit}"


def format_portion(portion: Portion) -> str:
    """Return a portion as ``parse_portion`` reads it."""
    percent = "" if portion.percent == 100 and portion.extra else f"{portion.percent}%"
    sign = "-" if portion.extra < 0 else "+"
    return percent + (f"{sign}{format_size(abs(portion.extra))}" if portion.extra else "")


def parse_rules(text: bytes) -> QuotaRules:
    """Return the rules that ``text`` says.

    Raises:
        UsageError: it is no TOML, or says something that no rule is; the text names the key.
    """
    try:
        said = tomllib.loads(text.decode("utf-8"))
    except (
        ValueError,
        RecursionError,
    ) as error:  # tomllib's own, and what it lets through of absurd numbers and depths
        raise UsageError(f"quota rules: {error}") from error
    values: dict[str, Any] = {}
    for key, value in said.items():
        try:
            values[_ATTRIBUTES.get(key, key)] = _READERS[key](value)
        except KeyError:
            raise UsageError(f"quota rules: there is no {key!r}; there are {', '.join(sorted(_READERS))}") from None
        except (UsageError, InvalidFolderName) as error:
            raise UsageError(f"quota rules: {key}: {error}") from error
    return QuotaRules(**values)


def format_rules(rules: QuotaRules) -> bytes:
    """Return the text that ``parse_rules`` reads as ``rules``; what is as always is not said."""
    default = QuotaRules()
    lines = []
    for key in _READERS:
        value = getattr(rules, _ATTRIBUTES.get(key, key))
        if key != "folder" and value != getattr(default, _ATTRIBUTES.get(key, key)):
            lines.append(f"{key} = {_WRITERS.get(key, _write)(value)}")
    for rule in rules.folders:
        lines += ["", f"[folder.{_key(str(rule.folder))}]"]
        lines += ["ignore = true"] if rule.ignore else []
        lines += [f"storage = {_quoted(format_portion(rule.storage))}"] if rule.storage != WHOLE else []
        lines += [f"messages = {_quoted(format_portion(rule.messages))}"] if rule.messages != WHOLE else []
    return "".join(f"{line}\n" for line in lines).encode()


# --- values in TOML


def _size(value: object) -> int | None:
    """Read a limit of bytes; 0 is none."""
    if isinstance(value, str):
        return parse_size(value) or None
    return _count(value)


def _count(value: object) -> int | None:
    """Read a limit of things; 0 is none."""
    return _whole(value, MOST) or None


def _whole(value: object, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise UsageError(f"{value!r} is no whole number from 0 to {most}")
    return value


def _grace(value: object) -> Portion:
    if not isinstance(value, str):
        return Portion(0, _whole(value, MOST))
    return parse_portion(value) if "%" in value else Portion(0, parse_size(value))


def _style(value: object) -> str:
    if value not in STYLES:
        raise UsageError(f"{value!r} is no style; there are {', '.join(STYLES)}")
    return str(value)


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{value!r} is neither true nor false")
    return value


def _percents(value: object) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise UsageError(f"{value!r} is no list of percents")
    return tuple(sorted({_whole(one, 1000) for one in value}))


def _percent(value: object) -> int:
    return _whole(value, 100)


def _interval(value: object) -> int:
    return parse_duration(value) if isinstance(value, str) else _whole(value, LONGEST)


def _paths(value: object) -> tuple[str, ...]:
    if not all(one.startswith("/") for one in _texts(value)):
        raise UsageError(f"{value!r} is no list of absolute paths")
    return _texts(value)


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) and one and "\0" not in one for one in value):
        raise UsageError(f"{value!r} is no list of texts")
    return tuple(value)


def _folders(value: object) -> tuple[FolderRule, ...]:
    if not isinstance(value, Mapping):
        raise UsageError("write a table for each folder: [folder.Trash]")
    rules = sorted((_folder(name, said) for name, said in value.items()), key=lambda rule: rule.folder)
    for one, other in pairwise(rules):
        if one.folder == other.folder:  # INBOX, in two spellings
            raise UsageError(f"{one.folder} has two tables")
    return tuple(rules)


def _folder(name: str, said: object) -> FolderRule:
    if not isinstance(said, Mapping) or set(said) - {"ignore", "storage", "messages"}:
        raise UsageError(f"{name}: a folder has ignore, storage and messages")
    values: dict[str, Any] = {"folder": FolderPath.parse(name)}
    for key, value in said.items():
        values[key] = _truth(value) if key == "ignore" else parse_portion(str(value))
    return FolderRule(**values)


def _write(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_write, value))}]"
    return _quoted(value) if isinstance(value, str) else str(value or 0)


def _write_size(value: int | None) -> str:
    return _quoted(format_size(value or 0))


def _write_grace(value: Portion) -> str:
    if not value.percent:
        return _quoted(format_size(value.extra))
    return _quoted(f"{value.percent}%" + (format_portion(Portion(100, value.extra)) if value.extra else ""))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(f"\\u{ord(one):04x}" if one < " " or one == "\x7f" else one for one in escaped) + '"'


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _quoted(name)


_READERS: dict[str, Callable[[Any], Any]] = {
    "style": _style,
    "storage": _size,
    "messages": _count,
    "message_size": _size,
    "mailboxes": _count,
    "folder_messages": _count,
    "grace": _grace,
    "inclusive": _truth,
    "warnings": _percents,
    "hysteresis": _percent,
    "warning_interval": _interval,
    "groups": _paths,
    "members": _texts,
    "folder": _folders,
}
_WRITERS: dict[str, Callable[[Any], str]] = {"storage": _write_size, "message_size": _write_size, "grace": _write_grace}
_ATTRIBUTES = {"folder": "folders"}
