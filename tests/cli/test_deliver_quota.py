"""``mstore deliver`` and quotas: its options, its exit codes, and files that cannot be read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mailstore import open_store

COMMAND = [sys.executable, str(Path(__file__).parents[2] / "cli" / "mstore"), "deliver"]
MAIL = b"Subject: hello\n\nbody\n"


def run(*words: object) -> tuple[int, str]:
    done = subprocess.run([*COMMAND, *map(str, words)], input=MAIL, capture_output=True, timeout=60, check=False)
    return done.returncode, done.stderr.decode()


@pytest.fixture
def box(tmp_path: Path) -> Path:
    open_store(f"maildir:{tmp_path}/m", create=True).close()
    return tmp_path / "m"


def count(box: Path) -> int:
    with open_store(f"maildir:{box}", readonly=True) as store:
        return len(store.inbox)


def test_over_quota(box: Path, tmp_path: Path) -> None:
    (tmp_path / "rules").write_text("messages = 1\n")
    assert run("--quota", tmp_path / "rules", box) == (0, "")
    full = (75, "mstore: the mailbox is full: it holds 1 of 1 messages\n")
    assert run("--quota", tmp_path / "rules", box) == full
    assert run("--quota", tmp_path / "rules", "--over-quota", "permanent", box) == (77, full[1])
    assert run("--quota", tmp_path / "rules", "--over-quota=permanent", "--exit-style=qmail", box) == (100, full[1])
    assert count(box) == 1


def test_too_large(box: Path, tmp_path: Path) -> None:
    (tmp_path / "rules").write_text("message_size = 20\n")
    assert run("--quota", tmp_path / "rules", box) == (69, "mstore: the message has 21 bytes; 20 are allowed\n")
    assert count(box) == 0


def test_files_that_cannot_be_read_refuse_no_mail(box: Path, tmp_path: Path) -> None:
    (tmp_path / "rules").write_text("massages = 1\n")
    code, said = run("--quota", tmp_path / "rules", "--on-warning", "a 'b", box)
    assert code == 0
    first, second = said.splitlines()
    assert first.startswith(f"mstore: delivered without it: {tmp_path}/rules: quota rules: there is no 'massages'")
    assert second == "mstore: delivered without it: --on-warning a 'b: No closing quotation"
    code, said = run("--warning-message", tmp_path / "nothing", box)
    assert (code, said) == (0, f"mstore: delivered without it: {tmp_path}/nothing: No such file or directory\n")
    assert count(box) == 2


def test_warnings(box: Path, tmp_path: Path) -> None:
    (tmp_path / "rules").write_text("messages = 10\nwarnings = [10]\n")
    (tmp_path / "warning").write_text("Subject: full\n\nnearly\n")
    words = ("--quota", tmp_path / "rules", "--warning-message", tmp_path / "warning")
    script = f"""sh -c 'echo "$MAILSTORE_QUOTA_EVENT $MAILSTORE_QUOTA_PERCENT" > {tmp_path}/told; exit 3'"""
    assert run(*words, "--on-warning", script, box) == (0, "mstore: sh ended with 3\n")
    assert (tmp_path / "told").read_text() == "over 10\n"
    with open_store(f"maildir:{box}", readonly=True) as store:
        assert [b"nearly" in message.bytes() for message in store.inbox] == [False, True]
    assert run(*words, "--on-warning", script, box) == (0, "")
