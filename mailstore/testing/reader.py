"""A second process that looks at a store while the first stands still in the middle of its work.

It is forked before any store is open, since SQLite's locks do not survive a fork, and it opens the store anew for each
look: what it sees is what any program would see that comes by at that moment.
"""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Reader:
    """The end of the one who asks. Made by ``looking``; it may be used in a forked child too."""

    def __init__(self, ask: int, answers: int) -> None:
        self._ask = ask
        self._answers = open(answers)  # noqa: SIM115 - it lives as long as the reader; ``looking`` closes it

    def look(self) -> Any:
        """Let the reader look, and return what it saw, as JSON took it.

        Raises:
            AssertionError: it ended with an exception; the text is its traceback.
        """
        os.write(self._ask, b".")
        kind, answer = json.loads(self._answers.readline())
        assert kind == "seen", answer
        return answer

    def close(self) -> None:
        """Let the reader end."""
        os.close(self._ask)
        self._answers.close()


@contextmanager
def looking(look: Callable[[], Any]) -> Iterator[Reader]:
    """Run ``look`` in another process whenever the Reader is asked to; no store may be open here now."""
    asked, ask = os.pipe()
    answers, answer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ask)
        os.close(answers)
        _serve(asked, answer, look)
    os.close(asked)
    os.close(answer)
    reader = Reader(ask, answers)
    try:
        yield reader
    finally:
        reader.close()
        os.waitpid(pid, 0)


def _serve(asked: int, answer: int, look: Callable[[], Any]) -> None:
    """Answer until nobody can ask any more; does not return."""
    with open(answer, "w") as answers:
        while os.read(asked, 1):
            try:
                text = json.dumps(["seen", look()])
            except BaseException:  # noqa: BLE001 - whatever it is, the one who asked gets to see it
                text = json.dumps(["failed", traceback.format_exc()])
            answers.write(text + "\n")
            answers.flush()
    os._exit(0)
