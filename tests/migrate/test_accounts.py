"""Which accounts there are: lists, tables, the disk; and what is refused before anything is looked at."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mailstore import NoSuchStore, UsageError, open_store
from mailstore.migrate import Account, find_accounts, is_template, read_accounts

SOURCE, DEST = "mbox:/var/mail/{user}", "maildir:/srv/new/{user}"


def plain(user: str) -> Account:
    return Account(user, f"mbox:/var/mail/{user}", f"maildir:/srv/new/{user}")


def test_a_list_names_one_user_a_line() -> None:
    lines = ["\ufeff# staff\n", "joe\r\n", "\n", "  ann@example.org \n", "   # gone: sue\n", "jürgen"]
    assert read_accounts(lines, SOURCE, DEST) == [plain("joe"), plain("ann@example.org"), plain("jürgen")]


def test_what_stands_in_braces() -> None:
    (account,) = read_accounts(
        ["ann@example.org"], "maildir:/srv/{domain}/{name}", "sqlite:/srv/100%/{user}.db?account={name}"
    )
    assert account.source == "maildir:/srv/example.org/ann"
    assert account.destination == "sqlite:/srv/100%/ann@example.org.db?account=ann"
    (root,) = read_accounts(["root"], "mbox:{home}/mbox", DEST)
    assert root.source == f"mbox:{os.path.expanduser('~root')}/mbox"
    assert is_template(SOURCE)
    assert not is_template("mbox:/srv/{old}/joe")
    with pytest.raises(UsageError, match=r"there is no \{usr\}; there are \{user\}, \{name\}, \{domain\}, \{home\}"):
        read_accounts(["joe"], "mbox:/var/mail/{usr}", DEST)


@pytest.mark.parametrize("separator", ["\t", ",", ";"])
def test_a_table_says_more(separator: str) -> None:
    rows = [
        ["User", "source", "owner", "exclude"],
        ["joe", "", "", "Trash Lists/*"],
        ["ann", "maildir:/home/old/{user}", "500:500"],
        ["sue", "sqlite:/all.db?account=sue", "keep", ""],
    ]
    lines = ["# exported", *(separator.join(row) + "\n" for row in rows)]
    assert read_accounts(lines, SOURCE, DEST) == [
        Account("joe", "mbox:/var/mail/joe", "maildir:/srv/new/joe", "", (), ("Trash", "Lists/*")),
        Account("ann", "maildir:/home/old/ann", "maildir:/srv/new/ann", "500:500"),
        Account("sue", "sqlite:/all.db?account=sue", "maildir:/srv/new/sue", "keep"),
    ]


def test_cells_of_a_table_may_be_quoted() -> None:
    (account,) = read_accounts(["user,destination", 'joe,"maildir:/srv/a,b/{user}"'], SOURCE, DEST)
    assert account.destination == "maildir:/srv/a,b/joe"


@pytest.mark.parametrize(
    "name",
    ["../x", "..", ".", "a/b", "/etc/passwd", ".hidden", "a%b", "a:b", "a?b", "a\\b", "a\x00b", "two words", "@x"],
)
def test_hostile_names_are_refused_with_their_lines(name: str) -> None:
    with pytest.raises(UsageError) as told:
        read_accounts(["joe", name, "ann"], SOURCE, DEST, "users.txt")
    assert str(told.value).startswith("users.txt, line 2: ")
    assert "is no name that a mailbox can have" in str(told.value)


def test_all_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(UsageError) as told:
        read_accounts(["joe", "a/b", "joe", "ann", "../x"], SOURCE, DEST, "u")
    complaints = str(told.value).split("; ")
    assert [one.split(":")[0] for one in complaints] == ["u, line 2", "u, line 3", "u, line 5"]
    assert complaints[1] == "u, line 3: 'joe' stands in line 1 already"
    with pytest.raises(UsageError, match=r"line 20: .*; and 80 more$"):
        read_accounts([f"a/{n}" for n in range(100)], SOURCE, DEST)


def test_nothing_is_written_into_anothers_mail(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^u, line 2: maildir:/srv/all is the destination of u, line 1 already$"):
        read_accounts(["joe", "ann"], SOURCE, "maildir:/srv/all", "u")
    with pytest.raises(UsageError, match=r"u, line 3: maildir:/srv/new/../new/joe is the destination of u, line 2"):
        read_accounts(["user,destination", "joe,", "ann,maildir:/srv/new/../new/joe"], SOURCE, DEST, "u")
    with pytest.raises(UsageError, match=r"u, line 2: mbox:/var/mail/ann is the source of u, line 3"):
        read_accounts(["user,destination", "joe,mbox:/var/mail/ann", "ann,"], SOURCE, DEST, "u")
    os.symlink(tmp_path, tmp_path / "link")
    with pytest.raises(UsageError, match="is the destination of"):
        read_accounts(["user,destination", f"a,mbox:{tmp_path}/x", f"b,mbox:{tmp_path}/link/x"], SOURCE, DEST)
    several = read_accounts(["joe", "ann"], SOURCE, "sqlite:/srv/all.db?account={user}")
    assert len(several) == 2


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "u names no account"),
        (["# nobody"], "u names no account"),
        (["user,mail"], "u, line 1: no column is called 'mail'; there are user, source,"),
        (["user,user"], "u, line 1: the column user is there twice"),
        (["source,owner"], "u, line 1: no column is called user"),
        (["user,owner", "a,b,c"], "u, line 2: 3 cells, and there are 2 columns"),
        (["user,owner", ",keep"], "u, line 2: '' is no name that a mailbox can have"),
        (["joe,ann"], "u, line 1: no column is called 'joe'"),
    ],
)
def test_tables_that_make_no_sense(lines: list[str], said: str) -> None:
    with pytest.raises(UsageError) as told:
        read_accounts(lines, SOURCE, DEST, "u")
    assert str(told.value).startswith(said)


def test_a_user_without_a_domain_where_one_is_needed() -> None:
    with pytest.raises(UsageError, match=r"line 1: 'joe' has no domain"):
        read_accounts(["joe"], "maildir:/srv/{domain}/{name}", DEST)


def test_users_of_the_disk(tmp_path: Path) -> None:
    for name in ("joe", "ann", "ann.lock", ".joe.mstore-journal", "lonely.lock"):
        (tmp_path / name).touch()
    found = find_accounts(f"mbox:{tmp_path}/{{user}}", "maildir:/srv/{user}")
    assert [one.user for one in found] == ["ann", "joe", "lonely.lock"]
    assert found[0] == Account("ann", f"mbox:{tmp_path}/ann", "maildir:/srv/ann")
    for domain, name in (("b.org", "x"), ("a.org", "y")):
        (tmp_path / "v" / domain / name).mkdir(parents=True)
    found = find_accounts(f"maildir:{tmp_path}/v/{{domain}}/{{name}}?layout=fs", "sqlite:/srv/{user}.db")
    assert [(one.user, one.source) for one in found] == [
        ("y@a.org", f"maildir:{tmp_path}/v/a.org/y?layout=fs"),
        ("x@b.org", f"maildir:{tmp_path}/v/b.org/x?layout=fs"),
    ]


def test_users_of_a_database(tmp_path: Path) -> None:
    for name in ("joe", "ann@example.org"):
        open_store(f"sqlite:{tmp_path}/all.db?account={name}", create=True).close()
    found = find_accounts(f"sqlite:{tmp_path}/all.db?account={{user}}", "maildir:/srv/{user}")
    assert [(one.user, one.destination) for one in found] == [
        ("ann@example.org", "maildir:/srv/ann@example.org"),
        ("joe", "maildir:/srv/joe"),
    ]


def test_nobody_on_the_disk(tmp_path: Path) -> None:
    with pytest.raises(NoSuchStore, match="nothing there matches"):
        find_accounts(f"mbox:{tmp_path}/{{user}}", DEST)
    with pytest.raises(UsageError, match="say where the user's name stands"):
        find_accounts("mbox:/var/mail/joe", DEST)
    (tmp_path / "a%b").touch()
    with pytest.raises(UsageError, match="'a%b' is no name that a mailbox can have"):
        find_accounts(f"mbox:{tmp_path}/{{user}}", DEST)
