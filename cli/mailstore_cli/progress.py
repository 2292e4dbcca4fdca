"""A progress bar on stderr, only where that is a terminal; tqdm is imported only then."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from mailstore_cli.names import folder_text

if TYPE_CHECKING:
    from mailstore.convert import Progress as Step


class Progress:
    """A count of what is done, with its speed; silent where nobody watches."""

    def __init__(self, what: str, *, unit: str, quiet: bool = False) -> None:
        self._bar: Any = None
        if quiet or not sys.stderr.isatty():
            return
        columns, rows = shutil.get_terminal_size()  # tqdm shows nothing on a terminal that does not tell its size
        tqdm = import_module("tqdm").tqdm
        tqdm.monitor_interval = 0  # its monitor is a thread, and a program with threads cannot safely fork
        self._bar = tqdm(desc=what, unit=unit, file=sys.stderr, leave=False, ncols=columns, nrows=rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Take the bar away while something else is printed."""
        if self._bar is None:
            yield
            return
        with self._bar.external_write_mode(file=sys.stdout):
            yield

    def to(self, done: int, what: str) -> None:
        """Show that ``done`` units of ``what`` are done."""
        if self._bar is None:
            return
        if what != self._bar.desc:
            self._bar.set_description_str(what, refresh=False)
        if done < self._bar.n:
            self._bar.reset()
        self._bar.update(done - self._bar.n)

    def step(self, step: Step) -> None:
        """Show how far a conversion or synchronisation has come."""
        self.to(step.messages, f"{'copying' if step.phase == 'copy' else 'verifying'} {folder_text(step.folder)}")
