"""A progress bar on stderr, only where that is a terminal; tqdm is imported only then."""

from __future__ import annotations

import sys
from importlib import import_module
from types import TracebackType
from typing import Any, Self


class Progress:
    """A bar that counts up to ``total`` (None: unknown); silent where nobody watches."""

    def __init__(self, what: str, *, unit: str, total: int | None = None, quiet: bool = False) -> None:
        self._bar: Any = None
        if quiet or not sys.stderr.isatty():
            return
        self._bar = import_module("tqdm").tqdm(
            desc=what, total=total, unit=unit, file=sys.stderr, leave=False, dynamic_ncols=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def to(self, done: int, total: int | None = None) -> None:
        """Show that ``done`` of ``total`` units are done."""
        if self._bar is not None:
            if total is not None:
                self._bar.total = total
            self._bar.update(done - self._bar.n)
