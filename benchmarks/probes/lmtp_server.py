"""lmtp_server.py TEMPLATE COUNT CONNECTIONS MAILBOXES PLACE LOAD...: an ``mstore lmtp`` of its own, and load on it.

Its socket is in PLACE; LOAD is the command that sends (lmtp_load.c or lmtp_load.py). Mailboxes are made before the
clock starts. Prints how many mails were answered 250, and the seconds that took, starting and ending of the server left
out.
"""

import os
import pwd
import signal
import subprocess
import sys
import time
from pathlib import Path

from mailstore import open_store


def main() -> None:
    """Start, load, end."""
    template, count, connections, boxes, place = sys.argv[1], *sys.argv[2:5], Path(sys.argv[5])
    mstore = Path(sys.executable).with_name("mstore")
    for number in range(int(boxes)):
        open_store(template.replace("%n", f"box{number}"), create=True).close()
    user = []
    if os.geteuid() == 0:
        user = ["--user", "nobody"]
        entry = pwd.getpwnam("nobody")
        for one in (place, *place.rglob("*")):
            os.chown(one, entry.pw_uid, entry.pw_gid, follow_symlinks=False)
    socket = place / "socket"
    command = [mstore, "lmtp", "--listen", f"unix:{socket}", "--socket-mode", "666", *user, template]
    with (place / "log").open("wb") as log:
        server = subprocess.Popen(command, stderr=log)
        while "ready" not in (place / "log").read_text():
            if server.poll() is not None:
                sys.exit((place / "log").read_text())
            time.sleep(0.01)
        load = [*sys.argv[6:], f"unix:{socket}", count, connections, boxes]
        done = subprocess.run(load, capture_output=True, text=True, check=False)
        server.send_signal(signal.SIGTERM)
        if server.wait(60) or done.returncode:
            sys.exit(done.stderr + (place / "log").read_text())
    print(done.stdout.strip())


if __name__ == "__main__":
    main()
