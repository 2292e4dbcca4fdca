"""``mstore quota policyd`` as a process: sockets, standard input, what it refuses to do, and how it ends."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep

import pytest
from support.lmtp import USER, WAIT, give, place
from support.mstore import COMMAND, Ran, mstore

from mailstore import QuotaRules, open_store

AS_USER = ("--user", USER) if os.geteuid() == 0 else ()
FULL = b"action=452 4.2.2 mailbox full\n\n"
FOR_GOOD = "554 5.2.2 mailbox full"
MORE = "%d more do not fit"
DUNNO = b"action=DUNNO\n\n"


def asking(recipient: str, size: int = 0) -> bytes:
    head = f"request=smtpd_access_policy\nprotocol_state=RCPT\nsize={size}\nsender=ann@x\n"
    return f"{head}recipient={recipient}\n\n".encode()


@pytest.fixture
def root() -> Iterator[Path]:
    with place() as path:
        for name, limit in (("full", 100), ("half", 1000)):
            with open_store(f"sqlite:{path}/{name}.db", create=True) as store:
                store.quota.set_rules(QuotaRules(storage=limit))
                with store.quota.unenforced():
                    store.inbox.append(b"Subject: x\n\n" + b"x" * 188)
        give(path)
        yield path


def policyd(*arguments: str, data: bytes = b"") -> Ran:
    return mstore("quota", "policyd", *arguments, data=data)


@contextmanager
def serving(root: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], Path, Path]]:
    """Run a server; gives it, its socket, and its log."""
    path, log = root / "socket", root / "log"
    command = [*COMMAND, "quota", "policyd", "--listen", f"unix:{path}", "--socket-mode", "666", *AS_USER, *options]
    with log.open("wb") as errors:
        process = subprocess.Popen([*command, f"sqlite:{root}/%n.db"], stderr=errors, stdin=subprocess.DEVNULL)
    try:
        while "mstore: ready" not in log.read_text():
            assert process.poll() is None, log.read_text()
            sleep(0.01)
        yield process, path, log
    finally:
        process.kill()
        process.wait()
    assert "Traceback" not in log.read_text(), log.read_text()


def ask(path: Path, *requests: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(WAIT)
        client.connect(str(path))
        client.sendall(b"".join(requests))
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_end(root: Path, number: int) -> None:
    with serving(root, "--over-quota", "permanent") as (process, path, log):
        answer = ask(path, asking("full@x"), asking("half@x", 100), asking("half@x", 900), asking("nobody@x"))
        full = f"action={FOR_GOOD}\n\n".encode()
        assert answer == full + DUNNO + full + DUNNO
        with socket.socket(socket.AF_UNIX) as idle:
            idle.connect(str(path))
            process.send_signal(number)
            assert process.wait(WAIT) == 0
        lines = log.read_text().splitlines()
    assert not path.exists()
    said = [line.partition(" from <ann@x>, client unknown, ") for line in lines if "refused" in line]
    assert [(who, what) for who, _, what in said] == [
        (
            "mstore: <full@x>",
            f"0 bytes: refused: {FOR_GOOD} (the mailbox is full: 200 of 100 bytes are used, {MORE % 1})",
        ),
        (
            "mstore: <half@x>",
            f"900 bytes: refused: {FOR_GOOD} (the mailbox is full: 200 of 1000 bytes are used, {MORE % 900})",
        ),
    ]
    assert len(lines) == 4


def test_each_option_is_heard(root: Path) -> None:
    options = (
        "--success",
        "OK",
        "--unknown-user",
        "reject",
        "--on-trouble",
        "defer",
        "--sub-address",
        "--separator",
        "-",
    )
    (root / "broken.db").write_text("no database at all\n" * 100)
    give(root)
    with serving(root, *options, "--cache", "0", "--timeout", "60", "-v") as (_, path, log):
        answer = ask(path, asking("half-lists@x"), asking("nobody@x"), asking("broken@x"), asking("full-@x"))
        assert answer == (
            b"action=OK\n\n"
            b"action=550 5.1.1 no such user here\n\n"
            b"action=DEFER_IF_PERMIT 4.3.0 mailbox cannot be looked at, try again later\n\n" + FULL
        )
        said = [line.partition(" bytes: ")[2] for line in log.read_text().splitlines() if "bytes:" in line]
    assert [line.partition(" (")[0] for line in said] == [
        "answered: OK",
        "refused: 550 5.1.1 no such user here",
        "answered: DEFER_IF_PERMIT 4.3.0 mailbox cannot be looked at, try again later",
        "refused: 452 4.2.2 mailbox full",
    ]


def test_rules_for_all(root: Path) -> None:
    (root / "rules").write_text('storage = "1K"\nmessage_size = 50\n')
    command = ("--listen", "-", "--quota", str(root / "rules"), *AS_USER, f"sqlite:{root}/%n.db")
    ran = policyd(*command, data=asking("full@x", 50) + asking("full@x", 51))
    assert ran.out.encode() == DUNNO + b"action=552 5.2.3 message too large for this mailbox\n\n"
    (root / "rules").write_text("storage = -1\n")
    ran = policyd(*command)
    assert (ran.code, ran.out) == (64, "")
    assert ran.err.startswith(f"mstore: {root}/rules: ")


def test_one_client_on_standard_input_and_output(root: Path) -> None:
    command = ("--listen", "-", *AS_USER, f"sqlite:{root}/%n.db")
    ran = policyd(*command, data=asking("full@x") + asking("half@x"))
    assert (ran.code, ran.out.encode()) == (0, FULL + DUNNO)
    assert len(ran.err.splitlines()) == 1
    ran = policyd(*command, data=asking("half@x") + b"nonsense\n\n" + asking("full@x"))
    assert (ran.code, ran.out.encode()) == (0, DUNNO)
    assert ran.err == "mstore: connection closed: a line that is not name=value is no policy request\n"


def test_standard_error_that_is_the_connection_is_left_alone(root: Path) -> None:
    """As spawn(8) starts it: one socket is all three."""
    ours, theirs = socket.socketpair()
    with ours:
        ours.settimeout(WAIT)
        command = [*COMMAND, "quota", "policyd", "-v", "--listen", "-", *AS_USER]
        with theirs:
            process = subprocess.Popen([*command, f"sqlite:{root}/%n.db"], stdin=theirs, stdout=theirs, stderr=theirs)
        ours.sendall(asking("full@x"))
        assert ours.recv(65536) == FULL
        ours.sendall(asking("half@x") + b"nonsense\n\n")
        assert b"".join(iter(lambda: ours.recv(65536), b"")) == DUNNO
        assert process.wait(WAIT) == 0
    ours, theirs = socket.socketpair()
    with ours:
        ours.settimeout(WAIT)
        with theirs:
            process = subprocess.Popen([*command, "sqlite:%z"], stdin=theirs, stdout=theirs, stderr=theirs)
        assert ours.recv(65536) == b""
        assert process.wait(WAIT) == 64


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("sqlite:x",), "say where to listen: --listen HOST:PORT or --listen unix:PATH"),
        (
            ("--listen", "-", "--listen", "127.0.0.1:0", "sqlite:x"),
            "--listen - is for one client, and for no other address",
        ),
        (("--listen", "nowhere", "sqlite:x"), "'nowhere': HOST:PORT or unix:PATH is wanted"),
        (("--listen", "127.0.0.1:0", "sqlite:%z"), "sqlite:%z: there is no %z; there are %u, %n, %d, %h and %%"),
        (("--listen", "127.0.0.1:0", ""), "the location is empty"),
        (
            ("--listen", "127.0.0.1:0", "--user", "no-such-user", "sqlite:x"),
            "--user no-such-user: there is no such user",
        ),
        (("--listen", "127.0.0.1:0", "--user", "root", "sqlite:x"), "--user root: mailboxes are not looked at as root"),
    ],
)
def test_what_makes_no_sense(arguments: tuple[str, ...], why: str) -> None:
    user = () if "--user" in arguments else AS_USER
    ran = policyd(*user, *arguments)
    assert (ran.code, ran.out, ran.err) == (64, "", f"mstore: {why}\n")


@pytest.mark.root
def test_not_as_root() -> None:
    ran = policyd("--listen", "127.0.0.1:0", "sqlite:x")
    assert ran.code == 64
    assert ran.err == "mstore: mailboxes are not looked at as root: say --user NAME, and root becomes that user first\n"


def test_standard_input_has_to_be_a_stream(root: Path) -> None:
    (root / "file").write_bytes(asking("full@x"))
    with (root / "file").open("rb") as file:
        command = [*COMMAND, "quota", "policyd", "--listen", "-", *AS_USER, f"sqlite:{root}/%n.db"]
        done = subprocess.run(command, stdin=file, capture_output=True, timeout=WAIT, check=False)
    assert done.returncode == 64
    assert done.stdout == b""
    assert done.stderr == b"mstore: standard input and output have to be a pipe, a socket or a terminal\n"
