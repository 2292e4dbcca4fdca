"""What one delivery costs as a process of its own, beside the interpreter's bare start and the field's programs.

Every contender takes the same message of 4 KB fifty times, one process after the other, as a mail system starts them.
Which of them sync what they wrote is said in its name: ours does (contents, then the name).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.measure import Bar, Case, Contender, Run
from benchmarks.tools import mstore

COUNT = 50
MESSAGE = (
    b"From: Ann <ann@example.org>\nSubject: benchmark\nMessage-ID: <1@example.org>\n\n" + b"A line of text.\n" * 250
)
LOOP = 'unset PYTHONDONTWRITEBYTECODE; m=$1; shift; i=0; while [ $i -lt %d ]; do "$@" <"$m" || exit; i=$((i+1)); done'
LDA = "/usr/lib/dovecot/dovecot-lda"


def _repeated(*command: str, setup: Callable[[Path], None] | None = None) -> Callable[[Path], Sequence[str]]:
    """Return what makes the command line; ``{}`` in it is the run's own directory."""

    def make(place: Path) -> Sequence[str]:
        (place / "message").write_bytes(MESSAGE)
        if setup is not None:
            setup(place)
        words = [word.replace("{}", str(place)) for word in command]
        return ["sh", "-c", LOOP % COUNT, "sh", str(place / "message"), *words]

    return make


def _maildir(place: Path) -> None:
    for name in ("cur", "new", "tmp"):
        (place / "m" / name).mkdir(parents=True)


def _maildirquota(place: Path) -> None:
    _maildir(place)
    (place / "m" / "maildirsize").write_text("1000000000S\n0 0\n")


def _made(location: str) -> Callable[[Path], None]:
    """Return what makes a store beforehand: it happens once, and an ordinary delivery finds one."""

    def make(place: Path) -> None:
        where = location.replace("{}", str(place))
        subprocess.run([*mstore(), "deliver", "--create", where], input=MESSAGE, check=True)

    return make


def filter_file(place: Path) -> None:
    """Make a Maildir and maildrop's instructions."""
    _maildir(place)
    (place / "filter").write_text(f'to "{place}/m/"\n')
    (place / "filter").chmod(0o600)


def procmailrc(place: Path) -> None:
    """Make a Maildir and procmail's instructions."""
    _maildir(place)
    (place / "rc").write_text(f"DEFAULT={place}/m/\n")


def dovecot(place: Path) -> None:
    """Make a Maildir and Dovecot's configuration."""
    _maildir(place)
    (place / "conf").write_text(
        f"mail_location = maildir:{place}/m\nfirst_valid_uid = 0\nfirst_valid_gid = 0\nlog_path = /dev/stderr\n"
        f"ssl = no\nbase_dir = {place}/run\nstate_dir = {place}/run\npostmaster_address = root@localhost\n"
    )
    if os.getuid() == 0:  # Dovecot takes no mail as root
        subprocess.run(["chown", "-R", "nobody", str(place)], check=True)
        place.chmod(0o755)


def arrived(place: Path, _: Run) -> int:
    """Count what is in the Maildir."""
    return len(os.listdir(place / "m" / "new"))


def lda_command() -> Sequence[str]:
    """Return the command line of Dovecot's agent, in which ``{}`` is the run's own directory."""
    as_nobody = () if os.getuid() else ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
    return (*as_nobody, "env", "HOME={}", "USER=joe", LDA, "-c", "{}/conf", "-f", "ann@example.org")


def delivery(peers: dict[str, str]) -> Case:
    """Fifty deliveries, one process each."""
    ours = [*mstore(), "deliver", "-f", "ann@example.org"]
    contenders = [
        Contender("python3 -I -S -c pass", _repeated(os.path.realpath(sys.executable), "-I", "-S", "-c", "pass")),
        Contender("mstore deliver, Maildir (synced)", _repeated(*ours, "{}/m", setup=_maildir), kept=arrived),
        Contender(
            "mstore deliver, Maildir++ with a quota (synced)",
            _repeated(*ours, "{}/m", setup=_maildirquota),
            kept=arrived,
        ),
        Contender("mstore deliver, mbox (synced)", _repeated(*ours, "mbox:{}/box", setup=_made("mbox:{}/box"))),
        Contender("mstore deliver, SQLite (synced)", _repeated(*ours, "sqlite:{}/s.db", setup=_made("sqlite:{}/s.db"))),
    ]
    if "maildrop" in peers:
        contenders.append(
            Contender("maildrop, Maildir", _repeated("maildrop", "{}/filter", setup=filter_file), kept=arrived)
        )
    if "procmail" in peers:
        contenders.append(
            Contender("procmail, Maildir", _repeated("procmail", "{}/rc", setup=procmailrc), kept=arrived)
        )
    if "deliverquota" in peers:
        contenders.append(
            Contender("deliverquota", _repeated("deliverquota", "{}/m", setup=_maildirquota), kept=arrived)
        )
    if os.path.exists(LDA) and (os.getuid() or shutil.which("setpriv")):
        contenders.append(
            Contender("dovecot-lda, Maildir (synced)", _repeated(*lda_command(), setup=dovecot), kept=arrived)
        )
    bare = "python3 -I -S -c pass"
    bars = [Bar("mstore deliver, Maildir (synced)", "at most 2 x the interpreter's bare start", bare, 2.0)]
    return Case("delivery", f"{COUNT} deliveries of 4 KB, one process each", contenders, bars, COUNT)
