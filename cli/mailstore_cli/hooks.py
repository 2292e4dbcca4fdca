"""Running a command for events: none lost, none at once with another of its folder.

The problem. A command takes longer than events take to come, fails, or hangs; its folder's next event must wait for it,
those of other folders need not, and whoever is told of events by a token must not be told that they are done before
they are.

The solution. A batch of events is worked off before the next is asked for: meanwhile hints gather in the watch, which
costs no memory. Within a batch each folder's events run one after another, several folders side by side where that is
asked for. A command that fails is named and counted; the events go on.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from mailstore import UsageError
from mailstore.watch import Event
from mailstore_cli.events import as_environment, as_object, lane


class Hook:
    """A command to run.

    Args:
        command: words as a shell would split them; no shell runs it.
        batch: run it once for many events, which it reads as JSON lines; else once for each, described in variables.
        jobs: how many at once.
        parallel: several at once for one folder too.
        failed: told what went wrong.

    Raises:
        UsageError: the command is empty, or its quotes do not match.
    """

    def __init__(self, command: str, *, batch: bool, jobs: int, parallel: bool, failed: Callable[[str], None]) -> None:
        try:
            self._words = shlex.split(command)
        except ValueError as error:
            raise UsageError(f"--exec {command!r}: {error}") from error
        if not self._words:
            raise UsageError("--exec needs a command")
        self._batch = batch
        self._parallel = parallel
        self._failed = failed
        self._pool = ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="exec")

    def run(self, location: str, events: Sequence[Event]) -> None:
        """Run the command for all of ``events``; returns when it has ended for each."""
        if self._batch:
            lines = "".join(json.dumps(as_object(location, event)) + "\n" for event in events)
            self._start({"MAILSTORE_LOCATION": location, "MAILSTORE_EVENTS": str(len(events))}, lines.encode())
            return
        lanes: dict[object, list[Event]] = {}
        for number, event in enumerate(events):
            lanes.setdefault(number if self._parallel else lane(event), []).append(event)
        list(self._pool.map(lambda some: self._each(location, some), lanes.values()))

    def _each(self, location: str, events: Sequence[Event]) -> None:
        for event in events:
            self._start(as_environment(location, event), b"")

    def _start(self, variables: dict[str, str], data: bytes) -> None:
        try:
            done = subprocess.run(  # noqa: S603 -- the user's own command
                self._words, input=data, env={**os.environ, **variables}, check=False
            )
        except OSError as error:
            self._failed(f"--exec {self._words[0]}: {error.strerror}")
            return
        if done.returncode:
            how = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
            self._failed(f"--exec {self._words[0]}: {how} ({variables.get('MAILSTORE_EVENT', 'a batch')})")

    def close(self) -> None:
        """Wait for what still runs."""
        self._pool.shutdown()
