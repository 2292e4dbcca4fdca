"""Programs that make a dotlock where we may not.

The problem. ``/var/mail`` belongs to root and group mail; its users own their mailboxes in it, but cannot make a file
beside them. Going on without the dotlock means writing beside a program that has it.

The solution of the field: a small program with the rights of group mail (setgid) that makes and removes such locks for
whoever may read the mailbox: ``dotlockfile`` (Debian's liblockfile) or ``mutt_dotlock``. It is called by its absolute
path, from a fixed list, with an empty environment.
"""

from __future__ import annotations

import os
from typing import NamedTuple

_PROGRAMS = {
    "dotlockfile": ("/usr/bin/dotlockfile", "/usr/local/bin/dotlockfile"),
    "mutt_dotlock": ("/usr/bin/mutt_dotlock", "/usr/local/bin/mutt_dotlock"),
}
_LOCK = {"dotlockfile": ("-p", "-l", "-r", "0"), "mutt_dotlock": ("-p", "-r0")}
_UNLOCK = {"dotlockfile": ("-u",), "mutt_dotlock": ("-p", "-u")}
_BUSY = {"dotlockfile": 4, "mutt_dotlock": 3}
_TIMEOUT = 30
"""Seconds after which a program is taken for one that hangs; none of them waits when called like this."""


class HelperFailed(OSError):
    """No program could make the lock; the text says why."""


class Helper(NamedTuple):
    """A program that makes dotlocks."""

    name: str
    program: str

    def lock(self, path: str) -> bool:
        """Make the dotlock of ``path``, once; False where somebody has it.

        Raises:
            HelperFailed: it could not.
        """
        code = self._run(_LOCK[self.name], path)
        if code not in (0, _BUSY[self.name]):
            raise HelperFailed(f"{self.program} gave exit code {code}")
        return code == 0

    def unlock(self, path: str) -> None:
        """Remove the dotlock of ``path``.

        Raises:
            HelperFailed: it could not.
        """
        code = self._run(_UNLOCK[self.name], path)
        if code != 0:
            raise HelperFailed(f"{self.program} gave exit code {code}")

    def _run(self, options: tuple[str, ...], path: str) -> int:
        import subprocess  # late: only a closed directory needs it

        path = os.path.abspath(path)
        # dotlockfile is given the lock's name and writes our pid into it, mutt_dotlock the mailbox's.
        named = f"{path}.lock" if self.name == "dotlockfile" else path
        try:
            done = subprocess.run(  # noqa: S603 - an absolute path of our own choice
                [self.program, *options, named],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
                timeout=_TIMEOUT,
                check=False,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise HelperFailed(f"{self.program}: {error}") from error
        return done.returncode


def helpers(wanted: str) -> list[Helper]:
    """Return the programs to try, in order, that are there; ``wanted`` as in ``mailstore.system.lockrules.HELPERS``."""
    names = () if wanted == "none" else tuple(_PROGRAMS) if wanted == "auto" else (wanted,)
    found = [next(filter(os.path.exists, _PROGRAMS[name]), None) for name in names]
    return [Helper(name, program) for name, program in zip(names, found, strict=True) if program is not None]
