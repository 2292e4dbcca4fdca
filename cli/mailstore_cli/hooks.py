"""Running a command for events: none lost, none at once with another of its folder.

The problem. A command takes longer than events take to come, fails, or hangs; its folder's next event must wait for it,
those of other folders need not, and whoever is told of events by a token must not be told that they are done before
they are. And when mstore is to end, a command may hang.

The solution. A batch of events is worked off before the next is asked for: meanwhile hints gather in the watch, which
costs no memory. Within a batch each folder's events run one after another, several folders side by side where that is
asked for. A command that fails is named and counted; the events go on. A signal lets no other command begin; those that
run may end within GRACE seconds or until a second signal, then they are told to (SIGTERM), and killed at last, each
with what it has started. A batch of which something did not run to its end is no batch that was told.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from mailstore import UsageError
from mailstore.watch import Event
from mailstore_cli.events import as_environment, as_object, lane
from mailstore_cli.stopping import Stop

GRACE, LAST_WORD = 10.0, 3.0
"""Seconds that a command has to end after a signal came, and after it was told to."""
_TURN = 0.2


class Hook:
    """A command to run.

    Args:
        command: words as a shell would split them; no shell runs it.
        batch: run it once for many events, which it reads as JSON lines; else once for each, described in variables.
        jobs: how many at once.
        parallel: several at once for one folder too.
        stop: when to begin no other command, and to end those that run.
        failed: told what went wrong.

    Raises:
        UsageError: the command is empty, or its quotes do not match.
    """

    def __init__(
        self, command: str, *, batch: bool, jobs: int, parallel: bool, stop: Stop, failed: Callable[[str], None]
    ) -> None:
        try:
            self._words = shlex.split(command)
        except ValueError as error:
            raise UsageError(f"--exec {command!r}: {error}") from error
        if not self._words:
            raise UsageError("--exec needs a command")
        self._batch = batch
        self._parallel = parallel
        self._stop = stop
        self._failed = failed
        self._pool = ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="exec")

    def run(self, location: str, events: Sequence[Event]) -> bool:
        """Run the command for all of ``events``; returns when it has ended for each: whether it did."""
        if self._batch:
            lines = "".join(json.dumps(as_object(location, event)) + "\n" for event in events)
            return self._start({"MAILSTORE_LOCATION": location, "MAILSTORE_EVENTS": str(len(events))}, lines.encode())
        lanes: dict[object, list[Event]] = {}
        for number, event in enumerate(events):
            lanes.setdefault(number if self._parallel else lane(event), []).append(event)
        return all(list(self._pool.map(lambda some: self._each(location, some), lanes.values())))

    def _each(self, location: str, events: Sequence[Event]) -> bool:
        return all(self._start(as_environment(location, event), b"") for event in events)

    def _start(self, variables: dict[str, str], data: bytes) -> bool:
        """Run it once; False: not to its end, since mstore is to end."""
        if self._stop.is_set():
            return False
        try:
            process = subprocess.Popen(  # noqa: S603 -- the user's own command
                self._words, stdin=subprocess.PIPE, env={**os.environ, **variables}, process_group=0
            )
        except OSError as error:
            self._failed(f"--exec {self._words[0]}: {error.strerror}")
            return True
        with process:
            ended = self._wait(process, data)
        if not ended or process.returncode:
            code = process.returncode
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            self._failed(f"--exec {self._words[0]}: {how} ({variables.get('MAILSTORE_EVENT', 'a batch')})")
        return ended

    def _wait(self, process: subprocess.Popen[bytes], data: bytes | None) -> bool:
        """Wait for a command's end; False: it had to be ended."""
        patience, ending = GRACE, [signal.SIGTERM, signal.SIGKILL]
        since = 0.0
        while True:
            try:
                process.communicate(data, timeout=_TURN)
                return len(ending) == 2
            except subprocess.TimeoutExpired:
                data = None  # what is not written yet is kept by the process object
            if not self._stop.is_set():
                continue
            since = since or time.monotonic()
            if ending and (time.monotonic() - since > patience or (self._stop.urgent and len(ending) == 2)):
                os.killpg(process.pid, ending.pop(0))
                since, patience = time.monotonic(), LAST_WORD

    def close(self) -> None:
        """Wait for what still runs."""
        self._pool.shutdown()
