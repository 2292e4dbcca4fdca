"""A real Postfix hands mail over: delivered, deferred and bounced as intended."""

import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.postfix import Postfix, running

from mailstore import open_store

pytestmark = [pytest.mark.interop, pytest.mark.root]

MAIL = b"From: Ann <ann@example.org>\r\nSubject: hello\r\nStatus: RO\r\n\r\nbody\r\n.dot\r\nFrom here\r\n"
BODY = b"\nbody\n.dot\nFrom here\n"
PIPE = (
    "mstore unix - n n - - pipe flags=hu user=games null_sender= "
    "argv={root}/mstore deliver -f ${sender} -r ${recipient} -d ${recipient} --sub-address %s\n"
)


def stored(location: str, folder: str = "INBOX") -> list[bytes]:
    with open_store(location, readonly=True) as store:
        return [message.bytes() for message in store.folder(folder)]


def check(message: bytes, recipient: str, sender: str = "ann@example.org") -> None:
    """The envelope is said once, in front, and the body is what was sent."""
    head, _, _ = message.partition(b"\n\n")
    assert message.startswith(b"Return-Path: <" + sender.encode() + b">\n")
    assert b"\nDelivered-To: " + recipient.encode() + b"\n" in head
    assert head.count(b"Return-Path:") == head.count(b"Delivered-To:") == 1
    assert message.endswith(BODY)


def test_mailbox_command() -> None:
    """Run as the user, with a From_ line and a Return-Path in front; these users have no home of their own."""
    settings = (
        "mailbox_command = XDG_STATE_HOME={root}/mail/.state-$USER {root}/mstore deliver "
        '-f "$SENDER" -r "$RECIPIENT" -d "$USER" --create mbox:{root}/mail/%u\n'
    )
    with running(settings) as postfix:
        postfix.send(["games@local.test", "daemon+lists@local.test"], MAIL)
        (postfix.root / "mail" / "bin").mkdir(mode=0o700)  # root's: user bin cannot deliver there now
        postfix.send(["bin@local.test"], MAIL)
        postfix.send(["no-such-user@local.test"], MAIL)
        fates = postfix.fates(4)
        assert {to: (fate.status, fate.dsn) for to, fate in fates.items()} == {
            "games@local.test": ("sent", "2.0.0"),
            "daemon+lists@local.test": ("sent", "2.0.0"),
            "bin@local.test": ("deferred", "4.3.0"),
            "no-such-user@local.test": ("bounced", "5.1.1"),
        }
        for user, recipient in (("games", "games@local.test"), ("daemon", "daemon+lists@local.test")):
            box = postfix.root / "mail" / user
            assert box.owner() == user
            (message,) = stored(f"mbox:{box}")
            check(message, recipient)
            assert b"Status:" not in message


def test_pipe() -> None:
    """One owner for all mailboxes; exit codes become delivered, deferred, bounced."""
    settings = (
        "virtual_mailbox_domains = virtual.test\nvirtual_transport = mstore\n"
        "virtual_mailbox_maps =\nmstore_destination_recipient_limit = 1\n"
    )
    with running(settings, PIPE % "maildir:{root}/mail/%d/%n") as postfix:
        joe = make(postfix, "joe")
        make(postfix, "full")
        (postfix.root / "mail" / "virtual.test" / "full" / "new").chmod(0o500)
        recipients = ["joe@virtual.test", "joe+lists@virtual.test", "full@virtual.test", "nobody@virtual.test"]
        postfix.send(recipients, MAIL)
        postfix.send(['".."@virtual.test'], MAIL)
        fates = postfix.fates(5)
        assert {to: (fate.status, fate.dsn) for to, fate in fates.items()} == {
            "joe@virtual.test": ("sent", "2.0.0"),
            "joe+lists@virtual.test": ("sent", "2.0.0"),
            "full@virtual.test": ("deferred", "4.3.0"),
            "nobody@virtual.test": ("deferred", "4.3.0"),  # no mailbox yet: the admin may be about to make it
            '".."@virtual.test': ("bounced", "5.1.1"),
        }
        assert "new: Permission denied" in fates["full@virtual.test"].said
        check(stored(f"maildir:{joe}")[0], "joe@virtual.test")
        check(stored(f"maildir:{joe}", "lists")[0], "joe+lists@virtual.test")
        assert len(stored(f"maildir:{joe}")) == 1
        postfix.send(["joe@virtual.test"], MAIL, sender="")
        wait_for(postfix, joe, 2)
        assert sum(message.startswith(b"Return-Path: <>\n") for message in stored(f"maildir:{joe}")) == 1


def test_lmtp() -> None:
    """One conversation for all recipients; LMTP codes become delivered, deferred, bounced."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = (
        f"virtual_mailbox_domains = virtual.test\nvirtual_transport = lmtp:inet:127.0.0.1:{port}\n"
        "virtual_mailbox_maps =\n"
    )
    with running(settings) as postfix:
        joe, ann = make(postfix, "joe"), make(postfix, "ann")
        make(postfix, "full")
        (postfix.root / "mail" / "virtual.test" / "full" / "new").chmod(0o500)
        command = [sys.executable, str(postfix.root / "code" / "serve"), "lmtp", "--listen", f"127.0.0.1:{port}"]
        (postfix.root / "code" / "serve").write_text("from mailstore_cli.start import run\nrun()\n")
        place = f"maildir:{postfix.root}/mail/%d/%n"
        server = subprocess.Popen([*command, "-u", "games", "--sub-address", place], stderr=subprocess.PIPE)
        try:
            wait_until_it_answers(port)
            recipients = ["joe@virtual.test", "ann@virtual.test", "full@virtual.test", "nobody@virtual.test"]
            postfix.send(recipients, MAIL)
            fates = postfix.fates(4)
        finally:
            server.terminate()
            said = server.communicate(timeout=60)[1]
        assert server.returncode == 0, said
        assert {to: (fate.status, fate.dsn) for to, fate in fates.items()} == {
            "joe@virtual.test": ("sent", "2.0.0"),
            "ann@virtual.test": ("sent", "2.0.0"),
            "full@virtual.test": ("deferred", fates["full@virtual.test"].dsn),
            "nobody@virtual.test": ("bounced", "5.1.1"),
        }
        assert fates["full@virtual.test"].dsn.startswith("4.")
        (first,), (second,) = stored(f"maildir:{joe}"), stored(f"maildir:{ann}")
        assert first == second
        assert first.startswith(b"Return-Path: <ann@example.org>\n")
        assert first.endswith(BODY)
        files = [next((box / "new").iterdir()) for box in (joe, ann)]
        assert files[0].stat().st_ino == files[1].stat().st_ino  # stored once


def wait_until_it_answers(port: int) -> None:
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the LMTP server does not answer")


def make(postfix: Postfix, name: str) -> Path:
    """Make a virtual mailbox with a folder, owned by the user that the pipe runs as."""
    box = postfix.root / "mail" / "virtual.test" / name
    box.parent.mkdir(exist_ok=True)
    with open_store(f"maildir:{box}", create=True) as store:
        store.create("lists")
    for path in (box.parent, box, *box.rglob("*")):
        shutil.chown(path, "games", "games")
    return box


def wait_for(postfix: Postfix, box: Path, count: int) -> None:
    for _ in range(300):
        if len(list((box / "new").iterdir())) + len(list((box / "cur").iterdir())) >= count:
            return
        time.sleep(0.1)
    raise AssertionError((postfix.root / "log").read_text())
