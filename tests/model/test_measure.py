"""Digest and sizes computed piece by piece equal those of the whole."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from mailstore.model.info import body_chunks, body_size
from mailstore.model.measure import crlf_size_of, digest_of


class Pieces:
    """A Blob that gives at most three bytes at a time."""

    def __init__(self, data):
        self.data = data
        self.size = len(data)

    def read_at(self, offset, size):
        return self.data[offset : offset + min(size, 3)]

    def close(self):
        pass


@given(st.lists(st.sampled_from([b"\r", b"\n", b"a", b"\r\n"])).map(b"".join))
def test_pieces_and_whole_agree(data):
    expected = len(data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    for body in (data, Pieces(data)):
        assert crlf_size_of(body) == expected
        assert digest_of(body) == hashlib.sha256(data).digest()
        assert body_size(body) == len(data)
        assert b"".join(body_chunks(body)) == data
