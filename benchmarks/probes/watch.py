"""Follow a Maildir while four processes deliver into its folders; print what the watch cost.

Usage: watch.py FOLDERS MESSAGES RATE: messages in all, and how many each of the processes delivers a second. Prints
one line of JSON: events, seconds of processor time of the watching process, median milliseconds from the rename to the
event, and milliseconds that setting the watches took.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

from mailstore import open_store
from mailstore.system import notify
from mailstore.watch import MessageAppended

WRITERS = 4
_WRITER = """
import os, random, sys, time
root, folders, count, rate, me = sys.argv[1], *map(int, sys.argv[2:])
chosen, begun = random.Random(me), time.time()
for number in range(count):
    place = f"{root}/.f{chosen.randrange(folders)}"
    name = f"{time.time():.6f}.W{me}N{number}.bench"
    with open(f"{place}/tmp/{name}", "wb") as file:
        file.write(b"Subject: x\\n\\nhello\\n")
    os.rename(f"{place}/tmp/{name}", f"{place}/new/{name}")
    print(name, time.time())
    time.sleep(max(0, begun + number / rate - time.time()))
"""


def follow(folders: int, messages: int, rate: int) -> dict[str, float]:
    """Make the Maildir, have the mail delivered, and return what is printed."""
    root = tempfile.mkdtemp(prefix="bench-watch-") + "/M"
    for name in ("", *(f"/.f{number}" for number in range(folders))):
        for sub in ("cur", "new", "tmp"):
            os.makedirs(f"{root}{name}/{sub}")
    with open_store(root) as store:
        store.watch().close()  # the first one gives all folders their UID lists
        begun = time.perf_counter()
        ears = [
            notify.listen(f"{root}/.f{number}/{sub}", lambda _: None, contents=False)
            for number in range(folders // 2)
            for sub in ("new", "cur")
        ]
        setting = time.perf_counter() - begun
        for ear in ears:
            ear.close()
        with store.watch() as watch:
            arguments = [str(folders), str(messages // WRITERS), str(rate)]
            logs = [tempfile.TemporaryFile("w+") for _ in range(WRITERS)]  # noqa: SIM115 -- a pipe would be full
            writers = [
                subprocess.Popen([sys.executable, "-I", "-c", _WRITER, root, *arguments, str(me)], stdout=log)
                for me, log in enumerate(logs)
            ]
            told: dict[str, float] = {}
            spent = time.process_time()
            while len(told) < messages and (events := watch.batch(10)):
                now = time.time()
                for event in events:
                    assert isinstance(event, MessageAppended), event
                    assert event.key not in told, f"{event} came twice"
                    told[event.key] = now
            spent = time.process_time() - spent
    late = []
    for writer, log in zip(writers, logs, strict=True):
        writer.wait()
        log.seek(0)
        for line in log:
            name, at = line.split()
            late.append(told[name] - float(at))
    return {
        "events": len(told),
        "cpu_s": round(spent, 2),
        "median_ms": round(statistics.median(late) * 1000, 1),
        "watches_ms": round(setting * 1000, 1),
    }


if __name__ == "__main__":
    print(json.dumps(follow(*map(int, sys.argv[1:4]))))
    sys.stdout.flush()
