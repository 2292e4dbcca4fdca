"""Programs that keep a Maildir's quota in ``maildirsize``: Courier, Dovecot and Exim, each driven the same way."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path
from typing import ClassVar

from support.dovecot import NOBODY, Dovecot
from support.peers import need, refuse, run

from mailstore.formats.maildirsize import parse
from mailstore.model.changes import Usage

EXIM = Path("/usr/local/lib/mailstore-peers/exim4/usr/sbin/exim4")
"""Where .ci/run unpacks Exim: its package cannot be installed beside Postfix."""


class Keeper:
    """A program and a Maildir of its own.

    Args:
        place: a directory that everybody can reach; the Maildir lies in its ``home``.

    Attributes:
        style: how mailstore calls its way to count.
    """

    style: ClassVar[str]

    def __init__(self, place: Path) -> None:
        self.home = place / "home"
        self.home.mkdir()
        self.root = self.home / "Maildir"

    @property
    def file(self) -> Path:
        return self.root / "maildirsize"

    def limit(self, storage: int, messages: int) -> None:
        """Set the limits, in the program's own way."""
        raise NotImplementedError

    def deliver(self, message: bytes) -> bool:
        """Deliver a message; False: it was refused for want of room."""
        raise NotImplementedError

    def recount(self) -> Usage:
        """Let the program look at every message, and return its sums."""
        raise NotImplementedError

    def own(self) -> None:
        """Give the program what others put there."""

    def written(self) -> Usage:
        """Return what stands in the file."""
        sums = parse(self.file.read_bytes())
        assert sums.sound
        return Usage(sums.count, sums.size)


class Courier(Keeper):
    """``maildirmake -q`` and ``deliverquota``."""

    style = "courier"

    def __init__(self, place: Path) -> None:
        need("deliverquota", "maildirmake.courier")
        super().__init__(place)
        run(["maildirmake.courier", self.root])

    def limit(self, storage: int, messages: int) -> None:
        self._limits = f"{storage}S,{messages}C"
        run(["maildirmake.courier", "-q", self._limits, self.root])

    def deliver(self, message: bytes) -> bool:
        before = len(os.listdir(self.root / "new"))
        run(["deliverquota", self.root], data=message, ok=(0, 77))
        return len(os.listdir(self.root / "new")) > before

    def recount(self) -> Usage:
        run(["maildirmake.courier", "-q", self._limits, self.root])  # it makes the sums anew
        return self.written()


class DovecotQuota(Keeper):
    """Dovecot's ``maildir`` quota: ``dovecot-lda`` and ``doveadm quota``."""

    style = "dovecot"

    def __init__(self, place: Path, layout: str = "maildir++") -> None:
        super().__init__(place)
        self.dovecot = Dovecot(self.home, f"maildir:{self.root}:LAYOUT={layout}")
        self._config = self.dovecot.config.read_text()
        self._lda = shutil.which("dovecot-lda", path="/usr/lib/dovecot:/usr/libexec/dovecot")
        if self._lda is None:
            refuse("not installed: dovecot-lda")

    def limit(self, storage: int, messages: int) -> None:
        self.dovecot.config.write_text(
            self._config + "mail_plugins = quota\nprotocol lda {\n postmaster_address = p@example.org\n}\n"
            f"plugin {{\n quota = maildir:User quota\n quota_rule = *:bytes={storage}B:messages={messages}\n"
            " quota_grace = 0%%\n}\n"
        )
        self.own()

    def own(self) -> None:
        self.dovecot.own()

    def deliver(self, message: bytes) -> bool:
        command = [str(self._lda), "-c", str(self.dovecot.config), "-e", "-f", "a@example.org"]
        before = self._arrived()
        run(command, data=message, home=self.home, user=self.dovecot.user, ok=(0, 77))
        return self._arrived() > before

    def _arrived(self) -> int:
        return len(os.listdir(self.root / "new")) if (self.root / "new").exists() else 0

    def recount(self) -> Usage:
        self.own()
        self.dovecot.doveadm("quota", "recalc")
        lines = self.dovecot.doveadm("-f", "tab", "quota", "get").decode().splitlines()[1:]
        shown = {line.split("\t")[1]: int(line.split("\t")[2]) for line in lines}
        found = self.written()
        assert shown == {"STORAGE": -(-found.size // 1024), "MESSAGE": found.messages}
        return found


class Exim(Keeper):
    """Exim's appendfile transport with ``maildir_use_size_file``."""

    style = "exim"

    def __init__(self, place: Path) -> None:
        need_exim()
        super().__init__(place)
        os.chown(self.home, NOBODY, NOBODY)
        (place / "spool").mkdir()
        self._config = place / "exim.conf"
        self._settings = f"""\
exim_path = {exim()}
exim_user = root
exim_group = root
spool_directory = {place}/spool
log_file_path = {place}/%%slog
primary_hostname = mx.example.org
qualify_domain = example.org
keep_environment =
begin routers
local:
  driver = accept
  transport = box
begin transports
box:
  driver = appendfile
  directory = {self.root}
  create_directory
  maildir_format
  maildir_use_size_file
  maildir_tag = ,S=$message_size
  quota_size_regex = ,S=(\\d+)
  user = nobody
  group = {NOBODY}
  quota = %d
  quota_filecount = %d
begin retry
* quota F,1h,1h
"""
        self._log = place / "mainlog"

    def limit(self, storage: int, messages: int) -> None:
        self._limits = storage, messages
        self._config.write_text(self._settings % self._limits)

    def own(self) -> None:
        for path in self.root.rglob("*"):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)

    def deliver(self, message: bytes) -> bool:
        self.own()
        before = self._log.read_text() if self._log.exists() else ""
        run([exim(), "-C", self._config, "-odf", "-oi", "-f", "a@example.org", "joe@example.org"], data=message)
        said = self._log.read_text()[len(before) :]
        assert (" => joe" in said) != ("mailbox is full" in said), said
        return " => joe" in said

    def recount(self) -> Usage:
        """Exim has no command for it: it counts where the limits are others than in the file."""
        before = {path.name for path in (self.root / "new").iterdir()}
        storage, messages = self._limits
        self.limit(storage + 10**6, messages + 1)
        assert self.deliver(b"Subject: count\n\n")
        (added,) = {path.name for path in (self.root / "new").iterdir()} - before
        sums = parse(self.file.read_bytes())
        assert sums.lines == 2
        size = (self.root / "new" / added).stat().st_size
        (self.root / "new" / added).unlink()
        self.limit(storage, messages)
        self.file.write_bytes(b"%dS,%dC\n%d %d\n" % (storage, messages, sums.size - size, sums.count - 1))
        return Usage(sums.count - 1, sums.size - size)


def exim() -> str:
    """Return the program."""
    return shutil.which("exim4", path=f"{EXIM.parent}:/usr/sbin") or ""


def need_exim() -> None:
    """Skip the test, or fail it, where Exim cannot be run."""
    if not exim():
        refuse("not installed: exim4")
    if os.getuid() != 0:
        refuse("Exim changes users: it needs root")
    try:
        pwd.getpwnam("Debian-exim")
    except KeyError:
        refuse("there is no user Debian-exim")


KEEPERS = (Courier, DovecotQuota, Exim)
