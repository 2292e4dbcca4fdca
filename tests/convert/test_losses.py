"""What is declared as a loss, what is not, and what allowing it does."""

from __future__ import annotations

from typing import Any

import pytest
from convert.kit import quiet, seen
from convert.limited import limited

from mailstore import LossRefused, Store, UsageError, open_store
from mailstore.convert import LOSSES, convert, plan
from mailstore.model.flags import FLAGGED, SEEN
from mailstore.testing.observe import listing


@pytest.fixture
def old() -> Store:
    store = open_store("memory:")
    store.inbox.append(
        b"Subject: 1\n\nFrom me\n", flags=["\\Seen", "a", "B"], internal_date=-5, sender="joe@example.org"
    )
    store.inbox.append(b"Subject: 2\n\n", flags=["\\Flagged", "b", "c"], internal_date=1000, uidl="xyz")
    store.create("Sent").append(b"Subject: 3\n\n", flags=["d"], internal_date=1000)
    store.create("Work/Deep", special_use="\\Archive").append(b"Subject: 4\n\n", internal_date=1000)
    store.set_special_use("Sent", "\\Sent")
    store.subscribe("Work/Deep")
    return store


def test_a_store_that_keeps_everything_loses_nothing(old: Store) -> None:
    new, _ = limited()
    assert plan(old, new).losses == ()


CASES = [
    ({"flags": SEEN}, "flags", 1, ("INBOX message 2",)),
    ({"keywords": 2}, "keywords", 1, ("INBOX c",)),
    ({"keywords": 0}, "keywords", 4, None),
    ({"internal_date": (0, 1 << 32)}, "date-range", 1, ("INBOX message 1",)),
    (
        {"internal_date": (-(1 << 31), 999)},
        "date-range",
        3,
        ("INBOX message 2", "Sent message 1", "Work/Deep message 1"),
    ),
    ({"sender": False}, "sender", 1, ("INBOX message 1",)),
    ({"uidl": False}, "uidl", 1, ("INBOX message 2",)),
    ({"uids": False}, "uids", 4, None),
    ({"subscriptions": False}, "subscriptions", 1, ("Work/Deep",)),
    ({"special_use": False}, "special-use", 1, ("Work/Deep (\\Archive)",)),
    ({"max_message": 15}, "message-size", 1, ("INBOX message 1",)),
]


@pytest.mark.parametrize(("capabilities", "name", "count", "examples"), CASES)
def test_a_loss_is_told_from_the_data(
    old: Store, capabilities: dict[str, Any], name: str, count: int, examples: tuple[str, ...] | None
) -> None:
    new, _ = limited(**capabilities)
    found = plan(old, new).losses
    assert [(loss.name, loss.count) for loss in found] == [(name, count)]
    if examples is not None:
        assert found[0].examples == examples
    assert "\n" not in found[0].explanation
    with pytest.raises(LossRefused, match=name) as caught:
        convert(old, new, quiet())
    assert caught.value.losses == (name,)
    assert all(len(new.folder(info.path)) == 0 for info in new.folders() if info.selectable)


@pytest.mark.parametrize(
    "capabilities",
    [
        {"flags": SEEN | FLAGGED},
        {"keywords": 3},
        {"internal_date": (-5, 1 << 34)},
        {"max_message": 20},
    ],
)
def test_what_suffices_is_no_loss(old: Store, capabilities: dict[str, Any]) -> None:
    new, _ = limited(**capabilities)
    assert plan(old, new).losses == ()
    assert convert(old, new, quiet()).ok


def test_no_special_use_is_lost_that_the_name_tells(old: Store) -> None:
    old.set_special_use("Work/Deep", None)
    new, _ = limited(special_use=False)
    assert plan(old, new).losses == ()


def test_a_store_of_inbox_alone(old: Store) -> None:
    new, _ = limited(folders=False)
    assert [(loss.name, loss.count, loss.examples) for loss in plan(old, new).losses] == [
        ("folders", 2, ("Sent", "Work/Deep"))
    ]
    report = convert(old, new, quiet(allow_loss=frozenset({"folders"})))
    assert (report.found, report.copied, report.skipped, report.failed) == (4, 2, 2, 0)
    assert report.ok
    assert list(seen(new)) == ["INBOX"]


def test_mail_or_children(old: Store) -> None:
    old.create("Work").append(b"Subject: parent\n\n")
    new, _ = limited(mail_and_children=False)
    assert [(loss.name, loss.count, loss.examples) for loss in plan(old, new).losses] == [
        ("mail-and-children", 1, ("Work",))
    ]
    report = convert(old, new, quiet(allow_loss=frozenset({"mail-and-children"})))
    assert (report.found, report.copied, report.skipped, report.failed) == (5, 4, 1, 0)
    assert list(seen(new)) == ["INBOX", "Sent", "Work"]


def test_altered_bytes_are_a_loss_only_where_they_are(old: Store) -> None:
    new, driver = limited(exact=False)
    driver.make_canonical = lambda body: body.replace(b"\nFrom ", b"\n>From ")
    assert [(loss.name, loss.count, loss.examples) for loss in plan(old, new).losses] == [
        ("canonical", 1, ("INBOX message 1",))
    ]
    with pytest.raises(LossRefused):
        convert(old, new, quiet())
    report = convert(old, new, quiet(allow_loss=frozenset({"canonical"})))
    assert report.ok
    assert report.verified is True
    assert [message.body for message in listing(new.inbox).values()] == [b"Subject: 1\n\n>From me\n", b"Subject: 2\n\n"]


def test_what_is_allowed_is_given_up_and_the_rest_is_kept(old: Store) -> None:
    lossy = {
        "flags": SEEN,
        "keywords": 2,
        "internal_date": (0, 999),
        "sender": False,
        "uidl": False,
        "saved_date": False,
    }
    new, _ = limited(**lossy)
    names = {"flags", "keywords", "date-range", "sender", "uidl"}  # a saved date is the folder's, and no loss
    report = convert(old, new, quiet(allow_loss=frozenset(names)))
    assert report.ok
    assert {loss.name for loss in report.losses} == names
    one, two = listing(new.inbox).values()
    assert (one.flags, one.keywords, one.internal_date, one.sender) == (SEEN, frozenset({"a", "B"}), 0, None)
    assert (two.flags, two.keywords, two.internal_date, two.uidl) == (0, frozenset({"b"}), 999, None)


def test_all_but_one_allowed_is_refused(old: Store) -> None:
    new, _ = limited(sender=False, uidl=False)
    with pytest.raises(LossRefused) as caught:
        convert(old, new, quiet(allow_loss=frozenset({"sender"})))
    assert caught.value.losses == ("uidl",)


def test_an_unknown_loss_cannot_be_allowed(old: Store) -> None:
    new, _ = limited()
    with pytest.raises(UsageError, match="'colour'"):
        convert(old, new, quiet(allow_loss=frozenset({"colour"})))


def test_what_is_not_selected_is_not_lost(old: Store) -> None:
    new, _ = limited(special_use=False, subscriptions=False)
    assert plan(old, new, quiet(exclude=("Work/*",))).losses == ()


def test_keywords_that_the_folder_has_count(old: Store) -> None:
    new, _ = limited(keywords=3)
    new.inbox.append(b"x", flags=["z"])
    assert [(loss.name, loss.count) for loss in plan(old, new).losses] == [("keywords", 1)]


def test_every_loss_is_described() -> None:
    tried = {name for _, name, _, _ in CASES} | {"folders", "mail-and-children", "canonical"}
    assert tried == set(LOSSES)
