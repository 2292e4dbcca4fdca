"""Keep two mail stores the same, both ways. How it works, and what is decided where both changed, is in docs/sync.md.

>>> from mailstore import open_store
>>> from mailstore.sync import sync
>>> with open_store("maildir:~/Maildir") as here, open_store("sqlite:joe.db", create=True) as there:  # doctest: +SKIP
...     report = sync(here, there)
...     print(report.ok, report.conflicts)
"""

from mailstore.pages.files import check_report
from mailstore.sync.options import Options, sync_journal_path
from mailstore.sync.page import write_report
from mailstore.sync.pipeline import sync
from mailstore.sync.report import Conflict, Done, FolderSync, SyncReport

__all__ = [
    "Conflict",
    "Done",
    "FolderSync",
    "Options",
    "SyncReport",
    "check_report",
    "sync",
    "sync_journal_path",
    "write_report",
]
