"""Directories of ``.eml`` files, read only: ``eml:PATH?flags=headers|none``. See ``docs/formats/eml.md``."""

from mailstore.drivers.eml.driver import FORMAT

__all__ = ["FORMAT"]
