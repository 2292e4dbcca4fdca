"""Streams: data on stdout, the rest on stderr, colours on terminals only, and readers that go away."""

import json
import os
import pty
import select
import signal
import subprocess

import pytest


@pytest.fixture
def listing(tmp_path):
    """A store on disk with many messages: more than a pipe holds."""
    from mailstore import Arrival, open_store

    location = f"sqlite:{tmp_path / 'many.db'}"
    with open_store(location, create=True) as store:
        store.inbox.append_many([Arrival(b"From: a@b\nSubject: %d\n\n" % number * 1) for number in range(3000)])
    return location


def on_terminal(command, **options):
    """Run a command with stdout and stderr on a terminal; return its exit code and what it wrote."""
    controller, terminal = pty.openpty()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal, **options)
    os.close(terminal)
    written = drain(controller)
    os.close(controller)
    return process.wait(30), written


def drain(controller):
    """Read what was written to a terminal until nobody has it open."""
    written = b""
    while select.select([controller], [], [], 30)[0]:
        try:
            piece = os.read(controller, 65536)
        except OSError:
            break
        written += piece
    return written.decode()


def environment(**changes):
    return {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm"} | changes


def test_colour_on_a_terminal_only(mstore_command, listing):
    command = [*mstore_command, "info", listing]
    code, text = on_terminal(command, env=environment())
    assert code == 0
    assert "\x1b[1m" in text
    for plain in (environment(NO_COLOR="1"), environment(TERM="dumb")):
        assert "\x1b" not in on_terminal(command, env=plain)[1]
    assert b"\x1b" not in subprocess.run(command, capture_output=True, env=environment(), check=True).stdout


def test_errors_are_red_on_a_terminal_only(mstore_command):
    code, text = on_terminal([*mstore_command, "ls", "bogus:/x"], env=environment())
    assert code == 64
    assert text.startswith("\x1b[31mmstore:\x1b[0m unknown format")


def test_subjects_are_cut_to_a_terminal_and_whole_in_a_pipe(mstore_command, tmp_path):
    from mailstore import open_store

    location = f"sqlite:{tmp_path / 'mail.db'}"
    with open_store(location, create=True) as store:
        store.inbox.append(b"From: a@b\nSubject: " + b"word " * 60 + b"\n\n")
    command = [*mstore_command, "ls", location]
    _, text = on_terminal(command, env=environment(COLUMNS="90", NO_COLOR="1"))
    assert len(text.rstrip("\r\n")) == 90
    assert text.rstrip("\r\n").endswith("…")
    assert subprocess.run(command, capture_output=True, check=True).stdout.decode().count("word") == 60


def test_a_reader_that_goes_away(mstore_command, listing):
    process = subprocess.Popen([*mstore_command, "ls", listing], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline().startswith(b"INBOX:1 ")
    process.stdout.close()
    assert process.wait(30) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


def test_standard_output_on_a_full_disk(mstore_command, listing):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*mstore_command, "ls", listing], stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 75
    assert done.stderr == b"mstore: No space left on device\n"


def test_closed_standard_files(mstore_command, listing):
    for descriptors in ("0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"):
        done = subprocess.run(
            ["/bin/sh", "-c", f'exec "$@" {descriptors}', "sh", *mstore_command, "info", listing, "--json"],
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0
        assert done.stderr == b""
        if "1>" not in descriptors:
            assert json.loads(done.stdout)["messages"] == 3000


def test_an_interrupt(mstore_command, listing):
    process = subprocess.Popen(
        [*mstore_command, "add", listing], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdin.write(b"Subject: x\n\n" + b"x" * 2_000_000)  # it is reading by now: a pipe holds 64 KB
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, b"", b"mstore: interrupted\n")


def test_a_locale_without_unicode(process, listing, tmp_path):
    from mailstore import open_store

    location = f"sqlite:{tmp_path / 'mail.db'}"
    with open_store(location, create=True) as store:
        store.inbox.append("From: Jürgen <a@b>\nSubject: 漢字\n\n".encode())
    ran = process("ls", location, env={"PYTHONIOENCODING": "ascii"})
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.text.rstrip().endswith("\\u6f22\\u5b57")


def test_progress_and_messages_never_reach_a_pipe(process, listing):
    ran = process("ls", listing, "--json")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert len(ran.objects) == 3000


def test_progress_on_a_terminal_only(mstore_command, listing, tmp_path):
    controller, terminal = pty.openpty()
    command = [*mstore_command, "convert", listing, f"sqlite:{tmp_path}/out.db"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=terminal, env=environment())
    out, _ = process.communicate(timeout=60)
    os.set_blocking(controller, False)
    drawn = os.read(controller, 1 << 20).decode()  # before the terminal goes, and with it what was not read
    os.close(terminal)
    os.close(controller)
    assert process.returncode == 0
    assert "messages" in drawn
    assert "mstore:" not in drawn
    assert b"3000 found, 3000 copied" in out
    assert b"\r" not in out
    quiet = [*command, "--quiet"]
    assert on_terminal(quiet, env=environment()) == (0, "")
