"""Running a command that somebody else chose, without letting it harm what runs it."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence


def run(words: Sequence[str], environment: Mapping[str, str], timeout: float) -> str:
    """Run a program with its arguments, no shell in between, and wait for it.

    Its standard input is empty, what it writes is dropped. When ``timeout`` seconds are over it is killed, and with it
    what it has started, such as the programs of a shell's line, unless that has made a session of its own.

    Args:
        words: the program, found as the system finds it, and its arguments.
        environment: variables besides those of this process.
        timeout: seconds.

    Returns:
        what went wrong, as text; '' where it ended with 0.
    """
    import subprocess  # late: most processes run nothing

    try:
        command = subprocess.Popen(  # noqa: S603 - whoever configures us says what to run
            list(words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return f"{words[0]}: {error}"
    try:
        code = command.wait(timeout)
    except subprocess.TimeoutExpired as error:
        return f"{words[0]}: {error}"
    finally:
        if command.returncode is None:
            os.killpg(command.pid, signal.SIGKILL)
            command.wait()
    return f"{words[0]} ended with {code}" if code else ""
