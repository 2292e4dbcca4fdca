"""mstore watch and mstore biff: lines, JSON, commands that run, tokens kept, ends."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailstore import open_store

_spec = importlib.util.spec_from_file_location("schema", Path(__file__).with_name("schema.py"))
schema = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(schema)
SCHEMAS = {
    name: json.loads(block)
    for name, block in re.findall(
        r"<!-- schema: (watch|biff) -->\n```json\n(.*?)```",
        (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8"),
        re.DOTALL,
    )
}
MSTORE = [sys.executable, str(Path(__file__).parents[2] / "cli/mstore")]
MAIL = b"From: Ada <ada@example.org>\nSubject: The engine\n\nbody\n"


@pytest.fixture
def location(tmp_path):
    where = f"maildir:{tmp_path}/M"
    with open_store(where, create=True) as store:
        store.create("A")
    return where


@contextmanager
def watching(*words, wait=True):
    """Run ``mstore watch`` and end it with SIGTERM."""
    process = subprocess.Popen(
        [*MSTORE, "watch", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    try:
        if wait:
            assert process.stderr.readline().startswith("mstore: watching ")
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.stdout.close()
        process.stderr.close()
        process.wait(30)


def ended(process, number=signal.SIGTERM):
    process.send_signal(number)
    return process.wait(30)


def test_a_line_an_event(location):
    with watching(location) as process, open_store(location) as store:
        store.inbox.append(MAIL)
        assert process.stdout.readline() == "message-appended      INBOX:1  (\\Recent)\n"
        store.inbox.set_flags([1], ["\\Seen", "work"])
        assert process.stdout.readline() == "flags-changed         INBOX:1  (\\Seen work)  was (\\Recent)\n"
        store.inbox.move([1], store.folder("A"))
        assert process.stdout.readline() == "message-moved         A:1  from INBOX:1\n"
        store.folder("A").expunge([1], only_deleted=False)
        assert process.stdout.readline() == "message-expunged      A:1\n"
        store.rename("A", "B c")
        assert process.stdout.readline() == "folder-renamed        B c  from A\n"
        store.subscribe("B c")
        assert process.stdout.readline() == "subscription-changed  B c  subscribed\n"
        store.delete("B c")
        assert process.stdout.readline() == "folder-deleted        B c\n"
        assert ended(process) == 0


def test_sigint_ends_it_too(location):
    with watching(location) as process:
        assert ended(process, signal.SIGINT) == 0


def test_a_reader_that_goes_away_ends_it(location):
    with watching(location) as process, open_store(location) as store:
        process.stdout.close()
        for _ in range(40):
            store.inbox.append(MAIL)
            time.sleep(0.05)
            if process.poll() is not None:
                break
        assert process.wait(30) == 141


def test_json_and_tokens(location):
    with watching("--json", "--tokens", location) as process, open_store(location) as store:
        store.inbox.append(MAIL)
        event = json.loads(process.stdout.readline())
        assert event | {"modseq": 0, "key": ""} == {
            "event": "message-appended",
            "location": location,
            "folder": "INBOX",
            "uid": 1,
            "modseq": 0,
            "flags": ["\\Recent"],
            "key": "",
        }
        told = json.loads(process.stdout.readline())
        for value in (event, told):
            schema.check(value, SCHEMAS["watch"])
        assert told.keys() == {"event", "location", "token"}
        assert ended(process) == 0
        store.inbox.append(MAIL)
    with watching("--json", "--since", told["token"], location) as process:
        assert json.loads(process.stdout.readline())["uid"] == 2


def test_commands_run_one_after_another_for_a_folder(location, tmp_path):
    """Each takes a while and writes when it begins and ends: none begins before the last of its folder has ended."""
    script = tmp_path / "hook"
    script.write_text(
        f'#!/bin/sh\necho "begin $MAILSTORE_EVENT $MAILSTORE_FOLDER $MAILSTORE_UID" >> {tmp_path}/log\nsleep 0.1\n'
        f'echo "end $MAILSTORE_EVENT $MAILSTORE_FOLDER $MAILSTORE_UID" >> {tmp_path}/log\n'
    )
    script.chmod(0o755)
    with watching("--jobs", "4", "--exec", str(script), location) as process, open_store(location) as store:
        for _ in range(5):
            store.inbox.append(MAIL)
        store.folder("A").append(MAIL)
        for _ in range(6):
            process.stdout.readline()
        assert ended(process) == 0
    lines = (tmp_path / "log").read_text().splitlines()
    inbox = [line for line in lines if " INBOX " in line]
    assert inbox == [f"{what} message-appended INBOX {uid}" for uid in range(1, 6) for what in ("begin", "end")]
    assert [line for line in lines if " A " in line] == ["begin message-appended A 1", "end message-appended A 1"]


def test_a_command_for_a_batch_reads_the_events(location, tmp_path):
    command = f"sh -c 'cat >> {tmp_path}/log'"
    with watching("--batch", "--exec", command, location) as process, open_store(location) as store:
        store.inbox.append(MAIL)
        store.inbox.append(MAIL)
        process.stdout.readline()
        process.stdout.readline()
        assert ended(process) == 0
    assert [json.loads(line)["uid"] for line in (tmp_path / "log").read_text().splitlines()] == [1, 2]


def test_a_command_that_fails_is_named_and_counted(location):
    with watching("--exec", "false", location) as process, open_store(location) as store:
        store.inbox.append(MAIL)
        assert process.stderr.readline() == "mstore: --exec false: exit code 1 (message-appended)\n"
        assert ended(process) == 1


def test_with_a_state_it_goes_on_where_it_was(location, tmp_path):
    state = str(tmp_path / "state")
    with open_store(location) as store:
        with watching("--state", state, location) as process:
            store.inbox.append(MAIL)
            assert "INBOX:1" in process.stdout.readline()
            while not os.path.exists(state):
                time.sleep(0.01)
            assert ended(process) == 0
        store.inbox.append(MAIL)
        store.inbox.expunge([1], only_deleted=False)
        with watching("--state", state, location) as process:
            assert process.stdout.readline() == "message-expunged      INBOX:1\n"
            assert "INBOX:2" in process.stdout.readline()
            assert ended(process) == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--tokens", "LOCATION"], "--tokens needs --json"),
        (["--batch", "LOCATION"], "--batch, --jobs and --parallel need --exec"),
        (["--since", "x", "LOCATION"], "'x' is no token of a watch"),
        (["--since", "x", "LOCATION", "LOCATION2"], "--since is the token of one LOCATION"),
        (["--exec", "'", "LOCATION"], '--exec "\'": No closing quotation'),
        (["--exec", " ", "LOCATION"], "--exec needs a command"),
        (["--state", "BAD", "LOCATION"], "keeps no tokens of a watch"),
    ],
)
def test_what_makes_no_sense_is_refused(location, tmp_path, words, says):
    (tmp_path / "bad").write_text("[]")
    names = {"LOCATION": location, "BAD": str(tmp_path / "bad")}
    done = subprocess.run(
        [*MSTORE, "watch", *(names.get(word, word) for word in words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 64
    assert says in done.stderr


def biff(*words, **environment):
    return subprocess.run(
        [*MSTORE, "biff", *words], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


def test_biff_says_who_has_new_mail(location, tmp_path):
    other = f"sqlite:{tmp_path}/x.db"
    with open_store(location) as store, open_store(other, create=True):
        assert biff(location).returncode == 1
        store.inbox.append(MAIL)
        store.inbox.append(MAIL, flags=["\\Seen"])
        store.folder("A").append(MAIL)
    done = biff(location, other)
    assert (done.returncode, done.stdout) == (0, f"{location}: 2 new messages (INBOX 1, A 1)\n")
    assert biff("-f", "A", location).stdout == f"{location}: 1 new message (A 1)\n"
    listed = biff("-l", location).stdout.splitlines()
    assert listed[1].split() == ["INBOX:1", "Ada", "The", "engine"]
    found = json.loads(biff("--json", location).stdout)
    schema.check(found, SCHEMAS["biff"])
    assert found == {"location": location, "new": 2, "folders": {"INBOX": [1], "A": [1]}}
    assert biff(MAIL=location).stdout == done.stdout
    assert biff(MAIL="").returncode == 64


def test_biff_waits_until_mail_comes(location):
    with subprocess.Popen([*MSTORE, "biff", "--wait", location], stdout=subprocess.PIPE, text=True) as process:
        time.sleep(1)
        with open_store(location) as store:
            store.inbox.append(MAIL)
        assert process.stdout.readline() == f"{location}: 1 new message (INBOX 1)\n"
        assert process.wait(30) == 0


def test_biff_waits_no_longer_than_it_was_told(location):
    done = biff("--wait", "--timeout", "0.3", location)
    assert (done.returncode, done.stdout) == (1, "")
