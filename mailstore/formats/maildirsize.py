"""The text of ``maildirsize``: the limits of a Maildir++ and the sum of what lies in it, shared by several programs.

Line 1 are the limits, ``1000000S,5000C``: bytes and messages, in any order, either may be missing, 0 is none. Each
further line is added up: bytes and messages, with a sign. Courier pads both to twelve columns, so that a line has 26
bytes; Dovecot and Exim write them as they are (maildirquota(7), and the programs' sources).

Every reader must cope with what the others leave: NULs after a crash, a last line that was cut off, sums below zero.
Loading this loads nothing: a delivery starts a process for each mail.
"""

from __future__ import annotations

MOST = 5120
"""Bytes: a file of so many is made anew, and no more are ever read of it."""
STALE = 15 * 60
"""Seconds after which a sum that says "over quota" is looked at again."""
GREATEST = (1 << 63) - 1
"""The greatest limit and sum."""
_DIGITS = frozenset(b"0123456789")
_MOST_DIGITS = 19


class Sums:
    """What a ``maildirsize`` says.

    Attributes:
        limits: bytes and messages, 0 is none; None: the first line is missing or cannot be understood.
        size: bytes, the sum of all whole lines.
        count: messages, likewise.
        lines: how many there are to add up.
        sound: the sums can be believed. Else they are to be made anew.
    """

    __slots__ = ("count", "limits", "lines", "size", "sound")

    def __init__(self, limits: tuple[int, int] | None, size: int, count: int, lines: int, sound: bool) -> None:
        self.limits = limits
        self.size = size
        self.count = count
        self.lines = lines
        self.sound = sound

    def __repr__(self) -> str:
        return f"Sums({self.limits}, {self.size}, {self.count}, {self.lines}, {self.sound})"

    def settled(self, age: float) -> bool:
        """Tell whether a message may be refused on these sums, without another look at the messages.

        Args:
            age: seconds since the file was written to; below 0 (a clock was wrong) nothing is settled.
        """
        return self.sound and self.lines == 1 and 0 <= age < STALE

    def fits(self, size: int, count: int) -> bool:
        """Tell whether so many bytes and messages more are allowed beyond doubt; what equals a limit is.

        False: they may be too much, or the sums cannot be believed.
        """
        if self.limits is None:
            return False
        storage, messages = self.limits
        if not storage and not messages:
            return True
        return (
            self.sound
            and (not storage or self.size + size <= storage)
            and (not messages or self.count + count <= messages)
        )


def parse(data: bytes) -> Sums:
    """Read the first ``MOST`` bytes of a file. Nothing that can stand there is an error."""
    first, found, rest = data.partition(b"\n")
    limits = parse_limits(first) if data else None  # an empty file lost them in a crash
    size = count = lines = 0
    sound = found != b"" and limits is not None and len(data) < MOST and b"\0" not in data
    for line in rest.split(b"\n")[:-1]:  # the last one has no line end: it is empty, or was cut off
        lines += 1
        numbers = _parse_line(line)
        if numbers is None:
            sound = False
        else:
            size += numbers[0]
            count += numbers[1]
    believable = 0 <= size <= GREATEST and 0 <= count <= GREATEST
    return Sums(limits, size, count, lines, sound and lines > 0 and believable)


def parse_limits(line: bytes) -> tuple[int, int] | None:
    """Return the limits of bytes and messages that the first line says, 0 for none; None: it says no such thing.

    Limits of other letters are passed over, as Exim does. An empty line has no limits: Courier writes it so.
    """
    limits = {b"S": 0, b"C": 0}
    text = line.strip(b" \t\r")
    for part in text.split(b",") if text else ():
        number = _number(part[:-1])
        if number is None or number < 0 or not part[-1:].isalpha():
            return None
        limits[part[-1:]] = min(number, GREATEST)
    return limits[b"S"], limits[b"C"]


def _number(text: bytes) -> int | None:
    digits = text.removeprefix(b"-")
    # int() would take underscores and other alphabets' digits, and its time grows with the square of the length
    if not digits or not _DIGITS.issuperset(digits):
        return None
    if len(digits) > _MOST_DIGITS:
        digits = digits.lstrip(b"0") or b"0"
    value = int(digits) if len(digits) <= _MOST_DIGITS else GREATEST + 1
    return -value if text[:1] == b"-" else value


def _parse_line(line: bytes) -> tuple[int, int] | None:
    parts = line.split()
    if len(parts) != 2:
        return None
    size, count = _number(parts[0]), _number(parts[1])
    return None if size is None or count is None else (size, count)


def render_line(size: int, count: int) -> bytes:
    """Return one line to add: 26 bytes, unless a number has more than twelve digits."""
    return b"%12d %12d\n" % (size, count)


def render(limits: tuple[int, int], size: int, count: int) -> bytes:
    """Return a whole new file. One without limits says ``0S``, as Dovecot does."""
    storage, messages = limits
    parts = [b"%dS" % storage] if storage or not messages else []
    parts += [b"%dC" % messages] if messages else []
    return b",".join(parts) + b"\n" + render_line(size, count)
