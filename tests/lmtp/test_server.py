"""The server as a whole: a process, its sockets, its replies, and what is in the stores then."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.lmtp import WAIT, Serving, give, place, serving, transact
from support.mstore import COMMAND, mstore
from support.privilege import small_disk

from mailstore import Message, open_store

AS_USER = ("--user", "nobody") if os.geteuid() == 0 else ()
BODY = b"Subject: hello\n\n.dot\nFrom here\nlast\n"
FORMS = {"maildir": "maildir:{}/%n", "sqlite": "sqlite:{}/%n.db", "account": "sqlite:{}/all.db?account=%n",
         "mbox": "mbox:{}/%n.mbox"}  # fmt: skip


@pytest.fixture
def root() -> Iterator[Path]:
    with place() as path:
        yield path


def location(root: Path, name: str, form: str = "maildir") -> str:
    return FORMS[form].format(root).replace("%n", name)


def make(root: Path, *names: str, form: str = "maildir") -> None:
    for name in names:
        open_store(location(root, name, form), create=True, index="memory").close()
    give(root)


def messages(root: Path, name: str, form: str = "maildir", folder: str = "INBOX") -> list[bytes]:
    with open_store(location(root, name, form), readonly=True) as store:
        return [read(message) for message in store.folder(folder)]


def read(message: Message) -> bytes:
    return message.bytes()


RECEIVED = re.compile(
    rb"Received: from client\.example\.org\n\tby mx\.example\.org with LMTP\n\tid [0-9a-f.]+(\n\tfor <[^>]+>)?; "
    rb"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000\n"
)


@pytest.mark.parametrize("form", FORMS)
def test_a_message_is_stored_with_its_trace(root: Path, form: str) -> None:
    make(root, "joe", form=form)
    with serving(root, FORMS[form].format(root)) as server:
        assert server.send(BODY, "joe@here") == [(250, b"2.0.0 <joe@here> Saved")]
        (stored,) = messages(root, "joe", form)
        match = RECEIVED.search(stored)
        assert match is not None
        assert match[1] == b"\n\tfor <joe@here>"
        assert stored == b"Return-Path: <ann@example.org>\nDelivered-To: joe@here\n" + match[0] + BODY
        assert server.end() == 0
    assert not server.path.exists()


@pytest.mark.parametrize("form", FORMS)
def test_nobody_is_unknown_where_nothing_is_mounted(root: Path, form: str) -> None:
    """An empty directory, however far above, does not tell who has mail; one with a single mailbox does."""
    place = root / "mail"
    place.mkdir()
    with serving(root, FORMS[form].format(place / "deep")) as server, server.client() as client:
        client.mail("<>")
        assert client.rcpt("joe@here") == (451, b"4.3.0 mailbox cannot be written just now, try again later")
        (place / "sue").mkdir()
        assert client.rcpt("joe@here") == (550, b"5.1.1 no such user here")


def test_each_recipient_has_its_reply_in_order(root: Path) -> None:
    make(root, "joe", "sue", "amy")
    (root / "amy" / "tmp").chmod(0o500)
    with serving(root, f"maildir:{root}/%n") as server:
        with server.client() as client:
            assert client.mail("<>")[0] == 250
            assert client.rcpt("sue@here") == (250, b"2.1.5 OK")
            assert client.rcpt("nobody@here") == (550, b"5.1.1 no such user here")
            assert client.rcpt("../joe@here") == (550, b"5.1.1 no such user here")
            assert client.rcpt("amy@here") == (250, b"2.1.5 OK")
            assert client.rcpt("joe@here") == (250, b"2.1.5 OK")
            assert client.rcpt("sue@here") == (250, b"2.1.5 OK")
            assert client.docmd("DATA")[0] == 354
            client.send(b"Subject: x\r\n\r\nbody\r\n.\r\n")
            assert [client.getreply() for _ in range(4)] == [
                (250, b"2.0.0 <sue@here> Saved"),
                (451, b"4.3.0 temporary failure, try again later"),
                (250, b"2.0.0 <joe@here> Saved"),
                (250, b"2.0.0 <sue@here> Saved"),
            ]
        stored = messages(root, "joe") + messages(root, "sue")
        assert len(stored) == 3
        assert len(set(stored)) == 1
        assert stored[0].startswith(b"Return-Path: <>\nReceived: ")
        assert b"joe" not in stored[0]
        assert b"sue" not in stored[0]
        files = [file.stat() for name in ("joe", "sue") for file in (root / name / "new").iterdir()]
        assert {(file.st_ino, file.st_nlink) for file in files} == {(files[0].st_ino, 3)}
        assert [list((root / name / "tmp").iterdir()) for name in ("joe", "sue")] == [[], []]
    assert "amy@here> 451" in server.log.read_text()


@pytest.mark.parametrize("form", ["sqlite", "account", "mbox"])
def test_several_recipients_in_stores_that_share_nothing(root: Path, form: str) -> None:
    make(root, "joe", "sue", form=form)
    with serving(root, FORMS[form].format(root)) as server:
        replies = server.send(BODY, "joe@here", "sue@here")
        assert replies == [(250, b"2.0.0 <joe@here> Saved"), (250, b"2.0.0 <sue@here> Saved")]
    assert messages(root, "joe", form) == messages(root, "sue", form)
    assert messages(root, "joe", form)[0].endswith(BODY)


@pytest.mark.parametrize("form", ["maildir", "sqlite", "mbox"])
def test_a_large_message_goes_by_way_of_a_file(root: Path, form: str) -> None:
    make(root, "joe", "sue", form=form)
    large = b"Subject: large\n\n" + b"".join(b"%07d line\n" % number for number in range(200_000))
    assert len(large) > 2 << 20
    with serving(root, FORMS[form].format(root)) as server, server.client() as client:
        for recipients in (["joe@here"], ["joe@here", "sue@here"]):
            assert [code for code, _ in transact(client, large, *recipients)] == [250] * len(recipients)
    stored = messages(root, "joe", form) + messages(root, "sue", form)
    assert len(stored) == 3
    assert [one[one.index(b"Subject") :] for one in stored] == [large] * 3


def test_create_sub_address_and_folder(root: Path) -> None:
    with serving(root, f"maildir:{root}/%d/%n", "--create", "--sub-address", "--folder", "Incoming") as server:
        assert server.send(BODY, "joe@here", "joe+lists@here") == [
            (250, b"2.0.0 <joe@here> Saved"),
            (250, b"2.0.0 <joe+lists@here> Saved"),
        ]
        assert len(messages(root / "here", "joe", folder="Incoming")) == 1
        assert len(messages(root / "here", "joe", folder="lists")) == 1
        assert messages(root / "here", "joe") == []


def test_without_create_a_folder_that_is_not_there_is_inbox(root: Path) -> None:
    make(root, "joe")
    with serving(root, f"maildir:{root}/%n", "--sub-address") as server:
        assert [code for code, _ in server.send(BODY, "joe+lists@here")] == [250]
    assert len(messages(root, "joe")) == 1


@pytest.mark.parametrize("by", ["message-id", "content"])
def test_once(root: Path, by: str) -> None:
    make(root, "joe", "sue")
    with serving(root, f"maildir:{root}/%n", "--once", by) as server:
        mail = b"Message-ID: <1@x>\n" + BODY
        assert server.send(mail, "joe@here") == [(250, b"2.0.0 <joe@here> Saved")]
        assert server.send(mail, "joe@here", "sue@here") == [
            (250, b"2.0.0 <joe@here> Known already"),
            (250, b"2.0.0 <sue@here> Saved"),
        ]
        assert [code for code, _ in server.send(mail + b"more\n", "joe@here")] == [250]
    assert len(messages(root, "joe")) == (1 if by == "message-id" else 2)
    assert len(messages(root, "sue")) == 1


def test_a_mailbox_replaced_while_the_server_runs(root: Path) -> None:
    make(root, "joe")
    with serving(root, f"maildir:{root}/%n") as server:
        assert [code for code, _ in server.send(BODY, "joe@here")] == [250]
        (root / "joe").rename(root / "old")
        make(root, "joe")
        assert [code for code, _ in server.send(BODY, "joe@here")] == [250]
        assert (len(messages(root, "old")), len(messages(root, "joe"))) == (1, 1)


def test_limits_of_size_recipients_and_connections(root: Path) -> None:
    make(root, "joe")
    options = ("--max-size", "1000", "--max-recipients", "1", "--max-connections", "2")
    with serving(root, f"maildir:{root}/%n", *options) as server, server.client() as client, server.client():
        assert client.esmtp_features["size"] == "1000"
        assert client.mail("a@b", ["SIZE=1001"])[0] == 552
        assert client.mail("a@b", ["SIZE=1000"])[0] == 250
        assert client.rcpt("joe@here")[0] == 250
        assert client.rcpt("joe@here") == (452, b"4.5.3 too many recipients")
        client.docmd("DATA")
        client.send(b"x" * 1001 + b"\r\n.\r\n")
        assert client.getreply() == (552, b"5.3.4 message too large for this system")
        with socket.socket(socket.AF_UNIX) as third:
            third.settimeout(WAIT)
            third.connect(str(server.path))
            assert third.recv(1000) == b"421 4.3.2 mx.example.org too many connections\r\n"
            assert third.recv(1000) == b""
        assert [code for code, _ in transact(client, BODY, "joe@here")] == [250]
    assert len(messages(root, "joe")) == 1


def test_a_silent_client_is_closed_and_its_half_message_forgotten(root: Path) -> None:
    make(root, "joe")
    with serving(root, f"maildir:{root}/%n", "--idle-timeout", "0.3") as server:
        with server.socket() as sock:
            sock.sendall(b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<joe>\r\nDATA\r\nhalf a mess")
            said = b""
            while piece := sock.recv(1000):
                said += piece
        assert said.endswith(b"421 4.4.2 mx.example.org idle for too long\r\n")
        assert server.end() == 0
    assert messages(root, "joe") == []


def test_sigterm_answers_what_is_under_way_and_takes_no_more(root: Path) -> None:
    make(root, "joe")
    with serving(root, f"maildir:{root}/%n") as server:
        with server.socket() as busy, server.socket() as idle:
            busy.sendall(b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<joe>\r\nDATA\r\n")
            while not busy.recv(1000).endswith(b"354 end data with <CR><LF>.<CR><LF>\r\n"):
                pass
            busy.sendall(b"half ")
            server.process.send_signal(signal.SIGTERM)
            assert idle.recv(1000) == b"421 4.3.2 mx.example.org shutting down\r\n"
            assert idle.recv(1000) == b""
            assert not server.path.exists()
            busy.sendall(b"and half\r\n.\r\n")
            said = b""
            while piece := busy.recv(1000):
                said += piece
            assert said == b"250 2.0.0 <joe> Saved\r\n421 4.3.2 mx.example.org shutting down\r\n"
        assert server.process.wait(WAIT) == 0
    assert len(messages(root, "joe")) == 1


def test_a_second_signal_ends_at_once(root: Path) -> None:
    make(root, "joe")
    with serving(root, f"maildir:{root}/%n") as server, server.socket() as busy, server.socket() as idle:
        busy.sendall(b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<joe>\r\nDATA\r\n")
        while not busy.recv(1000).endswith(b"354 end data with <CR><LF>.<CR><LF>\r\n"):
            pass
        server.process.send_signal(signal.SIGTERM)
        assert idle.recv(1000).startswith(b"421")
        assert server.end(signal.SIGINT) == 130


def load(server: Serving, worker: int, answered: list[bytes], stop: threading.Event) -> None:
    """Send mails until the server is gone; note those that were answered 250."""
    try:
        with server.socket() as sock:
            sock.sendall(b"LHLO x\r\n")
            number = 0
            while not stop.is_set():
                name = b"%d-%d" % (worker, number)
                box = b"box%d" % ((worker + number) % 3)
                sock.sendall(b"MAIL FROM:<>\r\nRCPT TO:<" + box + b"@here>\r\nDATA\r\n")
                said = b""
                while not said.endswith(b"354 end data with <CR><LF>.<CR><LF>\r\n"):
                    said += _some(sock)
                sock.sendall(b"Subject: " + name + b"\r\n\r\nbody\r\n.\r\n")
                said = b""
                while not said.endswith(b"\r\n"):
                    said += _some(sock)
                assert said.startswith(b"250 2.0.0 "), said
                answered.append(name)
                number += 1
    except ConnectionError:
        return


def _some(sock: socket.socket) -> bytes:
    piece = sock.recv(4096)
    if not piece:
        raise ConnectionResetError
    return piece


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_was_answered_is_there_once(root: Path, form: str, number: int) -> None:
    """Killed or ended under load. A mail that was not answered may be there; here nobody sends it again."""
    boxes = ("box0", "box1", "box2")
    make(root, *boxes, form=form)
    answered: list[list[bytes]] = [[] for _ in range(8)]
    stop = threading.Event()
    with serving(root, FORMS[form].format(root)) as server:
        threads = [threading.Thread(target=load, args=(server, n, answered[n], stop)) for n in range(len(answered))]
        for thread in threads:
            thread.start()
        while sum(map(len, answered)) < 150 and any(thread.is_alive() for thread in threads):
            threads[0].join(0.01)
        code = server.end(number)
        stop.set()
        for thread in threads:
            thread.join(WAIT)
        assert code == (-signal.SIGKILL if number == signal.SIGKILL else 0)
    promised = Counter(name for part in answered for name in part)
    assert sum(promised.values()) >= 150
    stored: Counter[bytes] = Counter()
    for box in boxes:
        with open_store(location(root, box, form)) as store:  # a writable opening finishes what was interrupted
            for message in store.inbox:
                found = re.search(rb"^Subject: (.*)$", message.bytes(), re.MULTILINE)
                assert found is not None
                assert message.bytes().endswith(b"\n\nbody\n")
                stored[found[1]] += 1
    assert set(promised) <= set(stored)
    assert set(stored.values()) == {1}


@pytest.mark.parametrize("form", ["maildir", "sqlite"])
def test_a_full_disk_is_temporary_and_spoils_nobody_elses_mail(root: Path, form: str) -> None:
    with small_disk(root / "disk", "size=1m,mode=777") as disk:
        make(disk, "joe", form=form)
        with serving(root, FORMS[form].format(disk)) as server, server.client() as client:
            small, large = b"Subject: small\n\nx\n", b"Subject: large\n\n" + b"x" * 900_000 + b"\n"
            codes = [transact(client, mail, "joe@here") for mail in (small, large, large, small)]
        replies = [reply for (reply,) in codes]
        assert replies[0][0] == 250
        assert (452, b"4.3.1 no space left") in replies
        assert all(reply[0] == 250 or reply == (452, b"4.3.1 no space left") for reply in replies)
        stored = messages(disk, "joe", form)
        assert len(stored) == sum(code == 250 for code, _ in replies)


def test_many_connections_at_once(root: Path) -> None:
    make(root, "joe")
    with serving(root, f"maildir:{root}/%n") as server:
        clients = [server.socket() for _ in range(40)]
        for number, client in enumerate(clients):
            client.sendall(
                b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<joe>\r\nDATA\r\nSubject: %d\r\n\r\n.\r\nQUIT\r\n" % number
            )
        for client in clients:
            said = b""
            while piece := client.recv(4096):
                said += piece
            assert said.endswith(b"250 2.0.0 <joe> Saved\r\n221 2.0.0 mx.example.org bye\r\n")
            client.close()
    subjects = {re.search(rb"Subject: (\d+)", one)[1] for one in messages(root, "joe")}  # type: ignore[index]
    assert subjects == {b"%d" % number for number in range(40)}


def test_tcp(root: Path) -> None:
    make(root, "joe")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (
        serving(root, f"maildir:{root}/%n", "--listen", f"127.0.0.1:{port}"),
        socket.create_connection(("127.0.0.1", port), WAIT) as sock,
    ):
        sock.sendall(b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<joe>\r\nDATA\r\n\r\n.\r\nQUIT\r\n")
        said = b""
        while piece := sock.recv(4096):
            said += piece
        assert b"250 2.0.0 <joe> Saved\r\n" in said
    assert b"\nReceived: from x ([127.0.0.1])\n" in messages(root, "joe")[0]


def test_sockets_of_the_service_manager(root: Path) -> None:
    make(root, "joe")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(root / "given"))
    (root / "given").chmod(0o666)
    listener.listen()
    start = (
        "import os, sys\n"
        f"os.dup2({listener.fileno()}, 3); os.set_inheritable(3, True)\n"
        "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1')\n"
        "os.execv(sys.argv[1], sys.argv[1:])\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", start, *COMMAND, "lmtp", *AS_USER, f"maildir:{root}/%n"],
        pass_fds=[listener.fileno()],
        stderr=subprocess.PIPE,
    )
    try:
        served = Serving(root / "given", process, root / "log")
        assert [code for code, _ in served.send(BODY, "joe@here")] == [250]
        assert served.end() == 0
    finally:
        process.kill()
        process.communicate()
        listener.close()
    assert len(messages(root, "joe")) == 1


def test_what_is_in_the_way_of_a_socket(root: Path) -> None:
    """Another server, a file, a link: refused. What a dead server left: replaced."""
    make(root, "joe")
    template = f"maildir:{root}/%n"
    with serving(root, template) as server:
        again = mstore("lmtp", "--listen", f"unix:{server.path}", *AS_USER, template)
        assert (again.code, "another server listens there" in again.err) == (73, True)
        server.process.kill()
        server.process.wait()
    assert server.path.is_socket()
    with serving(root, template) as server:
        assert [code for code, _ in server.send(BODY, "joe@here")] == [250]
        assert server.end() == 0
    (root / "file").write_text("mine")
    (root / "link").symlink_to(root / "elsewhere")
    for name in ("file", "link"):
        refused = mstore("lmtp", "--listen", f"unix:{root / name}", *AS_USER, template)
        assert (refused.code, "is no socket" in refused.err) == (73, True)
    assert (root / "file").read_text() == "mine"
    assert not (root / "elsewhere").exists()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ((), "say where to listen"),
        (("--listen", "here"), "HOST:PORT or unix:PATH is wanted"),
        (("--listen", "127.0.0.1:99999"), "HOST:PORT or unix:PATH is wanted"),
        (("--listen", "unix:/x", "--socket-mode", "888"), "three octal digits"),
        (("--listen", "unix:/x", "--socket-owner", "no-such-user"), "--socket-owner"),
    ],
)
def test_options_that_make_no_sense(tmp_path: Path, options: tuple[str, ...], text: str) -> None:
    ran = mstore("lmtp", *AS_USER, *options, f"maildir:{tmp_path}/%n")
    assert (ran.code, text in ran.err) == (64, True), ran


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: another user has nothing to drop")
@pytest.mark.parametrize("options", [(), ("--user", "root"), ("--user", "no-such-user")])
def test_root_does_not_deliver(tmp_path: Path, options: tuple[str, ...]) -> None:
    ran = mstore("lmtp", "--listen", f"unix:{tmp_path}/s", *options, f"maildir:{tmp_path}/%n")
    assert ran.code == 64, ran
    assert not (tmp_path / "s").exists()


def test_a_template_that_makes_no_sense(tmp_path: Path) -> None:
    ran = mstore("lmtp", "--listen", f"unix:{tmp_path}/s", f"maildir:{tmp_path}/%z")
    assert (ran.code, "there is no %z" in ran.err) == (64, True)


def test_a_client_that_leaves_harms_nobody(root: Path) -> None:
    make(root, "joe")
    with serving(root, f"maildir:{root}/%n") as server:
        for said in (b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<joe>\r\nDATA\r\n" + b"x" * (3 << 20), b"", b"LHLO"):
            with server.socket() as sock:
                sock.sendall(said)
        assert [code for code, _ in server.send(BODY, "joe@here")] == [250]
        assert server.end() == 0
    assert len(messages(root, "joe")) == 1
