"""``mstore convert --follow``: copy a store that is in use until it can be given up."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import click

from mailstore import Store
from mailstore.convert import Followed, Follower, Options, Status
from mailstore_cli.exitcodes import FAILED, OK
from mailstore_cli.names import safe
from mailstore_cli.noting import Noted
from mailstore_cli.problems import name_problems
from mailstore_cli.progress import Progress
from mailstore_cli.render import out, out_json, plural, say, style

_STATES = {
    "copying": "copying all there is",
    "following": "nothing behind",
    "waiting": "waiting",
    "switching": "switching: the source's locks are taken",
    "ready": "all is carried and compared, and the source is locked: the switch can be made",
    "lingering": "switched: carrying what still comes to the source",
}


class How(NamedTuple):
    """The options of ``--follow``."""

    switch_when: str | None
    on_switch: str | None
    linger: float


def check_options(how: How, *, follow: bool, alone: bool) -> None:
    """Refuse what makes no sense; ``alone``: one account, and no dry run.

    Raises:
        UsageError: it does not.
    """
    if not follow and how != How(None, None, 0.0):
        raise click.UsageError("--switch-when, --on-switch and --linger need --follow")
    if follow and not alone:
        raise click.UsageError("--follow is for one account, and for doing it: no --dry-run, no --accounts")
    if how.on_switch is not None and not _words(how.on_switch):
        raise click.UsageError("--on-switch needs a command")


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError as error:
        raise click.UsageError(f"--on-switch {command!r}: {error}") from error


@contextmanager
def listening() -> Iterator[threading.Event]:
    """Let SIGUSR1 end nothing in the block, around the following: the event says that it came."""
    asked = threading.Event()
    before = signal.signal(signal.SIGUSR1, lambda *_: asked.set())
    try:
        yield asked
    finally:
        signal.signal(signal.SIGUSR1, before)


def run_following(
    old: Store,
    new: Store,
    wanted: Options,
    how: How,
    asked_before: threading.Event,
    noted: Noted,
    *,
    quiet: bool,
    as_json: bool,
) -> int:
    """Follow until a signal or the switch, and return the exit code; ``asked_before``: the switch was asked for."""
    with Progress("following", unit=" messages", quiet=quiet or as_json) as progress:

        def asked() -> bool:
            return how.switch_when is not None and os.path.lexists(how.switch_when)

        teller = _Teller(quiet=quiet, as_json=as_json)
        follower = Follower(old, new, wanted, progress.step, tell=teller.tell, switch_when=asked)
        noted.conversion = follower.conversion
        with _signals(follower):
            if asked_before.is_set():
                follower.switch()
            ended = follower.run(lambda: _make_switch(how.on_switch), how.linger)
    return _show(ended, quiet=quiet, as_json=as_json)


@contextmanager
def _signals(follower: Follower) -> Iterator[None]:
    """SIGUSR1 asks for the switch; SIGINT and SIGTERM end it in good order, and the second of them at once."""

    def stop(number: int, _: object) -> None:
        signal.signal(number, signal.default_int_handler)
        follower.stop()

    def switch(_: int, __: object) -> None:
        follower.switch()

    handlers = ((signal.SIGINT, stop), (signal.SIGTERM, stop), (signal.SIGUSR1, switch))
    before = {number: signal.signal(number, handler) for number, handler in handlers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _make_switch(command: str | None) -> bool:
    """Run the command that makes the switch, while the locks are held."""
    if command is None:
        return True
    try:
        code = subprocess.run(  # noqa: S603 -- the user's own command
            _words(command), stdin=subprocess.DEVNULL, check=False
        ).returncode
    except OSError as error:
        say(f"--on-switch: {command}: {error.strerror}; following on")
        return False
    if code:
        say(f"--on-switch: {command} ended with {code}; following on")
    return code == 0


class _Teller:
    """Tells where the follower stands: a JSON object a line on stdout, or a line on stderr."""

    def __init__(self, *, quiet: bool, as_json: bool) -> None:
        self._quiet, self._as_json = quiet, as_json
        self._last = ""

    def tell(self, status: Status) -> None:
        """Tell; for people only what is other than before."""
        if self._as_json:
            out_json(
                {
                    "event": status.state,
                    "behind": {"messages": status.behind, "seconds": round(status.seconds, 3)},
                    "copied": status.copied,
                    "passes": status.passes,
                    "trouble": status.trouble,
                }
            )
            sys.stdout.flush()
        elif status.state == "waiting" or not self._quiet:
            text = _text(status)
            if text != self._last:
                say(text)
            self._last = text


def _text(status: Status) -> str:
    parts = [_STATES[status.state]]
    if status.behind:
        parts = [f"{plural(status.behind, 'change')} behind, for {status.seconds:.0f} s"]
    if status.passes:
        parts.append(f"{plural(status.copied, 'message')} copied so far")
    if status.trouble:
        parts.append(status.trouble)
    return "; ".join(parts)


def _show(ended: Followed, *, quiet: bool, as_json: bool) -> int:
    report = ended.report
    if report is not None:
        name_problems(report.problems)
    if as_json:
        out_json(ended.to_dict())
    elif not quiet:
        verified = {True: "; verified", False: "; NOT verified", None: ""}[report.verified if report else None]
        if ended.switched:
            text = f"switched: {ended.copied} copied{verified}; the source was locked for {ended.locked:.1f} s"
            if ended.gaps:
                text += f", though {ended.gaps}"
        else:
            text = f"stopped: {ended.copied} copied{verified}; the same command goes on from here"
        out(style(safe(text), "green" if ended.ok else "red"))
    return OK if ended.ok else FAILED
