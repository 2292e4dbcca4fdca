"""The LMTP server and quotas: one full mailbox among others, and warnings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.lmtp import give, place, serving

from mailstore import QuotaRules, open_store

FORMS = {"maildir": "maildir:{}/%n", "account": "sqlite:{}/all.db?account=%n", "mbox": "mbox:{}/%n.mbox"}
BODY = b"Subject: hello\n\nbody\n"


@pytest.fixture
def root() -> Iterator[Path]:
    with place() as path:
        yield path


def make(root: Path, form: str, rules: dict[str, QuotaRules | None]) -> None:
    for name, kept in rules.items():
        location = FORMS[form].format(root).replace("%n", name)
        with open_store(location, create=True, index="memory") as store:
            if kept is not None:
                store.quota.set_rules(kept)
    give(root)
    for path in root.rglob(".mailstore-quota*"):
        os.chmod(path, 0o644)


def stored(root: Path, form: str, name: str) -> list[bytes]:
    with open_store(FORMS[form].format(root).replace("%n", name), readonly=True) as store:
        return [message.bytes() for message in store.inbox]


@pytest.mark.parametrize("form", FORMS)
def test_a_full_mailbox_refuses_alone(root: Path, form: str) -> None:
    make(root, form, {"joe": QuotaRules(messages=1), "sue": None, "amy": QuotaRules(message_size=50)})
    with serving(root, FORMS[form].format(root)) as server:
        saved, full = b"2.0.0 <{}> Saved", (452, b"4.2.2 mailbox full")
        too_large = (552, b"5.2.3 message too large for this mailbox")
        names = ("joe@here", "sue@here", "amy@here")
        replies = [server.send(BODY, *names) for _ in range(2)]
        assert replies[0] == [(250, saved.replace(b"{}", name.encode())) for name in names[:2]] + [too_large]
        assert replies[1] == [full, (250, saved.replace(b"{}", b"sue@here")), too_large]
        assert server.end() == 0
    assert [len(stored(root, form, name)) for name in ("joe", "sue", "amy")] == [1, 2, 0]


def test_rules_for_all_and_a_warning(root: Path) -> None:
    make(root, "maildir", {"joe": None})
    (root / "rules").write_text("messages = 2\nwarnings = [40]\n")
    (root / "warning").write_text("Subject: full\n\nnearly\n")
    options = ("--quota", str(root / "rules"), "--warning-message", str(root / "warning"), "--over-quota", "permanent")
    give(root)
    with serving(root, FORMS["maildir"].format(root), *options) as server:
        assert server.send(BODY, "joe@here")[0][0] == 250
        assert server.send(BODY, "joe@here") == [(552, b"5.2.2 mailbox full")]
        assert server.end() == 0
    first, second = stored(root, "maildir", "joe")
    assert first.endswith(BODY)
    assert second.endswith(b"Subject: full\n\nnearly\n")
