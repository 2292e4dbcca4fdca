"""Apple Mail's mailboxes, read only: ``apple:PATH``. ``docs/formats/apple.md`` says what is read and how."""

from mailstore.drivers.apple.driver import FORMAT

__all__ = ["FORMAT"]
