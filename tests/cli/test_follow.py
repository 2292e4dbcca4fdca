"""``mstore convert --follow`` as a process: what it prints, how it is asked for the switch, how it ends."""

import importlib.util
import json
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailstore import open_store
from mailstore_cli import convert as convert_module

_spec = importlib.util.spec_from_file_location("schema", Path(__file__).with_name("schema.py"))
schema = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(schema)
TEXT = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
SCHEMAS = {
    name: json.loads(block)
    for name, block in re.findall(r"<!-- schema: (convert follow) -->\n```json\n(.*?)```", TEXT, re.DOTALL)
}


@pytest.fixture
def stores(tmp_path):
    """An mbox with two messages, and the place for a Maildir."""
    first = f"mbox:{tmp_path}/spool"
    with open_store(first, create=True) as store:
        store.inbox.append(b"Subject: 1\n\n1\n")
        store.inbox.append(b"Subject: 2\n\n2\n")
    return first, f"maildir:{tmp_path}/Maildir"


@contextmanager
def following(mstore_command, *words):
    """Run it; gives the process and what reads its next event of a name."""
    with subprocess.Popen(
        [*mstore_command, "convert", "--follow", "--json", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:

        def until(name):
            for line in process.stdout:
                event = json.loads(line)
                schema.check(event, SCHEMAS["convert follow"])
                if event["event"] == name:
                    return event
            raise AssertionError(f"it ended without {name}: {process.stderr.read().decode()}")

        try:
            yield process, until
        finally:
            process.kill()


def test_it_ends_in_good_order_and_goes_on(mstore, mstore_command, stores):
    with following(mstore_command, *stores) as (process, until):
        assert until("following")["copied"] == 2
        with open_store(stores[0]) as store:
            store.inbox.append(b"Subject: 3\n\n3\n")
        event = until("following")
        assert event == {**event, "copied": 3, "behind": {"messages": 0, "seconds": 0.0}, "trouble": ""}
        process.send_signal(signal.SIGTERM)
        ended = until("stopped")
        assert (ended["copied"], ended["locked"], ended["report"]["verified"]) == (3, 0.0, True)
        assert process.wait(30) == 0
    assert mstore("verify", *stores).exit_code == 0
    ran = mstore("convert", *stores, "--json")
    assert [ran.object["messages"][name] for name in ("found", "copied", "skipped")] == [3, 0, 3]


@pytest.mark.parametrize("by", ["signal", "file"])
def test_the_switch_is_made_while_the_source_is_locked(mstore, mstore_command, stores, tmp_path, by):
    script = tmp_path / "switch.py"
    script.write_text(
        "import pathlib, sys, mailstore\n"
        "try:\n"
        "    mailstore.open_store(sys.argv[1], lock_timeout=0).inbox.append(b'a: b\\n\\n')\n"
        "except mailstore.StoreBusy:\n"
        "    pathlib.Path(sys.argv[2]).touch()\n"
    )
    command = f"{sys.executable} {script} {stores[0]} {tmp_path}/switched"
    go = tmp_path / "go"
    with following(mstore_command, "--switch-when", go, "--on-switch", command, *stores) as (process, until):
        until("following")
        process.send_signal(signal.SIGUSR1) if by == "signal" else go.touch()
        assert until("ready")["trouble"] == ""
        ended = until("switched")
        assert (ended["copied"], ended["gaps"], ended["report"]["verified"]) == (2, "", True)
        assert process.wait(30) == 0
    assert (tmp_path / "switched").exists()  # and so the mailbox was locked then
    assert mstore("verify", *stores).exit_code == 0
    assert not list(tmp_path.glob("*.lock"))


def test_a_command_that_fails_makes_no_switch(mstore_command, stores):
    with following(mstore_command, "--on-switch", "false", *stores) as (process, until):
        until("following")
        process.send_signal(signal.SIGUSR1)
        until("ready")
        until("following")
        process.send_signal(signal.SIGINT)
        assert until("stopped")["report"]["verified"] is True
        assert process.wait(30) == 0
        assert b"false ended with 1; following on" in process.stderr.read()


def test_a_switch_may_be_asked_for_while_the_stores_are_opened(mstore, stores, monkeypatch):
    real = convert_module.open_destination

    def opening(*words, **options):
        signal.raise_signal(signal.SIGUSR1)
        return real(*words, **options)

    def unheard(*_):
        raise AssertionError("SIGUSR1 would have killed it")

    monkeypatch.setattr(convert_module, "open_destination", opening)
    before = signal.signal(signal.SIGUSR1, unheard)
    try:
        ran = mstore("convert", "--follow", *stores)
        assert signal.getsignal(signal.SIGUSR1) is unheard
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert (ran.exit_code, ran.stdout[:22]) == (0, b"switched: 2 copied; ve")


def test_lines_for_people(mstore_command, stores):
    words = [*mstore_command, "convert", "--follow", "--switch-when", "/dev/null", *stores]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0
    assert ran.stdout.startswith("switched: 2 copied; verified; the source was locked for ")
    told = [line.removeprefix("mstore: ") for line in ran.stderr.splitlines()]
    assert told[0] == "copying all there is"
    assert told[-1].startswith("switched: carrying what still comes to the source")
    assert any("the switch can be made" in line for line in told)


@pytest.mark.parametrize(
    "words",
    [
        ("--linger", "3"),
        ("--switch-when", "x"),
        ("--on-switch", "true"),
        ("--follow", "--dry-run"),
        ("--follow", "--accounts", "-"),
        ("--follow", "--on-switch", "'"),
        ("--follow", "--on-switch", ""),
    ],
)
def test_what_makes_no_sense_is_refused(mstore, stores, words):
    assert mstore("convert", *words, *stores).exit_code == 64
