"""The first messages of a folder whose counters were set: they take the place of the record that held those."""

import pytest

from mailstore import INBOX, Append, Arrival, Meta, SetState, open_store


@pytest.mark.parametrize("length", range(60))
def test_a_record_as_long_as_what_it_replaces_is_a_message_all_the_same(tmp_path, length):
    """The file is written anew in place, and grows: it must not be taken for one that was only appended to."""
    mails = [b"Subject: x\r\nTo: y\r\n", b""]
    with open_store(f"mbox:{tmp_path}/box", create=True) as store:
        store.commit([SetState(INBOX, 1, 1)])
        meta = Meta(internal_date=0, saved_date=1000, sender="00 " + "x" * length, uidl="0" * 21)
        staged = store.stage([Arrival(mails[0], meta), Arrival(mails[1], Meta(internal_date=0))])
        outcomes = store.commit([Append(INBOX, one) for one in staged])
        assert [outcome.uids for outcome in outcomes] == [(1,), (2,)]
        assert [message.bytes() for message in store.inbox] == mails
