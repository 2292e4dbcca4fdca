"""The sums of a Maildir: every change of ours enters them, and what a look at every message gives is the same."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import pytest
from support.maildirs import make, opened, put

from mailstore import Arrival, Store
from mailstore.drivers.maildir.driver import MaildirDriver
from mailstore.formats.maildirsize import render_line
from mailstore.model.changes import Append, Usage
from mailstore.model.flags import DELETED, SEEN
from mailstore.model.info import Meta
from mailstore.model.names import INBOX, FolderPath
from mailstore.model.quota import STYLES, TRASH, FolderRule, QuotaRules, QuotaStyle

A, B = b"Subject: a\n\na\n", b"Subject: b\n\n" + b"b" * 1000
RULES = QuotaRules(storage=10**6, messages=1000)
each_style = pytest.mark.parametrize("style", STYLES)
each_layout = pytest.mark.parametrize("layout", ["++", "fs"])


def driver_of(store: Store) -> MaildirDriver:
    assert isinstance(store.driver, MaildirDriver)
    return store.driver


def counted(store: Store, rules: QuotaRules) -> Usage:
    """What a look at every message gives."""
    messages = size = 0
    for count in driver_of(store).count_quota():
        for flags, number, bytes_ in (
            (DELETED, count.deleted_messages, count.deleted_size),
            (0, count.messages - count.deleted_messages, count.size - count.deleted_size),
        ):
            if rules.counts(count.folder, flags):
                messages, size = messages + number, size + bytes_
    return Usage(messages, size)


class Account(NamedTuple):
    root: Path
    store: Store
    rules: QuotaRules
    file: Path

    def right(self, expected: Usage) -> None:
        """The recorded sums are as expected, and as they would be made anew."""
        driver = driver_of(self.store)
        assert driver.recorded_quota() == expected
        assert driver.quota_usage(self.rules) == expected
        assert counted(self.store, self.rules) == expected

    def lines(self) -> list[bytes]:
        return self.file.read_bytes().splitlines(keepends=True)


def account(tmp_path: Path, style: QuotaStyle = "courier", layout: str = "++", options: str = "") -> Account:
    root = make(tmp_path / "Maildir")
    store = opened(root, f"?layout={layout}{options}")
    rules = QuotaRules(style=style, storage=RULES.storage, messages=RULES.messages)
    driver_of(store).set_quota_rules(rules)
    return Account(root, store, rules, root / ("maildirsize" if layout == "++" else "mailstore-maildirsize"))


@each_layout
@each_style
def test_every_change_enters_the_sums(tmp_path: Path, style: QuotaStyle, layout: str) -> None:
    one = account(tmp_path, style, layout)
    store, courier = one.store, style == "courier"
    one.right(Usage(0, 0))
    first = store.inbox.append(A).uid
    second = store.inbox.append(B, flags=["\\Deleted"]).uid
    one.right(Usage(1, len(A)) if courier else Usage(2, len(A) + len(B)))
    store.inbox.remove_flags([second], ["\\Deleted"])
    one.right(Usage(2, len(A) + len(B)))
    trash = store.create("Trash")
    box = store.create("Box")
    store.inbox.move([first], box)
    one.right(Usage(2, len(A) + len(B)))
    store.inbox.move([second], trash)
    one.right(Usage(1, len(A)) if courier else Usage(2, len(A) + len(B)))
    (back,) = (row.uid for row in trash.rows(0))
    trash.move([back], box)
    one.right(Usage(2, len(A) + len(B)))
    box.copy([row.uid for row in box.rows(0)], trash)
    one.right(Usage(2, len(A) + len(B)) if courier else Usage(4, 2 * (len(A) + len(B))))
    trash.expunge([row.uid for row in trash.rows(0)], only_deleted=False)
    one.right(Usage(2, len(A) + len(B)))
    uids = [row.uid for row in box.rows(0)]
    box.add_flags(uids, ["\\Deleted", "\\Seen"])
    one.right(Usage(0, 0) if courier else Usage(2, len(A) + len(B)))
    box.expunge(uids[:1])
    one.right(Usage(0, 0) if courier else Usage(1, len(B)))
    box.set_flags(uids[1:], [])
    one.right(Usage(1, len(B)))
    assert one.root.joinpath("maildirsize").exists() == (layout == "++")


@each_layout
@each_style
def test_folders_that_are_renamed_and_deleted(tmp_path: Path, style: QuotaStyle, layout: str) -> None:
    one = account(tmp_path, style, layout)
    courier = style == "courier"
    box, below = one.store.create("Box"), one.store.create("Box/Below")
    box.append(A)
    box.append(B, flags=["\\Deleted"])
    below.append(B)
    every = Usage(3, len(A) + 2 * len(B))
    one.right(Usage(2, len(A) + len(B)) if courier else every)
    one.store.rename("Box", "Trash")
    one.right(Usage(1, len(B)) if courier else every)
    one.store.rename("Trash", "Crate")
    one.right(Usage(2, len(A) + len(B)) if courier else every)
    one.store.delete("Crate")
    one.right(Usage(1, len(B)))
    one.store.rename("Crate/Below", "Trash")
    one.right(Usage(0, 0) if courier else Usage(1, len(B)))
    one.store.delete("Trash")
    one.right(Usage(0, 0))


@each_style
def test_a_folder_that_is_filled_at_once(tmp_path: Path, style: QuotaStyle) -> None:
    one = account(tmp_path, style)
    arrivals = [Arrival(A), Arrival(B, Meta(SEEN | DELETED)), Arrival(B)]
    for name in ("Box", "Trash", "INBOX"):
        fresh = driver_of(one.store).fresh(FolderPath.parse(name))
        assert fresh is not None
        fresh.publish(fresh.add(arrivals), None)
    each = len(A) + len(B)
    one.right(Usage(4, 2 * each) if style == "courier" else Usage(9, 3 * (each + len(B))))


def test_one_line_for_a_commit_and_none_for_nothing(tmp_path: Path) -> None:
    one = account(tmp_path)
    assert one.lines() == [b"1000000S,1000C\n", render_line(0, 0)]
    staged = one.store.stage([Arrival(A), Arrival(B)])
    one.store.commit([Append(INBOX, each) for each in staged])
    assert one.lines()[2:] == [render_line(len(A) + len(B), 2)]
    one.store.inbox.append_many([Arrival(A)])
    uids = [row.uid for row in one.store.inbox.rows(0)]
    one.store.inbox.add_flags(uids, ["\\Seen"])
    one.store.inbox.move(uids[:1], one.store.create("Box"))
    assert one.lines()[3:] == [render_line(len(A), 1)]
    one.store.inbox.expunge(uids[1:], only_deleted=False)
    assert one.lines()[4:] == [render_line(-len(A) - len(B), -2)]


def test_a_delivery_without_uids(tmp_path: Path) -> None:
    one = account(tmp_path)
    staged = one.store.stage([Arrival(A), Arrival(B)])
    one.store.commit([Append(INBOX, each) for each in staged], need_uids=False)
    assert one.lines()[2:] == [render_line(len(A) + len(B), 2)]
    one.right(Usage(2, len(A) + len(B)))


def test_without_a_quota_nothing_is_made(tmp_path: Path) -> None:
    root = make(tmp_path / "Maildir")
    store = opened(root)
    driver = driver_of(store)
    store.inbox.append(A)
    assert (driver.quota_rules(), driver.recorded_quota()) == (None, None)
    assert driver.quota_usage(QuotaRules()) == driver.recalculate_quota(QuotaRules()) == Usage(1, len(A))
    assert not [name for name in os.listdir(root) if "quota" in name or "size" in name]


def test_the_opener_s_limits_make_the_file(tmp_path: Path) -> None:
    root = make(tmp_path / "Maildir")
    driver = driver_of(opened(root))
    put(root / "new", "1.a.host", A)
    assert driver.quota_usage(RULES) == Usage(1, len(A))
    assert (root / "maildirsize").read_bytes() == b"1000000S,1000C\n" + render_line(len(A), 1)


@each_style
def test_sums_are_kept_by_the_opener_s_style_where_no_other_is_kept(tmp_path: Path, style: QuotaStyle) -> None:
    root = make(tmp_path / "Maildir")
    rules = QuotaRules(style=style, storage=10**6)
    store = opened(root, quota=rules)
    store.inbox.append(A, flags=["\\Deleted"])
    store.inbox.append(B)
    one = Account(root, store, rules, root / "maildirsize")
    one.right(Usage(1, len(B)) if style == "courier" else Usage(2, len(A) + len(B)))
    (root / "cur" / "1.nobody.counted,S=1:2,").touch()  # no look at the messages: the sums are believed
    assert driver_of(store).quota_usage(rules) == driver_of(store).recorded_quota()


def test_what_the_tally_tells(tmp_path: Path) -> None:
    one = account(tmp_path)
    driver = driver_of(one.store)
    one.store.inbox.append(A)
    again = driver_of(opened(one.root))
    uid = one.store.inbox.append(B).uid
    assert (driver.quota_tally, again.quota_tally) == (Usage(2, len(A) + len(B)), Usage(0, 0))
    one.store.inbox.add_flags([uid], ["\\Deleted"])
    assert driver.quota_tally == Usage(1, len(A))


def test_a_renaming_that_a_crash_cut_off_is_counted_when_it_is_finished(tmp_path: Path) -> None:
    one = account(tmp_path)
    one.store.create("Box").append(A)
    one.store.inbox.append(B)
    assert driver_of(one.store).recorded_quota() == Usage(2, len(A) + len(B))
    one.store.close()
    (one.root / "mailstore-intent").write_text('{"renames": [[".Box", ".Trash"]]}')
    again = opened(one.root)
    assert driver_of(again).recorded_quota() == counted(again, one.rules) == Usage(1, len(B))


# --- rules


def test_limits_stand_in_maildirsize_and_nowhere_else(tmp_path: Path) -> None:
    one = account(tmp_path)
    driver, other = driver_of(one.store), one.root / "mailstore-quota"
    assert not other.exists()
    assert driver.quota_rules() == RULES
    more = QuotaRules(style="dovecot", storage=5, message_size=3, folders=(FolderRule(TRASH, ignore=True),))
    driver.set_quota_rules(more)
    assert driver.quota_rules() == more
    assert b"storage" not in other.read_bytes()
    assert one.lines() == [b"5S\n", render_line(0, 0)]
    driver.set_quota_rules(QuotaRules(message_size=3))
    assert (driver.quota_rules(), one.lines()) == (QuotaRules(message_size=3), [b"0S\n", render_line(0, 0)])
    driver.set_quota_rules(QuotaRules())
    assert (other.exists(), one.file.exists(), driver.quota_rules()) == (False, False, None)
    driver.set_quota_rules(None)


def test_limits_of_others_hold_at_once(tmp_path: Path) -> None:
    one = account(tmp_path)
    driver = driver_of(one.store)
    one.file.write_bytes(b"7C\n" + render_line(0, 0))
    assert driver.quota_rules() == QuotaRules(messages=7)
    driver.recalculate_quota(RULES)
    assert one.lines()[0] == b"7C\n"
    (one.root / "mailstore-quota").write_bytes(b'style = "exim"\nmailboxes = 4\n')
    assert driver.quota_rules() == QuotaRules(style="exim", messages=7, mailboxes=4)
    (one.root / "mailstore-quota").write_bytes(b"mailboxes = 12\n")
    assert driver.quota_rules() == QuotaRules(messages=7, mailboxes=12)


def test_a_limit_that_somebody_wrote_into_the_rules_holds_until_there_is_a_file(tmp_path: Path) -> None:
    root = make(tmp_path / "Maildir")
    driver = driver_of(opened(root))
    (root / "mailstore-quota").write_bytes(b'storage = "1K"\n')
    rules = driver.quota_rules()
    assert rules == QuotaRules(storage=1024)
    driver.quota_usage(rules)
    assert (root / "maildirsize").read_bytes() == b"1024S\n" + render_line(0, 0)


@each_style
def test_the_location_s_style_holds_before_the_kept_one(tmp_path: Path, style: QuotaStyle) -> None:
    one = account(tmp_path, "exim")
    driver = driver_of(opened(one.root, f"?quota_style={style}"))
    rules = driver.quota_rules()
    assert rules is not None
    assert rules.style == style


def test_sums_of_another_style_are_not_taken_for_ours(tmp_path: Path) -> None:
    one = account(tmp_path, "courier")
    one.store.inbox.append(A, flags=["\\Deleted"])
    driver = driver_of(one.store)
    assert driver.quota_usage(QuotaRules(style="dovecot", storage=1)) == Usage(1, len(A))
    assert one.lines() == [b"1000000S,1000C\n", render_line(0, 0)]


def test_folders_that_are_ignored(tmp_path: Path) -> None:
    one = account(tmp_path)
    driver = driver_of(one.store)
    box = one.store.create("Box")
    box.append(A)
    rules = QuotaRules(storage=10**6, folders=(FolderRule(FolderPath.parse("Box"), ignore=True),))
    driver.set_quota_rules(rules)
    assert driver.recorded_quota() == Usage(0, 0)
    box.append(B)
    assert driver.recorded_quota() == driver.quota_usage(rules) == counted(one.store, rules) == Usage(0, 0)


# --- notes


def test_notes(tmp_path: Path) -> None:
    one = account(tmp_path)
    driver = driver_of(one.store)
    assert driver.quota_note("state") == ""
    driver.set_quota_note("state", "a\nä\n")
    assert (one.root / "mailstore-quota-state").read_bytes() == "a\nä\n".encode()
    assert driver_of(opened(one.root, readonly=True)).quota_note("state") == "a\nä\n"
    driver.set_quota_note("state", "")
    driver.set_quota_note("state", "")
    assert not (one.root / "mailstore-quota-state").exists()
