"""The server: many requests, many clients, nonsense, and the ways to end; mailboxes are made up."""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailstore import QuotaRules
from mailstore.errors import CorruptStore, MessageTooLarge, NoSuchStore, QuotaExceeded
from mailstore.policy import Answers, Mailboxes, Server, Settings, listen
from mailstore.policy.protocol import LONGEST

WAIT = 60.0
FULL = b"action=452 4.2.2 mailbox full\n\n"
DUNNO = b"action=DUNNO\n\n"


class Made:
    """Mailboxes that are made up: of ``N@x`` so many bytes fit. Notes what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, int]] = []
        self.gate = threading.Event()
        self.begun = threading.Event()

    def check(self, location: str, folder: str, size: int, *, lock_timeout: float, quota: QuotaRules | None) -> None:
        assert lock_timeout > 0
        assert quota is None
        self.asked.append((location, folder, size))
        name = location.rpartition("/")[2]
        if name == "slow":
            self.begun.set()
            assert self.gate.wait(WAIT)
        elif name == "broken":
            raise CorruptStore("broken: no maildirsize\nat all", path=location)
        elif name == "defect":
            raise ZeroDivisionError("never")
        elif not name.isdecimal():
            raise NoSuchStore(f"nothing at {location}", path=location)
        elif size > 10 * int(name) > 0:
            raise MessageTooLarge(f"{size} bytes")
        elif max(size, 1) > int(name):
            raise QuotaExceeded(f"{name} bytes fit", resource="STORAGE", limit=1, usage=1, wanted=1)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[Made]:
    found = Made()
    monkeypatch.setattr("mailstore.policy.server.check", found.check)
    yield found
    found.gate.set()


class Serving:
    """A server in a thread.

    Attributes:
        server: itself.
        address: of its socket.
    """

    def __init__(self, server: Server, sock: socket.socket) -> None:
        self.server = server
        self.address = sock.getsockname()
        self._family = sock.family

    def connect(self) -> socket.socket:
        client = socket.socket(self._family)
        client.settimeout(WAIT)
        try:
            client.connect(self.address)
        except OSError:
            client.close()
            raise
        return client

    def stop(self) -> None:
        self.server.loop.call_soon_threadsafe(self.server.stop)


@contextmanager
def serving(
    address: str = "127.0.0.1:0", template: str = "memory:/%n", settings: Settings | None = None, **mailboxes: bool
) -> Iterator[Serving]:
    server = Server(settings or Settings(timeout=WAIT), Mailboxes(template, **mailboxes))
    sockets = listen(address)
    ready = threading.Event()
    found = Serving(server, sockets[0])
    thread = threading.Thread(target=lambda: asyncio.run(server.run(sockets, ready.set)))
    thread.start()
    try:
        assert ready.wait(WAIT)
        yield found
        if not server.stopping:
            found.stop()
    finally:
        thread.join(WAIT)
        assert not thread.is_alive()


def request(recipient: str | bytes, size: int | str = 0, state: str = "RCPT", **more: str) -> bytes:
    name = recipient if isinstance(recipient, bytes) else recipient.encode()
    others = "".join(f"{key}={value}\n" for key, value in more.items())
    head = f"request=smtpd_access_policy\nprotocol_state={state}\n{others}size={size}\n"
    return head.encode() + b"recipient=" + name + b"\n\n"


def answers(client: socket.socket, count: int = 1) -> list[bytes]:
    """Read so many answers, and not more."""
    data = b""
    while data.count(b"\n\n") < count:
        piece = client.recv(65536)
        assert piece, data
        data += piece
    parts = data.split(b"\n\n")
    assert parts.pop() == b""
    assert len(parts) == count
    return [part + b"\n\n" for part in parts]


def all_that_comes(client: socket.socket) -> bytes:
    """Read until the server closes."""
    data = b""
    try:
        while piece := client.recv(65536):
            data += piece
    except ConnectionResetError:  # it closed with our bytes unread
        pass
    return data


def test_each_answer(made: Made) -> None:
    with serving() as server, server.connect() as client:
        for asked, answer in {
            request("500@x"): DUNNO,
            request("500@x", 500): DUNNO,
            request("500@x", 501): FULL,
            request("500@x", 5001): FULL,  # known already: not even 501 fit
            request("600@x", 6001): b"action=552 5.2.3 message too large for this mailbox\n\n",
            request("0@x"): FULL,
            request("0@x", "nonsense"): FULL,
            request("nobody@x"): DUNNO,
            request("..@x"): DUNNO,
            request("a/b@x"): DUNNO,
            request(b"\xff\xfe@x"): DUNNO,
            request("broken@x"): DUNNO,
            request("0@x", state="MAIL"): DUNNO,
            request("0@x", state="DATA"): FULL,
            request("0@x", 1, state="END-OF-MESSAGE"): FULL,
            request("", 1, state="END-OF-MESSAGE", recipient_count="2"): DUNNO,
            request(""): DUNNO,
        }.items():
            client.sendall(asked)
            assert answers(client) == [answer], asked
    assert made.asked[:2] == [("memory:/500", "INBOX", 0), ("memory:/500", "INBOX", 500)]


def test_each_answer_of_the_other_settings(made: Made) -> None:
    other = Answers("OK", "permanent", "reject", "defer")
    with serving(settings=Settings(answers=other, timeout=WAIT)) as server, server.connect() as client:
        for recipient, answer in {
            "500@x": b"action=OK\n\n",
            "0@x": b"action=554 5.2.2 mailbox full\n\n",
            "nobody@x": b"action=550 5.1.1 no such user here\n\n",
            "..@x": b"action=550 5.1.1 no such user here\n\n",
            "broken@x": b"action=DEFER_IF_PERMIT 4.3.0 mailbox cannot be looked at, try again later\n\n",
            "": DUNNO,
        }.items():
            client.sendall(request(recipient))
            assert answers(client) == [answer], recipient


def test_pipelined_requests_are_answered_in_order(made: Made) -> None:
    wanted = [(f"{number % 7 * 100}@x", DUNNO if number % 7 else FULL) for number in range(500)]
    with serving() as server, server.connect() as client:
        client.sendall(b"".join(request(recipient) for recipient, _ in wanted))
        assert answers(client, len(wanted)) == [answer for _, answer in wanted]
        for octet in request("0@x"):
            client.sendall(bytes([octet]))
        assert answers(client) == [FULL]


def test_a_client_that_ends_its_side_gets_its_answer(made: Made) -> None:
    with serving() as server, server.connect() as client:
        client.sendall(request("0@x") + request("5@x"))
        client.shutdown(socket.SHUT_WR)
        assert all_that_comes(client) == FULL + DUNNO


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\n\n",
        b"\0\n\n",
        b"EHLO x\r\n\n\n",
        b"request=smtpd_access_policy\nrecipient\n\n",
        b"\x16\x03\x01\0\n\n" + bytes(1000),
        b"x" * (LONGEST + 1),
        b"request=smtpd_access_policy\n" * 3000,
    ],
)
def test_nonsense_is_not_answered(made: Made, nonsense: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with serving() as server, server.connect() as client, server.connect() as other:
        client.sendall(request("0@x") + nonsense)
        assert all_that_comes(client) == FULL
        other.sendall(request("0@x"))
        assert answers(other) == [FULL]
    closed = [record.message for record in caplog.records if "connection closed" in record.message]
    assert len(closed) == 1
    assert closed[0].endswith("is no policy request")


def test_a_request_that_never_ends_is_cut_off(made: Made) -> None:
    settings = Settings(idle_timeout=0.05, timeout=WAIT)
    with serving(settings=settings) as server, server.connect() as client, server.connect() as silent:
        client.sendall(request("0@x")[:-1])
        assert all_that_comes(client) == b""
        assert all_that_comes(silent) == b""
    assert made.asked == []


def test_a_client_that_goes_away_hurts_nobody(made: Made) -> None:
    with serving() as server, server.connect() as other:
        with server.connect() as client:
            client.sendall(request("slow@x"))
            assert made.begun.wait(WAIT)
        with server.connect() as client:
            client.sendall(request("0@x")[:20])
        made.gate.set()
        other.sendall(request("slow@x"))
        assert answers(other) == [DUNNO]


def test_a_mailbox_that_hangs_is_trouble_and_stops_nobody(made: Made) -> None:
    settings = Settings(answers=Answers(trouble="defer"), timeout=0.05)
    with serving(settings=settings) as server, server.connect() as client:
        client.sendall(request("slow@x"))
        assert answers(client) == [
            b"action=DEFER_IF_PERMIT 4.3.0 mailbox cannot be looked at, try again later\n\n",
        ]
        client.sendall(request("", 1))
        assert answers(client) == [DUNNO]


def test_ending_answers_what_is_under_way(made: Made) -> None:
    with serving() as server, server.connect() as client, server.connect() as idle:
        idle.sendall(request("5@x"))
        assert answers(idle) == [DUNNO]
        client.sendall(request("slow@x"))
        assert made.begun.wait(WAIT)
        server.stop()
        assert all_that_comes(idle) == b""
        made.gate.set()
        assert all_that_comes(client) == DUNNO
    with pytest.raises(ConnectionRefusedError):
        server.connect()


def test_too_many_connections(made: Made, caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings(connections=1, timeout=WAIT)
    with serving(settings=settings) as server, server.connect() as client:
        client.sendall(request("5@x"))
        assert answers(client) == [DUNNO]
        with server.connect() as second:
            assert all_that_comes(second) == b""
        client.sendall(request("5@x"))
        assert answers(client) == [DUNNO]
    assert "more than 1 connections: one closed" in caplog.messages


def test_a_unix_socket_and_folders_in_addresses(made: Made, tmp_path: Path) -> None:
    path = tmp_path / "policy"
    with serving(f"unix:{path}", "memory:%d/%n", sub_address=True) as server, server.connect() as client:
        for recipient in ("5+lists@x", "5+a/b@x", "5@x", "5+@x", '"5+q"@x'):
            client.sendall(request(recipient, 1))
            assert answers(client) == [DUNNO]
    assert not path.exists()
    assert made.asked == [
        ("memory:x/5", "lists", 1),
        ("memory:x/5", "a\\/b", 1),
        ("memory:x/5", "INBOX", 1),
        ("memory:x/5", "q", 1),
    ]


def said(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [
        record.message for record in caplog.records if record.name == "mailstore.policy" and record.levelno == level
    ]


def test_a_line_for_each_refusal_and_no_more(made: Made, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "mailstore.policy")
    more = {"sender": "a\x1b\rb", "client_address": "192.0.2.1"}
    with serving() as server, server.connect() as client:
        for recipient in ("0@x", "5@x", "broken@x", "nobody@x"):
            client.sendall(request(recipient, 3, **more))
            answers(client)
    who = "from <a??b>, client 192.0.2.1, 3 bytes:"
    assert said(caplog, logging.WARNING) == [
        f"<0@x> {who} refused: 452 4.2.2 mailbox full (0 bytes fit)",
        f"<broken@x> {who} answered: DUNNO (broken: no maildirsize?at all)",
    ]
    assert said(caplog, logging.INFO) == [
        f"<5@x> {who} answered: DUNNO",
        f"<nobody@x> {who} answered: DUNNO (nothing at memory:/nobody)",
    ]
    assert not any(record.exc_info for record in caplog.records)


def test_a_defect_is_trouble_and_shows_where_it_is(made: Made, caplog: pytest.LogCaptureFixture) -> None:
    with serving() as server, server.connect() as client:
        client.sendall(request("defect@x"))
        assert answers(client) == [DUNNO]
    (record,) = [record for record in caplog.records if record.name == "mailstore.policy"]
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


def test_many_clients_at_once(made: Made) -> None:
    results: dict[int, list[bytes]] = {}

    def talk(connect: Callable[[], socket.socket], number: int) -> None:
        with connect() as client:
            client.sendall(request(f"{number % 5}@x") * 20)
            results[number] = answers(client, 20)

    with serving() as server:
        threads = [threading.Thread(target=talk, args=(server.connect, number)) for number in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT)
    assert results == {number: [DUNNO if number % 5 else FULL] * 20 for number in range(40)}
