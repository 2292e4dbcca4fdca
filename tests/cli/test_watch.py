"""mstore watch and mstore biff: lines, JSON, commands that run, tokens kept, ends."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
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


def hook(tmp_path, text):
    """Return a command that notes its process and event, and then does ``text``."""
    script = tmp_path / "hook"
    script.write_text(f'#!/bin/sh\necho "$MAILSTORE_FOLDER $MAILSTORE_UID" >> {tmp_path}/begun\n{text}\n')
    script.chmod(0o755)
    return str(script)


def lines_of(path, count):
    """Wait until a file has so many lines; return them."""
    while not path.exists() or path.read_text().count("\n") < count:
        time.sleep(0.01)
    return path.read_text().splitlines()


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
        log = tmp_path / "log"
        while not log.exists() or log.read_text().count("end ") < 6:
            time.sleep(0.01)
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
        lines = lines_of(tmp_path / "log", 2)
        assert ended(process) == 0
    assert [json.loads(line)["uid"] for line in lines] == [1, 2]


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


def test_what_comes_before_the_first_event_is_told_the_next_time(location, tmp_path):
    state = str(tmp_path / "state")
    with watching("--state", state, location) as process:
        assert ended(process) == 0
    with open_store(location) as store:
        store.inbox.append(MAIL)
    with watching("--state", state, location) as process:
        assert "INBOX:1" in process.stdout.readline()
        assert ended(process) == 0


def test_a_slow_command_may_end_after_a_signal_and_no_other_begins(location, tmp_path):
    """What was not told is told the next time."""
    state, gate = str(tmp_path / "state"), tmp_path / "gate"
    os.mkfifo(gate)
    slow = hook(tmp_path, f"read x < {gate}\necho done >> {tmp_path}/done")
    with open_store(location) as store:
        with watching("--state", state, "--exec", slow, location) as process:
            for _ in range(3):
                store.inbox.append(MAIL)
            lines_of(tmp_path / "begun", 1)
            process.send_signal(signal.SIGTERM)
            gate.write_text("go\n")
            assert process.wait(30) == 0
        assert (tmp_path / "begun").read_text() == "INBOX 1\n"
        assert (tmp_path / "done").read_text() == "done\n"
        (tmp_path / "hook").write_text(f'#!/bin/sh\necho "$MAILSTORE_FOLDER $MAILSTORE_UID" >> {tmp_path}/again\n')
        with watching("--state", state, "--exec", slow, location) as process:
            while not {"INBOX 2", "INBOX 3"} <= set(lines_of(tmp_path / "again", 1)):
                time.sleep(0.01)
            assert ended(process) == 0


@pytest.mark.parametrize(("number", "stubborn"), [(signal.SIGTERM, False), (signal.SIGINT, True)])
def test_a_command_that_hangs_is_ended_at_the_second_signal(location, tmp_path, number, stubborn):
    """With what it has started; its event is told again the next time."""
    state = str(tmp_path / "state")
    deaf = "trap '' TERM\n" if stubborn else ""
    hanging = hook(tmp_path, f"{deaf}sleep 1000 &\necho $! > {tmp_path}/child\necho >> {tmp_path}/ready\nwait\nwait")
    with open_store(location) as store:
        with watching("--state", state, "--exec", hanging, location) as process:
            store.inbox.append(MAIL)
            lines_of(tmp_path / "ready", 1)
            process.send_signal(number)
            time.sleep(0.05)  # two signals at once are one
            process.send_signal(number)
            assert process.wait(30) == 1
            assert f"signal {9 if stubborn else 15} (message-appended)" in process.stderr.read()
        child = Path("/proc", (tmp_path / "child").read_text().strip(), "stat")
        while child.exists() and child.read_text().split()[2] != "Z":
            time.sleep(0.01)
        with watching("--state", state, location) as process:
            assert "INBOX:1" in process.stdout.readline()
            assert ended(process) == 0


def test_a_state_that_cannot_be_written_is_said_at_the_beginning(location, tmp_path):
    done = subprocess.run(
        [*MSTORE, "watch", "--state", f"{tmp_path}/no/such/state", location],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (75, "")
    assert f"{tmp_path}/no/such" in done.stderr


def test_it_ends_when_its_reader_does(location):
    """Without waiting for an event to write."""
    with watching(location) as process:
        process.stdout.close()
        assert process.wait(30) == 141


def test_a_location_that_vanishes_and_comes_back(location, tmp_path):
    with watching(location) as process:
        os.rename(tmp_path / "M", tmp_path / "away")
        while process.stdout.readline() != "folder-deleted        A\n":
            pass
        shutil.rmtree(tmp_path / "away")
        with open_store(location, create=True) as store:
            store.inbox.append(MAIL)
            while "message-appended      INBOX:1" not in process.stdout.readline():
                pass
        assert ended(process) == 0


def test_without_notify_send_it_says_so_and_goes_on(location, tmp_path):
    with subprocess.Popen(
        [*MSTORE, "watch", "--notify", location],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PATH": str(tmp_path)},
    ) as process:
        assert "there is no notify-send here" in process.stderr.readline()
        assert "watching" in process.stderr.readline()
        with open_store(location) as store:
            store.inbox.append(MAIL)
        assert "INBOX:1" in process.stdout.readline()
        assert ended(process) == 0


def test_notifications_say_how_much_came_where(location, tmp_path):
    script = tmp_path / "notify-send"
    script.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {tmp_path}/shown\necho >> {tmp_path}/shown\n')
    script.chmod(0o755)
    with open_store(location) as store:
        store.create("<b>")
        words = ["watch", "--since", "", "--notify", location]
        store.folder("<b>").append(MAIL)
        store.inbox.append(MAIL)
        store.inbox.append(MAIL)
        with subprocess.Popen(
            [*MSTORE, *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PATH": f"{tmp_path}:/bin:/usr/bin"},
        ) as process:
            shown = lines_of(tmp_path / "shown", 7)
            assert ended(process) == 0
    assert shown == ["--app-name=mstore", "--", "3 new messages", location, "INBOX: 2", "&lt;b&gt;: 1", ""]


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


CLI = str(Path(__file__).parents[2] / "cli")
AS_NOBODY = """
import importlib.metadata, os, sys
sys.path.insert(0, sys.argv[1])
import mailstore.drivers.mbox.store, mailstore.drivers.sql.driver, mailstore_cli.biff, mailstore_cli.main
os.setgroups([]), os.setgid(65534), os.setuid(65534)  # the interpreter's own files may be closed to that user
mailstore_cli.main.mstore(["biff", *sys.argv[2:]])
"""


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


def test_biff_goes_on_where_one_location_cannot_be_looked_at(location, tmp_path):
    (tmp_path / "empty").touch()
    (tmp_path / "nothing").mkdir()
    (tmp_path / "spool").write_bytes(b"From ann@example.org Thu Jan  1 00:00:00 2026\n" + MAIL)
    os.chmod(tmp_path / "spool", 0o400)
    os.utime(tmp_path / "spool", ns=(10**18, 10**18))
    before = os.stat(tmp_path / "spool")
    places = [str(tmp_path / name) for name in ("missing", "empty", "nothing", "spool")]
    done = biff(*places, location)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}/spool: 1 new message (INBOX 1)\n")
    said = done.stderr.splitlines()
    assert [line.split()[1].rstrip(":") for line in said] == [places[0], places[2]]
    assert biff(*places[:3]).returncode == 66
    assert biff(places[1], location).returncode == 1
    after = os.stat(tmp_path / "spool")  # by these times shells (MAILCHECK) and mail readers see new mail
    assert (after.st_mtime_ns, after.st_atime_ns) == (before.st_mtime_ns, before.st_atime_ns)


def test_a_spool_that_is_not_there_yet_has_no_mail(tmp_path):
    """MAIL names the file that the first delivery makes; somebody may have removed it when it was empty."""
    spool = f"{tmp_path}/joe"
    done = biff(MAIL=spool)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    with subprocess.Popen(
        [*MSTORE, "biff", "--wait"], stdout=subprocess.PIPE, text=True, env={**os.environ, "MAIL": spool}
    ) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.5)
        with open_store(f"mbox:{spool}", create=True) as store:
            store.inbox.append(MAIL)
        assert process.stdout.readline() == f"{spool}: 1 new message (INBOX 1)\n"
        assert process.wait(30) == 0


@pytest.mark.root
def test_biff_on_what_may_not_be_read(location):
    if os.getuid() != 0:
        pytest.skip("it takes root to become somebody else")
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        for name, mode in (("secret", 0o600), ("open", 0o444)):
            path = Path(place, name)
            path.write_bytes(b"From ann@example.org Thu Jan  1 00:00:00 2026\n" + MAIL)
            path.chmod(mode)
        found = []
        for words in (["secret"], ["open"], ["secret", "open"]):
            command = [sys.executable, "-c", AS_NOBODY, CLI, *(f"{place}/{word}" for word in words)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            found.append((done.returncode, done.stdout.replace(place, ""), done.stderr.count("\n")))
    new = "/open: 1 new message (INBOX 1)\n"
    assert found == [(75, "", 1), (0, new, 0), (0, new, 1)]


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
