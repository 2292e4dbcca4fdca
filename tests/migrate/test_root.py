"""Run by root: whose the mail is, and what users can make root do. Nothing, it is hoped."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.users import as_user, shared_directory

from mailstore import Arrival, NoSuchUser, UsageError, open_store
from mailstore.convert import verify_stores
from mailstore.migrate import Account, Result, find_accounts, migrate
from mailstore.migrate.owner import Owner, owner_of
from mailstore.testing.samples import large

pytestmark = pytest.mark.root
JOE, ANN = "games", "nobody"
"""Two users that every system has."""
IDS = {name: (pwd.getpwnam(name).pw_uid, pwd.getpwnam(name).pw_gid) for name in (JOE, ANN, "daemon")}


@pytest.fixture
def base() -> Iterator[Path]:
    """A directory of root's with ``home/USER`` for both, and a shared ``spool``."""
    with shared_directory(0o1777) as spool:
        root = spool.parent
        for user in (JOE, ANN):
            (root / "home" / user).mkdir()
            (root / "home" / user).chmod(0o700)
            os.chown(root / "home" / user, *IDS[user])
        os.chown(root / "home", 0, 0)
        yield root


def fill(path: Path, owner: tuple[int, int], count: int = 3) -> str:
    """Make a Maildir with mail at ``path`` that belongs to ``owner``; returns its location."""
    with open_store(f"maildir:{path}", create=True) as store:
        store.inbox.append_many([Arrival(b"Subject: %d\n\nhello\n" % number) for number in range(count)])
        store.folder("Sent", create=True).append(large(2 << 20), flags=["\\Seen"])
    for place, _, names in os.walk(path):
        for name in (place, *(os.path.join(place, name) for name in names)):
            os.chown(name, *owner)
    return f"maildir:{path}"


def owners(path: Path) -> set[tuple[int, int, int]]:
    """Return (user, group, permissions of others than the owner) of all at and below ``path``."""
    found = set()
    for place, _, names in os.walk(path):
        for name in (place, *(os.path.join(place, name) for name in names)):
            about = os.lstat(name)
            found.add((about.st_uid, about.st_gid, about.st_mode & 0o077))
    return found


def one(source: str, destination: str, user: str = JOE, **settings: object) -> Result:
    (result,) = migrate([Account(user, source, destination)], **settings).results  # type: ignore[arg-type]
    return result


def same(first: str, second: str) -> bool:
    with open_store(first, readonly=True) as old, open_store(second, readonly=True) as new:
        return verify_stores(old, new).same


@pytest.mark.parametrize(("form", "name"), [("maildir", "Maildir"), ("sqlite", "mail.db"), ("mbox", "mail")])
def test_everything_belongs_to_its_user(base: Path, form: str, name: str) -> None:
    sources = {user: fill(base / "home" / user / "old", IDS[user]) for user in (JOE, ANN)}
    accounts = find_accounts(f"maildir:{base}/home/{{user}}/old", f"{form}:{base}/home/{{user}}/{name}")
    assert [account.user for account in accounts] == sorted((JOE, ANN))
    migration = migrate(accounts, journals=str(base / "journals"), rejected=str(base / "aside"))
    assert [result.reason for result in migration.results] == ["", ""]
    for user, (uid, gid) in ((user, IDS[user]) for user in (JOE, ANN)):
        assert owners(base / "home" / user) == {(uid, gid, 0)} | owners(base / "home" / user / "old")
        assert same(sources[user], f"{form}:{base}/home/{user}/{name}")
        journal = (base / "journals" / f"{user}.journal").stat()
        assert (journal.st_uid, stat.S_IMODE(journal.st_mode)) == (uid, 0o600)
    assert migrate(accounts, journals=str(base / "journals")).ok
    assert os.geteuid() == 0  # only the children gave it up


def test_the_owner_can_be_said(base: Path) -> None:
    source = fill(base / "old", (0, 0))
    result = one(source, f"maildir:{base}/spool/a", "virtual@example.org")
    assert (result.status, result.error) == ("failed", "NoSuchUser")
    assert result.reason.endswith("say with --owner whom the mail is to belong to")
    assert one(source, f"maildir:{base}/spool/b", "virtual@example.org", owner=ANN).status == "done"
    assert owners(base / "spool" / "b") == {(*IDS[ANN], 0)}
    assert one(source, f"maildir:{base}/spool/c", "virtual@example.org", owner="4711:4712").status == "done"
    assert owners(base / "spool" / "c") == {(4711, 4712, 0)}
    assert one(source, f"maildir:{base}/spool/d", "virtual@example.org", owner="keep").status == "done"
    assert {owner[:2] for owner in owners(base / "spool" / "d")} == {(0, 0)}


def test_who_the_owner_is() -> None:
    assert owner_of("joe", "0:8") == Owner(0, 8)
    for said in ("4294967295:1", "1:4294967295", "9999999999:1"):
        with pytest.raises(UsageError, match="4294967294 at most"):
            owner_of("joe", said)
    named = owner_of(f"{JOE}@example.org", "")
    assert (named.uid, named.gid, named.name) == (*IDS[JOE], JOE) if named else False
    assert owner_of("x", "keep") is None
    assert owner_of("root", "user") is None
    assert owner_of("x", "12:34") == Owner(12, 34)
    with pytest.raises(NoSuchUser):
        owner_of("x", "no-such-user-here")


# --- a source that the user may not read


@pytest.mark.parametrize("owner", [(0, 0), IDS["daemon"]])
def test_a_source_closed_to_the_user_is_read_by_its_owner(base: Path, owner: tuple[int, int]) -> None:
    source = fill(base / "vmail", owner)
    os.chmod(base / "vmail", 0o700)
    before = {place: os.stat(place).st_mtime_ns for place, _, _ in os.walk(base / "vmail")}
    result = one(source, f"maildir:{base}/home/{JOE}/Maildir")
    assert (result.status, result.reason) == ("done", "")
    assert result.report is not None
    assert (result.report.copied, result.report.verified) == (4, True)
    assert owners(base / "home" / JOE) == {(*IDS[JOE], 0)}
    assert same(source, f"maildir:{base}/home/{JOE}/Maildir")
    again = one(source, f"maildir:{base}/home/{JOE}/Maildir")
    assert again.report is not None
    assert (again.status, again.report.copied, again.report.skipped) == ("done", 0, 4)
    assert before == {place: os.stat(place).st_mtime_ns for place, _, _ in os.walk(base / "vmail")}
    assert owners(base / "vmail") >= {(*owner, 0)}


def test_what_cannot_be_read_there_is_told_as_ever(base: Path) -> None:
    source = fill(base / "vmail", IDS["daemon"])
    os.symlink("/etc/shadow", base / "vmail/cur/1700000000.M1P1.host:2,S")
    (base / "vmail/cur/1700000001.M1P1.host:2,S").write_text("Subject: closed\n\n")
    os.chmod(base / "vmail/cur/1700000001.M1P1.host:2,S", 0)
    os.chmod(base / "vmail", 0o700)
    result = one(source, f"maildir:{base}/home/{JOE}/Maildir")
    assert (result.status, result.error) == ("failed", "")
    assert result.report is not None
    assert (result.report.copied, result.report.failed, len(result.report.problems)) == (4, 2, 2)
    gone = one(f"maildir:{base}/none", f"maildir:{base}/home/{JOE}/Other")
    assert (gone.status, gone.error) == ("failed", "NoSuchStore")
    no_store = base / "empty"
    no_store.mkdir(mode=0o700)
    odd = one(f"maildir:{no_store}", f"maildir:{base}/home/{JOE}/Other")
    assert (odd.status, odd.error) == ("failed", "NotAStore")


# --- what a hostile user tries


def test_a_link_to_somebody_elses_mail_is_not_read_for_him(base: Path) -> None:
    """Ann links her mailbox to root's: root's rights are not used, wherever the link stands."""
    fill(base / "secret", (0, 0))
    os.chmod(base / "secret", 0o700)
    home = base / "home" / ANN
    os.symlink(base / "secret", home / "old")
    os.lchown(home / "old", *IDS[ANN])
    result = one(f"maildir:{home}/old", f"maildir:{home}/Maildir", ANN)
    assert (result.status, result.error) == ("failed", "StorageFailure")
    assert "is not read with other rights" in result.reason
    os.symlink(base, home / "up")
    os.lchown(home / "up", *IDS[ANN])
    result = one(f"maildir:{home}/up/secret", f"maildir:{home}/Maildir", ANN)
    assert (result.status, result.error) == ("failed", "StorageFailure")
    assert not (home / "Maildir").exists()


def test_a_link_among_his_mail_gets_him_nothing(base: Path) -> None:
    home = base / "home" / ANN
    source = fill(home / "old", IDS[ANN])
    (base / "shadow").write_text("root:secret\n")
    os.chmod(base / "shadow", 0o600)
    for target, name in (("shadow", "1700000000.M1P1.host:2,S"), ("home", "1700000001.M1P1.host:2,S")):
        os.symlink(base / target, home / "old" / "cur" / name)
    result = one(source, f"maildir:{home}/Maildir", ANN)
    assert result.status == "failed"
    taken = [file.read_bytes() for file in (home / "Maildir").rglob("*") if file.is_file()]
    assert not any(b"root:secret" in body for body in taken)


@pytest.mark.parametrize("form", ["maildir", "sqlite", "mbox"])
def test_a_link_in_his_home_makes_root_write_nowhere(base: Path, form: str) -> None:
    home = base / "home" / ANN
    source = fill(home / "old", IDS[ANN])
    (base / "target").mkdir(mode=0o755)
    (base / "target" / "file").write_text("root's own\n")
    before = owners(base / "target"), sorted(base.joinpath("target").iterdir())
    for name, to in (("a", base / "target"), ("b", base / "target" / "file"), ("c", base / "target" / "new")):
        os.symlink(to, home / name)
        os.lchown(home / name, *IDS[ANN])
        result = one(source, f"{form}:{home}/{name}", ANN)
        assert result.status == "failed", name
        deeper = one(source, f"{form}:{home}/{name}/deeper", ANN)
        assert deeper.status == "failed", name
    os.link(base / "target" / "file", home / "d")
    assert one(source, f"{form}:{home}/d", ANN).status == "failed"
    assert (owners(base / "target"), sorted(base.joinpath("target").iterdir())) == before
    assert (base / "target" / "file").read_text() == "root's own\n"


def test_traps_for_the_journal_and_messages_set_aside(base: Path) -> None:
    home = base / "home" / ANN
    source = fill(home / "old", IDS[ANN])
    os.symlink("nowhere", home / "old/cur/1700000000.M1P1.host:2,S")
    (base / "passwd").write_text("root's own\n")
    (home / "Maildir").mkdir()
    os.symlink(base / "passwd", home / "Maildir" / "..mstore-journal")
    os.symlink(base, home / "Maildir.rejected")
    os.chown(home / "Maildir", *IDS[ANN])
    for name in ("cur", "new", "tmp"):
        (home / "Maildir" / name).mkdir()
        os.chown(home / "Maildir" / name, *IDS[ANN])
    assert one(source, f"maildir:{home}/Maildir", ANN).status == "failed"
    assert (base / "passwd").read_text() == "root's own\n"
    theirs = base / "home" / ANN / "journals"
    theirs.mkdir()
    os.chown(theirs, *IDS[ANN])
    with pytest.raises(Exception, match="others may write there"):
        one(source, f"maildir:{home}/Other", ANN, journals=str(theirs))


# --- places of root's


def test_what_only_root_can_make_is_made_for_the_user(base: Path) -> None:
    source = fill(base / "home" / JOE / "old", IDS[JOE])
    (base / "mail").mkdir(mode=0o755)
    assert one(source, f"maildir:{base}/mail/{JOE}", journals=str(base / "j")).status == "done"
    assert owners(base / "mail" / JOE) == {(*IDS[JOE], 0)}
    box = one(f"{source}", f"mbox:{base}/mail/box/", journals=str(base / "j2"))
    assert box.status == "done"
    assert owners(base / "mail" / "box") == {(*IDS[JOE], 0)}
    (base / "home" / "new").mkdir(mode=0o755)
    os.chown(base / "home" / "new", *IDS[ANN])  # not root's: nothing is made there for Joe
    refused = one(source, f"maildir:{base}/home/new/{JOE}")
    assert (refused.status, refused.error) == ("failed", "CannotCreate")
    assert list((base / "home" / "new").iterdir()) == []


def test_the_umask_of_root_closes_no_journal(base: Path) -> None:
    source = fill(base / "home" / JOE / "old", IDS[JOE])
    before = os.umask(0o077)
    try:
        result = one(
            source, f"maildir:{base}/home/{JOE}/new", journals=str(base / "a/journals"), rejected=str(base / "b")
        )
    finally:
        os.umask(before)
    assert (result.status, result.reason) == ("done", "")
    assert (base / "a/journals").stat().st_mode & 0o777 == 0o711


def test_who_is_not_root_migrates_as_himself(base: Path) -> None:
    home = base / "home" / ANN
    source = fill(home / "old", IDS[ANN])
    account = Account("whoever", source, f"maildir:{home}/Maildir")

    def run() -> list[tuple[str, str]]:
        migration = migrate([account], journals=f"{home}/journals", rejected=f"{home}/aside")
        return [(result.status, result.reason) for result in migration.results]

    assert as_user(IDS[ANN][0], home, run) == [("done", "")]
    assert {owner[0] for owner in owners(home)} == {IDS[ANN][0]}


def test_who_is_not_root_cannot_give_mail_away(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: IDS[JOE][0])
    assert owner_of(ANN, "") is None
    assert owner_of(JOE, "user") is None
    with pytest.raises(UsageError, match="only root can give mail to another user"):
        owner_of(ANN, "user")
