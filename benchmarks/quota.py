"""What it costs to know how much mail there is: one large account, and a thousand.

Whole processes, unless a name says "inside": then it is the processor time of the call alone, without the interpreter's
start and loading code.
The floors add up what ``os.scandir`` finds and do nothing else. The peers do the same job: ``du`` adds up sizes,
``maildirmake -q`` and ``doveadm quota recalc`` count a Maildir++ and write its ``maildirsize``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.measure import Bar, Case, Contender, Run
from benchmarks.tools import mstore, python

FOLDERS = 50
ACCOUNTS = 1000
EACH = 20
"""Messages of each of the thousand accounts, in four folders."""
_NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")


def make_large(path: Path, count: int) -> None:
    """Make a Maildir++ of ``count`` messages in 50 folders, sizes in their names."""
    _make(path, FOLDERS, count // FOLDERS)
    (path / "maildirsize").write_text("1000000000000S\n")
    path.chmod(0o755)
    if os.getuid() == 0:  # Dovecot reads no mail as root
        subprocess.run(["chown", "-R", "nobody:nogroup", str(path)], check=True)


def make_many(path: Path) -> None:
    """Make a thousand Maildirs with sums that are right."""
    for number in range(ACCOUNTS):
        root = path / f"user{number:04}" / "Maildir"
        _make(root, 4, EACH // 4)
        (root / "maildirsize").write_text(f"1000000S,100C\n{EACH * 28} {EACH}\n")


def _make(root: Path, folders: int, each: int) -> None:
    for folder in range(folders):
        place = root / ("" if folder == 0 else f".Folder{folder:02}")
        for sub in ("tmp", "new", "cur"):
            (place / sub).mkdir(parents=True)
        if folder:
            (place / "maildirfolder").touch()
        for number in range(each):
            letters = ("S", "RS", "", "FS")[number % 4]
            name = f"{1_700_000_000 + number}.M{number:06d}P{folder}.bench,S=28,W=30:2,{letters}"
            (place / "cur" / name).write_bytes(b"Subject: %07d\n\nlistable.\n" % number)


def _printed(_: Path, run: Run) -> int:
    return int(run.output.split()[0])


def _always(*command: str) -> Callable[[Path], Sequence[str]]:
    return lambda _: list(command)


def _show(*arguments: str) -> Callable[[Path], Sequence[str]]:
    return _always(*mstore(), "quota", "show", "--quiet", "--no-history", *arguments)


def _doveadm(maildir: str) -> Callable[[Path], Sequence[str]]:
    """Return what makes Dovecot's command; its configuration lies in the run's own directory."""

    def make(place: Path) -> Sequence[str]:
        (place / "conf").write_text(
            f"mail_location = maildir:{maildir}:INDEX=MEMORY\nfirst_valid_uid = 0\nfirst_valid_gid = 0\nssl = no\n"
            f"log_path = /dev/stderr\nbase_dir = {place}/run\nstate_dir = {place}/run\nmail_plugins = quota\n"
            "plugin {\n  quota = maildir:User quota\n  quota_rule = *:storage=1T\n}\n"
        )
        Path(maildir, "maildirsize").unlink(missing_ok=True)  # it would be believed
        place.chmod(0o755)
        if os.getuid() == 0:
            subprocess.run(["chown", "-R", "nobody:nogroup", str(place)], check=True)
        as_nobody = () if os.getuid() else _NOBODY
        return [*as_nobody, "env", f"HOME={place}", "USER=joe", "doveadm", "-c", f"{place}/conf", "quota", "recalc"]

    return make


def large(maildir: Path, count: int, peers: dict[str, str]) -> Case:
    """One account of many messages: counted, and answered from its sums."""
    location = f"maildir:{maildir}"
    probe, floor = python("probes/quota.py"), python("floors/scandir_sum.py")
    counted, bare = "mailstore counts (inside)", "os.scandir, sizes from names (inside)"
    contenders = [
        Contender(counted, _always(*probe, "count", location), internal=True, kept=_printed),
        Contender(bare, _always(*floor, "names", str(maildir)), internal=True, kept=_printed),
        Contender(
            "os.scandir and a stat each (inside)", _always(*floor, "stat", str(maildir)), internal=True, kept=_printed
        ),
        Contender("mstore quota show --by folder", _show("--by", "folder", location)),
        Contender("mstore quota show --full", _show("--full", location)),
        Contender("mstore quota recalc (synced)", _always(*mstore(), "quota", "recalc", location)),
        Contender("mstore quota show --fast, from maildirsize", _show("--fast", location)),
        Contender("mailstore, from maildirsize (inside)", _always(*probe, "usage", location), internal=True),
        Contender("du -s --apparent-size", _always("du", "-s", "--apparent-size", str(maildir))),
    ]
    if "maildirmake" in peers:
        command = _always("maildirmake", "-q", "1000000000000S", str(maildir))
        contenders.append(Contender("maildirmake -q", command))
    if "doveadm" in peers and (os.getuid() or shutil.which("setpriv")):
        contenders.append(Contender("doveadm quota recalc", _doveadm(str(maildir))))
    bars = [
        Bar(counted, "at most 3 x a bare os.scandir sum", bare, 3.0),
        Bar("mailstore, from maildirsize (inside)", "no scan: at most 0.1 x a bare os.scandir sum", bare, 0.1),
    ]
    return Case("quota", f"Usage of {count:,} messages in {FOLDERS} folders", contenders, bars, count)


def many(homes: Path) -> Case:
    """A thousand accounts in one run."""
    pattern = f"maildir:{homes}/*/Maildir"
    fast, full = "mstore quota show --fast, 1,000 accounts", "mstore quota show --full, 1,000 accounts"
    du = f"du -s --apparent-size {homes}/*/Maildir"
    contenders = [
        Contender(fast, _show("--fast", "--csv", pattern)),
        Contender(full, _show("--full", "--csv", pattern)),
        Contender("du -s --apparent-size, 1,000 directories", _always("sh", "-c", du)),
    ]
    bars = [Bar(fast, "within 64 MB", rss=64 << 20), Bar(full, "within 64 MB", rss=64 << 20)]
    title = f"{ACCOUNTS:,} accounts of {EACH} messages in 4 folders"
    return Case("quota-many", title, contenders, bars)
