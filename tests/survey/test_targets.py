"""Which accounts a pattern names."""

import os
import pwd
from pathlib import Path

import pytest

from mailstore import NoSuchStore, NotAStore, StorageFailure, UsageError, open_store
from mailstore.survey import Target, find_targets


def maildir(path: Path) -> Path:
    open_store(f"maildir:{path}", create=True).close()
    return path


def named(patterns: list[str]) -> list[tuple[str, str, str]]:
    targets = find_targets(patterns)
    assert [target.error for target in targets] == [None] * len(targets)
    return [(target.location, target.name, target.domain) for target in targets]


def test_a_wildcard_names_accounts_by_what_it_stands_for(tmp_path):
    for user in ("joe", "ann"):
        maildir(tmp_path / user / "Maildir")
    (tmp_path / "empty").mkdir()
    assert named([f"maildir:{tmp_path}/*/Maildir"]) == [
        (f"maildir:{tmp_path}/ann/Maildir", "ann", ""),
        (f"maildir:{tmp_path}/joe/Maildir", "joe", ""),
    ]
    assert [name for _, name, _ in named([f"{tmp_path}/[aj]?[ne]/Maild*"])] == ["ann/Maildir", "joe/Maildir"]
    assert named([f"maildir:{tmp_path}/j*/Maildir?layout=++"]) == [
        (f"maildir:{tmp_path}/joe/Maildir?layout=++", "joe", "")
    ]


def test_a_template_is_read_from_the_disk(tmp_path):
    for domain, user in (("example.org", "ann"), ("example.org", "bob"), ("example.net", "ann")):
        maildir(tmp_path / domain / user)
    assert [(name, domain) for _, name, domain in named([f"maildir:{tmp_path}/%d/%n"])] == [
        ("ann@example.net", "example.net"),
        ("ann@example.org", "example.org"),
        ("bob@example.org", "example.org"),
    ]
    maildir(tmp_path / "users" / "a@example.com" / "a")
    maildir(tmp_path / "users" / "b@example.com" / "other")
    assert named([f"maildir:{tmp_path}/users/%n@%d/%n"]) == [
        (f"maildir:{tmp_path}/users/a@example.com/a", "a@example.com", "example.com")
    ]
    assert [one[1:] for one in named([f"maildir:{tmp_path}/users/%u/a"])] == [("a@example.com", "example.com")]


def test_homes_are_those_of_the_system(tmp_path, monkeypatch):
    maildir(tmp_path / "100%" / "Maildir")
    entries = [
        pwd.struct_passwd((name, "x", 1, 1, "", home, "/bin/sh"))
        for name, home in (("zoe", f"{tmp_path}/100%"), ("nobody", "/nonexistent"), ("odd", ""))
    ]
    monkeypatch.setattr(pwd, "getpwall", lambda: entries)
    assert named(["maildir:%h/Maildir"]) == [(f"maildir:{tmp_path}/100%/Maildir", "zoe", "")]


def test_a_database_is_all_its_accounts(tmp_path):
    database = tmp_path / "mail.db"
    for account in ("joe@example.org", "", "a&b=c%"):
        open_store(f"sqlite:{database}", create=True, account=account).close()
    found = named([str(database)])
    assert [one[1:] for one in found] == [
        (str(database), ""),
        ("a&b=c%", ""),
        ("joe@example.org", "example.org"),
    ]
    for location, name, _ in found:
        with open_store(location, readonly=True) as store:
            assert store.location.options["account"] == (name if name != str(database) else "")
    assert [name for _, name, _ in named([f"sqlite:{database}?account=joe@example.org"])] == ["joe@example.org"]
    assert [name for _, name, _ in named([f"sqlite:{tmp_path}/*.db"])] == ["mail", "a&b=c%", "joe@example.org"]


def test_each_account_once_in_the_order_of_the_patterns(tmp_path):
    for user in "abc":
        maildir(tmp_path / user)
    names = [name for _, name, _ in named([f"{tmp_path}/c", f"{tmp_path}/?", f"maildir:{tmp_path}/a"])]
    assert names == [f"{tmp_path}/c", "a", "b"]


def test_what_is_there_is_no_pattern(tmp_path):
    odd = maildir(tmp_path / "a*[b]%z")
    maildir(tmp_path / "axb")
    assert [name for _, name, _ in named([f"maildir:{odd}"])] == [f"maildir:{odd}"]


def test_names_that_are_no_utf_8(tmp_path):
    path = os.fsencode(tmp_path) + b"/\xff\xfe"
    os.mkdir(path)
    maildir(Path(os.fsdecode(path)) / "Maildir")
    ((location, name, _),) = named([f"maildir:{tmp_path}/*/Maildir"])
    assert name == "\udcff\udcfe"
    open_store(location, readonly=True).close()


@pytest.mark.parametrize(
    ("pattern", "error"),
    [("maildir:{}/nobody/*", NoSuchStore), ("{}/file", NotAStore), ("sqlite:{}/no.db", NoSuchStore)],
)
def test_what_cannot_be_is_an_error_of_that_account_alone(tmp_path, pattern, error):
    (tmp_path / "file").write_bytes(b"\0\1\2")
    maildir(tmp_path / "good")
    bad, good = find_targets([pattern.format(tmp_path), f"{tmp_path}/good"])
    assert type(bad.error) is error
    assert good == Target(f"maildir:{tmp_path}/good", f"{tmp_path}/good")


def test_an_unknown_variable(tmp_path):
    with pytest.raises(UsageError, match="there is no %x"):
        find_targets([f"maildir:{tmp_path}/%x"])
    with pytest.raises(UsageError, match="name at least one"):
        find_targets([])


def test_what_is_closed_is_named_and_not_passed_over(tmp_path):
    """A link that leads to itself stands for a home that may not be entered: the system says neither yes nor no."""
    maildir(tmp_path / "joe" / "Maildir")
    (tmp_path / "eve").symlink_to("eve")
    targets = find_targets([f"maildir:{tmp_path}/*/Maildir"])
    assert [(target.name, type(target.error)) for target in targets] == [
        ("joe", type(None)), (f"{tmp_path}/eve/Maildir", StorageFailure),
    ]  # fmt: skip
    targets = find_targets([f"maildir:{tmp_path}/*/M*"])
    assert [(target.name, type(target.error)) for target in targets] == [
        ("joe/Maildir", type(None)), (f"{tmp_path}/eve", StorageFailure),
    ]  # fmt: skip
