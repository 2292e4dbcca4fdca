"""lmtp_load.py ADDRESS COUNT CONNECTIONS MAILBOXES: send mails to an LMTP server; prints how many and the seconds.

ADDRESS is ``HOST:PORT`` or ``unix:PATH``. Every mail has about 4 KB and one recipient, ``box<n>@bench.example``. One
process, one thread, a state machine a connection; MAIL, RCPT and DATA go out together where the server says PIPELINING,
one by one where it does not. Whatever is not answered 250 ends the run: it counts durable deliveries only.
"""

import selectors
import socket
import sys
import time

BODY = b"".join(
    b"line %03d of a message that is about four kilobytes long, as most of them are\r\n" % n for n in range(48)
)


def connect(address: str) -> socket.socket:
    """Return a connected socket."""
    if address.startswith("unix:"):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(address[5:])
        return sock
    host, _, port = address.rpartition(":")
    sock = socket.create_connection((host, int(port)))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


class Sender:
    """One connection: what it waits for, and what it sends then."""

    def __init__(self, address: str, mails: "Mails") -> None:
        self.sock = connect(address)
        self.mails = mails
        self.read = b""
        self.steps = self.talk()
        self.wanted: int = next(self.steps)

    def talk(self):  # type: ignore[no-untyped-def]
        """Yield how many final replies are awaited; gets them sent."""
        check((yield 1), b"220")
        self.sock.sendall(b"LHLO bench.example\r\n")
        replies = yield 1
        pipelining = b"PIPELINING" in replies
        while (mail := self.mails.take()) is not None:
            box, number = mail
            envelope = [b"MAIL FROM:<sender@example.org>\r\n", b"RCPT TO:<box%d@bench.example>\r\n" % box, b"DATA\r\n"]
            if pipelining:
                self.sock.sendall(b"".join(envelope))
                check((yield 3), b"354")
            else:
                for line in envelope:
                    self.sock.sendall(line)
                    check((yield 1), b"354" if line == b"DATA\r\n" else b"250")
            head = b"From: sender@example.org\r\nSubject: %d\r\nMessage-ID: <%d@bench.example>\r\n\r\n" % (
                number,
                number,
            )
            self.sock.sendall(head + BODY + b".\r\n")
            check((yield 1), b"250")
            self.mails.done += 1

    def ready(self) -> bool:
        """Take what came; False when the connection has nothing more to do."""
        data = self.sock.recv(65536)
        if not data:
            sys.exit("the server closed a connection")
        self.read += data
        lines = self.read.split(b"\r\n")[:-1]
        if sum(line[3:4] == b" " or len(line) == 3 for line in lines) < self.wanted:
            return True
        replies, self.read = self.read, b""
        try:
            self.wanted = self.steps.send(replies)
        except StopIteration:
            return False
        return True


class Mails:
    """What is still to be sent, and what arrived."""

    def __init__(self, count: int, boxes: int) -> None:
        self.count, self.boxes = count, boxes
        self.taken = self.done = 0

    def take(self) -> tuple[int, int] | None:
        """Return mailbox and number of the next mail."""
        if self.taken == self.count:
            return None
        self.taken += 1
        return self.taken % self.boxes, self.taken


def check(replies: bytes, code: bytes) -> None:
    """End the run where the last reply is not the one expected."""
    last = replies.rstrip().rpartition(b"\n")[2]
    if not last.startswith(code):
        sys.exit(f"expected {code!r}: {replies!r}")


def main() -> None:
    """Send them all."""
    address, count, connections, boxes = sys.argv[1], *map(int, sys.argv[2:5])
    mails = Mails(count, boxes)
    start = time.perf_counter()
    with selectors.DefaultSelector() as selector:
        for _ in range(connections):
            sender = Sender(address, mails)
            selector.register(sender.sock, selectors.EVENT_READ, sender)
        while selector.get_map():
            for key, _ in selector.select():
                if not key.data.ready():
                    selector.unregister(key.fileobj)
                    key.data.sock.close()
    seconds = time.perf_counter() - start
    print(mails.done, seconds)


if __name__ == "__main__":
    main()
