"""examples/imap_idle.py: IDLE tells what others change, and ends on DONE."""

import subprocess
import sys

from mailstore import open_store


def test_idle_tells_what_others_change(examples, tmp_path):
    location = f"maildir:{tmp_path}/M"
    with open_store(location, create=True) as store:
        store.inbox.append(b"Subject: one\n\n", flags=["\\Seen"])
    with (
        subprocess.Popen(
            [sys.executable, examples / "imap_idle.py", location, "INBOX"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        ) as process,
        open_store(location) as store,
    ):  # fmt: skip
        read = process.stdout.readline
        assert (read(), read()) == ("* 1 EXISTS\n", "+ idling\n")
        store.inbox.append(b"Subject: two\n\n")
        assert read() == "* 2 EXISTS\n"
        store.inbox.set_flags([1], ["\\Seen", "\\Flagged", "work"])
        assert read() == "* 1 FETCH (UID 1 FLAGS (\\Seen \\Flagged work))\n"
        store.inbox.expunge([1], only_deleted=False)
        assert read() == "* 1 EXPUNGE\n"
        process.stdin.write("DONE\n")
        process.stdin.flush()
        assert read() == "OK IDLE terminated\n"
        assert process.wait(30) == 0
