"""Deliveries into mailboxes with a quota: refusals, warnings, and bookkeeping that refuses nothing."""

from __future__ import annotations

import sys
from email import message_from_bytes
from pathlib import Path

import pytest

from mailstore import MessageTooLarge, QuotaExceeded, QuotaRules, open_store
from mailstore.delivery import QuotaWarning, deliver
from mailstore.delivery.warning import stamped

STORES = ("mbox:{root}/m", "maildir:{root}/md", "maildir:{root}/fs?layout=fs", "sqlite:{root}/s")
WARNED = b"From: postmaster@example.org\nSubject: nearly full\n\nClean up, please.\n"
SHOW = (
    "import os, sys; open(sys.argv[1], 'a').write(' '.join(os.environ['MAILSTORE_QUOTA_' + n] for n in sys.argv[2:]))"
)


@pytest.fixture(params=STORES)
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    where: str = request.param.format(root=tmp_path)
    open_store(where, create=True).close()
    return where


def mail(size: int) -> bytes:
    return b"Subject: x\n\n".ljust(size - 1, b"b") + b"\n"


def count(location: str) -> int:
    with open_store(location, readonly=True) as store:
        return len(store.inbox)


def keep(location: str, rules: QuotaRules) -> None:
    with open_store(location) as store:
        store.quota.set_rules(rules)


def test_rules_that_are_kept_hold(location: str) -> None:
    keep(location, QuotaRules(messages=1, message_size=500))
    with pytest.raises(MessageTooLarge):
        deliver(mail(501), location)
    deliver(mail(100), location)
    with pytest.raises(QuotaExceeded):
        deliver(mail(100), location)
    assert count(location) == 1


def test_rules_that_the_caller_brings_hold_instead(location: str) -> None:
    keep(location, QuotaRules(messages=1))
    for _ in range(2):
        deliver(mail(100), location, quota=QuotaRules(messages=2))
    with pytest.raises(QuotaExceeded):
        deliver(mail(100), location, quota=QuotaRules(messages=2))
    assert count(location) == 2


def test_a_message_that_was_delivered_before_is_no_violation(location: str) -> None:
    rules = QuotaRules(messages=1)
    assert not deliver(mail(100), location, quota=rules, once="content").known
    assert deliver(mail(100), location, quota=rules, once="content").known
    assert count(location) == 1


def test_mail_for_a_folder_that_may_not_be_made_goes_to_inbox(tmp_path: Path) -> None:
    where = f"maildir:{tmp_path}/m"
    with open_store(where, create=True) as store:
        store.create("other")
    delivered = deliver(mail(100), where, folder="lists", create=True, quota=QuotaRules(mailboxes=1))
    assert delivered.folder == "INBOX"


@pytest.mark.parametrize("form", ["maildir", "mbox"])
def test_rules_that_cannot_be_read_refuse_nothing_and_are_told_of(tmp_path: Path, form: str) -> None:
    where = f"{form}:{tmp_path}/m"
    keep_at = {"maildir": tmp_path / "m" / "mailstore-quota", "mbox": tmp_path / ".mailstore-quota.m"}[form]
    open_store(where, create=True).close()
    keep(where, QuotaRules(mailboxes=1))
    keep_at.write_text("storage = 'a lot'")
    delivered = deliver(mail(100), where, folder="elsewhere")
    assert len(delivered.problems) == 1
    assert "no limit holds" in delivered.problems[0]
    assert count(where) == 1


def warned(location: str) -> list[bytes]:
    with open_store(location, readonly=True) as store:
        return [body for message in store.inbox if b"Clean up" in (body := message.bytes())]


def test_a_mailbox_that_fills_up_is_warned_once_in_an_interval_beyond_every_limit(location: str) -> None:
    rules = QuotaRules(messages=3, warnings=(30, 100))
    warning = QuotaWarning(message=WARNED)
    for _ in range(2):
        assert deliver(mail(100), location, quota=rules, warning=warning).problems == ()
    (body,) = warned(location)
    message = message_from_bytes(body)
    assert message["Subject"] == "nearly full"
    assert message["Date"]
    assert message["Message-ID"].startswith("<")
    assert body.endswith(b"\n\nClean up, please.\n")
    assert count(location) == 3
    with pytest.raises(QuotaExceeded):
        deliver(mail(100), location, quota=rules, warning=warning)
    assert len(warned(location)) == 1


def test_a_command_is_run_for_each_crossing(location: str, tmp_path: Path) -> None:
    rules = QuotaRules(messages=4, warnings=(50, 75))
    shown = tmp_path / "shown"
    names = ("EVENT", "RESOURCE", "PERCENT", "USAGE", "LIMIT", "RECIPIENT", "LOCATION")
    warning = QuotaWarning((sys.executable, "-c", SHOW, str(shown), *names))
    deliver(mail(100), location, quota=rules, warning=warning, recipient="joe@example.org")
    assert not shown.exists()
    for _ in range(2):
        deliver(mail(100), location, quota=rules, warning=warning, recipient="joe@example.org")
    path = location.partition("?")[0]
    told = shown.read_text()
    assert told.startswith("over MESSAGE 50 2 4 joe@example.org " + path)
    assert "over MESSAGE 75 3 4 joe@example.org " + path in told
    assert told.count("over") == 2


@pytest.mark.parametrize("command", [("false",), ("/nowhere/at/all",), ("a\0b",)])
def test_a_command_that_fails_fails_no_delivery(tmp_path: Path, command: tuple[str, ...]) -> None:
    where = f"maildir:{tmp_path}/m"
    rules = QuotaRules(messages=1, warnings=(100,))
    delivered = deliver(mail(100), where, create=True, quota=rules, warning=QuotaWarning(command))
    assert len(delivered.problems) == 1
    assert delivered.problems[0].startswith(command[0])
    assert count(where) == 1


def test_a_command_that_hangs_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mailstore.delivery import warning

    monkeypatch.setattr(warning, "TIMEOUT", 0.2)
    where = f"maildir:{tmp_path}/m"
    rules = QuotaRules(messages=1, warnings=(100,))
    delivered = deliver(mail(100), where, create=True, quota=rules, warning=QuotaWarning(("sleep", "60")))
    assert "timed out" in delivered.problems[0]


def test_a_template_needs_no_header() -> None:
    assert message_from_bytes(stamped(b"just text\n", 0)).get_payload() == "just text\n"
    assert message_from_bytes(stamped(b"Subject: a\r\n\r\ntext\r\n", 0)).get_payload() == "text\n"


def test_many_commands_that_hang_take_no_longer_than_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mail is stored: an MTA that gave up waiting for us would deliver it again."""
    from mailstore.delivery import warning

    given: list[float] = []

    def hang(words: object, environment: object, seconds: float) -> str:
        given.append(seconds)
        now[0] += seconds * 0.6
        return ""

    now = [1000.0]
    monkeypatch.setattr(warning.clock, "monotonic", lambda: now[0])
    monkeypatch.setattr(warning.commands, "run", hang)
    rules = QuotaRules(storage=1000, warnings=(10, 20, 30, 40))
    delivered = deliver(mail(500), f"maildir:{tmp_path}/m", create=True, quota=rules, warning=QuotaWarning(("x",)))
    assert [round(seconds, 2) for seconds in given] == [30.0, 12.0, 4.8, 1.92]
    assert delivered.problems == ()
    now[0] += 5
    deliver(
        mail(300), f"maildir:{tmp_path}/m", quota=QuotaRules(storage=1000, warnings=(70,)), warning=QuotaWarning(("x",))
    )
    assert given[-1] == 30.0
