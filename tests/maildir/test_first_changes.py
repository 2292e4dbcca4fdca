"""What comes into a folder that was empty is told as a change, whatever kind of index remembers it."""

import pytest

from mailstore import open_store


@pytest.mark.parametrize("index", ["auto", "memory"])
def test_the_first_messages_of_an_empty_folder_are_changes(tmp_path, index):
    location = f"maildir:{tmp_path}/M"
    with open_store(location, create=True, index=index) as reader, open_store(location) as other:
        empty = reader.inbox.changes(None, 0)
        assert list(empty.batches) == []
        uids = [other.inbox.append(b"Subject: %d\n\n" % number).uid for number in range(3)]
        delta = reader.inbox.changes(empty.token, 0)
        assert not delta.full
        assert [row.uid for batch in delta.batches for row in batch] == uids


def test_a_read_only_reader_is_told_of_the_first_messages(tmp_path):
    location = f"maildir:{tmp_path}/M"
    with open_store(location, create=True) as other, open_store(location, readonly=True) as reader:
        token = reader.inbox.changes(None, 0).token
        other.inbox.append(b"Subject: x\n\n")
        delta = reader.inbox.changes(token, 0)
        assert [row.key for batch in delta.batches for row in batch] == [row.key for row in other.inbox.rows(0)]
