"""Section 2 of the contract: what travels with a message."""

from __future__ import annotations

from typing import Any

import pytest

from mailstore import Store, UsageError
from mailstore.errors import Unsupported
from mailstore.model.flags import DELETED, SYSTEM_FLAGS
from mailstore.system import clock
from mailstore.testing.contract.base import Contract
from mailstore.testing.harness import Harness
from mailstore.testing.marks import clause, needs
from mailstore.testing.observe import Seen, listing
from mailstore.testing.samples import BODIES

BODY_BYTES = BODIES["ordinary"]
KEYWORDS = ("Work", "$Label1", "ünïcode", "with-dash", "a.b", "x" * 50, "$NotJunk", "NonJunk", "123", "[gmail", "a'b")
INSTANTS = (
    0,
    1,
    -1,
    -86_400 * 365 * 50,
    951_782_399,
    1_700_000_000,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) + 5,
    253_402_300_799,
)
SENDERS = (
    None,
    "",
    "a@example.org",
    "a+tag@example.org",
    '"quoted local"@example.org',
    "ünïcode@exämple.org",
    "no-domain",
    "MAILER-DAEMON",
    "-",
    "raw\udcff@example.org",
    "two  spaces@example.org",
    "a@b Thu Jan  1 00:00:00 1970",
    "x" * 300 + "@example.org",
)
UIDLS = ("1", "whqtswO00WBw418f9t5JxYwZ", "!~" * 35, "a,b:c=d%e", "0000000a4b2c")


def only(found: dict[int, Seen]) -> Seen:
    """Return the only message of a listing."""
    (seen,) = found.values()
    return seen


class MetadataContract(Contract):
    """Section 2: what travels with a message."""

    @clause("2.1")
    def test_flags_are_kept(self, harness: Harness, store: Store) -> None:
        """Every combination of the flags that the format keeps."""
        kept = harness.capabilities.flags & SYSTEM_FLAGS
        combinations = [flags for flags in range(SYSTEM_FLAGS + 1) if flags & ~kept == 0]
        uids = [store.inbox.append(BODY_BYTES, flags=flags).uid for flags in combinations]
        for opened in harness.now_and_reopened(store):
            assert {uid: seen.flags for uid, seen in listing(opened.inbox).items()} == dict(
                zip(uids, combinations, strict=True)
            )

    @clause("2.1")
    def test_recent_cannot_be_set(self, store: Store) -> None:
        r"""``\Recent`` belongs to the store, and no other name may begin with a backslash."""
        uid = store.inbox.append(BODY_BYTES).uid
        for name in ("\\Recent", "\\Other", "\\"):
            with pytest.raises(UsageError):
                store.inbox.add_flags([uid], [name])
            with pytest.raises(UsageError):
                store.inbox.append(BODY_BYTES, flags=[name])
        assert list(listing(store.inbox)) == [uid]

    @clause("2.2")
    @needs("keywords")
    def test_keywords_are_kept(self, harness: Harness, store: Store) -> None:
        """Each keyword alone, and all of them together, in the spelling given."""
        words = KEYWORDS[: harness.capabilities.keywords]
        for word in words:
            store.inbox.append(BODY_BYTES, keywords=[word])
        store.inbox.append(BODY_BYTES, flags=["\\Seen", *words])
        expected = [*(frozenset({word}) for word in words), frozenset(words)]
        for opened in harness.now_and_reopened(store):
            assert [seen.keywords for seen in listing(opened.inbox).values()] == expected

    @clause("2.2")
    @needs("keywords")
    def test_keywords_have_no_case(self, harness: Harness, store: Store) -> None:
        """Two spellings are one keyword; well-known ones have their own."""
        store.inbox.append(BODY_BYTES, keywords=["$FORWARDED", "$forwarded", "$mdnsent", "$jUNK"])
        store.inbox.append(BODY_BYTES, keywords=["Work", "WORK"])
        expected = [frozenset({"$Forwarded", "$MDNSent", "$Junk"}), frozenset({"Work"})]
        for opened in harness.now_and_reopened(store):
            assert [seen.keywords for seen in listing(opened.inbox).values()] == expected

    @clause("2.2")
    @pytest.mark.parametrize("word", ["", "two words", "a(b", "a)b", "a{b", "a%b", "a*b", 'a"b', "a\nb", "a\0b", "a]b"])
    def test_what_is_no_keyword(self, store: Store, word: str) -> None:
        """What is no IMAP atom is refused before anything is stored."""
        with pytest.raises(UsageError):
            store.inbox.append(BODY_BYTES, keywords=[word])
        assert len(store.inbox) == 0

    @clause("2.3")
    @needs("keywords")
    def test_many_keywords(self, harness: Harness, store: Store) -> None:
        """A hundred keywords in a folder, three on each message."""
        count = min(100, harness.capabilities.keywords or 100)
        words = [f"Word{number}" for number in range(count)]
        sets = [frozenset(words[at : at + 3]) for at in range(0, count, 3)]
        for one in sets:
            store.inbox.append(BODY_BYTES, keywords=one)
        for opened in harness.now_and_reopened(store):
            assert [seen.keywords for seen in listing(opened.inbox).values()] == sets

    @clause("2.3")
    @needs("keywords")
    def test_many_keywords_on_one_message(self, harness: Harness, store: Store) -> None:
        """A hundred keywords on one message, added later."""
        count = min(100, harness.capabilities.keywords or 100)
        words = frozenset(f"Word{number}" for number in range(count))
        uid = store.inbox.append(BODY_BYTES, keywords=["Word5"]).uid
        store.inbox.append(BODY_BYTES, keywords=["Word7"])
        store.inbox.add_flags([uid], words)
        for opened in harness.now_and_reopened(store):
            assert [seen.keywords for seen in listing(opened.inbox).values()] == [words, frozenset({"Word7"})]

    @clause("2.3")
    @needs("keywords")
    def test_one_keyword_too_many(self, harness: Harness, store: Store) -> None:
        """The limit of the capabilities is told, not met by dropping a keyword."""
        limit = harness.capabilities.keywords
        words = [f"Word{number}" for number in range(limit or 300)]
        uid = store.inbox.append(BODY_BYTES, keywords=words).uid
        before = listing(store.inbox)
        if limit is None:
            assert before[uid].keywords == frozenset(words)
        else:
            with pytest.raises(Unsupported, match="keyword"):
                store.inbox.append(BODY_BYTES, keywords=["OneMore"])
            with pytest.raises(Unsupported, match="keyword"):
                store.inbox.add_flags([uid], ["OneMore"])
            assert listing(store.inbox) == before

    @clause("2.4")
    def test_internal_date(self, harness: Harness, store: Store) -> None:
        """Every instant within the bounds of the capabilities, to the second."""
        least, greatest = harness.capabilities.internal_date
        instants = [instant for instant in INSTANTS if least <= instant <= greatest]
        instants += [bound for bound in (least, greatest) if abs(bound) < 1 << 40]
        for instant in instants:
            store.inbox.append(BODY_BYTES, internal_date=instant)
        for opened in harness.now_and_reopened(store):
            assert [seen.internal_date for seen in listing(opened.inbox).values()] == instants

    @clause("2.4")
    def test_internal_date_is_now(self, harness: Harness, store: Store) -> None:
        """Without a date the message is of the moment of the commit."""
        earliest = clock.now()
        store.inbox.append(BODY_BYTES)
        latest = clock.now()
        first = only(listing(store.inbox)).internal_date
        assert first is not None
        assert earliest <= first <= latest
        assert only(listing(harness.reopen(store).inbox)).internal_date == first

    @clause("2.5")
    @needs("sender")
    def test_sender(self, harness: Harness, store: Store) -> None:
        """Any sender; the null sender is not an unknown one."""
        for sender in SENDERS:
            store.inbox.append(BODY_BYTES, sender=sender)
        for opened in harness.now_and_reopened(store):
            assert [seen.sender for seen in listing(opened.inbox).values()] == list(SENDERS)

    @clause("2.6")
    @needs("saved_date")
    def test_saved_date(self, harness: Harness, store: Store) -> None:
        """As given, to the second."""
        dates = (1_600_000_000, 1, 1 << 32)
        for date in dates:
            store.inbox.append(BODY_BYTES, internal_date=5, saved_date=date)
        for opened in harness.now_and_reopened(store):
            found = list(listing(opened.inbox).values())
            assert [seen.saved_date for seen in found] == list(dates)
            assert [seen.internal_date for seen in found] == [5] * 3

    @clause("2.6")
    @needs("saved_date")
    def test_saved_date_is_now(self, harness: Harness, store: Store) -> None:
        """Without a saved date it is the moment of the commit, and stays that."""
        earliest = clock.now()
        store.inbox.append(BODY_BYTES, internal_date=5)
        latest = clock.now()
        first = only(listing(store.inbox)).saved_date
        assert first is not None
        assert earliest <= first <= latest
        assert only(listing(harness.reopen(store).inbox)).saved_date == first

    @clause("2.7")
    @needs("uidl")
    def test_uidl(self, harness: Harness, store: Store) -> None:
        """POP3 unique ids as given; None stays None."""
        uidls = [*filter(harness.capabilities.keeps_uidl, UIDLS), None]
        for uidl in uidls:
            store.inbox.append(BODY_BYTES, uidl=uidl)
        for opened in harness.now_and_reopened(store):
            assert [seen.uidl for seen in listing(opened.inbox).values()] == uidls

    @clause("2.8")
    @needs("persistent")
    def test_all_of_it_together(self, harness: Harness, store: Store) -> None:
        """Everything at once on odd bodies; seen alike by this process and another, before and after a flag change."""
        capabilities = harness.capabilities
        for number, body in enumerate(BODIES.values()):
            optional: dict[str, Any] = {
                "keywords": [f"K{number % 5}"] if capabilities.keywords != 0 else [],
                "sender": SENDERS[number % len(SENDERS)] if capabilities.sender else None,
                "uidl": f"u{number}" if capabilities.keeps_uidl(f"u{number}") else None,
                "saved_date": 1_500_000_000 + number if capabilities.saved_date else None,
            }
            flags = number & capabilities.flags & SYSTEM_FLAGS
            store.inbox.append(body, flags=flags, internal_date=1_400_000_000 + number, **optional)
        before = listing(store.inbox)
        other = harness.reopen(store)
        assert listing(other.inbox) == before
        other.inbox.add_flags(list(before), ["\\Deleted"])
        expected = {uid: seen._replace(flags=seen.flags | DELETED) for uid, seen in before.items()}
        assert listing(other.inbox) == expected
        other.close()
        (inbox,) = harness.in_child("describe")["folders"]
        assert [(entry["uid"], entry["sender"], entry["uidl"], entry["internal_date"], entry["keywords"], entry["size"])
                for entry in inbox["messages"]] == [
            (uid, seen.sender, seen.uidl, seen.internal_date, sorted(seen.keywords), len(seen.body))
            for uid, seen in expected.items()
        ]  # fmt: skip
