"""Which locks are taken on an mbox, and in which order: a value, and the habits of the mail programs by name.

The order is what the programs do (``docs/locking.md`` has their sources). It matters for nobody's safety, since no step
of ours ever waits while it holds another; a program's own order only makes us get into its way less often.
"""

from __future__ import annotations

METHODS = ("fcntl", "dotlock", "flock")
"""``fcntl`` and ``flock`` lock the open file, each by the system call of that name; ``dotlock``: ``mailbox.lock``."""

PRESETS: dict[str, tuple[str, ...]] = {
    "debian": ("fcntl", "dotlock"),
    "dovecot": ("dotlock", "fcntl"),
    "postfix": ("dotlock", "fcntl"),
    "procmail": ("dotlock", "fcntl"),
    "exim": ("dotlock", "fcntl"),
    "none": (),
}
"""Methods by name of a preset. ``debian``: Debian policy 11.6, and so its Dovecot and mutt; ``dovecot``: upstream's."""

HELPERS = ("auto", "dotlockfile", "mutt_dotlock", "none")
"""Who makes the dotlock in a directory that is closed to us; ``auto``: whichever of the two programs is there."""


class LockRules:
    """How an mbox is locked.

    Attributes:
        methods: of METHODS, in the order they are taken by a writer. A reader takes shared locks by the kernel's.
        helper: of HELPERS.
        timeout: seconds to wait for all of them before StoreBusy.
    """

    __slots__ = ("helper", "methods", "timeout")

    def __init__(
        self, methods: tuple[str, ...] = PRESETS["debian"], helper: str = "auto", timeout: float = 300.0
    ) -> None:
        self.methods = methods
        self.helper = helper
        self.timeout = timeout

    @property
    def kernel(self) -> tuple[str, ...]:
        """The methods that lock the open file."""
        return tuple(method for method in self.methods if method != "dotlock")


def read_methods(text: str) -> tuple[str, ...]:
    """Read a preset's name or a list like ``fcntl,dotlock``; its order is kept.

    Raises:
        ValueError: it is neither; the text says what there is.
    """
    if text in PRESETS:
        return PRESETS[text]
    methods = tuple(text.split(","))
    if not set(methods) <= set(METHODS) or len(set(methods)) < len(methods):
        raise ValueError(f"one of {', '.join(PRESETS)}, or a list of {', '.join(METHODS)}")
    return methods
