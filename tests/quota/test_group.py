"""A quota that many accounts share: the running sum, reserved before each commit and put right after it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mailstore import (
    Append,
    Arrival,
    CorruptStore,
    FolderPath,
    MessageTooLarge,
    Meta,
    QuotaExceeded,
    QuotaRules,
    Store,
    Usage,
    open_store,
)
from mailstore.quota import FolderRule, Group

STORES = (
    "memory:",
    "maildir:{root}/{name}",
    "mbox:{root}/{name}.mbox",
    "mbox:{root}/{name}?layout=sbd",
    "sqlite:{root}/{name}.db",
)


def body(size: int) -> bytes:
    return b"Subject: x\n\n".ljust(size - 1, b"b") + b"\n"


@pytest.fixture
def path(tmp_path: Path) -> str:
    (tmp_path / "group.toml").write_text('storage = 1000\nmembers = ["mbox:/srv/*"]\n')
    return str(tmp_path / "group.toml")


def begun(path: str) -> Group:
    group = Group(path)
    group.reset(Usage(0, 0))
    return group


def test_a_sum_begins_with_a_count(path: str) -> None:
    group = Group(path)
    assert group.rules() == QuotaRules(storage=1000, members=("mbox:/srv/*",))
    assert group.usage() is None
    with pytest.raises(CorruptStore, match="recalculate"):
        group.add(Usage(1, 10))
    group.reset(Usage(3, 500))
    assert group.usage() == Usage(3, 500)
    group.add(Usage(-1, -100))
    assert group.usage() == Usage(2, 400)
    assert Path(group.sums).read_bytes() == b"1000S\n%12d %12d\n%12d %12d\n" % (500, 3, -100, -1)


def test_a_refused_addition_adds_nothing(path: str) -> None:
    group = begun(path)

    def refuse(usage: Usage) -> None:
        raise QuotaExceeded(str(usage), resource="STORAGE", limit=1, usage=1, wanted=1)

    with pytest.raises(QuotaExceeded):
        group.add(Usage(1, 1), refuse)
    assert group.usage() == Usage(0, 0)


def test_many_additions_become_one_line(path: str) -> None:
    group = begun(path)
    for _ in range(400):
        group.add(Usage(1, 7))
    assert group.usage() == Usage(400, 2800)
    assert Path(group.sums).stat().st_size < 5120


@pytest.mark.parametrize("text", ["", "1000S\n", "x\n1 1\n", "1000S\n1 1\n\0\0\n", "1000S\n-5 1\n"])
def test_a_sum_that_cannot_be_believed_is_none(path: str, text: str) -> None:
    group = begun(path)
    Path(group.sums).write_text(text)
    assert group.usage() is None
    with pytest.raises(CorruptStore):
        group.add(Usage(1, 1))
    group.reset(Usage(1, 1))
    assert group.usage() == Usage(1, 1)


def test_rules_that_are_no_rules_say_so(path: str, tmp_path: Path) -> None:
    Path(path).write_text("storage = 'much'")
    with pytest.raises(CorruptStore, match=r"group\.toml"):
        Group(path).rules()
    with pytest.raises(CorruptStore, match="nothing"):
        Group(str(tmp_path / "nothing")).rules()


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path, path: str) -> Store:
    rules = QuotaRules(groups=(path,), folders=(FolderRule(FolderPath(("Old",)), ignore=True),))
    store = open_store(request.param.format(root=tmp_path, name="store"), create=True, quota=rules)
    request.addfinalizer(store.close)  # noqa: PT021 - the store is what is wanted
    return store


def test_the_group_knows_what_its_members_hold(store: Store, path: str) -> None:
    group = begun(path)
    store.inbox.append(body(100))
    assert group.usage() == store.quota.usage()
    assert group.usage() is not None
    uid = store.inbox.append(body(200), key=bytes(16)).uid
    store.inbox.append(body(200), key=bytes(16))
    assert group.usage() == store.quota.usage()
    store.inbox.add_flags([uid], [r"\Deleted"])
    assert group.usage() == store.quota.usage()
    store.inbox.remove_flags([uid], [r"\Deleted"])
    store.inbox.add_flags([uid], [r"\Seen"])
    assert group.usage() == store.quota.usage()
    store.inbox.expunge([uid], only_deleted=False)
    assert group.usage() == store.quota.usage()
    assert store.quota.usage().messages == 1
    assert store.quota.problems == []


def test_the_group_follows_folders(store: Store, path: str) -> None:
    if not store.capabilities.folders:
        pytest.skip("INBOX alone")
    Path(path).write_text("storage = 9000")
    group = begun(path)
    for name in ("a", "b", "Old"):
        store.create(name).append(body(100))
    store.inbox.append(body(100))
    assert group.usage() == store.quota.usage()
    assert store.quota.usage().messages == 3
    store.rename("a", "Trash")
    assert group.usage() == store.quota.usage()
    store.folder("Trash").move([1], store.inbox)
    store.inbox.copy([1], store.folder("b"))
    store.delete("b")
    assert group.usage() == store.quota.usage()
    assert store.quota.usage().messages == 2
    assert store.quota.problems == []


def test_the_group_limits_all_its_members(store: Store, path: str) -> None:
    group = begun(path)
    other = open_store("memory:", quota=QuotaRules(groups=(path,)))
    other.inbox.append(body(400))
    store.inbox.append(body(100))
    before = group.usage()
    assert before is not None
    with pytest.raises(QuotaExceeded, match=r"quota of the group .*group\.toml"):
        store.inbox.append(body(1001 - before.size))
    with pytest.raises(QuotaExceeded):
        store.quota.check(1001 - before.size)
    with pytest.raises(MessageTooLarge):
        other.inbox.append(body(1001))
    assert group.usage() == before
    other.inbox.append(body(1000 - before.size))
    assert group.usage() == Usage(3, 1000)
    assert (len(store.inbox), len(other.inbox)) == (1, 2)


def test_a_commit_that_fails_gives_its_room_back(store: Store, path: str) -> None:
    group = begun(path)

    class Broken(Exception):
        pass

    def guard(changes: object) -> None:
        raise Broken

    (staged,) = store.stage([Arrival(body(100), Meta())])
    with pytest.raises(Broken):
        store.commit([Append(store.inbox.path, staged)], guard=guard)
    store.discard([staged])
    assert group.usage() == Usage(0, 0)


def test_a_second_group_that_refuses_leaves_the_first_as_it_was(tmp_path: Path, path: str) -> None:
    second = tmp_path / "second.toml"
    second.write_text("messages = 1")
    first, other = begun(path), begun(str(second))
    store = open_store("memory:", quota=QuotaRules(groups=(path, str(second))))
    store.inbox.append(body(100))
    with pytest.raises(QuotaExceeded, match="second"):
        store.inbox.append(body(100))
    assert first.usage() == other.usage() == Usage(1, 100)


def test_a_group_that_is_broken_limits_nothing_and_is_told_of(store: Store, path: str) -> None:
    store.inbox.append(body(2000))
    assert any("recalculate" in problem for problem in store.quota.problems)
    begun(path)
    Path(path).write_text("nonsense")
    store.inbox.append(body(2000))
    assert any("nonsense" in problem or "group.toml" in problem for problem in store.quota.problems)
    assert len(store.inbox) == 2


def test_what_a_conversion_filled_is_entered_when_the_store_is_closed(tmp_path: Path, path: str) -> None:
    from mailstore.convert import convert

    group = begun(path)
    with open_store(f"sqlite:{tmp_path}/from.db", create=True) as source:
        source.create("a").append(body(600))
        source.inbox.append(body(600))
        for place, location in enumerate(("sqlite:{}/to.db", "mbox:{}/to?layout=sbd")):
            rules = QuotaRules(groups=(path,), messages=1)
            with open_store(location.format(tmp_path), create=True, folders=True, quota=rules) as store:
                assert convert(source, store).copied == 2
                used = store.quota.usage()
            assert used.messages == 2
            if place == 0:
                assert group.usage() == used
                group.reset(Usage(0, 0))
            else:
                assert group.usage() == used


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_where_the_sum_should_be_limits_nothing(
    path: str, tmp_path: Path, make: Callable[[str], None]
) -> None:
    make(Group(path).sums)
    assert Group(path).usage() is None
    with open_store(f"maildir:{tmp_path}/joe", create=True, quota=QuotaRules(groups=(path,))) as store:
        store.quota.check(10)
        store.inbox.append(body(10))
        assert any("limits nothing" in problem for problem in store.quota.problems)


def test_rules_of_a_group_that_are_no_file_are_told_of(path: str) -> None:
    os.unlink(path)
    os.mkfifo(path)
    with pytest.raises(CorruptStore, match="regular file"):
        Group(path).rules()


@pytest.mark.parametrize("before", [None, QuotaRules(storage=5000)])
def test_what_a_handle_changed_before_the_group_began_is_not_entered_again(
    path: str, tmp_path: Path, before: QuotaRules | None
) -> None:
    location = f"maildir:{tmp_path}/joe"
    with open_store(location, create=True) as long, open_store(location) as other:
        long.quota.set_rules(before)
        long.inbox.append(body(100))
        other.quota.set_rules(QuotaRules(storage=5000, groups=(path,)))
        Group(path).reset(other.quota.usage())
        long.inbox.append(body(50))
        assert Group(path).usage() == Usage(2, 150)
        with long.quota.unenforced():
            long.inbox.append(body(20))
        assert Group(path).usage() == Usage(3, 170)


def test_what_a_handle_passes_by_the_limits_first_is_entered_in_the_group(path: str, tmp_path: Path) -> None:
    group = begun(path)
    with open_store(f"maildir:{tmp_path}/joe", create=True, quota=QuotaRules(groups=(path,))) as store:
        with store.quota.unenforced():
            store.inbox.append(body(20))
        assert group.usage() == Usage(1, 20)
