"""Recipients and their mailboxes; and that a server which gave up its rights has all the code it needs."""

import subprocess
import sys
from pathlib import Path

import pytest

from mailstore import NoSuchUser, UsageError
from mailstore.delivery.mailboxes import Mailbox, Mailboxes

NOTHING_MORE = """
import sys
from mailstore.delivery.mailboxes import Mailboxes
from mailstore.lmtp import Server
from mailstore import QuotaExceeded, QuotaRules, open_store

mailboxes = Mailboxes(sys.argv[1])
before = set(sys.modules)
with open_store(mailboxes.find("joe@x").location, create=True) as store:
    store.quota.set_rules(QuotaRules(storage=10, messages=1, warnings=(80,), groups=(sys.argv[2],)))
    store.quota.on_crossing(print)
    store.inbox.append(b"Subject: x")
    try:
        store.inbox.append(b"Subject: y")
    except QuotaExceeded:
        print(sorted(set(sys.modules) - before))
"""


@pytest.mark.parametrize("form", ["maildir:{}/%n", "maildir:{}/%n?layout=fs", "mbox:{}/%n", "sqlite:{}/%n.db"])
def test_a_server_loads_nothing_later(form: str, tmp_path: Path) -> None:
    """Whom root became may not be able to read our code, nor the interpreter's."""
    group = tmp_path / "group"
    group.write_text("storage = 1000000\\n")
    done = subprocess.run(
        [sys.executable, "-c", NOTHING_MORE, form.format(tmp_path), str(group)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "[]"


def test_who_has_which() -> None:
    mailboxes = Mailboxes("maildir:/srv/%d/%n", sub_address=True)
    assert mailboxes.find("joe@x") == Mailbox("maildir:/srv/x/joe", "INBOX")
    assert mailboxes.find("joe+lists@x") == Mailbox("maildir:/srv/x/joe", "lists")
    assert mailboxes.find('"joe+lists"@x') == Mailbox("maildir:/srv/x/joe", "lists")
    assert mailboxes.split("joe+lists@x") == ("joe@x", "lists")
    assert mailboxes.location("joe@x") == "maildir:/srv/x/joe"
    with pytest.raises(NoSuchUser):
        mailboxes.find("../joe@x")
    assert Mailboxes("maildir:/srv/%u", folder="In").split("joe+lists@x") == ("joe+lists@x", "In")


@pytest.mark.parametrize("template", ["", "maildir:/srv/%z", "maildir:/srv/%"])
def test_a_template_that_makes_no_sense_is_told_at_once(template: str) -> None:
    with pytest.raises(UsageError):
        Mailboxes(template)
