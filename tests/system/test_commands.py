"""Commands that somebody else chose: what they are told, and that they end."""

from __future__ import annotations

import os
from pathlib import Path

from mailstore.system import commands


def test_a_command_is_told_and_its_failure_is_text(tmp_path: Path) -> None:
    said = tmp_path / "said"
    assert commands.run(["sh", "-c", f'printf %s "$WHAT" > {said}; cat'], {"WHAT": "it"}, 30.0) == ""
    assert said.read_text() == "it"
    assert commands.run(["false"], {}, 30.0) == "false ended with 1"
    assert "No such file" in commands.run([str(tmp_path / "none")], {}, 30.0)
    assert "null byte" in commands.run(["true", "a\0b"], {}, 30.0)


def test_what_a_command_started_ends_with_it(tmp_path: Path) -> None:
    """A pipe is at its end when no process holds it any more; what lived on would write a y first."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    line = f"exec 3>{fifo}; (sleep 20; printf y >&3) & printf x >&3; wait"
    assert "timed out" in commands.run(["sh", "-c", line], {}, 2.0)
    os.set_blocking(reader, True)
    with open(reader, "rb") as pipe:
        assert pipe.read() == b"x"
