"""Mutt with nobody at the keyboard: it opens a folder read-only on a pseudo terminal and pipes out what it tags."""

from __future__ import annotations

import os
import pty
import select
import shutil
import time
from pathlib import Path

from support.peers import need

PATTERNS = {"all": "~A", "unread": "~U", "flagged": "~F", "replied": "~Q", "deleted": "~D"}


def mutt(box: Path, scratch: Path) -> dict[str, list[bytes]]:
    """Return the messages that mutt sees in ``box`` for each of PATTERNS, sorted."""
    need("mutt")
    keys = ""
    for name, pattern in PATTERNS.items():
        (scratch / name).mkdir(parents=True)
        pipe = f"<pipe-message>cat >$(mktemp {scratch}/{name}/XXXXXXXX)<enter>"
        keys += f"<untag-pattern>~A<enter><tag-pattern>{pattern}<enter><tag-prefix-cond>{pipe}<end-cond>"
    rc = scratch / "muttrc"
    rc.write_text(
        "set pipe_split=yes pipe_decode=no wait_key=no quit=yes move=no mark_old=no beep=no sort=mailbox-order\n"
        f'set delete=no folder={scratch} record=""\nunset mail_check_recent\npush "{keys}<quit>"\n'
    )
    environment = {"TERM": "vt100", "HOME": str(scratch), "LC_ALL": "C.UTF-8", "TZ": "UTC", "PATH": os.environ["PATH"]}
    program = shutil.which("mutt") or "mutt"
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(program, ["mutt", "-n", "-R", "-F", str(rc), "-f", str(box)], environment)
    screen = _drain(terminal, seconds=30)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(terminal)
    assert status == 0, screen[-1500:].decode(errors="replace")
    return {name: sorted(path.read_bytes() for path in (scratch / name).iterdir()) for name in PATTERNS}


def _drain(terminal: int, *, seconds: float) -> bytes:
    """Read what the program shows until it is gone (end of file, or EIO on Linux)."""
    screen = b""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 0.2)[0]:
            continue
        try:
            piece = os.read(terminal, 1 << 16)
        except OSError:
            return screen
        if not piece:
            return screen
        screen += piece
    raise AssertionError(f"mutt did not end: {screen[-1500:].decode(errors='replace')}")
