"""examples/delivery_agent.py: a receipt, whatever happens."""

import subprocess
import sys

import pytest

from mailstore import open_store

MAIL = b"From: a@b\nSubject: x\n\nFrom me\n"


@pytest.fixture
def deliver(examples):
    """Run the agent on a message."""

    def run(*arguments, mail=MAIL):
        command = [sys.executable, examples / "delivery_agent.py", *arguments]
        return subprocess.run(command, input=mail, capture_output=True, timeout=60, check=False)

    return run


@pytest.fixture
def location(tmp_path):
    return f"sqlite:{tmp_path}/mail.db"


def messages(location, folder="INBOX"):
    with open_store(location, readonly=True) as store:
        return [(message.bytes(), message.sender, sorted(message.flags)) for message in store.folder(folder)]


def test_a_delivery_makes_what_it_needs(deliver, location):
    done = deliver("--sender", "joe@example.org", "-f", "Lists/python", location)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert messages(location, "Lists/python") == [(MAIL, "joe@example.org", ["\\Recent"])]


def test_a_second_attempt_changes_nothing(deliver, location):
    for _ in range(2):
        assert deliver("--id", "4F2A", location).returncode == 0
    assert len(messages(location)) == 1
    assert deliver("--id", "4F2B", location).returncode == 0
    assert deliver(location).returncode == 0
    assert len(messages(location)) == 3


def test_the_from_line_of_an_mta_is_envelope(deliver, location):
    mail = b"From joe@example.org  Sun Nov 22 13:00:00 2026\n" + MAIL
    assert deliver(location, mail=mail).returncode == 0
    assert deliver("--sender", "", location, mail=mail).returncode == 0
    assert messages(location) == [(MAIL, "joe@example.org", ["\\Recent"]), (MAIL, "", ["\\Recent"])]


@pytest.mark.parametrize("arguments", [("bogus:/x",), (), ("--nonsense",), ("sqlite:/dev/null/x",)])
def test_trouble_leaves_the_mail_in_the_queue(deliver, arguments):
    done = deliver(*arguments)
    assert done.returncode == 75
    assert done.stderr
    assert b"Traceback" not in done.stderr
