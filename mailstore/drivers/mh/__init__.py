"""MH trees, read only: ``mh:PATH?profile=FILE``. ``docs/formats/mh.md`` says what is read and how."""

from mailstore.drivers.mh.driver import FORMAT

__all__ = ["FORMAT"]
