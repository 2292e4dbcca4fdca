"""A real Postfix asks the policy server: a full mailbox is refused at RCPT, before the body; all else comes through."""

import shutil
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.postfix import Postfix, running

from mailstore import open_store
from mailstore.model.quota import QuotaRules

pytestmark = [pytest.mark.interop, pytest.mark.root]

BODY = b"Subject: hello\r\n\r\n" + b"a line of some length\r\n" * 40
PLACE = "maildir:%s/mail/%%d/%%n"
SETTINGS = (
    "virtual_mailbox_domains = virtual.test\nvirtual_transport = mstore\nvirtual_mailbox_maps =\n"
    "mstore_destination_recipient_limit = 1\n"
    "smtpd_recipient_restrictions = check_policy_service { %s }, permit_mynetworks, reject\n"
)
MASTER = (
    "mstore unix - n n - - pipe flags=hu user=games null_sender= "
    "argv={root}/mstore deliver -f ${sender} -r ${recipient} -d ${recipient} maildir:{root}/mail/%d/%n\n"
)
FULL = b"5.2.2 <full@virtual.test>: Recipient address rejected: mailbox full"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def make(postfix: Postfix, name: str, rules: QuotaRules | None, *messages: bytes) -> Path:
    """Make a mailbox of the user that mail is delivered as."""
    box = postfix.root / "mail" / "virtual.test" / name
    box.parent.mkdir(exist_ok=True)
    with open_store(f"maildir:{box}", create=True) as store:
        if rules is not None:
            store.quota.set_rules(rules)
        with store.quota.unenforced():
            for message in messages:
                store.inbox.append(message)
    for path in (box.parent, box, *box.rglob("*")):
        shutil.chown(path, "games", "games")
    return box


def mailboxes(postfix: Postfix) -> None:
    make(postfix, "full", QuotaRules(storage=10_000), b"x" * 10_000)
    make(postfix, "half", QuotaRules(storage=10_000), b"x" * 5000)
    make(postfix, "small", QuotaRules(message_size=500))
    make(postfix, "free", None)


@contextmanager
def policyd(postfix: Postfix, port: int, *options: str) -> Iterator[Path]:
    """Run the server; gives the file that it logs to."""
    start = postfix.root / "code" / "policyd"
    start.write_text("from mailstore_cli.start import run\nrun()\n")
    command = [sys.executable, str(start), "quota", "policyd", "--listen", f"127.0.0.1:{port}", "-u", "games"]
    log = postfix.root / "policyd.log"
    with log.open("wb") as errors:
        server = subprocess.Popen([*command, *options, PLACE % postfix.root], stderr=errors)
    try:
        for _ in range(600):
            if "mstore: ready" in log.read_text():
                break
            assert server.poll() is None, log.read_text()
            time.sleep(0.1)
        yield log
        server.terminate()
        assert server.wait(60) == 0
    finally:
        server.kill()
        server.wait()
    assert "Traceback" not in log.read_text()


def rcpt(client: smtplib.SMTP, recipient: str, size: int | None = None) -> tuple[int, bytes]:
    """Return the reply to RCPT for a message declared to have ``size`` bytes."""
    declared = "" if size is None else f" SIZE={size}"
    assert client.docmd("MAIL", f"FROM:<ann@example.org>{declared}")[0] == 250
    reply = client.docmd("RCPT", f"TO:<{recipient}>")
    client.rset()
    return reply


def client_of(port: int) -> smtplib.SMTP:
    client = smtplib.SMTP("127.0.0.1", port, local_hostname="client.example.org", timeout=60)
    client.ehlo()
    return client


def everything(root: Path) -> dict[str, tuple[int, int, bytes]]:
    """Inode, time of change and contents of all that lies below."""
    return {
        str(path): (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in sorted(root.rglob("*"))
    }


def test_refused_before_the_body() -> None:
    port = free_port()
    with running(SETTINGS % f"inet:127.0.0.1:{port}", MASTER) as postfix:
        mailboxes(postfix)
        before = everything(postfix.root / "mail")
        with (
            policyd(postfix, port, "--over-quota", "permanent", "--cache", "0") as log,
            client_of(postfix.port) as client,
        ):
            assert rcpt(client, "full@virtual.test") == (554, FULL)
            assert rcpt(client, "full@virtual.test", 10) == (554, FULL)
            assert rcpt(client, '"full"@virtual.test')[0] == 554
            assert rcpt(client, "half@virtual.test", 4000)[0] == 250
            assert rcpt(client, "half@virtual.test", 6000) == (554, FULL.replace(b"full@", b"half@"))
            assert rcpt(client, "half@virtual.test", 20_000)[0] == 552
            assert rcpt(client, "half@virtual.test")[0] == 250
            too_large = b"5.2.3 <small@virtual.test>: Recipient address rejected: message too large for this mailbox"
            assert rcpt(client, "small@virtual.test", 501) == (552, too_large)
            assert rcpt(client, "small@virtual.test", 500)[0] == 250
            assert rcpt(client, "free@virtual.test", 9_000_000)[0] == 250
            assert rcpt(client, "nobody@virtual.test", 100)[0] == 250
            assert everything(postfix.root / "mail") == before

            refused = client.sendmail(
                "ann@example.org", [f"{one}@virtual.test" for one in ("full", "half", "free")], BODY
            )
            assert refused == {"full@virtual.test": (554, FULL)}
            fates = postfix.fates(2)
            assert {to: fate.status for to, fate in fates.items()} == {
                "half@virtual.test": "sent",
                "free@virtual.test": "sent",
            }
        for name, count in (("full", 1), ("half", 2), ("free", 1)):
            with open_store(f"maildir:{postfix.root}/mail/virtual.test/{name}", readonly=True) as store:
                assert store.inbox.state().messages == count
        refusals = [line for line in log.read_text().splitlines() if "refused" in line]
        assert len(refusals) == 7
        assert refusals[0].startswith(
            "mstore: <full@virtual.test> from <ann@example.org>, client 127.0.0.1, 0 bytes: refused: 554 5.2.2 mailbox"
        )


def test_temporary_is_what_it_is_by_default() -> None:
    """And Postfix starts the server itself: spawn(8), a process for each connection."""
    master = MASTER + (
        "quota unix - n n - 0 spawn user=games argv={root}/mstore quota policyd --listen - maildir:{root}/mail/%d/%n\n"
    )
    with running(SETTINGS % "unix:private/quota", master) as postfix:
        mailboxes(postfix)
        with client_of(postfix.port) as client:
            assert rcpt(client, "full@virtual.test") == (452, FULL.replace(b"5.2.2", b"4.2.2"))
            assert rcpt(client, "half@virtual.test", 100)[0] == 250
            assert rcpt(client, "full@virtual.test") == (452, FULL.replace(b"5.2.2", b"4.2.2"))
        log = (postfix.root / "log").read_text().splitlines()
        assert [line for line in log if "warning" in line and "overriding earlier entry" not in line] == []


def test_without_the_server_mail_comes_in_where_that_is_said() -> None:
    """What docs/policyd.md says of a server that is down, with and without default_action."""
    port, other = free_port(), free_port()
    service = f"inet:127.0.0.1:{port}, timeout=10s, try_limit=1"
    restrictions = "check_policy_service { " + service + " }, permit_mynetworks, reject"
    master = MASTER + f"127.0.0.1:{other} inet n - n - - smtpd -o "
    master += "{ smtpd_recipient_restrictions = " + restrictions + " }\n"
    with running(SETTINGS % f"{service}, default_action=DUNNO", master) as postfix:
        mailboxes(postfix)
        with client_of(other) as client:
            code, text = rcpt(client, "half@virtual.test", 100)
            assert (code, text) == (
                451,
                b"4.3.5 <half@virtual.test>: Recipient address rejected: Server configuration problem",
            )
        with client_of(postfix.port) as client:
            assert client.sendmail("ann@example.org", ["half@virtual.test", "full@virtual.test"], BODY) == {}
        fates = postfix.fates(2)
        assert {to: (fate.status, fate.dsn) for to, fate in fates.items()} == {
            "half@virtual.test": ("sent", "2.0.0"),
            "full@virtual.test": ("deferred", "4.3.0"),
        }
