"""Sequence numbers as an IMAP session sees them."""

import pytest

import mailstore
from mailstore.view import SequenceView


def append(folder, *bodies):
    return [folder.append(body).uid for body in bodies]


def test_a_session_is_told_what_happened_in_terms_of_its_own_numbers():
    with mailstore.open_store("memory:") as store:
        inbox = store.inbox
        first, second, third = append(inbox, b"1", b"2", b"3")
        view = SequenceView()
        start = inbox.changes()
        report = view.apply(start)
        assert report.exists == 3
        assert [number for number, _ in report.added] == [1, 2, 3]
        assert (view.uid(2), view.number(third), view.number(99), len(view)) == (second, 3, None, 3)

        inbox.expunge([first, second], only_deleted=False)
        inbox.add_flags([third], ["\\Seen"])
        (fourth,) = append(inbox, b"4")
        report = view.apply(inbox.changes(start.token))
        assert report.expunged == (1, 1)
        assert report.vanished == (first, second)
        assert report.exists == 2
        assert [(number, row.uid) for number, row in report.changed] == [(1, third)]
        assert [(number, row.uid) for number, row in report.added] == [(2, fourth)]

        assert view.apply(inbox.changes())[:3] == ((), (), None)
        for bad in (0, 3):
            with pytest.raises(IndexError):
                view.uid(bad)
