"""Archives of any store, read only: ``archive:FILE?inside=maildir:path``. See ``docs/formats/archives.md``."""

from mailstore.archives.form import FORMAT

__all__ = ["FORMAT"]
