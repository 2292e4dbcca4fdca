"""Messages nobody foresaw, rendered by the independent writer, come back as each dialect keeps them."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.mboxes import Letter, render, survives

from mailstore import open_store

LINES = st.sampled_from(
    [
        b"",
        b"text",
        b"From here",
        b">From there",
        b">>From far",
        b"From ",
        b">From ",
        b"From",
        b" From x",
        b"\xff\x80",
        b"-- ",
    ]
)
BODIES = st.lists(LINES, max_size=8).map(lambda lines: b"".join(line + b"\n" for line in lines))
HEADERS = st.lists(
    st.sampled_from([b"Subject: x", b"To: joe\n\tand others", b"X-Other: From here", b"Received: by a"]),
    min_size=1,
    max_size=3,
).map(lambda lines: b"".join(line + b"\n" for line in lines))
MESSAGES = st.lists(st.builds(lambda header, body: header + b"\n" + body, HEADERS, BODIES), min_size=1, max_size=5)


@pytest.mark.parametrize("dialect", ["mboxo", "mboxrd", "mboxcl", "mboxcl2", "rfc4155", "mmdf"])
@given(messages=MESSAGES, newline=st.sampled_from([b"\n", b"\r\n"]))
def test_comes_back(dialect: str, messages: list[bytes], newline: bytes) -> None:
    if dialect in ("mboxcl", "mboxcl2"):
        newline = b"\n"  # the count is of bytes: changing line ends afterwards would make it wrong
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "box"
        path.write_bytes(render(dialect, map(Letter, messages), newline=newline))
        with open_store(f"mbox:{path}?dialect={dialect}", readonly=True) as store:
            found = [message.bytes() for message in store.inbox]
    assert found == [survives(dialect, body).replace(b"\n", newline) for body in messages]


def test_a_wrong_content_length_hides_no_message(tmp_path: Path) -> None:
    """A sender's Content-Length that reaches over the next message is not believed."""
    text = render(
        "mboxcl2", [Letter(b"Subject: 1\n\none\n"), Letter(b"Subject: 2\n\ntwo\n"), Letter(b"Subject: 3\n\n3\n")]
    )
    assert re.search(rb"Content-Length: 4\n", text)
    path = tmp_path / "box"
    for wrong in (
        b"Content-Length: 100\n",
        b"Content-Length: 999999999999\n",
        b"Content-Length: -1\n",
        b"Content-Length: 2\n",
    ):
        path.write_bytes(text.replace(b"Content-Length: 4\n", wrong, 1))
        with open_store(f"mbox:{path}?dialect=mboxcl2", readonly=True) as store:
            found = [message.bytes().split(b"\n\n", 1)[1] for message in store.inbox]
        assert found == [b"one\n", b"two\n", b"3\n"]
