"""A store that procmail delivers to all the time is followed and switched: everything is there, once."""

from __future__ import annotations

import subprocess
import threading
from collections import Counter
from pathlib import Path

import pytest
from support.peers import need

from mailstore import open_store
from mailstore.convert import Follower, Options, Status, convert, verify_stores
from mailstore.testing.observe import bodies

pytestmark = pytest.mark.interop


class Deliveries(threading.Thread):
    """Delivers one message after the other, as an MTA would; all of them came in when it has ended."""

    def __init__(self, procmail: str, target: Path, *, maildir: bool) -> None:
        super().__init__()
        default = f"DEFAULT={target}{'/' * maildir}"
        self._words = [procmail, "-f", "joe@example.org", "-m", default, "VERBOSE=no", "/dev/null"]
        self.begun, self.over = threading.Event(), threading.Event()
        self.count = 0
        self.failed: list[bytes] = []

    def run(self) -> None:
        while not self.over.is_set():
            mail = b"Subject: message %d\n\nthrough procmail\n" % self.count
            ran = subprocess.run(self._words, input=mail, capture_output=True, check=False)
            if ran.returncode:
                self.failed.append(ran.stderr)
            self.count += 1
            self.begun.set()


@pytest.mark.parametrize("maildir", [False, True], ids=["mbox", "maildir"])
def test_procmail_delivers_all_the_time(tmp_path: Path, maildir: bool) -> None:
    need("procmail")
    place = tmp_path / "mail"
    origin = f"{'maildir' if maildir else 'mbox'}:{place}"
    open_store(origin, create=True).close()
    deliveries = Deliveries("procmail", place, maildir=maildir)
    deliveries.start()
    try:
        assert deliveries.begun.wait(60)
        with open_store(origin, readonly=True) as old, open_store(f"sqlite:{tmp_path}/to.db", create=True) as new:

            def tell(status: Status) -> None:
                if status.state == "following" and status.copied >= 5:
                    follower.switch()
                if status.state == "switching" and maildir:
                    deliveries.over.set()  # nobody keeps procmail out of a Maildir: it has to pause

            follower = Follower(old, new, Options(processes=1), tell=tell)

            def at_switch() -> bool:
                deliveries.over.set()
                return True

            ended = follower.run(at_switch)
            assert (ended.switched, ended.ok) == (True, True)
            deliveries.join()
            assert deliveries.failed == []
            convert(old, new, Options(processes=1))  # what waited for the locks
            assert verify_stores(old, new).differences == []
            found = Counter(bodies(new.inbox))
            assert max(found.values()) == 1
            assert len(found) == deliveries.count
    finally:
        deliveries.over.set()
        deliveries.join()
