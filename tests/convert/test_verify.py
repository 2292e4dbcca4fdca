"""Are two stores the same mail? The differences are named one by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from convert.limited import limited

from mailstore import FolderPath, NoSuchFolder, Store, UnreadableMessage, open_store
from mailstore.convert import Options, convert, verify_stores


def filled() -> Store:
    store = open_store("memory:")
    for n in (1, 2, 3):
        store.inbox.append(
            f"Subject: {n}\n\n".encode(), flags=["\\Seen", "word"], internal_date=n, sender="a@b", uidl=f"u{n}", uid=n
        )
    store.inbox.append(b"Subject: 1\n\n", internal_date=9)
    store.create("Work", special_use="\\Archive").append(b"Subject: work\n\n", internal_date=5)
    store.subscribe("Work")
    return store


@pytest.fixture
def one() -> Store:
    return filled()


@pytest.fixture
def other(one: Store) -> Store:
    store = open_store("memory:")
    convert(one, store, Options(processes=1))
    return store


def found(one: Store, other: Store) -> list[tuple[str, int, str]]:
    differences = verify_stores(one, other).differences
    return [(difference.folder, difference.position, difference.what) for difference in differences]


def test_equal_stores(one: Store, other: Store) -> None:
    comparison = verify_stores(one, other)
    assert comparison.same
    assert (comparison.folders, comparison.messages, comparison.uids) == (2, (5, 5), "same")


def test_other_uids_are_told_and_are_no_difference(one: Store) -> None:
    comparison = verify_stores(one, filled_elsewhere())
    assert comparison.same
    assert comparison.uids == "differ"


def filled_elsewhere() -> Store:
    store = filled()
    store.create("Other").append(b"x")
    for row in list(store.inbox.rows()):
        store.inbox.move([row.uid], store.folder("Other"))
    store.folder("Other").expunge([1], only_deleted=False)
    store.folder("Other").move([row.uid for row in store.folder("Other").rows()], store.inbox)
    store.delete("Other")
    return store


CHANGES: list[tuple[Callable[[Store], object], list[tuple[str, int, str]]]] = [
    (lambda store: store.inbox.expunge([2], only_deleted=False), [("INBOX", 2, "only-in-first")]),
    (lambda store: store.inbox.append(b"Subject: new\n\n"), [("INBOX", 5, "only-in-second")]),
    (lambda store: store.inbox.append(b"Subject: 1\n\n"), [("INBOX", 5, "only-in-second")]),
    (lambda store: store.inbox.add_flags([3], ["\\Flagged"]), [("INBOX", 3, "flags")]),
    (lambda store: store.inbox.add_flags([3], ["new"]), [("INBOX", 3, "keywords")]),
    (lambda store: store.inbox.set_flags([3], ["\\Seen", "WORD"]), []),
    (lambda store: store.delete("Work"), [("Work", 0, "only-in-first")]),
    (lambda store: store.create("New"), [("New", 0, "only-in-second")]),
    (lambda store: store.unsubscribe("Work"), [("Work", 0, "subscription")]),
    (lambda store: store.subscribe("gone"), [("gone", 0, "subscription")]),
    (lambda store: store.set_special_use("Work", "\\Junk"), [("Work", 0, "special-use")]),
]


@pytest.mark.parametrize(("change", "expected"), CHANGES)
def test_a_change_is_found(
    one: Store, other: Store, change: Callable[[Store], object], expected: list[tuple[str, int, str]]
) -> None:
    change(other)
    assert found(one, other) == expected


def test_another_order_is_found(one: Store, other: Store) -> None:
    row = next(iter(other.inbox.rows()))
    message = other.inbox.get(1)
    other.inbox.append(
        message.bytes(), flags=row.flags, keywords=row.keywords, internal_date=1, sender="a@b", uidl="u1", uid=9
    )
    other.inbox.expunge([1, 4], only_deleted=False)
    other.inbox.append(b"Subject: 1\n\n", internal_date=9)
    assert found(one, other) == [("INBOX", 2, "order")]


@pytest.mark.parametrize(
    ("change", "what"),
    [({"internal_date": 77}, "internal-date"), ({"sender": ""}, "sender"), ({"uidl": "x"}, "uidl")],
)
def test_other_facts_are_found(one: Store, other: Store, change: dict[str, object], what: str) -> None:
    shown, driver = limited()
    driver.real = other.driver
    driver.spoil = lambda row: row._replace(**change) if row.uid == 2 else row
    assert found(one, shown) == [("INBOX", 2, what)]


@pytest.mark.parametrize("change", [{"sender": None}, {"uidl": None}, {"saved_date": 77}])
def test_what_one_does_not_know_is_no_difference(one: Store, other: Store, change: dict[str, object]) -> None:
    shown, driver = limited()
    driver.real = other.driver
    driver.spoil = lambda row: row._replace(**change)
    assert found(one, shown) == []
    assert found(shown, one) == []


def test_what_cannot_be_read_is_a_difference(one: Store, other: Store) -> None:
    shown, driver = limited()
    driver.real = other.driver
    driver.spoil = lambda row: row._replace(body=None, error=UnreadableMessage("torn")) if row.uid == 2 else row
    assert found(one, shown) == [("INBOX", 2, "unreadable"), ("INBOX", 2, "only-in-first")]


def test_a_store_that_alters_bytes_is_compared_by_what_it_makes_of_them(one: Store) -> None:
    new, driver = limited(exact=False)
    driver.make_canonical = lambda body: body.rstrip(b"\n") + b"\n"
    convert(one, new, Options(processes=1, allow_loss=frozenset({"canonical"})))
    assert new.inbox.get(1).bytes() == b"Subject: 1\n"
    assert found(one, new) == []
    assert found(new, one) == []


def test_only_what_both_keep_is_compared(one: Store, other: Store) -> None:
    shown, driver = limited()
    driver.real = other.driver
    driver.capabilities = replace(driver.capabilities, subscriptions=False)
    other.unsubscribe("Work")
    assert found(one, shown) == []


def test_chosen_folders(one: Store, other: Store) -> None:
    other.inbox.expunge([2], only_deleted=False)
    assert verify_stores(one, other, Options(folders=(FolderPath(("Work",)),))).same
    assert not verify_stores(one, other, Options(exclude=("Work",))).same
    with pytest.raises(NoSuchFolder):
        verify_stores(one, other, Options(folders=(FolderPath(("Nope",)),)))


def test_a_comparison_is_plain_values(one: Store, other: Store) -> None:
    other.delete("Work")
    told = verify_stores(one, other).to_dict()
    told.pop("seconds")
    assert told == {
        "first": "memory:",
        "second": "memory:",
        "same": False,
        "folders": 1,
        "messages": [4, 4],
        "uids": "same",
        "differences": [
            {
                "folder": "Work",
                "position": 0,
                "what": "only-in-first",
                "reason": "only the first store has this folder",
                "digest": "",
            },
        ],
    }
