"""A whole mailing list, rendered in every dialect by an independent writer, comes back byte for byte."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import re
from pathlib import Path

import pytest
from support.converting import converted, run
from support.corpora import hams, needs_corpora
from support.facts import facts
from support.mboxes import DATE, RENDERERS, Letter, render, survives

from mailstore import DIGEST, open_store

pytestmark = [pytest.mark.corpora, needs_corpora]

GIT_LINE = re.compile(rb"(?m)^From [0-9a-f]{40} Mon Sep 17 00:00:00 2001$")


@pytest.fixture(scope="module")
def messages() -> list[bytes]:
    """The 2,352 messages in order of the list."""
    return [body for _, body in hams()]


def _digests(messages: list[bytes]) -> list[str]:
    return [hashlib.sha256(body).hexdigest() for body in messages]


@pytest.mark.parametrize("dialect", RENDERERS)
@pytest.mark.parametrize("named", [True, False], ids=["named", "found"])
def test_every_dialect_comes_back(dialect: str, named: bool, messages: list[bytes], tmp_path: Path) -> None:
    """None of these messages has a line that quoting loses (``>From ``), so even mboxo and mboxcl are exact."""
    assert all(survives(dialect, body) == body for body in messages)
    if dialect == "rfc4155":  # it quotes nothing, so the line that git begins a patch with is a separator
        messages = [body for body in messages if not GIT_LINE.search(body)]
        assert len(messages) == 2349
    path = tmp_path / "list.mbox"
    path.write_bytes(render(dialect, (Letter(body, date=DATE + at) for at, body in enumerate(messages))))
    with open_store(f"mbox:{path}" + (f"?dialect={dialect}" if named else ""), readonly=True) as store:
        rows = list(store.inbox.rows(DIGEST))
        assert [row.digest.hex() for row in rows if row.digest] == _digests(messages)


@pytest.mark.parametrize("dialect", sorted(set(RENDERERS) - {"mmdf"}))
def test_what_we_write_in_a_dialect_we_read_again(dialect: str, messages: list[bytes], tmp_path: Path) -> None:
    source = tmp_path / "source.mbox"
    source.write_bytes(render("mboxrd", (Letter(body, date=DATE + at) for at, body in enumerate(messages))))
    with (
        open_store(f"mbox:{source}", readonly=True) as store,
        open_store(f"mbox:{tmp_path}/ours.mbox?dialect={dialect}", create=True) as ours,
    ):
        report = run(store, ours)
        assert report.problems == []
        assert [fact.digest for fact in facts(ours.inbox)] == _digests(messages)


def test_crlf_throughout(messages: list[bytes], tmp_path: Path) -> None:
    """A file with CRLF line ends holds messages with CRLF line ends."""
    path = tmp_path / "dos.mbox"
    path.write_bytes(render("mboxrd", map(Letter, messages), newline=b"\r\n"))
    with open_store(f"mbox:{path}", readonly=True) as store:
        found = [row.digest.hex() for row in store.inbox.rows(DIGEST) if row.digest]
        assert found == _digests([body.replace(b"\n", b"\r\n") for body in messages])


def test_cr_only(messages: list[bytes], tmp_path: Path) -> None:
    path = tmp_path / "mac.mbox"
    path.write_bytes(render("mboxrd", map(Letter, messages[:300]), newline=b"\r"))
    with open_store(f"mbox:{path}", readonly=True) as store:
        found = [row.digest.hex() for row in store.inbox.rows(DIGEST) if row.digest]
        assert found == _digests([body.replace(b"\n", b"\r") for body in messages[:300]])


def test_compressed(messages: list[bytes], tmp_path: Path) -> None:
    text = render("mboxrd", map(Letter, messages[:500]))
    for suffix, pack in (("gz", gzip.compress), ("xz", lzma.compress), ("bz2", bz2.compress)):
        path = tmp_path / f"list.mbox.{suffix}"
        path.write_bytes(pack(text))
        with open_store(f"mbox:{path}", readonly=True) as store:
            assert [row.digest.hex() for row in store.inbox.rows(DIGEST) if row.digest] == _digests(messages[:500])


@pytest.mark.parametrize("form", ["maildir", "maildir++", "sqlite"])
def test_through_every_format(form: str, messages: list[bytes], tmp_path: Path) -> None:
    path = tmp_path / "list.mbox"
    path.write_bytes(render("mboxrd", (Letter(body, date=DATE + at) for at, body in enumerate(messages))))
    with open_store(f"mbox:{path}", readonly=True) as store, converted(store, form, tmp_path / "x") as (there, report):
        assert (report.copied, report.problems, report.verified) == (len(messages), [], True)
        assert facts(there.inbox) == facts(store.inbox)
