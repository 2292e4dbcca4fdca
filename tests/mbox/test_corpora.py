"""Real mailboxes: how many messages, and where the count differs from the lines that begin with ``From ``, why."""

import csv
import re

import pytest
from support.corpora import ROOT, needs_corpora

from mailstore import open_store
from mailstore.errors import NotAStore
from mailstore.model.info import BODY, body_chunks

pytestmark = [pytest.mark.corpora, needs_corpora]

EXPLAINED = {
    "hypermail/archive/test-msg": (1, "three lines of running text"),
    "hypermail/t8": (1, "inside a counted message"),
    "notmuch/insert/mbox-attachment.eml": (1, "a patch attached"),
    "patchwork/fuzz/codec-null.mbox": (1, "running text"),
    "patchwork/fuzz/name-len.mbox": (1, "running text"),
    "spamassassin-tdata/spam/008": (1, "a header field with spaces before its colon"),
    "flanker/messages/complaints/yahoo.eml": (None, "it begins with a header field"),
    "james-mime4j/core/testmsgs/ending-boundaries.msg": (None, "it begins with a header field"),
    "node-mbox/test-attached.mbox": (None, "it begins with text"),
    "notmuch/lkml/cur/1382298793.003295:2,": (None, "a message, running text in it"),
    "ruby-mail/attachment_emails/attachment_message_rfc822.eml": (None, "a message with a message in it"),
    "ruby-mail/attachment_emails/attachment_message_rfc822_inline_image.eml": (None, "a message with a message in it"),
    "ruby-mail/error_emails/cant_parse_from.eml": (None, "a message, running text in it"),
    "ruby-mail/rfc2822/example13.eml": (None, "a header field with spaces before its colon"),
    "spamassassin-tdata/spam/bsmtp": (None, "SMTP commands"),
}


def files() -> list[tuple[str, int]]:
    if not ROOT.is_dir():
        return []
    with (ROOT / "MANIFEST.tsv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [(row["file"], int(row["from_lines"])) for row in rows if row["from_lines"].isdigit()]


def count(name: str) -> int | None:
    try:
        with open_store(f"mbox:{ROOT / name}", readonly=True) as store:
            return len(list(store.inbox.rows(BODY)))
    except NotAStore:
        return None


def test_every_from_line_is_a_message_or_explained() -> None:
    wrong = []
    for name, lines in files():
        if lines:
            with (ROOT / name).open("rb") as file:
                begins = file.read(5) == b"From "
            expected = EXPLAINED.get(name, (lines if begins else None, ""))[0]
            if count(name) != expected:
                wrong.append((name, lines, expected, count(name)))
    assert wrong == []


def test_what_the_origins_assert() -> None:
    assert count("sisimai/mailbox/mbox-0") == 37
    assert count("james-mime4j/mbox/test-1/mbox.rlug") == 5
    assert count("mailutils/spool/teaparty.mbox") == 95


def bodies(name: str) -> list[bytes]:
    with open_store(f"mbox:{ROOT / name}", readonly=True) as store:
        return [b"".join(body_chunks(row.body)) for row in store.inbox.rows(BODY) if row.body is not None]


def test_mime4js_messages_but_for_the_separators_empty_line() -> None:
    name = "james-mime4j/mbox/test-1/mbox.rlug"
    assert [body + b"\n" for body in bodies(name)] == [(ROOT / f"{name}-{at}").read_bytes() for at in range(5)]


@pytest.mark.parametrize("name", ["mbox1", "teaparty"])
def test_mailutils_twins(name: str) -> None:
    new = ROOT / "mailutils-maildir" / "maildir" / name / "new"
    found = bodies(f"mailutils/spool/{name}.mbox" if name == "teaparty" else f"mailutils/spool/{name}")
    # Mailutils kept what the From_ line said, and its folder, in fields of its own.
    twins = [
        re.sub(rb"(?m)^X-(Envelope-Date|Envelope-Sender|IMAPbase): .*\n", b"", path.read_bytes())
        for path in new.iterdir()
    ]
    assert sorted(found) == sorted(twins)


def test_packed_mailboxes() -> None:
    assert [count(f"meli/{name}.mbox.gz") for name in (
        "PATCH-Put-sha1dc-on-a-diet", "PATCH-Put-sha1dc-on-a-diet_op",
        "git-am-breakage-with-MIME-decoding", "git-am-breakage-with-MIME-decoding_op",
    )] == [36, 1, 7, 1]  # fmt: skip
