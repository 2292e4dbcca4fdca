"""Follow a Maildir while four processes deliver into its folders; print what the watch cost.

Usage: watch.py FIGURE FOLDERS MESSAGES RATE QUEUE DIRECTORY: messages in all, how many each of the processes delivers a
second, events that the system queues (0: as many as it is set to; else it takes root). Prints the number of events,
all figures, and last the one asked for, in seconds: ``processor`` (of the watching process), ``median`` and ``worst``
(from the rename to the event), ``setting`` (of 1,000 watches).
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mailstore import open_store
from mailstore.system import notify
from mailstore.watch import Replica

WRITERS = 4
QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")
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


def follow(root: str, folders: int, messages: int, rate: int, queue: int) -> dict[str, float]:
    """Make the Maildir, have the mail delivered, and return the figures, by name."""
    for name in ("", *(f"/.f{number}" for number in range(folders))):
        for sub in ("cur", "new", "tmp"):
            os.makedirs(f"{root}{name}/{sub}")
    with open_store(root) as store:
        store.watch().close()  # the first one gives all folders their UID lists
        setting = _set_watches(root, folders)
        before = QUEUE.read_text()
        try:
            if queue:
                QUEUE.write_text(str(queue))  # read when the instance is made
            watch = store.watch()
        finally:
            if queue:
                QUEUE.write_text(before)
        arguments = [str(folders), str(messages // WRITERS), str(rate)]
        logs = [tempfile.TemporaryFile("w+") for _ in range(WRITERS)]  # noqa: SIM115 -- a pipe would be full
        writers = [
            subprocess.Popen([sys.executable, "-I", "-c", _WRITER, root, *arguments, str(me)], stdout=log)
            for me, log in enumerate(logs)
        ]
        told: dict[str, float] = {}
        replica = Replica()
        replica.folders = {info.path: {} for info in store.folders()}
        spent = time.process_time()
        while len(told) < messages and (events := watch.batch(40)):
            now = time.time()
            for event in events:
                told[event.key] = now
                replica.apply(event)
        spent = time.process_time() - spent
        watch.close()
        for folder, known in replica.folders.items():
            assert known.keys() == {row.uid for row in store.folder(folder).rows(0)}, folder
    late = []
    for writer, log in zip(writers, logs, strict=True):
        writer.wait()
        log.seek(0)
        for line in log:
            name, at = line.split()
            late.append(told[name] - float(at))
    late.sort()
    median, worst = (statistics.median(late), late[-1]) if late else (0.0, 0.0)
    return {"events": len(told), "processor": spent, "median": median, "worst": worst, "setting": setting}


def _set_watches(root: str, folders: int) -> float:
    """Return the seconds that two watches for half of the folders take."""
    begun = time.perf_counter()
    ears = [
        notify.listen(f"{root}/.f{number}/{sub}", lambda _: None, contents=False)
        for number in range(folders // 2)
        for sub in ("new", "cur")
    ]
    setting = time.perf_counter() - begun
    for ear in ears:
        ear.close()
    while notify._hub is not None and not notify._hub.closed:  # noqa: SLF001 -- the next one is to read the limit
        time.sleep(0.01)
    return setting


def main() -> None:
    """Print the figures."""
    figure, *numbers, directory = sys.argv[1:]
    found = follow(f"{directory}/M", *map(int, numbers))
    rest = " ".join(f"{name}={value:.4f}" for name, value in found.items())
    print(int(found["events"]), rest, found[figure])


main()
