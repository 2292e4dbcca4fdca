"""The programs that are compared: how each makes a Maildir of an mbox file, as its own manual says."""

from __future__ import annotations

import mailbox
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.tools import mstore

_NOBODY = 65534
_ENVIRONMENT = {**os.environ, "TZ": "UTC", "LC_ALL": "C.UTF-8"}


class Tool(NamedTuple):
    """A program under comparison."""

    name: str
    command: str
    """What was run, for people."""
    needs: str
    """The program that must be installed; empty for none."""
    convert: Callable[[Path, Path, Path], None]
    """Makes the Maildir (second) of the mbox file (first), which it may spoil; a directory for scratch (third)."""
    ask: Callable[[Path], dict[int, frozenset[str]]] = lambda _scratch: {}
    """Returns keywords by UID that the program keeps where nobody else can read them."""


def _run(*command: str | Path, home: Path, data: Path | None = None, user: int | None = None) -> str:
    with open(data or os.devnull, "rb") as stdin:
        done = subprocess.run(
            [str(word) for word in command],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**_ENVIRONMENT, "HOME": str(home), "USER": "joe", "LOGNAME": "joe"},
            cwd=home,
            user=user,
            group=user,
            timeout=120,
            check=False,  # what it left behind is what counts
        )
    return done.stdout.decode(errors="replace")


def _mstore(source: Path, target: Path, scratch: Path) -> None:
    _run(*mstore(), "convert", f"mbox:{source}", f"maildir:{target}", home=scratch)


def _mb2md(source: Path, target: Path, scratch: Path) -> None:
    counted = ["-c"] if source.name == "dovecot" else []  # its manual: only for a file that needs it
    _run("mb2md", *counted, "-s", source, "-d", target, home=scratch)


def _dovecot(verb: tuple[str, ...]) -> Callable[[Path, Path, Path], None]:
    def convert(source: Path, target: Path, scratch: Path) -> None:
        box = scratch / "mail"
        box.mkdir()
        shutil.copyfile(source, box / "inbox")
        config = scratch / "dovecot.conf"
        config.write_text(
            f"mail_location = maildir:{target}\nfirst_valid_uid = 0\nfirst_valid_gid = 0\nssl = no\n"
            f"log_path = /dev/stderr\nbase_dir = {scratch}/run\nstate_dir = {scratch}/run\n"
            "namespace inbox {\n inbox = yes\n separator = /\n}\n"
        )
        user = _NOBODY if os.getuid() == 0 else None
        if user is not None:
            for path in (scratch, *scratch.rglob("*"), target.parent):
                os.chown(path, user, user)
        location = f"mbox:{box}:INBOX={box}/inbox"
        _run("doveadm", "-c", config, *(word.format(location) for word in verb), home=scratch, user=user)

    return convert


def _ask_dovecot(scratch: Path) -> dict[int, frozenset[str]]:
    """Ask Dovecot for its keywords: those beyond 26 are in its index alone."""
    user = _NOBODY if os.getuid() == 0 else None
    config = scratch / "dovecot.conf"
    told = _run("doveadm", "-c", config, "-f", "tab", "fetch", "uid flags", "all", home=scratch, user=user)
    rows = (line.split("\t") for line in told.splitlines()[1:])
    return {int(uid): frozenset(word for word in flags.split() if not word.startswith("\\")) for uid, flags in rows}


def _movemail(source: Path, target: Path, scratch: Path) -> None:
    for part in ("new", "cur", "tmp"):
        (target / part).mkdir(parents=True)
    _run("movemail.mailutils", "--preserve", f"mbox://{source}", f"maildir://{target}", home=scratch)


def _mailbox(source: Path, target: Path, _scratch: Path) -> None:
    maildir = mailbox.Maildir(target)
    family = mailbox.MMDF if source.name == "mmdf" else mailbox.mbox
    for message in family(source, create=False):
        maildir.add(mailbox.MaildirMessage(message))


def _formail(source: Path, target: Path, scratch: Path) -> None:
    recipe = scratch / "procmailrc"
    recipe.write_text(f"DEFAULT={target}/\nMAILDIR={target.parent}\n")
    recipe.chmod(0o600)
    _run("formail", "-s", "procmail", "-m", f"DEFAULT={target}/", recipe, home=scratch, data=source)


def _mdeliver(source: Path, target: Path, scratch: Path) -> None:
    for part in ("new", "cur", "tmp"):
        (target / part).mkdir(parents=True)
    _run("mdeliver", "-M", target, home=scratch, data=source)


TOOLS = (
    Tool("mstore", "mstore convert mbox:FILE maildir:DIR", "", _mstore),
    Tool("Dovecot: dsync", "doveadm backup -R mbox:…", "doveadm", _dovecot(("backup", "-R", "{}")), _ask_dovecot),
    Tool(
        "Dovecot: import",
        "doveadm import mbox:… '' all",
        "doveadm",
        _dovecot(("import", "{}", "", "all")),
        _ask_dovecot,
    ),
    Tool("mb2md", "mb2md -s FILE -d DIR; -c for dovecot", "mb2md", _mb2md),
    Tool("Mailutils", "movemail --preserve mbox://FILE maildir://DIR", "movemail.mailutils", _movemail),
    Tool("Python", "mailbox.mbox or MMDF, mailbox.Maildir.add", "", _mailbox),
    Tool("formail", "formail -s procmail -m DEFAULT=DIR/", "formail", _formail),
    Tool("mblaze", "mdeliver -M DIR < FILE", "mdeliver", _mdeliver),
)
