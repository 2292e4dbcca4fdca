"""A Postfix of our own on the loopback, which hands over to ``mstore``: started for one test, stopped after it.

It drops root before it runs a command, so interpreter and code must be where everybody can read: they are copied to
where its queue lies, and the interpreter is ours only if others may run it.
"""

from __future__ import annotations

import os
import re
import shutil
import smtplib
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from support.peers import need

import mailstore
import mailstore_cli

MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
{pipe}"""
MAIN = """\
compatibility_level = 3.6
queue_directory = {root}/queue
data_directory = {root}/data
command_directory = /usr/sbin
daemon_directory = {daemons}
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.example.test
mydestination = local.test
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
maillog_file = {root}/log
maillog_file_prefixes = {root}
maximal_backoff_time = 4000s
minimal_backoff_time = 1000s
bounce_queue_lifetime = 0
notify_classes =
smtpd_recipient_restrictions = permit_mynetworks, reject
recipient_delimiter = +
{settings}
"""


class Fate(NamedTuple):
    """What became of a recipient, from Postfix' log."""

    status: str
    dsn: str
    said: str


def everybodys_python() -> str:
    """Return an interpreter of at least 3.11 that any user can run; skips where there is none."""
    for candidate in (os.path.realpath(sys.executable), "/usr/bin/python3"):
        if shutil.which("runuser") is None or not os.path.exists(candidate):
            continue
        probe = ["runuser", "-u", "games", "--", candidate, "-I", "-c"]
        check = "import sys; sys.exit(sys.version_info < (3, 11))"
        done = subprocess.run([*probe, check], check=False, cwd="/", capture_output=True)
        if done.returncode == 0:
            return candidate
    reason = "no interpreter that other users can run (install python3)"
    if os.environ.get("MAILSTORE_REQUIRE_PEERS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def install(root: Path) -> str:
    """Put the command ``mstore``, and what it needs, where everybody can run it; returns its path."""
    python, code = everybodys_python(), root / "code"
    for package in (mailstore, mailstore_cli):
        source = Path(str(package.__file__)).parent
        shutil.copytree(source, code / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("apsw", "click"):
        module = sys.modules.get(name) or __import__(name)
        shutil.copytree(Path(str(module.__file__)).parent, code / name)
    script = root / "mstore"
    source = (Path(__file__).parents[2] / "cli" / "mstore").read_text()
    script.write_text(
        source.replace("#!python\n", f"#!{python} -I\nimport sys\nsys.path.insert(0, {str(code)!r})\n", 1)
    )
    script.chmod(0o755)
    for path in (root, *code.rglob("*"), code):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return str(script)


class Postfix:
    """One running instance."""

    def __init__(self, root: Path, port: int) -> None:
        self.root = root
        self.port = port

    def send(self, recipients: Sequence[str], data: bytes, sender: str = "ann@example.org") -> None:
        """Hand a message over by SMTP; bounces do not come back, as the null sender's do not."""
        with smtplib.SMTP("127.0.0.1", self.port, timeout=30) as client:
            assert client.sendmail(sender, list(recipients), data) == {}

    def fates(self, count: int) -> dict[str, Fate]:
        """Wait until ``count`` recipients have met their fate; return it by recipient."""
        pattern = re.compile(r"to=<([^>]*)>.*dsn=([\d.]+), status=(\w+) \((.*)\)")
        found: dict[str, Fate] = {}
        for _ in range(600):
            log = self.root / "log"
            text = log.read_text(errors="replace") if log.exists() else ""
            for line in text.splitlines():
                match = pattern.search(line)
                if match and "relay=none" not in line:
                    found.setdefault(match[1], Fate(match[3], match[2], match[4]))
            if len(found) >= count:
                return found
            time.sleep(0.1)
        raise AssertionError(f"{len(found)} of {count} recipients: {found}\n{text[-3000:]}")


@contextmanager
def running(settings: str, pipe: str = "") -> Iterator[Postfix]:
    """Run a Postfix with ``settings`` in main.cf and ``pipe`` in master.cf; ``{root}`` in both is its directory."""
    if os.geteuid() != 0:
        pytest.skip("a Postfix of our own needs root")
    need("postfix", "runuser")
    root = Path(tempfile.mkdtemp(prefix="mailstore-postfix-"))
    started = False
    try:
        root.chmod(stat.S_IRWXU | 0o055)
        install(root)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        conf = root / "conf"
        for name in ("conf", "queue", "data", "mail"):
            (root / name).mkdir(mode=0o755)
        shutil.chown(root / "data", "postfix")
        (root / "mail").chmod(0o1777)
        daemons = subprocess.run(["postconf", "-dh", "daemon_directory"], capture_output=True, text=True, check=True)
        values = {"root": root, "daemons": daemons.stdout.strip(), "port": port}
        (conf / "main.cf").write_text(MAIN.format(settings=settings.replace("{root}", str(root)), **values))
        (conf / "master.cf").write_text(MASTER.format(pipe=pipe.replace("{root}", str(root)), **values))
        done = subprocess.run(
            ["postfix", "-c", str(conf), "start"], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr + done.stdout
        started = True
        yield Postfix(root, port)
    finally:
        if started:
            subprocess.run(["postfix", "-c", str(root / "conf"), "stop"], capture_output=True, timeout=60, check=False)
        shutil.rmtree(root, ignore_errors=True)
