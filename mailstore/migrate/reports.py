"""Files that a report is written to."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from mailstore.migrate.facts import report_facts
from mailstore.migrate.page import report_page
from mailstore.migrate.result import Migration
from mailstore.pages.files import check_report, write_file


def write_reports(paths: Sequence[str], migration: Migration, title: str, *, running: bool = False) -> None:
    """Write the report to each of ``paths``: as JSON or as a page, by their endings. Each is whole whenever it is read.

    Only the owner may read a file made now: folders have names.

    Args:
        paths: files; what is there is replaced as a whole.
        migration: what became of it.
        title: of a page.
        running: it is not over yet.

    Raises:
        UsageError: see ``check_report``.
        CannotCreate, StorageFull, StorageFailure: it cannot be written.
    """
    for path in paths:
        check_report(path)
        if path.endswith(".json"):
            content = json.dumps(report_facts(migration, running=running), indent=1) + "\n"
        else:
            content = report_page(migration, title, running=running)
        write_file(os.path.abspath(path), content, private=True)
