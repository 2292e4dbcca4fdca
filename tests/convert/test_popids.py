"""POP3 unique ids that a server made and did not record."""

import pytest

from mailstore import Store, open_store
from mailstore.convert import Options, convert, plan
from mailstore.convert.popids import NO_ID, PopIds
from mailstore.errors import LossRefused, UsageError
from mailstore.model.caps import Capabilities
from mailstore.model.flags import NO_KEYWORDS
from mailstore.model.info import Row
from mailstore.model.names import FolderPath


@pytest.fixture
def old() -> Store:
    store = open_store("memory:")
    store.inbox.append(b"X-UIDL: abc\nSubject: 1\n\n")
    store.inbox.append(b"Subject: 2\n\n", uidl="kept")
    store.inbox.append(b"X-UIDL: not an id\n\n")
    store.folder("Sent", create=True).append(b"X-UIDL: sent\n\n")
    return store


def carried(old: Store, wanted: str) -> tuple[list[str | None], dict[str, int]]:
    with open_store("memory:") as new:
        report = convert(old, new, Options(pop3_uidl=wanted))
        assert report.ok
        assert [message.uidl for message in new.folder("Sent")] == [None]
        return [message.uidl for message in new.inbox], dict(report.notes)


def test_what_is_recorded_is_carried_and_no_more(old: Store) -> None:
    assert carried(old, "") == ([None, "kept", None], {})


def test_what_is_recorded_goes_first(old: Store) -> None:
    validity = old.inbox.state().uidvalidity
    assert carried(old, "dovecot") == ([f"00000001{validity:08x}", "kept", f"00000003{validity:08x}"], {})


def test_fields_are_reused_where_they_are_ids(old: Store) -> None:
    assert carried(old, "x-uidl") == (["abc", "kept", None], {NO_ID: 1})


def test_none_forgets(old: Store) -> None:
    assert carried(old, "none") == ([None, None, None], {})


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ("dovcot", "one of dovecot, courier, cyrus, uw, x-uidl, none, or a format"),
        ("%m", "%m is not known here"),
        ("%g", "%g is not known here"),
        ("%f", "the source has no file for each message"),
        ("foo%", "nothing follows its last %"),
        ("%v%%", "would give all messages the same id"),
    ],
)
def test_what_cannot_be_known_is_refused(old: Store, wanted: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        convert(old, open_store("memory:"), Options(pop3_uidl=wanted))


def test_ids_that_the_destination_cannot_give_are_found_before(old: Store, tmp_path) -> None:
    with open_store(f"maildir:{tmp_path}/new?index=courier", create=True) as new:
        for wanted, count in (("dovecot", 3), ("x-uidl", 2), ("courier", 1)):
            losses = {loss.name: loss.count for loss in plan(old, new, Options(pop3_uidl=wanted)).losses}
            assert losses == {"uidl": count}
            with pytest.raises(LossRefused, match="uidl"):
                convert(old, new, Options(pop3_uidl=wanted))
        assert convert(old, new, Options(pop3_uidl="courier", allow_loss=frozenset({"uidl"}))).ok
        validity = old.inbox.state().uidvalidity
        assert [message.uidl for message in new.inbox] == [f"UID1-{validity}", None, f"UID3-{validity}"]


@pytest.mark.parametrize("recorded", [True, False])
def test_a_uid_that_nobody_saw_gives_none(recorded: bool) -> None:
    class Folder:
        def state(self):
            return open_store("memory:").inbox.state()

    stamp = PopIds("%u", Capabilities("x")).stamper(FolderPath(("INBOX",)), Folder())
    assert stamp is not None
    row = Row(7, "key", recorded, 0, 0, NO_KEYWORDS)
    assert stamp(row).uidl == ("7" if recorded else None)
