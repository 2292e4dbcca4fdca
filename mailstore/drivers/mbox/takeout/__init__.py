"""Google Takeout's mail, read only: ``takeout:PATH?labels=folders|keywords|both``. See ``docs/formats/takeout.md``."""

from mailstore.drivers.mbox.takeout.form import FORMAT

__all__ = ["FORMAT"]
