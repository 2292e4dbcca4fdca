"""Output: data on stdout, messages on stderr, nothing in it that steers a terminal.

JSON is written in ASCII, one object a line, so that no locale and no terminal can spoil it. Colour appears only on a
terminal, and not where NO_COLOR is set or TERM is ``dumb``.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TextIO

from mailstore_cli.names import safe

Style = Literal["bold", "dim", "red", "green", "yellow"]
_CODES: dict[Style, str] = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}


def out(text: str = "") -> None:
    """Write a line of data. It must be neutral already: ``safe`` or JSON."""
    sys.stdout.write(text + "\n")


def out_json(value: Mapping[str, object]) -> None:
    """Write one object as one line."""
    import json  # late: what is printed for people does not need it

    sys.stdout.write(json.dumps(value, ensure_ascii=True) + "\n")


def say(text: str) -> None:
    """Write a message for people, on stderr, in the form ``mstore: …``, on one line whatever it holds."""
    if sys.stdout is not None:
        sys.stdout.flush()  # where both go to one place, the order is that of the work
    sys.stderr.write(f"{style('mstore:', 'red', stream=sys.stderr)} {safe(text)}\n")


def style(text: str, *styles: Style, stream: TextIO | None = None) -> str:
    """Return ``text`` in colour where ``stream`` (stdout) is a terminal that wants it."""
    if not styles or not coloured(stream or sys.stdout):
        return text
    return f"\x1b[{';'.join(_CODES[name] for name in styles)}m{text}\x1b[0m"


def coloured(stream: TextIO) -> bool:
    """Tell whether colours belong on ``stream`` (no-color.org: NO_COLOR set to anything but the empty text)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: frozenset[int] = frozenset()) -> None:
    """Write a table with columns as wide as their widest cell; the columns in ``right`` hold numbers."""
    lines = [list(head), *(list(row) for row in rows)]
    widths = [max(cells(line[column]) for line in lines) for column in range(len(head))]
    for number, line in enumerate(lines):
        padded = [
            " " * (width - cells(cell)) + cell if column in right else cell + " " * (width - cells(cell))
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        text = "  ".join(padded).rstrip()
        out(style(text, "bold") if number == 0 else text)


def cells(text: str) -> int:
    """Return how many columns of a terminal ``text`` takes; colours of ours take none."""
    if "\x1b" in text:
        for code in ("\x1b[0m", *(f"\x1b[{code}m" for code in _CODES.values())):
            text = text.replace(code, "")
    if not text or max(text) < "\u0300":  # no wide and no combining character before that
        return len(text)
    return sum(_width(character) for character in text)


def fit(text: str, width: int) -> str:
    """Cut or pad ``text`` to exactly ``width`` columns."""
    if cells(text) <= width:
        return text + " " * (width - cells(text))
    kept, used = [], 1
    for character in text:
        used += _width(character)
        if used > width:
            used -= _width(character)
            break
        kept.append(character)
    return "".join(kept) + "…" + " " * (width - used)


def _width(character: str) -> int:
    import unicodedata  # late: most text is ASCII

    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def plural(count: int, noun: str) -> str:
    """Return ``1 message`` or ``2 messages``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def size_text(size: int | None) -> str:
    """Return a number of bytes for people: 931, 4.2K, 17M; '-' where it is not known."""
    if size is None:
        return "-"
    amount, unit = float(size), ""
    for unit in ("", "K", "M", "G", "T"):
        if amount < 999.5 or unit == "T":
            break
        amount /= 1024
    return f"{amount:.1f}{unit}" if unit and amount < 9.95 else f"{amount:.0f}{unit}"


def iso(seconds: int | None) -> str | None:
    """Return an instant as ISO 8601 in UTC with its offset; None where unknown or outside the years 1 to 9999."""
    if seconds is None:
        return None
    try:
        moment = time.gmtime(seconds)
    except (OverflowError, ValueError, OSError):
        return None
    if not 1 <= moment.tm_year <= 9999:
        return None
    return f"{moment.tm_year:04}-{moment.tm_mon:02}-{moment.tm_mday:02}T" + time.strftime("%H:%M:%S+00:00", moment)


def local(seconds: int | None) -> str:
    """Return an instant for people, in their own zone, to the minute."""
    if seconds is None or iso(seconds) is None:
        return "-"
    try:
        moment = time.localtime(seconds)
    except (OverflowError, ValueError, OSError):
        return "-"
    return f"{moment.tm_year:04}-{moment.tm_mon:02}-{moment.tm_mday:02} {moment.tm_hour:02}:{moment.tm_min:02}"
